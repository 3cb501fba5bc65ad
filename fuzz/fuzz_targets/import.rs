//! Any bytes as a file that somebody kept: no panic, an error that names the file, and of what is
//! read no more than the bytes can say, each name and text within its bounds.
//!
//! - the same bytes read the same each time;
//! - a table reads the same from CSV, TSV and JSON lines;
//! - a line of `log RUN -` reads as a tree of serde_json does, whatever lines came before it;
//! - now and then what was read goes into a store, comes out again, and a second import of it, or
//!   of its exported record, changes nothing.
#![no_main]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use serde::de::Deserialize;
use serde::de::Deserializer;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use tracker::Error;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::export;
use tracker::import;
use tracker::import::Format;
use tracker::import::Import;
use tracker::import::ImportOptions;
use tracker::import::ImportedRun;
use tracker::import::Outcome;
use tracker::import::line;
use tracker::import::line::LogLine;
use tracker::limits::NESTING_MAX;
use tracker::limits::TEXT_BYTES_MAX;
use tracker::model::Name;
use tracker::model::Point;
use tracker::model::time_from_text;
use tracker::model::time_from_unix;
use tracker::model::time_from_unix_integer;

/// What the file is called. A log is read with the params that lie beside it.
const NAMES: [&str; 8] = [
    "log.csv",
    "log.tsv",
    "log.jsonl",
    "record.json",
    "record.yaml",
    "trainer_state.json",
    "log",
    "hparams.yaml",
];
/// Aliases of YAML may add so many values to those that are written out.
const YAML_MORE: usize = 250_000;
/// One input in so many goes into a store: that takes as long as hundreds of readings.
const STORE_EVERY: u8 = 16;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("fuzz-import-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("the folder can be made");
    folder
});

fuzz_target!(|input: &[u8]| {
    let [kind, how, bytes @ ..] = input else {
        return;
    };
    match kind % 10 {
        8 => lines(bytes),
        9 => {
            let table: Table = Unstructured::new(bytes).arbitrary().unwrap_or_default();
            table.reads_the_same();
        }
        name => file(NAMES[usize::from(name)], *how, bytes),
    }
});

/// Options out of a byte.
fn options(how: u8) -> ImportOptions {
    let bit = |bit: u8| how >> bit & 1 == 1;
    let named = |bit_of: u8, name: &str| bit(bit_of).then(|| name.to_owned());
    ImportOptions {
        format: match how & 7 {
            0 => Some(Format::Record),
            1 => Some(Format::Csv),
            2 => Some(Format::JsonLines),
            3 => Some(Format::TrainerState),
            _ => None,
        },
        step_column: named(3, "b"),
        run_column: named(4, "c"),
        time_column: named(5, "t"),
        delimiter: bit(6).then_some(';'),
        param_columns: named(7, "a").into_iter().collect(),
        keep_step: bit(6),
        ..ImportOptions::default()
    }
}

fn file(name: &str, how: u8, bytes: &[u8]) {
    let path = FOLDER.join(name);
    fs::write(&path, bytes).expect("the file can be written");
    let mut read_from = path.clone();
    if name == "hparams.yaml" {
        read_from = FOLDER.join("beside.csv");
        fs::write(&read_from, "step,loss\n1,0.5\n").expect("the file can be written");
    }
    // Half of all inputs without any option, as most files are read.
    let options = if how & 1 == 0 {
        ImportOptions::default()
    } else {
        options(how >> 1 | how << 7)
    };
    let read = import::read(&read_from, &options);
    let again = import::read(&read_from, &options);
    assert_eq!(told(&read), told(&again));
    match &read {
        Ok(import) => {
            check(import, bytes.len());
            let is_chosen = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            if is_chosen % STORE_EVERY == 0 {
                store(import);
            }
        }
        Err(error) => {
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
            let text = error.to_string();
            let name = read_from.file_name().expect("it has a name");
            assert!(text.contains(&*name.to_string_lossy()), "{text}");
            assert!(text.len() < 4_000 + 4 * bytes.len(), "a long error: {text}");
        }
    }
    fs::remove_file(&path).expect("the file can be removed");
}

fn told(read: &Result<Import, Error>) -> String {
    match read {
        Ok(import) => format!("{import:?}"),
        Err(error) => error.to_string(),
    }
}

/// Bounds of names and texts, and of memory by the length of the file.
fn check(import: &Import, len: usize) {
    let is_name = |text: &str| Name::new("name", text).is_ok();
    let mut points = 0;
    for run in &import.runs {
        points += run
            .series
            .iter()
            .map(|(_, points)| points.len())
            .sum::<usize>();
        let names = run.series.iter().map(|(name, _)| name);
        let names = names.chain(run.params.iter().map(|(name, _)| name));
        let mut names = names.chain(run.tags.iter().map(|(name, _)| name));
        assert!(names.all(|name| is_name(name)));
        assert!(is_name(&run.name));
        assert!(run.params.iter().all(|(_, value)| value.check().is_ok()));
        assert!(
            run.tags
                .iter()
                .all(|(_, text)| text.len() <= TEXT_BYTES_MAX)
        );
    }
    assert!(points <= len + YAML_MORE, "{points} points of {len} bytes");
    assert!(import.runs.len() <= len + 1);
}

/// What was read is in a store as it was read, and there to stay.
fn store(import: &Import) {
    let folder = FOLDER.join("store");
    let _ = fs::remove_dir_all(&folder);
    let store = Store::open_or_create(&folder).expect("a store can be made");
    let mut stored = Vec::new();
    for run in &import.runs {
        // Artifacts are of the folder, whose files come and go.
        let run = ImportedRun {
            artifacts: Vec::new(),
            ..run.clone()
        };
        let imported = import::store(&store, &run).expect("what was checked can be stored");
        if imported.outcome == Outcome::New {
            assert_eq!(imported.points, run.points());
            stored.push(run.clone());
        }
        let again = import::store(&store, &run).expect("it is there");
        assert_ne!(again.outcome, Outcome::New);
    }
    for is_folded in [false, true] {
        let reader = store.reader().expect("the store can be read");
        for run in &stored {
            let have = reader.run(run.id).expect("it was stored");
            assert_eq!((&have.info.name, have.status), (&run.name, run.status));
            let params: BTreeMap<_, _> = run.params.iter().cloned().collect();
            assert_eq!(have.params, params);
            for (metric, points) in series_of(run) {
                let query = SeriesQuery::default();
                let have = reader
                    .series(run.id, &metric, &query)
                    .expect("it was stored");
                assert_eq!(have, points, "{metric}, folded: {is_folded}");
            }
        }
        let check = store
            .check(&mut |_, _| {})
            .expect("the store can be checked");
        assert!(check.is_sound(), "{check:?}");
        store.fold(None).expect("the store can be folded");
    }
    for run in &stored {
        reimport(&store, run);
    }
    fs::remove_dir_all(&folder).expect("the store can be removed");
}

/// Points by metric in the order of reading.
fn series_of(run: &ImportedRun) -> BTreeMap<String, Vec<Point>> {
    let mut series: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for (metric, points) in run.series.iter().filter(|(_, points)| !points.is_empty()) {
        series.entry(metric.clone()).or_default().extend(points);
    }
    for points in series.values_mut() {
        points.sort_by_key(|point| (point.step, point.time_us)); // stable: then as logged
    }
    series
}

/// The exported record of a run reads as the run.
fn reimport(store: &Store, run: &ImportedRun) {
    let reader = store.reader().expect("the store can be read");
    let mut text = Vec::new();
    export::write_record(&reader, run.id, &mut text).expect("a record can be written");
    let path = FOLDER.join("exported.json");
    fs::write(&path, &text).expect("the file can be written");
    let read = import::read(&path, &ImportOptions::default()).expect("it is a record");
    let [again] = read.runs.as_slice() else {
        panic!("{} runs of one", read.runs.len())
    };
    assert_eq!((again.id, &again.name), (run.id, &run.name));
    let bits = |series: BTreeMap<String, Vec<Point>>| -> Vec<(String, Vec<(i64, i64, u64)>)> {
        let bits = |point: Point| {
            // All NaN are one in JSON.
            let value = if point.value.is_nan() {
                f64::NAN
            } else {
                point.value
            };
            (point.step, point.time_us, value.to_bits())
        };
        let each =
            |(name, points): (String, Vec<Point>)| (name, points.into_iter().map(bits).collect());
        series.into_iter().map(each).collect()
    };
    assert_eq!(bits(series_of(again)), bits(series_of(run)));
    let outcome = import::store(store, again).expect("it is there").outcome;
    assert_eq!(outcome, Outcome::Unchanged);
    fs::remove_file(&path).expect("the file can be removed");
}

/// Rows of numbers, as programs print them.
#[derive(Debug, Default, Arbitrary)]
struct Table {
    columns: Vec<u8>,
    rows: Vec<Vec<Cell>>,
    carriage: bool,
    quoted: bool,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Cell {
    None,
    Int(i32),
    Large(i64),
    Float(f64),
    Short(i16),
    Bool(bool),
}

impl Cell {
    /// As text; not finite ones as strings of JSON.
    fn print(self) -> Option<String> {
        Some(match self {
            Self::None => return None,
            Self::Int(value) => value.to_string(),
            Self::Large(value) => value.to_string(),
            Self::Float(value) => format!("{value:?}"),
            Self::Short(value) => format!("{:?}", f64::from(value) / 100.0),
            Self::Bool(value) => value.to_string(),
        })
    }
}

impl Table {
    fn reads_the_same(&self) {
        let names = ["step", "time", "a", "b c", "größe", "x/y", "epoch", "i"];
        let mut columns: Vec<&str> = Vec::new();
        for at in &self.columns {
            let name = names[usize::from(*at) % names.len()];
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        if columns.len() < 2 || self.rows.is_empty() {
            return;
        }
        let mut want = None;
        for (name, separator) in [("table.csv", ","), ("table.tsv", "\t"), ("table.jsonl", "")] {
            let text = self.print(&columns, separator);
            let path = FOLDER.join(name);
            fs::write(&path, &text).expect("the file can be written");
            let read = import::read(&path, &ImportOptions::default());
            // Lines have other numbers in them, so only that there is an error is the same.
            let told = read.map(|import| import.runs.iter().flat_map(numbers).collect::<Vec<_>>());
            let told = told.map_err(drop);
            let want = want.get_or_insert_with(|| told.clone());
            assert_eq!(told, *want, "{text}");
        }
    }

    fn print(&self, columns: &[&str], separator: &str) -> String {
        let end = if self.carriage { "\r\n" } else { "\n" };
        let mut text = String::new();
        if !separator.is_empty() {
            text.push_str(&columns.join(separator));
            text.push_str(end);
        }
        for row in &self.rows {
            let cell = |at: usize| row.get(at).copied().unwrap_or(Cell::None).print();
            let cells = columns.iter().enumerate();
            let printed: Vec<String> = if separator.is_empty() {
                let object = cells.filter_map(|(at, name)| {
                    let cell = cell(at)?;
                    let is_word = cell.ends_with(['N', 'f']);
                    let cell = if is_word { format!("\"{cell}\"") } else { cell };
                    Some(format!("{name:?}:{cell}"))
                });
                vec![format!("{{{}}}", object.collect::<Vec<_>>().join(","))]
            } else {
                let quote = |cell: String| {
                    if self.quoted {
                        format!("\"{cell}\"")
                    } else {
                        cell
                    }
                };
                cells
                    .map(|(at, _)| quote(cell(at).unwrap_or_default()))
                    .collect()
            };
            text.push_str(&printed.join(separator));
            text.push_str(end);
        }
        text
    }
}

type Numbers = (String, Vec<(i64, u64)>);

/// Steps and values by metric; the order of the metrics is that of their first appearance.
fn numbers(run: &ImportedRun) -> Vec<Numbers> {
    let bits = |point: &Point| (point.step, point.value.to_bits());
    let each =
        |(name, points): &(String, Vec<Point>)| (name.clone(), points.iter().map(bits).collect());
    let mut numbers: Vec<Numbers> = run.series.iter().map(each).collect();
    numbers.sort();
    numbers
}

/// Lines one after the other, against a tree.
fn lines(bytes: &[u8]) {
    let mut warm = LogLine::default();
    for text in bytes.split(|byte| *byte == b'\n') {
        let mut fresh = LogLine::default();
        let have = said(line::parse_into(text, &mut fresh), &fresh);
        let read = said(line::parse_into(text, &mut warm), &warm);
        assert_eq!(read, have, "{}", text.escape_ascii());
        let Ok(tree) = serde_json::from_slice::<Tree>(text) else {
            // Only what Python prints bare is read beyond JSON.
            let python = ["NaN", "Infinity"].map(str::as_bytes);
            let is_python = python
                .iter()
                .any(|word| text.windows(word.len()).any(|w| w == *word));
            assert!(have.is_err() || is_python, "{}", text.escape_ascii());
            continue;
        };
        assert_eq!(have.ok(), tree.said(), "{}", text.escape_ascii());
    }
}

/// Step, time, and each value with its bits.
type Said = (Option<i64>, Option<i64>, Vec<(String, u64)>);

fn said(read: tracker::Result<()>, line: &LogLine) -> Result<Said, String> {
    read.map_err(|error| error.to_string())?;
    let bits = |(name, value): (&str, f64)| (name.to_owned(), value.to_bits());
    Ok((line.step, line.time_us, line.values().map(bits).collect()))
}

/// JSON as it is written: a name may come twice.
#[derive(Clone, Debug)]
enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List,
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// What the line says by the rules; none if it says what it must not.
    fn said(&self) -> Option<Said> {
        let mut said = (None, None, Vec::new());
        let Self::Object(_) = self else { return None };
        self.add("", 0, &mut said)?;
        Some(said)
    }

    fn add(&self, name: &str, depth: usize, said: &mut Said) -> Option<()> {
        if let Self::Object(entries) = self {
            if depth == NESTING_MAX {
                return None;
            }
            return entries.iter().try_for_each(|(key, value)| {
                let name = if depth == 0 {
                    key.clone()
                } else {
                    format!("{name}/{key}")
                };
                value.add(&name, depth + 1, said)
            });
        }
        match (name, self) {
            ("step", Self::Null) => said.0 = None,
            ("step", Self::Int(step)) => said.0 = Some(*step),
            ("step", Self::Float(step)) => {
                let is_whole = step.fract() == 0.0 && step.abs() <= 2f64.powi(53);
                said.0 = Some(is_whole.then_some(*step as i64)?);
            }
            ("step", _) => return None,
            ("time", Self::Null) => said.1 = None,
            ("time", Self::Int(time)) => said.1 = Some(time_from_unix_integer(*time)?),
            ("time", Self::Float(time)) => said.1 = Some(time_from_unix(*time)?),
            ("time", Self::Text(time)) => said.1 = Some(time_from_text(time)?),
            ("time", _) => return None,
            (_, Self::Null) => {}
            (_, value) => said.2.push((name.to_owned(), value.number()?.to_bits())),
        }
        Some(())
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(text) => match text.as_str() {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            Self::Null | Self::List | Self::Object(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Grow)
    }
}

struct Grow;

impl<'de> Visitor<'de> for Grow {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(i64::try_from(value).map_or(Tree::Float(value as f64), Tree::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Tree::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Tree::Object(object))
    }
}
