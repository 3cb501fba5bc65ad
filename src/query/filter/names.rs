//! Which names there are, what a bare one means, and what a mistyped one may have been.

use std::collections::BTreeSet;
use std::ops::Range;

use super::field::Attribute;
use super::field::Field;
use super::field::NameKind;
use super::field::Prefix;
use super::field::Stat;
use super::lexer::Fault;
use super::lexer::Parsed;
use super::literal::Literal;
use super::term::Leaf;
use super::term::Name;
use crate::model::Run;

/// The names that any run of a store has.
pub trait Names {
    /// Whether some run has it.
    fn contains(&self, kind: NameKind, name: &str) -> bool;

    /// Shows every name of a kind; asked only when one was not found.
    fn visit(&self, kind: NameKind, see: &mut dyn FnMut(&str));
}

/// Names kept in memory.
#[derive(Clone, Debug, Default)]
pub struct KnownNames {
    params: BTreeSet<String>,
    metrics: BTreeSet<String>,
    tags: BTreeSet<String>,
}

impl KnownNames {
    /// Adds the names of a run.
    pub fn add_run(&mut self, run: &Run) {
        run.params
            .keys()
            .for_each(|name| self.add(NameKind::Param, name));
        run.metrics
            .keys()
            .for_each(|name| self.add(NameKind::Metric, name));
        run.tags
            .keys()
            .for_each(|name| self.add(NameKind::Tag, name));
    }

    /// Adds a name.
    pub fn add(&mut self, kind: NameKind, name: &str) {
        let names = match kind {
            NameKind::Param => &mut self.params,
            NameKind::Metric => &mut self.metrics,
            NameKind::Tag => &mut self.tags,
        };
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
    }

    fn of(&self, kind: NameKind) -> &BTreeSet<String> {
        match kind {
            NameKind::Param => &self.params,
            NameKind::Metric => &self.metrics,
            NameKind::Tag => &self.tags,
        }
    }
}

impl Names for KnownNames {
    fn contains(&self, kind: NameKind, name: &str) -> bool {
        self.of(kind).contains(name)
    }

    fn visit(&self, kind: NameKind, see: &mut dyn FnMut(&str)) {
        self.of(kind).iter().for_each(|name| see(name));
    }
}

/// Decides what a name means.
///
/// - `absence`: whether the question is if the name is there, so that one nobody has is fine
pub(super) fn settle(
    names: &dyn Names,
    name: &Name,
    span: &Range<usize>,
    absence: bool,
) -> Parsed<Leaf> {
    match name {
        Name::Known(leaf) => match leaf.named() {
            Some((kind, name)) if !absence && !names.contains(kind, name) => {
                let why = format!("no run has a {} {name:?}", kind.noun());
                let parts = || parted(names, kind, name);
                let hint = parts().or_else(|| explain(names, kind, name));
                Err(with_hint(Fault::new(span.clone(), why), hint))
            }
            _ => Ok(leaf.clone()),
        },
        Name::Bare(name) => settle_bare(names, name, span).map(Leaf::Field),
    }
}

fn settle_bare(names: &dyn Names, name: &str, span: &Range<usize>) -> Parsed<Field> {
    let mut kinds = NameKind::ALL
        .into_iter()
        .filter(|kind| names.contains(*kind, name));
    let Some(first) = kinds.next() else {
        let why = format!("no run has a param, metric or tag {name:?}, nor is it an attribute");
        let fault = Fault::new(span.clone(), why);
        let hint = parted_bare(names, name).or_else(|| {
            let mut near = Nearest::new(name);
            for attribute in Attribute::ALL {
                near.see(attribute.name(), || Field::Attribute(attribute));
            }
            for kind in NameKind::ALL {
                names.visit(kind, &mut |known| near.see(known, || kind.field(known)));
            }
            near.hint()
        });
        return Err(with_hint(fault, hint));
    };
    let Some(second) = kinds.next() else {
        return Ok(first.field(name));
    };
    let why = format!("{name:?} is a {} and a {}", first.noun(), second.noun());
    let hint = format!("write {} or {}", first.field(name), second.field(name));
    Err(Fault::new(span.clone(), why).hint(hint))
}

/// The two sides of each minus or slash in a name: arithmetic that was written without blanks.
fn splits(name: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let signs = name.match_indices(['-', '/']);
    signs.filter_map(move |(at, sign)| {
        let (left, right) = (name.get(..at)?, name.get(at + 1..)?);
        (!left.is_empty() && !right.is_empty()).then_some((left, sign, right))
    })
}

fn put_blanks(left: &str, sign: &str, right: &str) -> String {
    let what = if sign == "-" { "minus" } else { "slash" };
    format!("a name runs on over {sign}; put blanks around the {what}: {left} {sign} {right}")
}

/// What stands on the right of a sign, as it is written, if it is anything.
fn known_part(names: &dyn Names, part: &str) -> bool {
    let has = |kind, name: &str| names.contains(kind, name);
    let of_prefix = part.split_once('.').and_then(|(head, name)| {
        Some(match Prefix::parse(head)? {
            Prefix::Named(kind) => has(kind, name),
            Prefix::Attribute => Attribute::parse_loosely(name).is_some(),
        })
    });
    of_prefix.unwrap_or_else(|| {
        Attribute::parse(part).is_some()
            || NameKind::ALL.into_iter().any(|kind| has(kind, part))
            || Literal::from_digits(part).is_some()
    })
}

fn parted_bare(names: &dyn Names, name: &str) -> Option<String> {
    splits(name)
        .find(|(left, _, right)| known_part(names, left) && known_part(names, right))
        .map(|(left, sign, right)| put_blanks(left, sign, right))
}

fn parted(names: &dyn Names, kind: NameKind, name: &str) -> Option<String> {
    splits(name)
        .find(|(left, _, right)| names.contains(kind, left) && known_part(names, right))
        .map(|(left, sign, right)| put_blanks(&kind.field(left).to_string(), sign, right))
}

/// Guesses at a name that was looked for among the wrong kind, written as a statistic, or mistyped.
fn explain(names: &dyn Names, kind: NameKind, name: &str) -> Option<String> {
    for other in NameKind::ALL {
        if other != kind && names.contains(other, name) {
            return Some(format!("try {}", other.field(name)));
        }
    }
    if let Some((metric, stat)) = name.rsplit_once('.')
        && let Some(stat) = Stat::parse(stat)
        && kind == NameKind::Metric
        && names.contains(kind, metric)
    {
        return Some(format!("try {}", Field::Metric(metric.to_owned(), stat)));
    }
    let mut near = Nearest::new(name);
    names.visit(kind, &mut |known| near.see(known, || kind.field(known)));
    near.hint()
}

fn with_hint(fault: Fault, hint: Option<String>) -> Fault {
    match hint {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// Suggests the nearest of some words, if any is near.
pub(super) fn try_names(name: &str, known: &[&str]) -> Option<String> {
    let mut near: Nearest<&str> = Nearest::new(name);
    for word in known {
        near.see(word, || word);
    }
    near.hint()
}

/// Most names that a hint lists.
const NEAREST_MAX: usize = 3;

/// Collects the names that are a few typing errors away from one.
struct Nearest<T> {
    name: String,
    distance_max: usize,
    found: Vec<(usize, T)>,
}

impl<T: std::fmt::Display> Nearest<T> {
    fn new(name: &str) -> Self {
        let name = name.to_lowercase();
        Self {
            // A third of the letters may be wrong: `los` finds `loss`, `lr` finds nothing far.
            distance_max: name.chars().count().div_ceil(3),
            name,
            found: Vec::new(),
        }
    }

    fn see(&mut self, known: &str, show: impl FnOnce() -> T) {
        // Lengths in bytes first: the distance itself costs the product of both.
        if known.len().abs_diff(self.name.len()) > 4 * self.distance_max {
            return;
        }
        let distance = strsim::osa_distance(&self.name, &known.to_lowercase());
        if distance <= self.distance_max {
            let at = self.found.partition_point(|(other, _)| *other <= distance);
            self.found.insert(at, (distance, show()));
            self.found.truncate(NEAREST_MAX);
        }
    }

    fn hint(self) -> Option<String> {
        // Far guesses say nothing beside a near one.
        let nearest = self.found.first()?.0;
        let close = self
            .found
            .iter()
            .take_while(|(distance, _)| *distance <= nearest + 1);
        let names: Vec<String> = close.map(|(_, name)| name.to_string()).collect();
        Some(format!("try {}", names.join(" or ")))
    }
}
