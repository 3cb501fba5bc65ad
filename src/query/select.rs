//! Filters and sorts runs: by columns of the index, and in memory what is not folded.
//!
//! A filter is resolved once; the columns that its fields need are loaded whole (8 bytes a run),
//! so that 100,000 runs cost milliseconds. What no column holds is looked up only for runs that
//! the cheap terms of the filter let through. Only the runs that are given back are assembled.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::collections::HashSet;

use super::filter::Attribute;
use super::filter::Calculation;
use super::filter::Expression;
use super::filter::Field;
use super::filter::Filter;
use super::filter::Leaf;
use super::filter::NameKind;
use super::filter::Names;
use super::filter::Predicate;
use super::filter::SortKey;
use super::filter::Value;
use super::lookup::Lookup;
use super::measure::measure;
use super::reader::Query;
use super::reader::Reader;
use crate::error::Error;
use crate::error::Result;
use crate::index::Kind;
use crate::index::RunNumber;
use crate::index::Snapshot;
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

/// Returns the values that a query's filter and then its sort keys speak of, each once.
pub(super) fn asked(reader: &Reader, query: &Query) -> Result<Vec<Calculation>> {
    let selection = Selection::of(reader, query)?;
    let names = AllNames {
        snapshot: reader.snapshot(),
        unfolded: &selection.unfolded,
    };
    let mut asked = match &selection.filter {
        Some(filter) if selection.predicate.is_some() => filter.asked(&names)?,
        _ => Vec::new(),
    };
    asked.extend(selection.sort.into_iter().map(|key| key.value));
    let mut seen = HashSet::new();
    asked.retain(|value| seen.insert(value.to_string()));
    Ok(asked)
}

/// Decides what the names of expressions mean in this store.
pub(super) fn resolve(reader: &Reader, expressions: &[Expression]) -> Result<Vec<Calculation>> {
    let unfolded = UnfoldedRuns::of(reader)?;
    let names = AllNames {
        snapshot: reader.snapshot(),
        unfolded: &unfolded,
    };
    let resolved = expressions.iter().map(|one| one.resolve(&names));
    resolved.collect()
}

/// Returns what comes out for each run, in the order of the calculations.
pub(super) fn values(
    reader: &Reader,
    runs: &[Run],
    calculations: &[Calculation],
) -> Result<Vec<Vec<Value<'static>>>> {
    let failure = RefCell::new(None);
    let mut rows = Vec::with_capacity(runs.len());
    for run in runs {
        let row = calculations.iter().map(|calculation| {
            let leaves = calculation.leaves();
            let mut leaf = |number| match leaves.get(number) {
                Some(leaf) => value_in(reader, leaf, run, &failure),
                None => Value::Absent,
            };
            calculation.value(&mut leaf).into_owned()
        });
        rows.push(row.collect());
        if let Some(failed) = failure.take() {
            return Err(failed);
        }
    }
    Ok(rows)
}

/// Returns what a run in memory has in a leaf; what fails is kept.
fn value_in<'a>(
    reader: &Reader,
    leaf: &Leaf,
    run: &'a Run,
    failure: &RefCell<Option<Error>>,
) -> Value<'a> {
    let wanted = match leaf {
        Leaf::Field(field) => return Value::of(field, run, reader.now_us()),
        Leaf::Measure(wanted) => wanted,
    };
    let found = reader.number(run.id).and_then(|number| {
        let summary = run.metrics.get(&wanted.metric);
        measure(reader, run.id, number, wanted, summary)
    });
    found.unwrap_or_else(|error| {
        failure.borrow_mut().get_or_insert(error);
        Value::Absent
    })
}

/// The runs that a filter lets through, the newest first, and what they have value by value: one at
/// a time, so that thousands of params take no more memory than one.
pub(super) struct Chosen<'a> {
    selection: Selection<'a>,
    choices: Vec<Choice>,
}

impl<'a> Chosen<'a> {
    pub(super) fn of(reader: &'a Reader, filter: Option<&str>) -> Result<Self> {
        let query = Query {
            filter: filter.map(str::to_owned),
            ..Query::default()
        };
        let mut selection = Selection::of(reader, &query)?;
        selection.sort.clear();
        let choices = selection.choose(&query)?;
        Ok(Self { selection, choices })
    }

    pub(super) fn ids(&self) -> impl ExactSizeIterator<Item = RunId> {
        self.choices.iter().map(|choice| match choice {
            Choice::Folded(_, id) => *id,
            Choice::Unfolded(at) => self.selection.unfolded.id(*at),
        })
    }

    /// The runs: those in memory whole, of the others their numbers.
    pub(super) fn runs(&self) -> impl Iterator<Item = Result<&Run, RunNumber>> {
        self.choices.iter().filter_map(|choice| match choice {
            Choice::Folded(number, _) => Some(Err(*number)),
            Choice::Unfolded(at) => self.selection.unfolded.get(*at).map(Ok),
        })
    }

    /// Whether the store has no run at all, and so no name that a key could be.
    pub(super) fn is_of_nothing(&self) -> bool {
        self.selection.ids.is_empty() && self.selection.unfolded.0.is_empty()
    }

    /// Reads a value with its direction, as a sort key.
    pub(super) fn key(&self, text: &str) -> Result<SortKey> {
        SortKey::parse(
            text,
            self.selection.reader.now_us(),
            &self.selection.names(),
        )
    }

    /// Shows what comes out for each run, in the order of the runs.
    pub(super) fn values(
        &self,
        calculation: &Calculation,
        see: &mut dyn FnMut(usize, Value<'_>),
    ) -> Result<()> {
        let reader = self.selection.reader;
        let leaves = calculation.leaves();
        let lookup = match reader.snapshot() {
            Some(snapshot) => Some(Lookup::load(reader, snapshot, std::iter::once(leaves))?.0),
            None => None,
        };
        let failure = RefCell::new(None);
        for (place, choice) in self.choices.iter().enumerate() {
            let value = match (choice, &lookup) {
                (Choice::Folded(number, id), Some(lookup)) => {
                    calculation.value(&mut |leaf| lookup.value(leaf, *number, *id))
                }
                (Choice::Folded(..), None) => Value::Absent,
                (Choice::Unfolded(at), _) => match self.selection.unfolded.get(*at) {
                    Some(run) => calculation.value(&mut |leaf| match leaves.get(leaf) {
                        Some(leaf) => value_in(reader, leaf, run, &failure),
                        None => Value::Absent,
                    }),
                    None => Value::Absent,
                },
            };
            see(place, value);
            let failed = lookup.as_ref().and_then(Lookup::failure);
            if let Some(failed) = failed.or_else(|| failure.take()) {
                return Err(failed);
            }
        }
        Ok(())
    }

    /// Shows every name of a kind that any run of the store has.
    pub(super) fn names(&self, kind: NameKind, see: &mut dyn FnMut(&str)) {
        self.selection.names().visit(kind, see);
    }
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

    fn get(&self, at: usize) -> Option<&Run> {
        self.0.get(at)?.as_ref()
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
    filter: Option<Filter>,
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
            let resolved = filter.as_ref().map(|filter| filter.resolve(&names));
            predicate = resolved.transpose()?;
            let now_us = reader.now_us();
            let keys = query.sort.iter();
            let keys = keys.map(|key| SortKey::parse(key, now_us, &names));
            sort = keys.collect::<Result<_>>()?;
        }
        if sort.is_empty() {
            sort.push(SortKey {
                value: Field::Attribute(Attribute::Start).into(),
                descending: true,
            });
        }
        Ok(Self {
            reader,
            unfolded,
            ids,
            filter,
            predicate,
            sort,
        })
    }

    fn names(&self) -> AllNames<'_> {
        AllNames {
            snapshot: self.reader.snapshot(),
            unfolded: &self.unfolded,
        }
    }

    fn choose(&mut self, query: &Query) -> Result<Vec<Choice>> {
        let lookup = match self.reader.snapshot() {
            Some(snapshot) => {
                let filtered = self.predicate.iter().map(Predicate::leaves);
                let sorted = self.sort.iter().map(|key| key.value.leaves());
                let groups = filtered.chain(sorted);
                Some(Lookup::load(self.reader, snapshot, groups)?)
            }
            None => None,
        };
        let (lookup, numbers) = lookup.unzip();
        let of_keys = numbers.into_iter().flatten();
        let of_keys = of_keys.skip(usize::from(self.predicate.is_some()));
        let keys: Vec<(&SortKey, Vec<usize>)> = self.sort.iter().zip(of_keys).collect();
        let mut matches: Vec<(Choice, RunId, Vec<Value<'_>>)> = Vec::new();
        for (number, id) in (0..).map(RunNumber).zip(&self.ids) {
            let Some(lookup) = &lookup else { break };
            if self.reader.unfolded().contains(*id) {
                continue;
            }
            let passes = self.predicate.as_ref().is_none_or(|predicate| {
                predicate.matches(&mut |leaf| lookup.value(leaf, number, *id))
            });
            if passes {
                let values = keys.iter().map(|(key, numbers)| {
                    key.value.value(&mut |leaf| match numbers.get(leaf) {
                        Some(place) => lookup.value(*place, number, *id),
                        None => Value::Absent,
                    })
                });
                matches.push((Choice::Folded(number, *id), *id, values.collect()));
            }
            if lookup.has_failed() {
                break;
            }
        }
        if let Some(failed) = lookup.as_ref().and_then(Lookup::failure) {
            return Err(failed);
        }
        let failure = RefCell::new(None);
        for (at, run) in self.unfolded.iter() {
            let of_run = |leaves: &[Leaf], leaf: usize| match leaves.get(leaf) {
                Some(leaf) => value_in(self.reader, leaf, run, &failure),
                None => Value::Absent,
            };
            let passes = self.predicate.as_ref().is_none_or(|predicate| {
                predicate.matches(&mut |leaf| of_run(predicate.leaves(), leaf))
            });
            if passes {
                let values = self.sort.iter().map(|key| {
                    let leaves = key.value.leaves();
                    key.value.value(&mut |leaf| of_run(leaves, leaf))
                });
                matches.push((Choice::Unfolded(at), run.id, values.collect()));
            }
            if let Some(failed) = failure.take() {
                return Err(failed);
            }
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
