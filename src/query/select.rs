//! Filters and sorts runs: by columns of the index, and in memory what is not folded.
//!
//! A filter is resolved once; the columns that its fields need are loaded whole (8 bytes a run),
//! so that 100,000 runs cost milliseconds. Only the runs that are given back are assembled.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::filter::Attribute;
use super::filter::Field;
use super::filter::Filter;
use super::filter::NameKind;
use super::filter::Names;
use super::filter::Predicate;
use super::filter::SortKey;
use super::filter::Stat;
use super::filter::Value;
use super::reader::Query;
use super::reader::Reader;
use crate::error::Error;
use crate::error::Result;
use crate::index;
use crate::index::Cell;
use crate::index::CellValue;
use crate::index::Column;
use crate::index::Kind;
use crate::index::MetricField;
use crate::index::RunNumber;
use crate::index::Snapshot;
use crate::index::Texts;
use crate::model::Run;
use crate::model::RunId;

/// Returns the runs that a query asks for, in its order.
pub(super) fn runs(reader: &Reader, query: &Query) -> Result<Vec<Run>> {
    let mut selection = Selection::of(reader, query)?;
    let chosen = selection.choose(query)?;
    chosen
        .into_iter()
        .map(|choice| match choice {
            Choice::Folded(number, id) => reader.assemble(id, Some(number)),
            Choice::Unfolded(at) => Ok(selection.unfolded.swap_out(at)),
        })
        .collect()
}

/// Returns the ids of the runs that a query asks for, in its order.
pub(super) fn matching(reader: &Reader, query: &Query) -> Result<Vec<RunId>> {
    let mut selection = Selection::of(reader, query)?;
    let chosen = selection.choose(query)?;
    let id = |choice| match choice {
        Choice::Folded(_, id) => id,
        Choice::Unfolded(at) => selection.unfolded.id(at),
    };
    Ok(chosen.into_iter().map(id).collect())
}

/// Returns the fields that a query speaks of, in its order, each once.
pub(super) fn fields(reader: &Reader, query: &Query) -> Result<Vec<Field>> {
    let selection = Selection::of(reader, query)?;
    let mut fields: Vec<Field> = Vec::new();
    let filtered = selection.predicate.iter().flat_map(Predicate::fields);
    for field in filtered.chain(selection.sort.iter().map(|key| &key.field)) {
        if !fields.contains(field) {
            fields.push(field.clone());
        }
    }
    Ok(fields)
}

#[derive(Clone, Copy)]
enum Choice {
    Folded(RunNumber, RunId),
    Unfolded(usize),
}

/// Runs of which something is not folded, whole in memory.
struct UnfoldedRuns(Vec<Option<Run>>, Vec<RunId>);

impl UnfoldedRuns {
    fn of(reader: &Reader) -> Result<Self> {
        let ids: Vec<RunId> = reader.unfolded().runs().collect();
        let runs = ids
            .iter()
            .map(|id| reader.assemble(*id, reader.number(*id)?).map(Some));
        Ok(Self(runs.collect::<Result<_>>()?, ids))
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &Run)> {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(at, run)| Some((at, run.as_ref()?)))
    }

    fn id(&self, at: usize) -> RunId {
        self.1.get(at).copied().unwrap_or(RunId(0))
    }

    /// Gives a run away, once.
    fn swap_out(&mut self, at: usize) -> Run {
        let run = self.0.get_mut(at).and_then(Option::take);
        run.unwrap_or_else(|| crate::fold::MemoryRun::default().into_run(self.id(at), None))
    }
}

struct Selection<'a> {
    reader: &'a Reader,
    unfolded: UnfoldedRuns,
    ids: Vec<RunId>,
    predicate: Option<Predicate>,
    sort: Vec<SortKey>,
}

/// Names of index and memory together.
struct AllNames<'a> {
    snapshot: Option<&'a Snapshot>,
    unfolded: &'a UnfoldedRuns,
}

impl AllNames<'_> {
    fn has(kind: NameKind, run: &Run, name: &str) -> bool {
        match kind {
            NameKind::Param => run.params.contains_key(name),
            NameKind::Metric => run.metrics.contains_key(name),
            NameKind::Tag => run.tags.contains_key(name),
        }
    }
}

fn index_kind(kind: NameKind) -> Kind {
    match kind {
        NameKind::Param => Kind::Param,
        NameKind::Metric => Kind::Metric,
        NameKind::Tag => Kind::Tag,
    }
}

impl Names for AllNames<'_> {
    fn contains(&self, kind: NameKind, name: &str) -> bool {
        // An index that cannot answer here fails at its columns, with an error.
        let folded = self.snapshot.is_some_and(|snapshot| {
            let number = snapshot.name_number(name).ok().flatten();
            number.is_some_and(|number| {
                snapshot
                    .name_use(index_kind(kind), number)
                    .is_ok_and(|runs| runs > 0)
            })
        });
        folded
            || self
                .unfolded
                .iter()
                .any(|(_, run)| Self::has(kind, run, name))
    }

    fn visit(&self, kind: NameKind, see: &mut dyn FnMut(&str)) {
        let mut names = BTreeSet::new(); // many runs have the same names
        if let Some(snapshot) = self.snapshot {
            let folded = snapshot.names(index_kind(kind)).unwrap_or_default();
            names.extend(folded.into_iter().map(|name| Cow::Owned(name.text)));
        }
        for (_, run) in self.unfolded.iter() {
            match kind {
                NameKind::Param => names.extend(run.params.keys().map(Cow::from)),
                NameKind::Metric => names.extend(run.metrics.keys().map(Cow::from)),
                NameKind::Tag => names.extend(run.tags.keys().map(Cow::from)),
            }
        }
        for name in &names {
            see(name);
        }
    }
}

impl<'a> Selection<'a> {
    fn of(reader: &'a Reader, query: &Query) -> Result<Self> {
        let unfolded = UnfoldedRuns::of(reader)?;
        let ids = reader
            .snapshot()
            .map_or_else(|| Ok(Vec::new()), Snapshot::run_ids)?;
        let filter = query.filter.as_deref();
        let filter = filter
            .map(|text| Filter::parse(text, reader.now_us()))
            .transpose()?;
        let names = AllNames {
            snapshot: reader.snapshot(),
            unfolded: &unfolded,
        };
        let is_empty = ids.is_empty() && unfolded.0.is_empty();
        let (mut predicate, mut sort) = (None, Vec::new());
        if !is_empty {
            // In an empty store every name is unknown, and the answer known: no run.
            predicate = filter.map(|filter| filter.resolve(&names)).transpose()?;
            let keys = query.sort.iter().map(|key| SortKey::parse(key, &names));
            sort = keys.collect::<Result<_>>()?;
        }
        if sort.is_empty() {
            sort.push(SortKey {
                field: Field::Attribute(Attribute::Start),
                descending: true,
            });
        }
        Ok(Self {
            reader,
            unfolded,
            ids,
            predicate,
            sort,
        })
    }

    fn choose(&mut self, query: &Query) -> Result<Vec<Choice>> {
        let columns = match self.reader.snapshot() {
            Some(snapshot) => Some(Columns::load(self, snapshot)?),
            None => None,
        };
        let mut matches: Vec<(Choice, RunId, Vec<Value<'_>>)> = Vec::new();
        for (number, id) in (0..).map(RunNumber).zip(&self.ids) {
            let Some(columns) = &columns else { break };
            if self.reader.unfolded().contains(*id) {
                continue;
            }
            let passes = self.predicate.as_ref().is_none_or(|predicate| {
                predicate.matches(&mut |field| columns.value(field, number, *id))
            });
            if passes {
                let first = self.predicate.as_ref().map_or(0, |p| p.fields().len());
                let fields = first..first + self.sort.len();
                let values = fields
                    .map(|field| columns.value(field, number, *id))
                    .collect();
                matches.push((Choice::Folded(number, *id), *id, values));
            }
        }
        let now_us = self.reader.now_us();
        for (at, run) in self.unfolded.iter() {
            let passes = self
                .predicate
                .as_ref()
                .is_none_or(|predicate| predicate.matches_run(run, now_us));
            if passes {
                let values = self
                    .sort
                    .iter()
                    .map(|key| Value::of(&key.field, run, now_us));
                matches.push((Choice::Unfolded(at), run.id, values.collect()));
            }
        }
        if let Some(failed) = columns.as_ref().and_then(Columns::failure) {
            return Err(failed);
        }
        let order = |a: &(Choice, RunId, Vec<Value<'_>>), b: &(Choice, RunId, Vec<Value<'_>>)| {
            let keys = self.sort.iter().zip(a.2.iter().zip(&b.2));
            let by_keys = keys.fold(Ordering::Equal, |order, (key, (a, b))| {
                order.then_with(|| key.compare(a, b))
            });
            by_keys.then_with(|| b.1.cmp(&a.1)) // the newer first
        };
        let limit = query.limit.unwrap_or(usize::MAX);
        if limit < matches.len() {
            if limit > 0 {
                matches.select_nth_unstable_by(limit - 1, order);
            }
            matches.truncate(limit);
        }
        matches.sort_by(order);
        Ok(matches.into_iter().map(|(choice, ..)| choice).collect())
    }
}

/// Where the values of a field come from.
enum Source {
    Cells(Vec<Cell>, Meaning),
    Duration(Vec<Cell>, Vec<Cell>, Vec<Cell>),
    Id,
    /// Not in a column: the run is assembled.
    Row,
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

struct Columns<'a> {
    reader: &'a Reader,
    fields: Vec<Field>,
    sources: Vec<Source>,
    /// All texts of the index; loaded when the first cell that holds one is met.
    texts: OnceCell<Texts>,
    snapshot: &'a Snapshot,
    failure: RefCell<Option<Error>>,
}

impl<'a> Columns<'a> {
    fn load(selection: &Selection<'a>, snapshot: &'a Snapshot) -> Result<Self> {
        let mut fields = Vec::new();
        if let Some(predicate) = &selection.predicate {
            fields.extend(predicate.fields().iter().cloned());
        }
        fields.extend(selection.sort.iter().map(|key| key.field.clone()));
        let sources = fields
            .iter()
            .map(|field| source(snapshot, field))
            .collect::<Result<_>>()?;
        let (reader, texts, failure) = (selection.reader, OnceCell::new(), RefCell::new(None));
        Ok(Self {
            reader,
            fields,
            sources,
            texts,
            snapshot,
            failure,
        })
    }

    /// What went wrong while values were looked up, if anything did.
    fn failure(&self) -> Option<Error> {
        self.failure.borrow_mut().take()
    }

    fn value(&self, field: usize, number: RunNumber, id: RunId) -> Value<'_> {
        let at = number.0 as usize;
        let cell = |cells: &[Cell]| cells.get(at).copied().unwrap_or(Cell::ABSENT).value();
        match self.sources.get(field) {
            Some(Source::Cells(cells, meaning)) => {
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
                    CellValue::Lookup => self.look_up(field, number, id),
                }
            }
            Some(Source::Duration(start, end, status)) => {
                let CellValue::Number(start) = cell(start) else {
                    return Value::Absent;
                };
                let status = status.get(at).and_then(|cell| cell.as_status());
                match (cell(end), status) {
                    (CellValue::Number(end), _) => Value::Duration((end - start) / 1e6),
                    (_, Some(crate::model::Status::Running)) => {
                        Value::Duration((self.reader.now_us() as f64 - start) / 1e6)
                    }
                    _ => Value::Absent,
                }
            }
            Some(Source::Id) => Value::Id(id),
            Some(Source::Row) => self.look_up(field, number, id),
            Some(Source::Absent) | None => Value::Absent,
        }
    }

    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| match self.snapshot.texts() {
            Ok(texts) => texts,
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                Texts::default()
            }
        })
    }

    fn look_up(&self, field: usize, number: RunNumber, id: RunId) -> Value<'_> {
        let Some(field) = self.fields.get(field) else {
            return Value::Absent;
        };
        match self.reader.assemble(id, Some(number)) {
            Ok(run) => owned(Value::of(field, &run, self.reader.now_us())),
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                Value::Absent
            }
        }
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

fn owned<'a>(value: Value<'_>) -> Value<'a> {
    match value {
        Value::Absent => Value::Absent,
        Value::Bool(value) => Value::Bool(value),
        Value::Number(value) => Value::Number(value),
        Value::Int(value) => Value::Int(value),
        Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        Value::Time(value) => Value::Time(value),
        Value::Duration(value) => Value::Duration(value),
        Value::Id(value) => Value::Id(value),
        Value::Texts(texts) => Value::Texts(
            texts
                .into_iter()
                .map(|text| Cow::Owned(text.into_owned()))
                .collect(),
        ),
    }
}

fn source(snapshot: &Snapshot, field: &Field) -> Result<Source> {
    let name = match field {
        Field::Param(name) | Field::Metric(name, _) | Field::Tag(name) => {
            match snapshot.name_number(name)? {
                Some(number) => number,
                None => return Ok(Source::Absent),
            }
        }
        Field::Attribute(attribute) => return attribute_source(snapshot, *attribute),
    };
    let (column, meaning) = match field {
        Field::Metric(_, stat) => {
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
                Stat::LastStep => (MetricField::LastStep, Meaning::Int),
                Stat::FirstStep => return Ok(Source::Row),
            };
            (Column::Metric(name, metric), meaning)
        }
        Field::Tag(_) => (Column::Tag(name), Meaning::Number),
        Field::Param(_) | Field::Attribute(_) => (Column::Param(name), Meaning::Number),
    };
    Ok(Source::Cells(snapshot.column(column)?, meaning))
}

fn attribute_source(snapshot: &Snapshot, attribute: Attribute) -> Result<Source> {
    let column = |attribute| snapshot.column(Column::Attribute(attribute));
    let (attribute, meaning) = match attribute {
        Attribute::Id => return Ok(Source::Id),
        Attribute::Note | Attribute::Artifacts => return Ok(Source::Row),
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
