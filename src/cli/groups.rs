//! Groups of runs, for `ls`, `query` and `best`: `--group-by`, `--over`, `--stats`.

use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;
use tracker::Query;
use tracker::Reader;
use tracker::export::Datum;
use tracker::export::Origin;
use tracker::model::ParamValue;
use tracker::model::time_to_text;
use tracker::query::Aggregate;
use tracker::query::GroupBy;
use tracker::query::GroupQuery;
use tracker::query::Groups;
use tracker::query::filter::Calculation;
use tracker::query::filter::Expression;
use tracker::query::filter::Field;
use tracker::query::filter::Stat;
use tracker::query::filter::Value;

use super::context::Ctx;
use super::fail::Failure;
use super::field::RunColumn;
use super::field::common_metrics;
use super::field::origin;
use super::print::Cell;
use super::print::Column;
use super::print::Format;
use super::print::Look;
use super::print::Table;
use super::print::escape;
use super::print::number;

/// Most metrics that a table shows by itself.
const METRICS_MAX: usize = 4;
/// So many of the most common metrics are looked at for these.
const CANDIDATES_MAX: usize = 16;
/// The newest runs tell which these may be.
const SAMPLE_RUNS: usize = 20;

/// What makes a group of runs.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct By {
    /// Group runs that are the same in these fields, and tell mean ± deviation of each group
    #[arg(
        long,
        value_name = "FIELDS",
        allow_hyphen_values = true,
        conflicts_with = "over"
    )]
    group_by: Vec<String>,

    /// Group runs that differ in these params only, as in the seed
    #[arg(long, value_name = "PARAMS", allow_hyphen_values = true)]
    over: Vec<String>,
}

/// What makes a group of runs, and what is told of it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Grouping {
    #[command(flatten)]
    by: By,

    /// Statistics of a group to show in a table (other formats have all of them)
    #[arg(long, value_name = "STATS", value_delimiter = ',', value_enum)]
    stats: Vec<Statistic>,
}

/// A number that stands for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Statistic {
    /// Runs that have a number
    N,
    /// Mean
    Mean,
    /// Standard deviation of the sample
    Std,
    /// Standard error of the mean
    Sem,
    /// Smallest
    Min,
    /// Largest
    Max,
    /// Value in the middle
    Median,
}

impl Statistic {
    fn name(self) -> &'static str {
        match self {
            Self::N => "n",
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Sem => "sem",
            Self::Min => "min",
            Self::Max => "max",
            Self::Median => "median",
        }
    }

    fn cell(self, of: &Aggregate) -> Cell {
        let number = match self {
            Self::N => return Cell::count(of.n),
            Self::Mean => of.mean,
            Self::Std => of.std,
            Self::Sem => of.sem,
            Self::Min => of.min,
            Self::Max => of.max,
            Self::Median => of.median,
        };
        number.map_or_else(Cell::missing, Cell::float)
    }
}

/// What a grouped list is made of.
pub(crate) struct Asked<'a> {
    pub(crate) filter: Option<String>,
    /// Fields to aggregate; none means the most common metrics, for programs all of them.
    pub(crate) values: &'a [String],
    pub(crate) sort: &'a [String],
    pub(crate) limit: Option<usize>,
    /// Whether also keys that are the same in all groups stand in the table.
    pub(crate) all_keys: bool,
}

impl By {
    pub(crate) fn is_asked(&self) -> bool {
        !self.group_by.is_empty() || !self.over.is_empty()
    }

    /// What makes a group, if anything is to.
    pub(crate) fn parsed(&self, now_us: i64) -> Result<Option<GroupBy>, Failure> {
        let mut values = Vec::new();
        for text in self.group_by.iter().chain(&self.over) {
            let read = Expression::parse_list(text, now_us);
            let read = read.map_err(|error| Failure::argument(&error))?;
            values.extend(read.iter().map(ToString::to_string));
        }
        let by = if self.over.is_empty() {
            GroupBy::Fields(values)
        } else {
            GroupBy::Over(values)
        };
        Ok(self.is_asked().then_some(by))
    }
}

impl Grouping {
    /// Whether runs are to be grouped; statistics alone are about nothing.
    pub(crate) fn is_asked(&self) -> Result<bool, Failure> {
        let asked = self.by.is_asked();
        if !asked && !self.stats.is_empty() {
            let failure = Failure::usage("--stats is about groups of runs");
            return Err(failure.hint("add `--group-by FIELDS` or `--over PARAMS`"));
        }
        Ok(asked)
    }

    fn by(&self, now_us: i64) -> Result<GroupBy, Failure> {
        let asked = self.by.parsed(now_us)?;
        Ok(asked.unwrap_or(GroupBy::Fields(Vec::new())))
    }

    /// Finds the groups and writes them in the format that was asked for.
    pub(crate) fn print(
        &self,
        ctx: &Ctx,
        reader: &Reader,
        asked: &Asked<'_>,
    ) -> Result<(), Failure> {
        let people = matches!(ctx.out.format(), Format::Table | Format::Md);
        let values = if asked.values.is_empty() {
            let mut names = Vec::new();
            if people {
                // Of thousands of metrics those that these runs have.
                let newest = reader.runs(&Query {
                    filter: asked.filter.clone(),
                    sort: Vec::new(),
                    limit: Some(SAMPLE_RUNS),
                })?;
                names = common_metrics(&newest);
                names.truncate(CANDIDATES_MAX / 2);
            }
            let most = if people { CANDIDATES_MAX } else { usize::MAX };
            let uses = reader.metric_uses()?.into_iter().map(|(name, _)| name);
            let others: Vec<String> = uses.filter(|name| !names.contains(name)).collect();
            names.extend(others);
            names.truncate(most);
            let last = |name| Field::Metric(name, Stat::Last).to_string();
            names.into_iter().map(last).collect()
        } else {
            asked.values.to_vec()
        };
        let mut groups = reader.groups(&GroupQuery {
            filter: asked.filter.clone(),
            by: self.by(reader.now_us())?,
            values,
            sort: asked.sort.to_vec(),
            limit: asked.limit,
        })?;
        if groups.groups.is_empty() && people {
            ctx.messages().note("no runs like that");
            return Ok(());
        }
        if asked.values.is_empty() && people {
            keep_most_common(&mut groups, asked.sort.len());
        }
        tell_left_out(ctx, &groups);
        match ctx.out.format() {
            Format::Table | Format::Md => self.print_for_people(ctx, asked, &groups),
            Format::Csv | Format::Parquet | Format::Arrow => ctx.out.table(&full_table(&groups)),
            Format::Json | Format::Jsonl => ctx.out.json(to_json(&groups)),
        }
    }

    fn print_for_people(
        &self,
        ctx: &Ctx,
        asked: &Asked<'_>,
        groups: &Groups,
    ) -> Result<(), Failure> {
        let over = !self.by.over.is_empty();
        let shown: Vec<usize> = (0..groups.keys.len())
            .filter(|at| asked.all_keys || !over || tells_apart(groups, *at))
            .collect();
        ctx.out.table(&self.table(groups, &shown))?;
        let rest = (0..groups.keys.len()).filter(|at| !shown.contains(at));
        let same: Vec<String> = rest
            .filter_map(|at| {
                let value = groups.groups.first()?.key.get(at)?;
                let name = key_of(groups.keys.get(at)?);
                let name = name.strip_prefix("params.").unwrap_or(&name).to_owned();
                (!value.is_absent()).then(|| format!("{name}={}", key_text(value)))
            })
            .collect();
        if !same.is_empty() {
            let label = ctx.out.styled(Look::Dim, "same in all:");
            ctx.out
                .line(format!("\n{label} {}", escape(&same.join(", "))))?;
        }
        let (shown, all) = (groups.groups.len(), groups.count);
        if shown < all && !asked.all_keys {
            ctx.out.flush()?;
            let all = number::count(all as u64);
            ctx.messages()
                .note(format!("showing {shown} of {all} groups"));
        }
        Ok(())
    }

    fn table(&self, groups: &Groups, keys: &[usize]) -> Table {
        let mut heads: Vec<Column> = keys
            .iter()
            .filter_map(|at| groups.keys.get(*at).map(head_of))
            .map(Column::dispensable) // what is told of the groups says more
            .collect();
        heads.push(Column::new("n", "n").right());
        for field in &groups.values {
            let (key, title) = (key_of(field), title_of(field));
            if self.stats.is_empty() {
                heads.push(Column::new(&key, &title).right().optional());
            }
            heads.extend(self.stats.iter().map(|stat| {
                let title = format!("{title} {}", stat.name());
                Column::new(&format!("{key}.{}", stat.name()), &title)
                    .right()
                    .optional()
            }));
        }
        let mut table = Table::new(heads);
        for group in &groups.groups {
            let mut row: Vec<Cell> = keys
                .iter()
                .map(|at| group.key.get(*at).map_or_else(Cell::missing, key_cell))
                .collect();
            let runs = group.runs.len() as u64;
            row.push(Cell::count(runs));
            for value in &group.values {
                if self.stats.is_empty() {
                    row.push(spread(value, runs));
                }
                row.extend(self.stats.iter().map(|stat| stat.cell(value)));
            }
            table.push(row);
        }
        table
    }
}

/// What programs call a value.
pub(crate) fn key_of(value: &Calculation) -> String {
    match value.as_field() {
        Some(field) => RunColumn::Field(field.clone()).key(),
        None => value.to_string(),
    }
}

/// What stands above a value for people.
pub(crate) fn title_of(value: &Calculation) -> String {
    match value.as_field() {
        Some(field) => RunColumn::Field(field.clone()).title(),
        None => value.to_string(),
    }
}

pub(crate) fn head_of(value: &Calculation) -> Column {
    match value.as_field() {
        Some(field) => RunColumn::Field(field.clone()).head(),
        None => Column::new(&value.to_string(), &value.to_string())
            .elastic(8)
            .optional(),
    }
}

/// Whether a key differs between groups: with repetitions every param is one.
pub(crate) fn tells_apart(groups: &Groups, key: usize) -> bool {
    let mut keys = groups.groups.iter().map(|group| group.key.get(key));
    let first = keys.next();
    keys.any(|key| !same(first.flatten(), key))
}

fn same(a: Option<&Value<'_>>, b: Option<&Value<'_>>) -> bool {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

/// Keeps the metrics that most runs of the groups have, and what was asked for by name.
fn keep_most_common(groups: &mut Groups, sorted: usize) {
    let have = |at: usize| -> u64 {
        let values = groups
            .groups
            .iter()
            .filter_map(|group| group.values.get(at));
        values.map(|value| value.n + value.nan_count).sum()
    };
    // What is sorted by was added at the end.
    let named = groups
        .values
        .len()
        .saturating_sub(sorted.min(groups.values.len()));
    let mut common: Vec<usize> = (0..groups.values.len())
        .filter(|at| have(*at) > 0)
        .collect();
    common.sort_by_key(|at| (std::cmp::Reverse(have(*at)), *at));
    let mut kept: Vec<usize> = common.into_iter().take(METRICS_MAX).collect();
    kept.extend((named..groups.values.len()).filter(|at| have(*at) > 0));
    kept.sort_unstable();
    kept.dedup();
    let keep = |at: usize| kept.binary_search(&at).is_ok();
    let mut at = 0..;
    groups.values.retain(|_| at.next().is_some_and(keep));
    for group in &mut groups.groups {
        let mut at = 0..;
        group.values.retain(|_| at.next().is_some_and(keep));
    }
}

/// Says what no statistic has in it.
fn tell_left_out(ctx: &Ctx, groups: &Groups) {
    for (at, field) in groups.values.iter().enumerate() {
        let values = || {
            groups
                .groups
                .iter()
                .filter_map(|group| group.values.get(at))
        };
        let key = key_of(field);
        let nans: u64 = values().map(|value| value.nan_count).sum();
        if nans > 0 {
            let runs = number::counted(nans, "run");
            ctx.messages()
                .note(format!("left out of {key}: NaN of {runs}"));
        }
        let others: u64 = values().map(|value| value.other_count).sum();
        if others > 0 {
            let runs = number::counted(others, "run");
            ctx.messages()
                .warning(format!("left out of {key}: what is no number, of {runs}"));
        } else if values().all(|value| value.n + value.nan_count == 0) {
            ctx.messages()
                .warning(format!("none of these runs has {key}"));
        }
    }
}

/// Mean and deviation; and of how many, if not all runs of the group have the value.
fn spread(of: &Aggregate, runs: u64) -> Cell {
    let Some(mean) = of.mean else {
        return Cell::missing();
    };
    let mut shown = number::spread(mean, of.std);
    if of.n < runs {
        shown = format!("{shown} (n={})", number::count(of.n));
    }
    Cell::new(&shown, ParamValue::Float(mean).to_json())
}

pub(crate) fn key_cell(value: &Value<'_>) -> Cell {
    match value {
        Value::Absent => Cell::missing(),
        Value::Number(number) => {
            Cell::typed(&key_text(value), key_json(value), Datum::Float(*number))
        }
        Value::Time(time_us) => Cell::time(&key_text(value), *time_us),
        Value::Duration(seconds) => Cell::seconds(&key_text(value), *seconds),
        value => Cell::new(&key_text(value), key_json(value)),
    }
}

/// A key as it stands in a frame.
pub(crate) fn key_datum<'a>(value: &'a Value<'_>) -> Option<Datum<'a>> {
    Some(match value {
        Value::Absent => return None,
        Value::Bool(value) => Datum::Bool(*value),
        Value::Number(value) | Value::Duration(value) => Datum::Float(*value),
        Value::Int(value) => Datum::Int(*value),
        Value::Text(text) => Datum::text(text),
        Value::Time(time_us) => Datum::Time(*time_us),
        Value::Id(id) => Datum::Text(id.to_string().into()),
        Value::Texts(texts) => Datum::Text(texts.join(", ").into()),
    })
}

pub(crate) fn key_text(value: &Value<'_>) -> String {
    match value {
        Value::Absent => "-".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => ParamValue::Float(*value).to_string(),
        Value::Int(value) => value.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Time(time_us) => number::time(*time_us),
        Value::Duration(seconds) => number::duration(*seconds),
        Value::Id(id) => id.short(),
        Value::Texts(texts) => texts.join(", "),
    }
}

pub(crate) fn key_json(value: &Value<'_>) -> Json {
    match value {
        Value::Absent => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Number(value) | Value::Duration(value) => ParamValue::Float(*value).to_json(),
        Value::Int(value) => Json::from(*value),
        Value::Text(text) => Json::from(text.as_ref()),
        Value::Time(time_us) => Json::from(time_to_text(*time_us)),
        Value::Id(id) => Json::from(id.to_string()),
        Value::Texts(texts) => Json::from(texts.join(", ")),
    }
}

/// The statistics by their names for programs.
fn statistics(of: &Aggregate) -> [(&'static str, Cell); 8] {
    let number = |number: Option<f64>| number.map_or_else(Cell::missing, Cell::float);
    [
        ("n", Cell::count(of.n)),
        ("nan_count", Cell::count(of.nan_count)),
        ("mean", number(of.mean)),
        ("std", number(of.std)),
        ("sem", number(of.sem)),
        ("min", number(of.min)),
        ("max", number(of.max)),
        ("median", number(of.median)),
    ]
}

/// The head of a statistic of a value: `metrics.loss.mean`, which is the `mean(last)` of `loss`.
fn statistic_head(value: &Calculation, stat: &str) -> Column {
    let column = Column::new(&format!("{}.{stat}", key_of(value)), "");
    let Some(field) = value.as_field() else {
        return column;
    };
    let origin = origin(field);
    column.of(Origin {
        stat: Some(match &origin.stat {
            Some(of) => format!("{stat}({of})"),
            None => stat.to_owned(),
        }),
        ..origin
    })
}

/// A row a group, with every statistic. Which runs they are tells JSON: ten thousand ids would be a
/// cell that few programs read.
fn full_table(groups: &Groups) -> Table {
    let mut heads: Vec<Column> = groups.keys.iter().map(head_of).collect();
    heads.push(Column::new("n", ""));
    for value in &groups.values {
        let stats = statistics(&Aggregate::default());
        heads.extend(stats.map(|(stat, _)| statistic_head(value, stat)));
    }
    let mut table = Table::new(heads);
    for group in &groups.groups {
        let mut row: Vec<Cell> = group.key.iter().map(key_cell).collect();
        row.push(Cell::count(group.runs.len() as u64));
        for value in &group.values {
            row.extend(statistics(value).map(|(_, number)| number));
        }
        table.push(row);
    }
    table
}

/// `{"group": {field: value}, "n", "runs": [id], "values": {field: {statistic: number}}}`.
fn to_json(groups: &Groups) -> impl Iterator<Item = Json> {
    let names = |values: &[Calculation]| -> Vec<String> { values.iter().map(key_of).collect() };
    let (keys, values) = (names(&groups.keys), names(&groups.values));
    groups.groups.iter().map(move |group| {
        let key: Map<String, Json> = keys
            .iter()
            .cloned()
            .zip(group.key.iter().map(key_json))
            .collect();
        let of = |value: &Aggregate| {
            let pairs = statistics(value);
            let pairs = pairs.map(|(stat, number)| (stat.to_owned(), number.value().clone()));
            Json::Object(pairs.into_iter().collect())
        };
        let values: Map<String, Json> = values
            .iter()
            .cloned()
            .zip(group.values.iter().map(of))
            .collect();
        let runs: Vec<String> = group.runs.iter().map(ToString::to_string).collect();
        json!({"group": key, "n": runs.len(), "runs": runs, "values": values})
    })
}
