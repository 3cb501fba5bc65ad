//! What folded runs have: from a column of all runs where there is one, else from rows of the run,
//! else from its points.
//!
//! What takes rows or points is remembered for the run that was asked last, so that a filter and a
//! sort key that ask the same look once.

use std::borrow::Cow;
use std::cell::Cell as Remembered;
use std::cell::OnceCell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashMap;

use super::filter::Attribute;
use super::filter::Field;
use super::filter::Function;
use super::filter::Leaf;
use super::filter::Stat;
use super::filter::Value;
use super::measure::measure;
use super::reader::Reader;
use crate::error::Error;
use crate::error::Result;
use crate::index;
use crate::index::Cell;
use crate::index::CellValue;
use crate::index::Column;
use crate::index::MetricField;
use crate::index::NameNumber;
use crate::index::RunNumber;
use crate::index::Snapshot;
use crate::index::Texts;
use crate::model::Flow;
use crate::model::Run;
use crate::model::RunId;
use crate::model::Status;

/// Where the values of a leaf come from.
enum Source {
    Cells(Vec<Cell>, Meaning),
    Duration(Vec<Cell>, Vec<Cell>, Vec<Cell>),
    Id,
    /// Not in a column: in the row of the run as a whole.
    Outline,
    /// Not in a column: in the summary of a series, or its points. Where the count is 0 or absent,
    /// so is what is looked for.
    Series(NameNumber, Vec<Cell>),
    /// Not in a column: the paths of artifacts.
    Artifacts,
    Absent,
}

/// What the number in a cell is.
#[derive(Clone, Copy)]
enum Meaning {
    Number,
    Int,
    Status,
    Time,
    Id,
}

/// What folded runs have in some leaves.
pub(super) struct Lookup<'a> {
    reader: &'a Reader,
    snapshot: &'a Snapshot,
    leaves: Vec<Leaf>,
    sources: Vec<Source>,
    /// All texts of the index; loaded when the first cell that holds one is met.
    texts: OnceCell<Texts>,
    recent: RefCell<Recent>,
    failure: RefCell<Option<Error>>,
    has_failed: Remembered<bool>,
}

/// What was looked up of one run beside columns.
#[derive(Default)]
struct Recent {
    run: Option<RunNumber>,
    outline: Option<Run>,
    values: BTreeMap<usize, Value<'static>>,
}

impl<'a> Lookup<'a> {
    /// Loads the columns that groups of leaves need, each once.
    ///
    /// - `groups`: a leaf at most once in each
    /// - returns: with it, for each group, the numbers of its members here; the first group's stay
    pub(super) fn load<'l>(
        reader: &'a Reader,
        snapshot: &'a Snapshot,
        groups: impl Iterator<Item = &'l [Leaf]>,
    ) -> Result<(Self, Vec<Vec<usize>>)> {
        let (mut leaves, mut sources) = (Vec::new(), Vec::new());
        let mut known: HashMap<Leaf, usize> = HashMap::new();
        let mut numbers = Vec::new();
        for group in groups {
            let mut of_group = Vec::with_capacity(group.len());
            for leaf in group {
                let number = known.get(leaf).copied().unwrap_or(leaves.len());
                if number == leaves.len() {
                    known.insert(leaf.clone(), number);
                    sources.push(source(snapshot, leaf)?);
                    leaves.push(leaf.clone());
                }
                of_group.push(number);
            }
            numbers.push(of_group);
        }
        let lookup = Self {
            reader,
            snapshot,
            leaves,
            sources,
            texts: OnceCell::new(),
            recent: RefCell::default(),
            failure: RefCell::new(None),
            has_failed: Remembered::new(false),
        };
        Ok((lookup, numbers))
    }

    /// Whether something went wrong while values were looked up.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.get()
    }

    /// What went wrong, if anything did.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.borrow_mut().take()
    }

    fn fail(&self, error: Error) {
        self.has_failed.set(true);
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// Returns what a run has in a leaf, by the number that it was given here.
    pub(super) fn value(&self, place: usize, number: RunNumber, id: RunId) -> Value<'_> {
        let Some(source) = self.sources.get(place) else {
            return Value::Absent;
        };
        let at = number.0 as usize;
        let cell = |cells: &[Cell]| cells.get(at).copied().unwrap_or(Cell::ABSENT).value();
        match source {
            Source::Cells(cells, meaning) => {
                let cell = cells.get(at).copied().unwrap_or(Cell::ABSENT);
                match cell.value() {
                    CellValue::Absent => Value::Absent,
                    CellValue::Bool(value) => Value::Bool(value),
                    CellValue::Number(value) => meaning.value(cell, value),
                    CellValue::Text(name) => {
                        let text = self.texts().get(name).unwrap_or_default();
                        match meaning {
                            Meaning::Id => text.parse().map_or(Value::Absent, Value::Id),
                            _ => Value::Text(Cow::Borrowed(text)),
                        }
                    }
                    CellValue::Lookup => self.look_up(place, number, id),
                }
            }
            Source::Duration(start, end, status) => {
                let CellValue::Number(start) = cell(start) else {
                    return Value::Absent;
                };
                let status = status.get(at).and_then(|cell| cell.as_status());
                match (cell(end), status) {
                    (CellValue::Number(end), _) => Value::Duration((end - start) / 1e6),
                    (_, Some(Status::Running)) => {
                        Value::Duration((self.reader.now_us() as f64 - start) / 1e6)
                    }
                    _ => Value::Absent,
                }
            }
            Source::Id => Value::Id(id),
            Source::Series(_, counts) => match cell(counts) {
                CellValue::Number(count) if count > 0.0 => self.look_up(place, number, id),
                CellValue::Lookup => self.look_up(place, number, id),
                _ => Value::Absent,
            },
            Source::Outline | Source::Artifacts => self.look_up(place, number, id),
            Source::Absent => Value::Absent,
        }
    }

    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| match self.snapshot.texts() {
            Ok(texts) => texts,
            Err(error) => {
                self.fail(error);
                Texts::default()
            }
        })
    }

    /// Looks into rows, or remembers.
    fn look_up(&self, place: usize, number: RunNumber, id: RunId) -> Value<'static> {
        let mut recent = self.recent.borrow_mut();
        if recent.run != Some(number) {
            *recent = Recent {
                run: Some(number),
                ..Recent::default()
            };
        }
        if let Some(value) = recent.values.get(&place) {
            return value.clone();
        }
        let found = self.read(&mut recent, place, number, id);
        let value = found.unwrap_or_else(|error| {
            self.fail(error);
            Value::Absent
        });
        recent.values.insert(place, value.clone());
        value
    }

    fn read(
        &self,
        recent: &mut Recent,
        place: usize,
        number: RunNumber,
        id: RunId,
    ) -> Result<Value<'static>> {
        let now_us = self.reader.now_us();
        let Some((leaf, source)) = self.leaves.get(place).zip(self.sources.get(place)) else {
            return Ok(Value::Absent);
        };
        let field = match (leaf, source) {
            (Leaf::Field(Field::Attribute(Attribute::Artifacts)), _) => {
                let artifacts = self.snapshot.artifacts(number)?.into_iter();
                let made = artifacts.filter(|(artifact, _)| artifact.flow == Flow::Output);
                let mut paths: Vec<_> = made.map(|(made, _)| Cow::Owned(made.path)).collect();
                paths.dedup(); // each once, whatever its versions
                return Ok(Value::Texts(paths));
            }
            (Leaf::Measure(wanted), Source::Series(name, _)) => {
                let summary = self.snapshot.summary(number, *name)?;
                return measure(self.reader, id, Some(number), wanted, summary.as_ref());
            }
            (Leaf::Measure(_), _) => return Ok(Value::Absent),
            (Leaf::Field(Field::Metric(_, stat)), Source::Series(name, _)) => {
                let summary = self.snapshot.summary(number, *name)?;
                return Ok(
                    summary.map_or(Value::Absent, |summary| Value::of_series(&summary, *stat))
                );
            }
            // A list or a long text: alone, for all runs may have one.
            (Leaf::Field(Field::Param(name)), Source::Cells(..)) => {
                let name = self.snapshot.name_number(name)?;
                let row = name.map_or(Ok(None), |name| self.snapshot.param(number, name))?;
                return Ok(row.map_or(Value::Absent, |row| Value::from(&row.value).into_owned()));
            }
            (Leaf::Field(field), _) => field,
        };
        let run = match &mut recent.outline {
            Some(run) => run,
            none => none.insert(self.reader.outline(id, number)?),
        };
        Ok(Value::of(field, run, now_us).into_owned())
    }
}

impl Meaning {
    fn value<'a>(self, cell: Cell, value: f64) -> Value<'a> {
        match self {
            Self::Number | Self::Id => Value::Number(value),
            Self::Int => Value::Int(whole(value)),
            Self::Time => Value::Time(whole(value)),
            Self::Status => cell.as_status().map_or(Value::Absent, |status| {
                Value::Text(Cow::Borrowed(status.as_str()))
            }),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "cells hold whole numbers up to 2^53"
)]
fn whole(value: f64) -> i64 {
    value as i64
}

fn source(snapshot: &Snapshot, leaf: &Leaf) -> Result<Source> {
    let (name, stat) = match leaf {
        Leaf::Measure(measure) => (&measure.metric, None),
        Leaf::Field(Field::Metric(name, stat)) => (name, Some(*stat)),
        Leaf::Field(Field::Param(name) | Field::Tag(name)) => (name, None),
        Leaf::Field(Field::Attribute(attribute)) => return attribute_source(snapshot, *attribute),
        Leaf::Field(Field::Variable(_)) => return Ok(Source::Outline),
    };
    let Some(name) = snapshot.name_number(name)? else {
        return Ok(Source::Absent);
    };
    let (column, meaning) = match (leaf, stat) {
        (Leaf::Measure(_), _) | (_, Some(Stat::FirstStep)) => {
            let count = match leaf {
                Leaf::Measure(measure) if measure.function == Function::FirstNan => {
                    MetricField::NanCount
                }
                _ => MetricField::Count,
            };
            let counts = snapshot.column(Column::Metric(name, count))?;
            return Ok(Source::Series(name, counts));
        }
        (Leaf::Field(Field::Tag(_)), _) => (Column::Tag(name), Meaning::Number),
        (Leaf::Field(_), None) => (Column::Param(name), Meaning::Number),
        (Leaf::Field(_), Some(stat)) => {
            let (metric, meaning) = match stat {
                Stat::Last => (MetricField::Last, Meaning::Number),
                Stat::First => (MetricField::First, Meaning::Number),
                Stat::Min => (MetricField::Min, Meaning::Number),
                Stat::Max => (MetricField::Max, Meaning::Number),
                Stat::Mean => (MetricField::Mean, Meaning::Number),
                Stat::Std => (MetricField::Std, Meaning::Number),
                Stat::Count => (MetricField::Count, Meaning::Int),
                Stat::NanCount => (MetricField::NanCount, Meaning::Int),
                Stat::ArgMin => (MetricField::MinStep, Meaning::Int),
                Stat::ArgMax => (MetricField::MaxStep, Meaning::Int),
                Stat::LastStep | Stat::FirstStep => (MetricField::LastStep, Meaning::Int),
            };
            (Column::Metric(name, metric), meaning)
        }
    };
    Ok(Source::Cells(snapshot.column(column)?, meaning))
}

fn attribute_source(snapshot: &Snapshot, attribute: Attribute) -> Result<Source> {
    let column = |attribute| snapshot.column(Column::Attribute(attribute));
    let (attribute, meaning) = match attribute {
        Attribute::Id => return Ok(Source::Id),
        Attribute::Artifacts => return Ok(Source::Artifacts),
        Attribute::Note
        | Attribute::Reason
        | Attribute::Source
        | Attribute::Command
        | Attribute::Cwd
        | Attribute::Host
        | Attribute::Os
        | Attribute::Cpu
        | Attribute::CpuCount
        | Attribute::GitCommit
        | Attribute::GitBranch
        | Attribute::GitDirty => return Ok(Source::Outline),
        Attribute::Duration => {
            let start = column(index::Attribute::Start)?;
            let end = column(index::Attribute::End)?;
            return Ok(Source::Duration(
                start,
                end,
                column(index::Attribute::Status)?,
            ));
        }
        Attribute::Status => (index::Attribute::Status, Meaning::Status),
        Attribute::Start => (index::Attribute::Start, Meaning::Time),
        Attribute::End => (index::Attribute::End, Meaning::Time),
        Attribute::Name => (index::Attribute::Name, Meaning::Number),
        Attribute::Experiment => (index::Attribute::Experiment, Meaning::Number),
        Attribute::Author => (index::Attribute::Author, Meaning::Number),
        Attribute::Parent => (index::Attribute::Parent, Meaning::Id),
    };
    Ok(Source::Cells(column(attribute)?, meaning))
}
