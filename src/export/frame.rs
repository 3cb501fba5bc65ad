//! A table of typed columns, from which CSV, Parquet and Arrow are written.
//!
//! A column has one [`Type`], which follows from all values that stand in it: whole numbers beside
//! fractions are numbers, and what does not go together is text. The writers know nothing of runs;
//! who makes a frame knows nothing of files. Rows are made one by one as they are written, so a
//! frame of millions is no copy of what it shows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use crate::model::ParamValue;
use crate::model::Run;
use crate::model::float_to_json;
use crate::model::time_to_text;

/// A value in a frame.
#[derive(Clone, Debug)]
pub enum Datum<'a> {
    /// Truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number; NaN and infinities too.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Microseconds since 1970, UTC.
    Time(i64),
    /// A list, written as JSON.
    List(Cow<'a, str>),
}

/// One row: a value, or none, for each column.
pub type Row<'a> = Vec<Option<Datum<'a>>>;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Truths.
    Bool,
    /// Whole numbers.
    Int,
    /// Numbers, of which some may be whole.
    Float,
    /// Texts.
    Text,
    /// Times.
    Time,
    /// Lists, as JSON.
    List,
    /// Values that do not go together, each as text.
    Mixed,
}

impl Type {
    /// Returns its name: `int`, `mixed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Text => "text",
            Self::Time => "time",
            Self::List => "list",
            Self::Mixed => "mixed",
        }
    }
}

/// What of a run stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What every run has: its name, its start.
    Attribute,
    /// A param.
    Param,
    /// A number that stands for the points of a metric.
    Metric,
    /// A tag.
    Tag,
}

impl Kind {
    /// Returns its name: `attribute`, `param`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attribute => "attribute",
            Self::Param => "param",
            Self::Metric => "metric",
            Self::Tag => "tag",
        }
    }
}

/// Where the values of a column come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Of what kind it is.
    pub kind: Kind,
    /// Its own name: `lr`.
    pub name: String,
    /// Of a metric, which number stands for it: `last`, `min`.
    pub stat: Option<String>,
}

impl Origin {
    fn new(kind: Kind, name: &str) -> Self {
        let name = name.to_owned();
        let stat = (kind == Kind::Metric).then(|| "last".to_owned());
        Self { kind, name, stat }
    }

    /// Returns what values are called that come from here: `params.lr`.
    fn title(&self) -> String {
        match self.kind {
            Kind::Attribute => self.name.clone(),
            Kind::Param => format!("params.{}", self.name),
            Kind::Metric => format!("metrics.{}", self.name),
            Kind::Tag => format!("tags.{}", self.name),
        }
    }
}

/// A column: its name, what stands in it, and where that comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name, which no other column of the frame has.
    pub name: String,
    /// What its values are.
    pub of: Type,
    /// Where they come from, if that is one thing.
    pub origin: Option<Origin>,
}

impl Column {
    fn new(origin: Origin, of: Type) -> Self {
        let name = origin.title();
        let origin = Some(origin);
        Self { name, of, origin }
    }
}

/// Columns and their rows.
pub struct Frame<'a> {
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows, each with a value or none for each column; a value of another type than its column's
    /// is an error of whoever writes it.
    pub rows: Box<dyn Iterator<Item = Row<'a>> + 'a>,
    /// What was asked to get it, if that is to be told.
    pub query: Option<String>,
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            columns,
            rows: _, // to look at them is to use them up
            query,
        } = self;
        let mut frame = f.debug_struct("Frame");
        frame.field("columns", columns).field("query", query);
        frame.finish_non_exhaustive()
    }
}

/// The type that fits all values so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fit(Option<Shape>);

/// A type, where whole numbers tell whether a fraction may stand beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Of(Type),
    /// Whole numbers, one of which no `f64` is.
    LargeInt,
}

impl Fit {
    /// Takes a value into account.
    pub fn add(&mut self, value: &Datum<'_>) {
        let shape = Shape::of(value);
        self.0 = Some(self.0.map_or(shape, |so_far| so_far.beside(shape)));
    }

    /// Returns the type; `none` if there was no value.
    pub fn or(self, none: Type) -> Type {
        match self.0 {
            None => none,
            Some(Shape::Of(of)) => of,
            Some(Shape::LargeInt) => Type::Int,
        }
    }
}

impl Shape {
    fn of(value: &Datum<'_>) -> Self {
        Self::Of(match value {
            Datum::Bool(_) => Type::Bool,
            Datum::Int(value) if exact(*value).is_none() => return Self::LargeInt,
            Datum::Int(_) => Type::Int,
            Datum::Float(_) => Type::Float,
            Datum::Text(_) => Type::Text,
            Datum::Time(_) => Type::Time,
            Datum::List(_) => Type::List,
        })
    }

    fn beside(self, other: Self) -> Self {
        use Type::Float;
        use Type::Int;
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Of(Int), Self::Of(Float)) | (Self::Of(Float), Self::Of(Int)) => Self::Of(Float),
            (Self::Of(Int), Self::LargeInt) | (Self::LargeInt, Self::Of(Int)) => Self::LargeInt,
            _ => Self::Of(Type::Mixed),
        }
    }
}

/// Returns the same number as a fraction, if there is one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "2^63 alone would come back as another, and is sorted out before"
)]
pub(super) fn exact(value: i64) -> Option<f64> {
    let float = value as f64;
    (float < 9_223_372_036_854_775_808.0 && float as i64 == value).then_some(float)
}

impl<'a> Datum<'a> {
    /// Returns a text.
    pub fn text(text: &'a str) -> Self {
        Self::Text(text.into())
    }

    /// Returns it as text, from which it reads back as the same: times RFC 3339 in UTC, numbers
    /// with all digits, or `NaN`, `Infinity`, `-Infinity`.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Bool(value) => if *value { "true" } else { "false" }.into(),
            Self::Int(value) => value.to_string().into(),
            Self::Float(value) => number(*value).into(),
            Self::Text(text) | Self::List(text) => text.as_ref().into(),
            Self::Time(us) => time_to_text(*us).into(),
        }
    }
}

impl<'a> From<&'a ParamValue> for Datum<'a> {
    fn from(value: &'a ParamValue) -> Self {
        match value {
            ParamValue::Bool(value) => Self::Bool(*value),
            ParamValue::Int(value) => Self::Int(*value),
            ParamValue::Float(value) => Self::Float(*value),
            ParamValue::Text(text) => Self::text(text),
            ParamValue::List(_) => Self::List(value.to_json().to_string().into()),
        }
    }
}

/// A number that reads back as the same bits; `NaN`, `Infinity`, `-Infinity` as in JSON.
pub(super) fn number(value: f64) -> String {
    match float_to_json(value) {
        serde_json::Value::String(word) => word,
        number => number.to_string(),
    }
}

/// What every run has, in the order of the columns.
const ATTRIBUTES: [(&str, Type); 9] = [
    ("id", Type::Text),
    ("name", Type::Text),
    ("experiment", Type::Text),
    ("author", Type::Text),
    ("status", Type::Text),
    ("start", Type::Time),
    ("end", Type::Time),
    ("duration_s", Type::Float),
    ("note", Type::Text),
];

fn attributes(run: &Run, now_us: i64) -> [Option<Datum<'_>>; ATTRIBUTES.len()] {
    [
        Some(Datum::Text(run.id.to_string().into())),
        Some(Datum::text(&run.info.name)),
        run.info.experiment.as_deref().map(Datum::text),
        run.info.author.as_deref().map(Datum::text),
        Some(Datum::text(run.status.as_str())),
        run.info.start_us.map(Datum::Time),
        run.end_us.map(Datum::Time),
        run.duration_s(now_us).map(Datum::Float),
        run.note.as_deref().map(Datum::text),
    ]
}

/// Lays runs out one a row: what each is, then `params.NAME`, `metrics.NAME` (the last value) and
/// `tags.NAME` of all that any of them has.
///
/// - `now_us`: until when a run that still runs has taken
pub fn runs_frame(runs: &[Run], now_us: i64) -> Frame<'_> {
    let mut params: BTreeMap<&str, Fit> = BTreeMap::new();
    let (mut metrics, mut tags) = (BTreeSet::new(), BTreeSet::new());
    for run in runs {
        for (name, value) in &run.params {
            params.entry(name).or_default().add(&value.into());
        }
        metrics.extend(run.metrics.keys().map(String::as_str));
        tags.extend(run.tags.keys().map(String::as_str));
    }
    let column = |kind, name: &str, of| Column::new(Origin::new(kind, name), of);
    let mut columns: Vec<Column> = Vec::new();
    columns.extend(ATTRIBUTES.map(|(name, of)| column(Kind::Attribute, name, of)));
    let of_params = params.iter();
    columns.extend(of_params.map(|(name, fit)| column(Kind::Param, name, fit.or(Type::Text))));
    let of_metrics = metrics.iter();
    columns.extend(of_metrics.map(|name| column(Kind::Metric, name, Type::Float)));
    columns.extend(tags.iter().map(|name| column(Kind::Tag, name, Type::Text)));
    let width = columns.len();
    let rows = runs.iter().map(move |run| {
        let mut row = Vec::with_capacity(width);
        row.extend(attributes(run, now_us));
        spread(&mut row, params.keys(), &run.params, |value| {
            Some(value.into())
        });
        spread(&mut row, metrics.iter(), &run.metrics, |summary| {
            summary.last.map(|last| Datum::Float(last.value))
        });
        spread(&mut row, tags.iter(), &run.tags, |text| {
            Some(Datum::text(text))
        });
        row
    });
    Frame {
        columns,
        rows: Box::new(rows),
        query: None,
    }
}

/// Adds what `held` has under each of the names, which are in order and lack none of its own.
///
/// Both are walked side by side: of ten thousand names a run may hold ten.
fn spread<'a, 'n: 'i, 'i, T>(
    row: &mut Row<'a>,
    names: impl Iterator<Item = &'i &'n str>,
    held: &'a BTreeMap<String, T>,
    datum: impl Fn(&'a T) -> Option<Datum<'a>>,
) {
    let mut held = held.iter().peekable();
    row.extend(names.map(|name| {
        let (_, value) = held.next_if(|(own, _)| own == name)?;
        datum(value)
    }));
}
