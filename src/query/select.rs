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
    let chosen = selection.choose(query.limit)?;
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
    let selection = Selection::of(reader, query)?;
    let chosen = selection.choose(query.limit)?;
    let id = |choice| match choice {
        Choice::Folded(_, id) => id,
        Choice::Unfolded(at) => selection.unfolded.id(at),
    };
    Ok(chosen.into_iter().map(id).collect())
}

/// Returns how many runs a filter lets through.
pub(super) fn count(reader: &Reader, filter: Option<&str>) -> Result<usize> {
    Selection::unsorted(reader, filter)?.count()
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
        let selection = Selection::unsorted(reader, filter)?;
        let choices = selection.choose(None)?;
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

    /// Reads values with commas between them.
    pub(super) fn values_of(&self, text: &str) -> Result<Vec<Calculation>> {
        let read = Expression::parse_list(text, self.selection.reader.now_us())?;
        let names = self.selection.names();
        read.iter().map(|value| value.resolve(&names)).collect()
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
    ids: &'a [RunId],
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
        let ids = reader.folded_ids()?;
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

    fn unsorted(reader: &'a Reader, filter: Option<&str>) -> Result<Self> {
        let query = Query {
            filter: filter.map(str::to_owned),
            ..Query::default()
        };
        let mut selection = Self::of(reader, &query)?;
        selection.sort.clear();
        Ok(selection)
    }

    fn names(&self) -> AllNames<'_> {
        AllNames {
            snapshot: self.reader.snapshot(),
            unfolded: &self.unfolded,
        }
    }

    /// Loads what filter and sort keys need.
    ///
    /// - returns: with it, of each sort key the numbers of its leaves there
    fn load(&self) -> Result<(Option<Lookup<'a>>, Vec<Vec<usize>>)> {
        let Some(snapshot) = self.reader.snapshot() else {
            return Ok((None, Vec::new()));
        };
        let filtered = self.predicate.iter().map(Predicate::leaves);
        let sorted = self.sort.iter().map(|key| key.value.leaves());
        let (lookup, mut numbers) = Lookup::load(self.reader, snapshot, filtered.chain(sorted))?;
        numbers.drain(..usize::from(self.predicate.is_some()));
        Ok((Some(lookup), numbers))
    }

    fn choose(&self, limit: Option<usize>) -> Result<Vec<Choice>> {
        let (lookup, numbers) = self.load()?;
        let order = |a: &Match<'_>, b: &Match<'_>| {
            let keys = self.sort.iter().zip(a.keys.iter().zip(&b.keys));
            let by_keys = keys.fold(Ordering::Equal, |order, (key, (a, b))| {
                order.then_with(|| key.compare(a, b))
            });
            by_keys.then_with(|| b.id.cmp(&a.id)) // the newer first
        };
        let mut firsts = Firsts::new(limit.unwrap_or(usize::MAX), order);
        self.scan(lookup.as_ref(), &numbers, &mut |found| firsts.offer(found))?;
        let firsts = firsts.into_sorted().into_iter();
        Ok(firsts.map(|found| found.choice).collect())
    }

    fn count(&self) -> Result<usize> {
        let (lookup, numbers) = self.load()?;
        let mut count = 0;
        self.scan(lookup.as_ref(), &numbers, &mut |found| {
            count += 1;
            Some(found)
        })?;
        Ok(count)
    }

    /// Offers every run that the filter lets through.
    ///
    /// - `offer`: gives back what it does not keep, and its memory serves the next
    fn scan<'v>(
        &'v self,
        lookup: Option<&'v Lookup<'_>>,
        numbers: &[Vec<usize>],
        offer: &mut dyn FnMut(Match<'v>) -> Option<Match<'v>>,
    ) -> Result<()> {
        let mut spare = Vec::new();
        let mut offer = |choice, id, values: &mut dyn Iterator<Item = Value<'v>>| {
            let mut keys = std::mem::take(&mut spare);
            keys.extend(values);
            if let Some(Match { mut keys, .. }) = offer(Match { choice, id, keys }) {
                keys.clear();
                spare = keys;
            }
        };
        if let Some(lookup) = lookup {
            // From the newest on: they are asked for most, and the others then come too late.
            let count = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
            for (number, &id) in (0..count).map(RunNumber).zip(self.ids).rev() {
                if self.reader.unfolded().contains(id) {
                    continue;
                }
                let passes = self.predicate.as_ref().is_none_or(|predicate| {
                    predicate.matches(&mut |leaf| lookup.value(leaf, number, id))
                });
                if passes {
                    let keys = self.sort.iter().zip(numbers);
                    let mut values = keys.map(|(key, numbers)| {
                        key.value.value(&mut |leaf| match numbers.get(leaf) {
                            Some(place) => lookup.value(*place, number, id),
                            None => Value::Absent,
                        })
                    });
                    offer(Choice::Folded(number, id), id, &mut values);
                }
                if lookup.has_failed() {
                    break;
                }
            }
            if let Some(failed) = lookup.failure() {
                return Err(failed);
            }
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
                let mut values = self.sort.iter().map(|key| {
                    let leaves = key.value.leaves();
                    key.value.value(&mut |leaf| of_run(leaves, leaf))
                });
                offer(Choice::Unfolded(at), run.id, &mut values);
            }
            if let Some(failed) = failure.take() {
                return Err(failed);
            }
        }
        Ok(())
    }
}

/// A run that the filter lets through, and what it is sorted by.
struct Match<'v> {
    choice: Choice,
    id: RunId,
    keys: Vec<Value<'v>>,
}

/// The first items of an order, in a memory of a few times their number.
struct Firsts<T, F> {
    limit: usize,
    order: F,
    items: Vec<T>,
    /// Whether there were more, so that the last of the first `limit` items is the greatest.
    has_bar: bool,
}

impl<T, F: Fn(&T, &T) -> Ordering> Firsts<T, F> {
    fn new(limit: usize, order: F) -> Self {
        Self {
            limit,
            order,
            items: Vec::new(),
            has_bar: false,
        }
    }

    /// Takes an item, or gives it back if others come first.
    fn offer(&mut self, item: T) -> Option<T> {
        const LEAST: usize = 256;
        let last = self.limit.checked_sub(1);
        let bar = last.and_then(|last| self.items.get(last));
        let is_late = |bar: &T| (self.order)(&item, bar) != Ordering::Less;
        if last.is_none() || (self.has_bar && bar.is_some_and(is_late)) {
            return Some(item);
        }
        self.items.push(item);
        if self.items.len() >= self.limit.saturating_mul(2).max(LEAST) {
            self.cut();
        }
        None
    }

    fn cut(&mut self) {
        if let Some(last) = self.limit.checked_sub(1)
            && last < self.items.len()
        {
            self.items.select_nth_unstable_by(last, &self.order);
            self.items.truncate(self.limit);
            self.has_bar = true;
        }
    }

    fn into_sorted(mut self) -> Vec<T> {
        self.cut();
        self.items.sort_by(&self.order);
        self.items
    }
}
