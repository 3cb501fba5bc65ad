//! Rows and columns of one run on their way to series: what CSV and JSON lines have in common.
//!
//! Which column holds steps and which times can only be told when all rows are known, so numbers
//! are kept as they came, column by column, and turned at the end.
//!
//! **Steps**: the column that is named, else the first of [`STEP_NAMES`] that has whole numbers on
//! at least half of the rows. A row without one has the step of the row before. No such column: the
//! row's number, from 0. **Times**: the column that is named, else the first of [`TIME_NAMES`] all
//! of which is times: text that [`parse_time`] reads, or numbers that are a date of 2001 to 2100 in
//! Unix seconds, milli-, micro- or nanoseconds (a `time` of 2.3 is a duration, so a metric).
//! **Text** that stays the same is a param; text that varies is named in a warning. Text such as
//! `0,5` is a number where commas do not part the fields, unless the rows have decimal points too:
//! then it may as well be a list. **Quoted fields over several lines** are text; among numbers they
//! are a quote gone astray, and an error.

use std::collections::HashMap;

use super::ImportOptions;
use super::line::whole;
use crate::model::Name;
use crate::model::ParamValue;
use crate::model::Point;
use crate::model::parse_time;
use crate::model::time_from_unix;
use crate::model::time_from_unix_integer;

/// Names of step columns, the best first; case, spaces and hyphens do not matter.
pub const STEP_NAMES: [&str; 17] = [
    "step",
    "steps",
    "global_step",
    "_step",
    "trainer/global_step",
    "iteration",
    "iterations",
    "iter",
    "timestep",
    "timesteps",
    "total_timesteps",
    "time/total_timesteps",
    "num_timesteps",
    "update",
    "batch",
    "epoch",
    "episode",
];

/// Names of time columns, the best first; case, spaces and hyphens do not matter.
pub const TIME_NAMES: [&str; 9] = [
    "time",
    "timestamp",
    "_timestamp",
    "wall_time",
    "walltime",
    "datetime",
    "date",
    "ts",
    "created_at",
];

/// What stands in one place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// What is neither number nor text, with the word for it.
    Other(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn value(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    fn time(self) -> Option<i64> {
        match self {
            Self::Int(value) => time_from_unix_integer(value),
            Self::Float(value) => time_from_unix(value),
        }
    }

    fn whole(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Float(value) => whole(value),
        }
    }
}

/// Text met in a column.
struct Texts {
    first: String,
    line: u64,
    count: u64,
    varies: bool,
}

struct Column {
    name: String,
    numbers: Vec<(u32, Number)>,
    texts: Option<Texts>,
    /// Texts that are times, where the column may be the time column.
    times: Vec<(u32, i64)>,
    /// Texts that are numbers if a comma is the decimal point.
    commas: Vec<(u32, Number)>,
    /// The line of the first text that goes over several.
    spans_lines: Option<u64>,
}

/// Rows of one run.
#[derive(Default)]
pub(super) struct Table {
    columns: Vec<Column>,
    by_name: HashMap<String, usize>,
    lines: Vec<u64>,
    /// Columns from here on hold values only, whatever their names are.
    metrics_from: Option<usize>,
    /// Whether the rows are those of a header, where text over several lines had to be quoted.
    is_delimited: bool,
    /// Whether a comma may be the decimal point.
    decimal_commas: bool,
    /// Whether a number has a decimal point, so that no comma is one.
    pub(super) has_decimal_points: bool,
}

/// What the rows of a run come to.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) series: Vec<(String, Vec<Point>)>,
    pub(super) params: Vec<(String, ParamValue)>,
    pub(super) times_us: Option<(i64, i64)>,
    pub(super) warnings: Vec<String>,
    /// Whether there is any number, be it a step or time.
    pub(super) has_numbers: bool,
}

impl Table {
    /// Begins a row that stands at `line` of the file.
    pub(super) fn begin_row(&mut self, line: u64) {
        self.lines.push(line);
    }

    /// Returns the number of a column, which is made if there is none of the name.
    pub(super) fn column(&mut self, name: &str) -> Result<usize, String> {
        if let Some(&at) = self.by_name.get(name) {
            return Ok(at);
        }
        Name::new("metric name", name).map_err(|why| why.to_string())?;
        let at = self.columns.len();
        self.by_name.insert(name.to_owned(), at);
        self.columns.push(Column::new(name));
        Ok(at)
    }

    /// Makes a table whose first columns are those of a header, in its order.
    ///
    /// - `long`: each row names the metric of its value, which may be called as a column is; those
    ///   of the header are then found by their place only
    /// - `decimal_commas`: whether a comma may be the decimal point
    pub(super) fn with_header(names: &[String], long: bool, decimal_commas: bool) -> Self {
        let columns: Vec<Column> = names.iter().map(|name| Column::new(name)).collect();
        let by_name = names.iter().cloned().zip(0..).filter(|_| !long);
        Self {
            by_name: by_name.collect(),
            metrics_from: long.then_some(columns.len()),
            columns,
            lines: Vec::new(),
            is_delimited: true,
            decimal_commas,
            has_decimal_points: false,
        }
    }

    /// Puts a cell into the row that was begun last.
    pub(super) fn put(&mut self, column: usize, cell: Cell<'_>) {
        let (Some(column), Some(&line)) = (self.columns.get_mut(column), self.lines.last()) else {
            return;
        };
        let row = u32::try_from(self.lines.len() - 1).unwrap_or(u32::MAX);
        match cell {
            Cell::Int(value) => column.numbers.push((row, Number::Int(value))),
            Cell::Float(value) => column.numbers.push((row, Number::Float(value))),
            Cell::Text(text) => {
                // Few texts are times, and few columns have text: the attempt costs little.
                if let Some(time_us) = parse_time(text) {
                    column.times.push((row, time_us));
                }
                if let Some(value) = decimal_comma(text).filter(|_| self.decimal_commas) {
                    column.commas.push((row, Number::Float(value)));
                }
                if text.contains('\n') {
                    column.spans_lines.get_or_insert(line);
                }
                column.put_text(text, line);
            }
            Cell::Other(word) => column.put_text(word, line),
        }
    }

    /// Turns rows into series. Errors say column, line and what to do.
    ///
    /// - `time_us`: the time of points where no column tells it
    pub(super) fn finish(mut self, options: &ImportOptions, time_us: i64) -> Result<Rows, String> {
        let mut rows = Rows::default();
        for column in &mut self.columns {
            if !self.has_decimal_points {
                column.take_commas();
            }
            rows.has_numbers |= !column.numbers.is_empty();
            let line = column
                .spans_lines
                .filter(|_| self.is_delimited && !column.numbers.is_empty());
            if let Some(line) = line {
                return Err(format!(
                    "line {line}: column {:?} has numbers, and there a quoted text over several \
                     lines: mend the quote that opens it",
                    column.name
                ));
            }
        }
        for name in &options.param_columns {
            let at = self.find_named("param", name)?;
            let value = self.remove(at).into_param(&self.lines)?;
            rows.params.push((name.clone(), value));
        }
        let times = self.take_times(options)?;
        if let Some(times) = &times {
            rows.times_us = times.iter().min().copied().zip(times.iter().max().copied());
        }
        let steps = self.take_steps(options, &mut rows.warnings)?;
        for column in self.columns {
            if let Some(texts) = column.texts {
                texts.note(&column.name, column.numbers.is_empty(), &mut rows);
            }
            let points: Vec<Point> = column
                .numbers
                .into_iter()
                .map(|(row, number)| Point {
                    step: at(&steps, row).unwrap_or(i64::from(row)),
                    time_us: times
                        .as_ref()
                        .and_then(|times| at(times, row))
                        .unwrap_or(time_us),
                    value: number.value(),
                })
                .collect();
            if !points.is_empty() {
                rows.series.push((column.name, points));
            }
        }
        Ok(rows)
    }

    fn find(&self, name: &str) -> Option<usize> {
        let same = |column: &Column| plain(&column.name) == plain(name);
        let exact = |column: &Column| column.name == name;
        let end = self.metrics_from.unwrap_or(self.columns.len());
        let columns = self.columns.get(..end).unwrap_or(&self.columns);
        columns
            .iter()
            .position(exact)
            .or_else(|| columns.iter().position(same))
    }

    fn find_named(&self, role: &str, name: &str) -> Result<usize, String> {
        self.find(name).ok_or_else(|| {
            let names: Vec<String> = self
                .columns
                .iter()
                .map(|c| format!("{:?}", c.name))
                .collect();
            format!(
                "has no {role} column {name:?}, only {}",
                shorten(&names.join(", "))
            )
        })
    }

    fn remove(&mut self, at: usize) -> Column {
        self.metrics_from = self.metrics_from.map(|from| from.saturating_sub(1));
        self.columns.remove(at)
    }

    /// Returns the time of every row, and takes the column away.
    fn take_times(&mut self, options: &ImportOptions) -> Result<Option<Vec<i64>>, String> {
        let (column, known) = if let Some(name) = &options.time_column {
            let at = self.find_named("time", name)?;
            let known = self
                .columns
                .get(at)
                .ok_or("no such column")?
                .times_named(&self.lines)?;
            (at, known)
        } else {
            let found = TIME_NAMES.iter().find_map(|name| {
                let at = self.find(name)?;
                Some((at, self.columns.get(at)?.times_found()?))
            });
            let Some(found) = found else { return Ok(None) };
            found
        };
        self.remove(column);
        Ok(Some(fill(&known, self.lines.len())))
    }

    /// Returns the step of every row, and takes the column away unless it is to be kept.
    fn take_steps(
        &mut self,
        options: &ImportOptions,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<i64>, String> {
        let rows = self.lines.len();
        let is_named = options.step_column.is_some();
        let names: Vec<&str> = match &options.step_column {
            Some(name) => {
                self.find_named("step", name)?;
                vec![name]
            }
            None => STEP_NAMES.to_vec(),
        };
        for name in names {
            let Some((at, column)) = self
                .find(name)
                .and_then(|at| Some((at, self.columns.get(at)?)))
            else {
                continue;
            };
            match column.steps(&self.lines, is_named || 2 * column.numbers.len() >= rows) {
                Ok(known) if known.len() == rows || is_named || 2 * known.len() >= rows => {
                    if known.len() < rows {
                        let missing = rows - known.len();
                        warnings.push(format!(
                            "{missing} of {rows} rows have no {:?}: they take the one before",
                            column.name
                        ));
                    }
                    if !options.keep_step {
                        self.remove(at);
                    }
                    return Ok(fill(&known, rows));
                }
                Ok(_) => {}
                Err(NoSteps::Broken(why)) => return Err(why),
                Err(NoSteps::Fraction(why)) if is_named => return Err(why),
                Err(NoSteps::Fraction(why)) => warnings.push(format!("{why}; kept as a metric")),
            }
        }
        Ok((0..).take(rows).collect())
    }
}

/// Why a column cannot be that of the steps.
enum NoSteps {
    /// It holds what must be a mistake.
    Broken(String),
    /// It holds numbers that are no steps.
    Fraction(String),
}

impl Column {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            numbers: Vec::new(),
            texts: None,
            times: Vec::new(),
            commas: Vec::new(),
            spans_lines: None,
        }
    }

    /// Makes numbers of texts with a decimal comma, if all texts are such.
    fn take_commas(&mut self) {
        let texts = self.texts.as_ref().map_or(0, |texts| texts.count);
        if texts > 0 && self.commas.len() as u64 == texts {
            self.numbers.append(&mut self.commas);
            self.numbers.sort_by_key(|&(row, _)| row);
            self.texts = None;
        }
    }

    fn steps(&self, lines: &[u64], wanted: bool) -> Result<Vec<(u32, i64)>, NoSteps> {
        if let Some(texts) = self.texts.as_ref().filter(|_| wanted) {
            return Err(NoSteps::Broken(format!(
                "line {}: step column {:?} is not a whole number: {:?}: mend it, or name \
                 another step column",
                texts.line, self.name, texts.first
            )));
        }
        let steps: Option<Vec<(u32, i64)>> = self
            .numbers
            .iter()
            .map(|&(row, number)| Some((row, number.whole()?)))
            .collect();
        steps.ok_or_else(|| self.why_no_steps(lines))
    }

    /// Says what the first number is that is no step, and whether it must be a mistake.
    ///
    /// Epochs often have fractions, and are metrics then. Not so a single number among steps that
    /// is out of range or none at all, or a few with a fraction among those written as integers.
    fn why_no_steps(&self, lines: &[u64]) -> NoSteps {
        let odd = |&&(_, number): &&(u32, Number)| number.whole().is_none();
        let has_fraction = |&&(_, number): &&(u32, Number)| {
            number.value().is_finite() && number.value().fract() != 0.0
        };
        let (numbers, odd_count) = (&self.numbers, self.numbers.iter().filter(odd).count());
        let integers = numbers.iter().filter(|n| matches!(n.1, Number::Int(_)));
        let whole_but_few =
            integers.count() + odd_count == numbers.len() && 10 * odd_count <= numbers.len();
        let no_fractions = numbers.iter().filter(has_fraction).count() == 0;
        let Some(&(row, number)) = numbers.iter().find(odd) else {
            return NoSteps::Fraction(String::new());
        };
        let why = format!(
            "line {}: step column {:?} has {:?}, want whole numbers of 64 bits",
            line_of(row, lines),
            self.name,
            number.value()
        );
        if whole_but_few || (no_fractions && 2 * odd_count <= numbers.len()) {
            return NoSteps::Broken(format!("{why}: mend it, or name another step column"));
        }
        NoSteps::Fraction(why)
    }

    /// The times of a column that may hold them; none if it holds anything else.
    fn times_found(&self) -> Option<Vec<(u32, i64)>> {
        let texts = self.texts.as_ref().map_or(0, |texts| texts.count);
        if self.times.len() as u64 != texts || (texts == 0 && self.numbers.is_empty()) {
            return None;
        }
        let numbers = self
            .numbers
            .iter()
            .map(|&(row, number)| Some((row, date(number)?)));
        let mut times: Vec<(u32, i64)> = numbers.collect::<Option<_>>()?;
        times.extend(&self.times);
        times.sort_by_key(|&(row, _)| row);
        Some(times)
    }

    /// The times of the column that was named: any number is a time, anything else an error.
    fn times_named(&self, lines: &[u64]) -> Result<Vec<(u32, i64)>, String> {
        let want = "want RFC 3339 or Unix seconds";
        let other = |texts: &&Texts| texts.count != self.times.len() as u64;
        if let Some(texts) = self.texts.as_ref().filter(other) {
            let (name, line) = (&self.name, texts.line);
            return Err(format!(
                "time column {name:?} from line {line} has text, {want}"
            ));
        }
        let numbers = self.numbers.iter().map(|&(row, number)| {
            let time = number.time();
            time.map(|time| (row, time)).ok_or_else(|| {
                let line = line_of(row, lines);
                format!(
                    "line {line}: time column {:?} is out of range, {want}",
                    self.name
                )
            })
        });
        let mut times: Vec<(u32, i64)> = numbers.collect::<Result<_, _>>()?;
        times.extend(&self.times);
        times.sort_by_key(|&(row, _)| row);
        Ok(times)
    }

    /// The one value of a column that was named as a param.
    fn into_param(self, lines: &[u64]) -> Result<ParamValue, String> {
        let advice = "a param has one value: leave it among the metrics";
        let first = self.numbers.first().copied();
        match (first, &self.texts) {
            (None, Some(texts)) if !texts.varies => Ok(ParamValue::Text(texts.first.clone())),
            (_, Some(texts)) => Err(format!(
                "column {:?} varies: line {} has {:?}; {advice}",
                self.name, texts.line, texts.first
            )),
            (None, None) => Err(format!("column {:?} is empty; {advice}", self.name)),
            (Some((_, number)), None) => {
                let same = |other: Number| other.value().to_bits() == number.value().to_bits();
                if let Some((row, other)) = self.numbers.iter().find(|(_, other)| !same(*other)) {
                    let line = line_of(*row, lines);
                    return Err(format!(
                        "column {:?} varies: line {line} has {:?} after {:?}; {advice}",
                        self.name,
                        other.value(),
                        number.value()
                    ));
                }
                Ok(match number {
                    Number::Int(value) => ParamValue::Int(value),
                    Number::Float(value) => ParamValue::Float(value),
                })
            }
        }
    }

    fn put_text(&mut self, text: &str, line: u64) {
        match &mut self.texts {
            Some(texts) => {
                texts.count += 1;
                texts.varies |= texts.first != text;
            }
            None => {
                self.texts = Some(Texts {
                    first: text.to_owned(),
                    line,
                    count: 1,
                    varies: false,
                });
            }
        }
    }
}

impl Texts {
    /// Keeps constant text as a param; says what is left out.
    fn note(self, name: &str, alone: bool, rows: &mut Rows) {
        if alone && !self.varies {
            rows.params
                .push((name.to_owned(), ParamValue::Text(self.first)));
            return;
        }
        rows.warnings.push(format!(
            "column {name:?} has text on {} rows, first on line {}: {:?}: it is left out there",
            self.count,
            self.line,
            shorten(&self.first)
        ));
    }
}

/// The line of the file that a row stands in.
fn line_of(row: u32, lines: &[u64]) -> u64 {
    lines.get(row as usize).copied().unwrap_or_default()
}

fn at(values: &[i64], row: u32) -> Option<i64> {
    values.get(row as usize).copied()
}

/// Reads a number whose decimal point is a comma; the only one, or it parts thousands or a list.
fn decimal_comma(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once(',')?;
    let is_plain = whole.ends_with(|c: char| c.is_ascii_digit())
        && fraction.starts_with(|c: char| c.is_ascii_digit())
        && !text.contains('.')
        && !fraction.contains(',');
    is_plain.then(|| format!("{whole}.{fraction}").parse().ok())?
}

/// Gives rows without a value that of the row before, or the first there is.
fn fill(known: &[(u32, i64)], rows: usize) -> Vec<i64> {
    let mut filled = Vec::with_capacity(rows);
    let mut current = known.first().map_or(0, |&(_, value)| value);
    for &(row, value) in known {
        filled.resize(row as usize, current);
        current = value;
    }
    filled.resize(rows, current);
    filled
}

/// The time that a number is if it is a date from 2001 to 2100: Unix seconds, milli-, micro- or
/// nanoseconds, told apart by their size.
fn date(number: Number) -> Option<i64> {
    number.value().ge(&1e9).then_some(())?;
    number
        .time()
        .filter(|time_us| *time_us < 4_100_000_000_000_000)
}

/// A name as it is compared.
pub(super) fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

/// The start of a text that may be long.
pub(super) fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    let mut short: String = text.chars().take(CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
