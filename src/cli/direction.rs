//! Which way metrics are better: as asked for, else as the store remembers, else guessed and told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use tracker::Error;
use tracker::settings::Direction;
use tracker::settings::FILE;
use tracker::settings::Settings;

use super::context::Ctx;
use super::fail::Failure;
use super::print::escape;

/// Metrics that a note about guesses names.
const TOLD_MAX: usize = 4;

/// Knows which way metrics are better, and which of them it had to guess.
#[derive(Default)]
pub(crate) struct Directions {
    asked: BTreeMap<String, Direction>,
    settings: Settings,
    guessed: RefCell<BTreeSet<String>>,
}

impl Directions {
    /// Takes what is asked for, and what the store remembers if there is a store.
    pub(crate) fn new(
        ctx: &Ctx,
        asked: impl IntoIterator<Item = (String, Direction)>,
    ) -> Result<Self, Failure> {
        let settings = match ctx.store() {
            Ok(store) => store.settings()?,
            Err(_) => Settings::default(), // records in files need no store
        };
        for warning in settings.warnings() {
            ctx.messages().warning(warning);
        }
        Ok(Self {
            asked: asked.into_iter().collect(),
            settings,
            guessed: RefCell::default(),
        })
    }

    pub(crate) fn of(&self, metric: &str) -> Direction {
        let known = self.asked.get(metric).copied();
        known
            .or_else(|| self.settings.better(metric))
            .unwrap_or_else(|| {
                self.guessed.borrow_mut().insert(metric.to_owned());
                Direction::guess(metric)
            })
    }

    /// Says what was guessed.
    pub(crate) fn tell_guesses(&self, ctx: &Ctx) {
        let guessed = self.guessed.borrow();
        let named: Vec<String> = guessed
            .iter()
            .take(TOLD_MAX)
            .map(|metric| format!("{} {}", word(Direction::guess(metric)), escape(metric)))
            .collect();
        if named.is_empty() {
            return;
        }
        let more = guessed.len() - named.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        ctx.messages().note(format!(
            "took {}{more} for the better; `--min METRIC` or `--max METRIC` decides, and is \
             remembered",
            named.join(", ")
        ));
    }

    /// Keeps what was asked for in the store, so that nobody has to ask for it again.
    pub(crate) fn remember(&self, ctx: &Ctx) -> Result<(), Failure> {
        for (metric, direction) in &self.asked {
            remember(ctx, &self.settings, metric, *direction)?;
        }
        Ok(())
    }
}

/// Keeps a direction in the store, and says so if that changes anything.
fn remember(
    ctx: &Ctx,
    settings: &Settings,
    metric: &str,
    direction: Direction,
) -> Result<(), Failure> {
    let Ok(store) = ctx.store() else {
        return Ok(()); // there is none
    };
    if settings.better(metric) == Some(direction) {
        return Ok(());
    }
    match store.remember_better(metric, direction) {
        Ok(()) => ctx.messages().note(format!(
            "remembered in {FILE}: {} {metric} is better",
            word(direction)
        )),
        // The answer is right all the same.
        Err(error @ Error::Io { .. }) => {
            ctx.messages().note(format!("not remembered: {error}"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// `small` or `large`.
pub(crate) fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Min => "small",
        Direction::Max => "large",
    }
}

/// Which way is better, as an option of a command that is about one metric.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[group(multiple = false)]
pub(crate) struct Better {
    /// Take the smallest value for the best, from now on
    #[arg(long)]
    min: bool,

    /// Take the largest value for the best, from now on
    #[arg(long)]
    max: bool,
}

impl Better {
    /// Returns the direction asked for, else the one remembered, else a guess that is told.
    pub(crate) fn resolve(self, ctx: &Ctx, metric: &str) -> Result<Direction, Failure> {
        let settings = ctx.store()?.settings()?;
        Ok(match (self.asked(), settings.better(metric)) {
            (Some(direction), _) | (None, Some(direction)) => direction,
            (None, None) => {
                let guess = Direction::guess(metric);
                let (word, other) = match guess {
                    Direction::Min => ("smallest", "--max"),
                    Direction::Max => ("largest", "--min"),
                };
                ctx.messages().note(format!(
                    "took the {word} {metric} for the best ({other} for the opposite)"
                ));
                guess
            }
        })
    }

    /// Keeps what was asked for in the store.
    pub(crate) fn remember(self, ctx: &Ctx, metric: &str) -> Result<(), Failure> {
        match self.asked() {
            Some(direction) => {
                let settings = ctx.store()?.settings()?;
                remember(ctx, &settings, metric, direction)
            }
            None => Ok(()),
        }
    }

    fn asked(self) -> Option<Direction> {
        match (self.min, self.max) {
            (true, _) => Some(Direction::Min),
            (_, true) => Some(Direction::Max),
            (false, false) => None,
        }
    }
}
