//! Runs side by side: what differs between them, and how they did.

use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tracker::model::ParamValue;
use tracker::model::Run;

use super::CompareArgs;
use super::best;
use super::facts;
use crate::cli::best::At;
use crate::cli::direction::Directions;
use crate::cli::field::RunColumn;
use crate::cli::field::stat_value;
use crate::cli::print::Cell;
use crate::cli::print::Column;
use crate::cli::print::Look;
use crate::cli::print::Table;
use crate::cli::print::escape;
use crate::cli::print::number;
use tracker::query::filter::Attribute;
use tracker::query::filter::Field;

/// Up to so many runs stand side by side; more stand below each other.
const COLUMNS_MAX: usize = 6;
/// Characters of the summary of what is the same.
const SAME_CHARS_MAX: usize = 400;

/// One thing that runs are compared in.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Aspect {
    Column(RunColumn),
    /// A fact of code or machine, by its name.
    Fact(String),
}

/// What is compared, and how.
pub(super) struct Shown<'a> {
    pub(super) fields: Vec<Aspect>,
    pub(super) runs: &'a [Run],
    /// The run that is best by the metric that decides.
    pub(super) best: Option<usize>,
    /// Whether the first run is what the others are measured from.
    pub(super) baseline: bool,
    pub(super) now_us: i64,
}

/// What is compared, the metric that decides first among the metrics.
pub(super) fn fields(runs: &[Run], args: &CompareArgs, directions: &Directions) -> Vec<Aspect> {
    let all = args.all;
    let mut columns = vec![
        RunColumn::attribute(Attribute::Id),
        RunColumn::attribute(Attribute::Name),
        RunColumn::attribute(Attribute::Status),
    ];
    for (attribute, differs) in [
        (
            Attribute::Experiment,
            differ(runs, |run| run.info.experiment.clone()),
        ),
        (
            Attribute::Author,
            differ(runs, |run| run.info.author.clone()),
        ),
        (Attribute::Duration, true),
    ] {
        if differs || all {
            columns.push(RunColumn::attribute(attribute));
        }
    }
    let params: BTreeSet<&String> = runs.iter().flat_map(|run| run.params.keys()).collect();
    for name in params {
        if all || differ(runs, |run| run.params.get(name).cloned()) {
            columns.push(RunColumn::param(name));
        }
    }
    let tags: BTreeSet<&String> = runs.iter().flat_map(|run| run.tags.keys()).collect();
    for name in tags {
        if all || differ(runs, |run| run.tags.get(name).cloned()) {
            columns.push(RunColumn::tag(name));
        }
    }
    let mut fields: Vec<Aspect> = columns.into_iter().map(Aspect::Column).collect();
    for name in facts::names(runs) {
        if all || differ(runs, |run| facts::of(run, &name)) {
            fields.push(Aspect::Fact(name));
        }
    }
    let having = |name: &str| {
        runs.iter()
            .filter(|run| run.metrics.contains_key(name))
            .count()
    };
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.metrics.keys()).collect();
    // Where no two runs share a metric, one that a single run has is better than none.
    let shared = names.iter().any(|name| having(name) > 1);
    let decides = |name: &str| args.metric.as_deref() == Some(name);
    let mut metrics: Vec<&String> = names
        .into_iter()
        .filter(|name| all || !shared || decides(name) || having(name) > 1)
        .collect();
    metrics.sort_by_key(|name| !decides(name)); // stable: the others stay in order
    fields.extend(metrics.into_iter().map(|name| {
        // Only where it matters must it be known which way is better.
        let stat = match args.at {
            At::Last => tracker::query::filter::Stat::Last,
            At::Best => args.at.stat(directions.of(name)),
        };
        Aspect::Column(RunColumn::metric(name, stat))
    }));
    fields
}

fn differ<T: PartialEq>(runs: &[Run], of: impl Fn(&Run) -> T) -> bool {
    let mut values = runs.iter().map(of);
    let first = values.next();
    values.any(|value| Some(&value) != first.as_ref())
}

impl Shown<'_> {
    /// The best value of each field that is a metric, where not all did the same.
    pub(super) fn marks(&self, at: At, directions: &Directions) -> Vec<Option<f64>> {
        self.fields
            .iter()
            .map(|field| match field {
                Aspect::Column(RunColumn::Field(Field::Metric(name, stat))) => {
                    let values = self.runs.iter().filter_map(|run| run.metrics.get(name));
                    let mut values = values.filter_map(|summary| stat_value(summary, *stat));
                    let first = values.next();
                    // Where all did the same none is best.
                    let differs = values.any(|value| Some(value) != first);
                    if differs {
                        best(self.runs, name, at, directions).map(|(_, value)| value)
                    } else {
                        None
                    }
                }
                Aspect::Column(_) | Aspect::Fact(_) => None,
            })
            .collect()
    }

    /// What the comparison says of a run, for programs: of each metric `{"stat", "value", "better",
    /// "is_best"}`, and from a baseline `"difference"` and `"percent"`; null where there is no such
    /// number.
    ///
    /// - `marks`: as [`Self::marks`] gives them
    pub(super) fn told(
        &self,
        place: usize,
        marks: &[Option<f64>],
        directions: &Directions,
    ) -> Map<String, Value> {
        let mut told = Map::new();
        for (field, mark) in self.fields.iter().zip(marks) {
            let Aspect::Column(RunColumn::Field(Field::Metric(name, stat))) = field else {
                continue;
            };
            let value = |run: &Run| stat_value(run.metrics.get(name)?, *stat);
            let here = self.runs.get(place).and_then(value);
            let mut of_metric = json!({
                "stat": stat.name(),
                "value": here.map(|value| ParamValue::Float(value).to_json()),
                "better": directions.of(name).as_str(),
                "is_best": mark.is_some() && *mark == here,
            });
            if self.baseline {
                let from = self.runs.first().and_then(value);
                let change = from
                    .zip(here)
                    .and_then(|(from, to)| number::changed(from, to));
                let (difference, percent) = change.unzip();
                of_metric["difference"] = json!(difference);
                of_metric["percent"] = json!(percent.flatten());
            }
            told.insert(name.clone(), of_metric);
        }
        told
    }

    /// Few runs beside each other, many below each other.
    pub(super) fn table(&self, at: At, directions: &Directions) -> Table {
        let marks = self.marks(at, directions);
        match self.runs.len() {
            ..=COLUMNS_MAX => self.columns(&marks),
            _ => self.rows(&marks),
        }
    }

    /// Fields below each other, a column a run.
    fn columns(&self, marks: &[Option<f64>]) -> Table {
        let mut heads = vec![Column::new("field", "").elastic_names(12)];
        for (at, run) in self.runs.iter().enumerate() {
            let mark = match self.best {
                Some(best) if best == at => " *",
                _ if self.baseline && at == 0 => " (baseline)",
                _ => "",
            };
            let title = format!("{}{mark}", run.id.short());
            heads.push(Column::new(&run.id.to_string(), &title).elastic(8));
        }
        let mut table = Table::new(heads);
        for (field, mark) in self.fields.iter().zip(marks) {
            if *field == Aspect::Column(RunColumn::attribute(Attribute::Id)) {
                continue; // it is the title
            }
            let (label, key) = (field.label(), field.key());
            let mut row = vec![Cell::new(&label, key).look(Look::Dim)];
            row.extend((0..self.runs.len()).map(|at| self.cell(at, field, *mark)));
            table.push(row);
        }
        table
    }

    /// Runs below each other, a column a field.
    fn rows(&self, marks: &[Option<f64>]) -> Table {
        let mut table = Table::new(self.fields.iter().map(Aspect::head).collect());
        for at in 0..self.runs.len() {
            let cells = self.fields.iter().zip(marks);
            let cells = cells.map(|(field, mark)| {
                let cell = self.cell(at, field, *mark);
                match field {
                    Aspect::Column(RunColumn::Field(Field::Attribute(Attribute::Name)))
                        if self.best == Some(at) =>
                    {
                        cell.marked(" *")
                    }
                    _ => cell,
                }
            });
            table.push(cells.collect());
        }
        table
    }

    /// What a run has. The best run's name stands out, and the best value of each metric.
    fn cell(&self, at: usize, field: &Aspect, best: Option<f64>) -> Cell {
        let Some(run) = self.runs.get(at) else {
            return Cell::missing();
        };
        let mut cell = match field {
            // What differs must not look the same.
            Aspect::Column(RunColumn::Field(Field::Param(name)))
                if let Some(value @ ParamValue::Text(_)) = run.params.get(name) =>
            {
                Cell::new(&value.typed(), value.to_json())
            }
            Aspect::Column(column) => column.cell(run, self.now_us),
            Aspect::Fact(name) => facts::of(run, name).map_or_else(Cell::missing, |fact| {
                Cell::new(&facts::shown(name, &fact), fact)
            }),
        };
        if let Aspect::Column(RunColumn::Field(Field::Metric(name, stat))) = field {
            let value = |run: &Run| stat_value(run.metrics.get(name)?, *stat);
            let here = value(run);
            if best.is_some() && best == here {
                cell = cell.marked(" *").look(Look::Bold);
            }
            let from = self.runs.first().and_then(value);
            if let (true, Some(from), Some(to)) = (self.baseline && at > 0, from, here) {
                cell = cell.marked(&number::change(from, to));
            }
        }
        match field {
            Aspect::Column(RunColumn::Field(Field::Attribute(Attribute::Name)))
                if self.best == Some(at) =>
            {
                cell.look(Look::Bold)
            }
            _ => cell,
        }
    }
}

impl Aspect {
    fn key(&self) -> String {
        match self {
            Self::Column(column) => column.key(),
            Self::Fact(name) => name.clone(),
        }
    }

    fn head(&self) -> Column {
        match self {
            Self::Column(column) => column.head(),
            Self::Fact(name) => Column::new(name, name).elastic(8).optional(),
        }
    }

    fn label(&self) -> String {
        match self {
            Self::Column(RunColumn::Field(Field::Attribute(Attribute::Duration))) => {
                "took".to_owned()
            }
            Self::Column(RunColumn::Field(Field::Param(name))) => format!("param {name}"),
            Self::Column(RunColumn::Field(Field::Tag(name))) => format!("tag {name}"),
            Self::Column(RunColumn::Field(Field::Metric(name, stat))) => {
                format!("{} {name}", stat.name())
            }
            Self::Column(_) | Self::Fact(_) => self.key(),
        }
    }
}

/// Params that all runs share, on one line; none if there are none or one run only.
pub(super) fn same_params(runs: &[Run]) -> Option<String> {
    let [first, _, ..] = runs else {
        return None;
    };
    let same = first
        .params
        .iter()
        .filter(|(name, value)| runs.iter().all(|run| run.params.get(*name) == Some(*value)));
    let same: Vec<String> = same
        .map(|(name, value)| format!("{name}={}", value.typed()))
        .collect();
    if same.is_empty() {
        return None;
    }
    let mut text = String::new();
    for (at, param) in same.iter().enumerate() {
        let param = escape(param);
        if text.chars().count() + param.chars().count() > SAME_CHARS_MAX {
            let more = number::count((same.len() - at) as u64);
            text.push_str(if at > 0 { " … and " } else { "… and " });
            text.push_str(&more);
            text.push_str(" more (--all)");
            break;
        }
        text.push_str(if at > 0 { ", " } else { "" });
        text.push_str(&param);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::OutputFile;
    use std::collections::BTreeMap;
    use tracker::model::RunId;
    use tracker::model::RunInfo;
    use tracker::model::Stamp;
    use tracker::model::Status;
    use tracker::model::Summary;
    use tracker::model::WriterId;

    fn run(id: u128, lr: f64, losses: &[f64]) -> Run {
        let mut summary = Summary::default();
        for (step, loss) in losses.iter().enumerate() {
            let (time_us, writer, seq, row) = (0, WriterId(0), 0, 0);
            let stamp = Stamp {
                time_us,
                writer,
                seq,
                row,
            };
            summary.add(i64::try_from(step).unwrap(), stamp, *loss);
        }
        Run {
            has_started: true,
            id: RunId(id << 32),
            info: RunInfo {
                name: format!("run-{id}"),
                ..RunInfo::default()
            },
            status: Status::Completed,
            end_us: None,
            params: BTreeMap::from([
                ("lr".to_owned(), ParamValue::Float(lr)),
                ("seed".to_owned(), ParamValue::Int(1)),
            ]),
            param_conflicts: BTreeMap::new(),
            metrics: BTreeMap::from([("loss".to_owned(), summary)]),
            tags: BTreeMap::new(),
            note: None,
            artifacts: BTreeMap::new(),
            inputs: BTreeMap::new(),
            older: BTreeMap::new(),
            aliases: BTreeMap::new(),
            reason: None,
        }
    }

    fn args(at: At) -> CompareArgs {
        CompareArgs {
            runs: Vec::new(),
            metric: Some("loss".to_owned()),
            max: Vec::new(),
            min: Vec::new(),
            at,
            baseline: None,
            diff: false,
            all: false,
            output: OutputFile::default(),
        }
    }

    fn shown<'a>(runs: &'a [Run], directions: &Directions) -> Shown<'a> {
        Shown {
            fields: fields(runs, &args(At::Best), directions),
            runs,
            best: Some(1),
            baseline: false,
            now_us: 0,
        }
    }

    #[test]
    fn only_what_differs_is_shown_and_the_best_is_marked() {
        let runs = [run(1, 0.1, &[3.0, 0.5]), run(2, 0.01, &[0.25, 0.75])];
        let directions = Directions::default();
        let (text, _) = shown(&runs, &directions)
            .table(At::Best, &directions)
            .render(None, false);
        let want = "          \
          00000001   00000002 *
name      run-1      run-2
status    completed  completed
took      -          -
param lr  0.1        0.01
min loss  0.5        0.25 *
";
        assert_eq!(text, want);
        assert_eq!(same_params(&runs).as_deref(), Some("seed=1"));
        let many: Vec<Run> = (0..7)
            .map(|at| runs[usize::from(at == 1)].clone())
            .collect();
        let (text, _) = shown(&many, &directions)
            .table(At::Best, &directions)
            .render(None, false);
        assert!(text.contains("\n00000002  run-2 *  completed"), "{text}");
        assert!(text.contains("  0.25 *\n"), "{text}");
    }

    #[test]
    fn on_a_narrow_screen_fields_stay_apart_and_numbers_keep_their_size() {
        let mut runs = [
            run(1, 1e-7, &[2_164_472_832.0]),
            run(2, 0.1, &[782_094_336.0]),
        ];
        for run in &mut runs {
            let loss = run.metrics.remove("loss").unwrap();
            for name in ["memory/allocated", "memory/reserved"] {
                run.metrics.insert(name.to_owned(), loss);
            }
        }
        let directions = Directions::default();
        let shown = Shown {
            fields: fields(&runs, &args(At::Last), &directions),
            runs: &runs,
            best: None,
            baseline: false,
            now_us: 0,
        };
        let table = shown.table(At::Last, &directions);
        let (text, _) = table.render(Some(34), false);
        let want = "                \
                00000001  00000002
name            run-1     run-2
status          complet…  complet…
took            -         -
param lr        1e-7      0.1
last m…located  2.16e9 *  7.8209e8
last m…eserved  2.16e9 *  7.8209e8
";
        assert_eq!(text, want);
    }

    #[test]
    fn a_long_list_of_what_is_the_same_is_cut_and_counted() {
        let mut runs = [run(1, 0.1, &[]), run(2, 0.1, &[])];
        for run in &mut runs {
            for at in 0..50 {
                let value = ParamValue::Text("x".repeat(40));
                run.params.insert(format!("p{at:02}"), value);
            }
        }
        let same = same_params(&runs).unwrap();
        assert!(same.ends_with(" … and 43 more (--all)"), "{same}");
        assert_eq!(same_params(&runs[..1]), None);
    }
}
