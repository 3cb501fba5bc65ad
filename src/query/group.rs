//! Groups of runs: mean and spread of what runs have that share some fields, or differ in a few
//! params only.
//!
//! Fields come one after another as columns (8 bytes a run); each parts the groups further, so that
//! memory does not grow with the number of params. Values are the same when a person would say so:
//! `1` and `1.0`, `0` and `-0`, any two NaN, and a text that looks just as a number is shown;
//! what is absent is a value of its own. So no two groups look alike, and `1.10`, which may be a
//! version, is not `1.1`.
//!
//! Statistics leave NaN out and count it. Mean and deviation do with infinities as [`Summary`]
//! does: the mean is infinite, the deviation is that of the finite values.
//!
//! [`Summary`]: crate::model::Summary

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::hash::Hasher;

use super::filter::Attribute;
use super::filter::Calculation;
use super::filter::Field;
use super::filter::NameKind;
use super::filter::SortKey;
use super::filter::Value;
use super::filter::compare_values;
use super::reader::Reader;
use super::select::Chosen;
use crate::error::Error;
use crate::error::Result;
use crate::model::ParamValue;
use crate::model::RunId;
use crate::model::Sum;

/// Which runs, what makes a group of them, what is told of each group.
#[derive(Clone, Debug)]
pub struct GroupQuery {
    /// A filter in the language of [`filter`](super::filter); none means all.
    pub filter: Option<String>,
    /// What makes a group.
    pub by: GroupBy,
    /// Fields whose numbers are aggregated, as in a filter.
    pub values: Vec<String>,
    /// What to sort by, first one first: `n` (runs in the group), a key, or any other field, which
    /// means its mean. A leading `-` is descending. None means by the keys, ascending.
    pub sort: Vec<String>,
    /// At most so many groups.
    pub limit: Option<usize>,
}

/// What makes a group.
#[derive(Clone, Debug)]
pub enum GroupBy {
    /// All that is the same in these fields.
    Fields(Vec<String>),
    /// All runs of an experiment that are the same in all params but these: repetitions.
    Over(Vec<String>),
}

/// Groups and what was asked of them.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// Fields that the runs of a group share. Of [`GroupBy::Over`] the experiment and each param
    /// that any of the runs has.
    pub keys: Vec<Calculation>,
    /// Fields that are aggregated: those asked for, then those sorted by.
    pub values: Vec<Calculation>,
    /// The groups, in the order asked for.
    pub groups: Vec<Group>,
    /// How many groups there are without the limit.
    pub count: usize,
}

/// Runs that belong together.
#[derive(Clone, Debug)]
pub struct Group {
    /// `[keys]`; whole numbers are [`Value::Int`], however they were set.
    pub key: Vec<Value<'static>>,
    /// The newest first; at least one.
    pub runs: Vec<RunId>,
    /// `[values]`.
    pub values: Vec<Aggregate>,
}

/// Statistics of one field over the runs of a group. None where there is no such number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Aggregate {
    /// Runs that have a number, NaN aside.
    pub n: u64,
    /// Runs that have NaN.
    pub nan_count: u64,
    /// Runs that have something that is no number, as a text.
    pub other_count: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Standard deviation of the sample (n - 1); none below two finite values.
    pub std: Option<f64>,
    /// Standard error of the mean: `std` by the root of the count of finite values.
    pub sem: Option<f64>,
    /// Smallest value.
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// Value in the middle; of an even count the mean of the two there.
    pub median: Option<f64>,
}

impl Aggregate {
    /// Takes in numbers, none of them NaN; sorts them.
    fn of(numbers: &mut [f64]) -> Self {
        numbers.sort_unstable_by(f64::total_cmp);
        let (Some(min), Some(max)) = (numbers.first().copied(), numbers.last().copied()) else {
            return Self::default();
        };
        let from = numbers.partition_point(|number| *number == f64::NEG_INFINITY);
        let to = numbers.partition_point(|number| *number < f64::INFINITY);
        let finite = numbers.get(from..to).unwrap_or_default();
        let mean = match (from > 0, to < numbers.len()) {
            (true, true) => f64::NAN,
            (true, false) => f64::NEG_INFINITY,
            (false, true) => f64::INFINITY,
            (false, false) => mean(finite),
        };
        let std = deviation(finite);
        let middle = numbers.len() / 2;
        let at = |place: usize| numbers.get(place).copied().unwrap_or(f64::NAN);
        let median = match numbers.len() % 2 {
            0 => f64::midpoint(at(middle - 1), at(middle)),
            _ => at(middle),
        };
        Self {
            n: numbers.len() as u64,
            nan_count: 0,
            other_count: 0,
            mean: Some(mean),
            std,
            sem: std.map(|std| std / (finite.len() as f64).sqrt()),
            min: Some(min),
            max: Some(max),
            median: Some(median),
        }
    }
}

/// The mean of sorted finite numbers; never outside them.
fn mean(numbers: &[f64]) -> f64 {
    let (Some(min), Some(max)) = (numbers.first(), numbers.last()) else {
        return f64::NAN;
    };
    let mut sum = Sum::default();
    for number in numbers {
        sum.add(*number);
    }
    let mean = sum.value() / numbers.len() as f64;
    if mean.is_finite() {
        mean.clamp(*min, *max)
    } else {
        // Their sum is out of range; their mean is not.
        numbers.iter().map(|n| n / numbers.len() as f64).sum()
    }
}

/// The standard deviation of the sample of finite numbers; none if squares overflow.
fn deviation(numbers: &[f64]) -> Option<f64> {
    if numbers.len() < 2 {
        return None;
    }
    let mean = mean(numbers);
    let mut squares = Sum::default();
    for number in numbers {
        squares.add((number - mean).powi(2));
    }
    let variance = squares.value() / (numbers.len() - 1) as f64;
    variance.is_finite().then(|| variance.sqrt())
}

impl Reader {
    /// Returns the groups that a query asks for.
    ///
    /// # Errors
    /// [`Error::Filter`] with the place in the filter or the field; [`Error::Invalid`] for
    /// repetitions over what is no param; [`Error::Corrupt`], [`Error::Io`].
    pub fn groups(&self, query: &GroupQuery) -> Result<Groups> {
        self.ask(|reader| groups(reader, query))
    }
}

fn groups(reader: &Reader, query: &GroupQuery) -> Result<Groups> {
    let chosen = Chosen::of(reader, query.filter.as_deref())?;
    if chosen.is_of_nothing() {
        return Ok(Groups::default()); // every name is unknown, and the answer known
    }
    let keys = match &query.by {
        GroupBy::Fields(fields) => fields
            .iter()
            .map(|text| field(&chosen, text))
            .collect::<Result<_>>()?,
        GroupBy::Over(params) => all_but(&chosen, params)?,
    };
    let mut values = Vec::new();
    for text in &query.values {
        let field = field(&chosen, text)?;
        if !values.contains(&field) {
            values.push(field);
        }
    }
    let order = query
        .sort
        .iter()
        .map(|text| Order::parse(&chosen, text, &keys, &mut values))
        .collect::<Result<Vec<_>>>()?;
    let mut parts = Partition::new(chosen.ids().len());
    let mut kept = Vec::new();
    let mut is_key = Vec::new(); // of repetitions only what any of the runs has
    for key in keys {
        let is_told = parts.refine(&chosen, &key)? || matches!(query.by, GroupBy::Fields(_));
        is_key.push(is_told);
        kept.extend(is_told.then_some(key));
    }
    let mut groups = parts.into_groups(&chosen, &is_key);
    for field in &values {
        aggregate(&chosen, field, &mut groups)?;
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(group, _)| group).collect();
    let order = |a: &Group, b: &Group| {
        let asked = order.iter().map(|order| order.compare(a, b));
        let asked = asked.fold(Ordering::Equal, Ordering::then);
        let keys = || a.key.iter().zip(&b.key);
        let by_key = || keys().map(|(a, b)| compare_values(a, b, false));
        asked.then_with(|| by_key().fold(Ordering::Equal, Ordering::then))
    };
    let count = groups.len();
    if let Some(limit) = query.limit.filter(|limit| *limit < count) {
        groups.select_nth_unstable_by(limit, order); // no two have the same keys
        groups.truncate(limit);
    }
    groups.sort_unstable_by(order);
    Ok(Groups {
        keys: kept,
        values,
        groups,
        count,
    })
}

/// Reads a value that is not sorted by.
fn field(chosen: &Chosen<'_>, text: &str) -> Result<Calculation> {
    let mut values = chosen.values_of(text)?.into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Error::invalid("value", format!("{text} is not one"))),
    }
}

/// The param that a text names.
fn param(chosen: &Chosen<'_>, text: &str) -> Result<Option<String>> {
    Ok(match field(chosen, text)?.as_field() {
        Some(Field::Param(name)) => Some(name.clone()),
        _ => None,
    })
}

/// The experiment and all params but these.
fn all_but(chosen: &Chosen<'_>, params: &[String]) -> Result<Vec<Calculation>> {
    let mut left_out = Vec::new();
    for text in params {
        // A bare name may be a metric too; over a metric nothing repeats.
        let explicit = param(chosen, &format!("params.{}", text.trim()));
        match (param(chosen, text), explicit) {
            (Ok(Some(name)), _) | (_, Ok(Some(name))) => left_out.push(name),
            (Err(_), Err(error)) => return Err(error),
            (_, _) => return Err(Error::invalid("param", format!("{text} is no param"))),
        }
    }
    let mut keys = vec![Calculation::from(Field::Attribute(Attribute::Experiment))];
    chosen.names(NameKind::Param, &mut |name| {
        if !left_out.iter().any(|left_out| left_out == name) {
            keys.push(Field::Param(name.to_owned()).into());
        }
    });
    Ok(keys)
}

/// What groups are sorted by, and whether the largest comes first.
enum Order {
    Count(bool),
    Key(usize, bool),
    Mean(usize, bool),
}

impl Order {
    fn parse(
        chosen: &Chosen<'_>,
        text: &str,
        keys: &[Calculation],
        values: &mut Vec<Calculation>,
    ) -> Result<Self> {
        match text.trim() {
            "n" => return Ok(Self::Count(false)),
            "-n" | "n desc" => return Ok(Self::Count(true)),
            _ => {}
        }
        let SortKey { value, descending } = chosen.key(text)?;
        if let Some(at) = keys.iter().position(|key| *key == value) {
            return Ok(Self::Key(at, descending));
        }
        let at = values.iter().position(|known| *known == value);
        Ok(Self::Mean(
            at.unwrap_or_else(|| {
                values.push(value);
                values.len() - 1
            }),
            descending,
        ))
    }

    fn compare(&self, a: &Group, b: &Group) -> Ordering {
        match *self {
            Self::Count(descending) => {
                let order = a.runs.len().cmp(&b.runs.len());
                if descending { order.reverse() } else { order }
            }
            Self::Key(at, descending) => match (a.key.get(at), b.key.get(at)) {
                (Some(a), Some(b)) => compare_values(a, b, descending),
                _ => Ordering::Equal,
            },
            Self::Mean(at, descending) => {
                let mean = |group: &Group| {
                    let mean = group.values.get(at).and_then(|value| value.mean);
                    mean.map_or(Value::Absent, Value::Number)
                };
                compare_values(&mean(a), &mean(b), descending)
            }
        }
    }
}

/// Values that are the same have the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Same {
    Absent,
    Bool(bool),
    Number(u64),
    Int(i64),
    Time(i64),
    Id(RunId),
    Text(u32),
}

/// Numbers the values of a field as they come.
#[derive(Default)]
struct Dictionary {
    texts: HashMap<String, Same, FastHash>,
    numbers: HashMap<Same, u32, FastHash>,
    last: Option<(Same, u32)>,
}

impl Dictionary {
    fn number(&mut self, value: &Value<'_>) -> u32 {
        let same = self.same(value);
        if let Some((last, number)) = self.last
            && last == same
        {
            return number;
        }
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(same).or_insert(next);
        self.last = Some((same, number));
        number
    }

    fn same(&mut self, value: &Value<'_>) -> Same {
        match value {
            Value::Absent => Same::Absent,
            Value::Bool(value) => Same::Bool(*value),
            Value::Int(value) => Same::Int(*value),
            Value::Number(value) | Value::Duration(value) => match as_whole(*value) {
                Some(whole) => Same::Int(whole),
                None if value.is_nan() => Same::Number(f64::NAN.to_bits()),
                None => Same::Number(value.to_bits()),
            },
            Value::Time(value) => Same::Time(*value),
            Value::Id(id) => Same::Id(*id),
            Value::Text(text) => self.text(text),
            Value::Texts(texts) if texts.is_empty() => Same::Absent,
            Value::Texts(texts) => self.text(&texts.join("\n")),
        }
    }

    fn text(&mut self, text: &str) -> Same {
        if let Some(same) = self.texts.get(text) {
            return *same;
        }
        let same = match read_alike(text) {
            Some(value) => self.same(&value),
            None => Same::Text(u32::try_from(self.texts.len()).unwrap_or(u32::MAX)),
        };
        self.texts.insert(text.to_owned(), same);
        same
    }
}

/// What a text is when it looks just as a number or a truth value is shown.
fn read_alike(text: &str) -> Option<Value<'static>> {
    let value = match ParamValue::parse(text) {
        ParamValue::Bool(value) => Value::Bool(value),
        ParamValue::Int(value) => Value::Int(value),
        ParamValue::Float(value) => Value::Number(value),
        ParamValue::Text(_) | ParamValue::List(_) => return None,
    };
    (ParamValue::parse(text).to_string() == text).then_some(value)
}

/// A float that is a whole number which no other float rounds to.
fn as_whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

/// The value as all of a group have it.
fn common(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Number(number) => as_whole(number).map_or(Value::Number(number), Value::Int),
        Value::Texts(texts) if texts.is_empty() => Value::Absent,
        Value::Texts(texts) => Value::Text(Cow::Owned(texts.join(", "))),
        Value::Text(text) => match read_alike(&text) {
            Some(value) => common(value),
            None => Value::Text(Cow::Owned(text.into_owned())),
        },
        value => value.into_owned(),
    }
}

/// Hashes a few words at a time: `SipHash` would take half of the time of a question.
#[derive(Default)]
struct WordHasher(u64);

type FastHash = BuildHasherDefault<WordHasher>;

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        // SplitMix64's mixing: the low bits of round floats are all alike.
        let mixed = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (mixed ^ (mixed >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word.cast_unsigned());
    }

    fn write_isize(&mut self, word: isize) {
        self.write_i64(i64::try_from(word).unwrap_or_default());
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

/// Runs in groups that each field parts further.
struct Partition {
    /// The group of each run.
    group: Vec<u32>,
    /// For each field what its groups were parts of, and the value that made them so.
    levels: Vec<Vec<(u32, Value<'static>)>>,
}

impl Partition {
    fn new(runs: usize) -> Self {
        Self {
            group: vec![0; runs],
            levels: Vec::new(),
        }
    }

    /// Parts the groups by a field; tells whether any run has it.
    fn refine(&mut self, chosen: &Chosen<'_>, field: &Calculation) -> Result<bool> {
        let mut numbers = Dictionary::default();
        let mut pairs: HashMap<u64, u32, FastHash> = HashMap::default();
        let mut level = Vec::new();
        let mut any = false;
        let mut last = None;
        chosen.values(field, &mut |run, value| {
            any |= !value.is_absent();
            let Some(group) = self.group.get_mut(run) else {
                return;
            };
            let before = *group;
            let pair = u64::from(before) << 32 | u64::from(numbers.number(&value));
            *group = match last {
                Some((last, number)) if last == pair => number,
                _ => *pairs.entry(pair).or_insert_with(|| {
                    level.push((before, common(value)));
                    u32::try_from(level.len() - 1).unwrap_or(u32::MAX)
                }),
            };
            last = Some((pair, *group));
        })?;
        self.levels.push(level);
        Ok(any)
    }

    /// The groups with their keys, and the places of their runs.
    ///
    /// - `is_key`: of each field that the groups were parted by, whether it is told
    fn into_groups(self, chosen: &Chosen<'_>, is_key: &[bool]) -> Vec<(Group, Vec<u32>)> {
        let count = self.levels.last().map_or(1, Vec::len);
        let key = |group: usize| {
            let mut key = Vec::with_capacity(is_key.len());
            let mut at = group;
            for (level, is_key) in self.levels.iter().zip(is_key).rev() {
                let Some((before, value)) = level.get(at) else {
                    break;
                };
                if *is_key {
                    key.push(value.clone());
                }
                at = *before as usize;
            }
            key.reverse();
            key
        };
        let group = |number| Group {
            key: key(number),
            runs: Vec::new(),
            values: Vec::new(),
        };
        let mut groups: Vec<(Group, Vec<u32>)> = (0..count)
            .map(|number| (group(number), Vec::new()))
            .collect();
        for ((place, id), group) in (0u32..).zip(chosen.ids()).zip(&self.group) {
            if let Some((group, places)) = groups.get_mut(*group as usize) {
                group.runs.push(id);
                places.push(place);
            }
        }
        groups.retain(|(group, _)| !group.runs.is_empty()); // of no run there is no group
        groups
    }
}

/// Adds the statistics of a field to each group.
fn aggregate(
    chosen: &Chosen<'_>,
    field: &Calculation,
    groups: &mut [(Group, Vec<u32>)],
) -> Result<()> {
    let mut numbers: Vec<Option<f64>> = vec![None; chosen.ids().len()];
    let mut others = Vec::new();
    chosen.values(field, &mut |run, value| {
        let number = match value {
            Value::Number(value) | Value::Duration(value) => Some(value),
            Value::Int(value) => Some(value as f64),
            Value::Bool(value) => Some(f64::from(u8::from(value))),
            _ => None,
        };
        if number.is_none() && !value.is_absent() {
            others.push(u32::try_from(run).unwrap_or(u32::MAX)); // ascending
        }
        if let Some(place) = numbers.get_mut(run) {
            *place = number;
        }
    })?;
    let mut those = Vec::new();
    for (group, runs) in groups {
        those.clear();
        let have = runs
            .iter()
            .filter_map(|run| numbers.get(*run as usize).copied().flatten());
        those.extend(have);
        let all = those.len();
        those.retain(|number| !number.is_nan());
        let is_other = |run: &&u32| others.binary_search(run).is_ok();
        group.values.push(Aggregate {
            nan_count: (all - those.len()) as u64,
            other_count: match others.as_slice() {
                [] => 0,
                _ => runs.iter().filter(is_other).count() as u64,
            },
            ..Aggregate::of(&mut those)
        });
    }
    Ok(())
}
