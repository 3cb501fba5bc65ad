//! What is known of many runs without their points: for questions about all of them at once.

use super::filter::Field;
use super::filter::NameKind;
use super::filter::Value;
use super::reader::Reader;
use super::select::Chosen;
use crate::error::Result;
use crate::fold::MemoryRun;
use crate::model::ArtifactRef;
use crate::model::Run;
use crate::model::RunId;

/// Rows of runs that are read at once.
const ROWS: u32 = 1_000;

/// The runs that a filter lets through, the newest first.
///
/// What is asked for comes field by field, or run by run, and is held by nobody: memory does not
/// grow with what runs have.
pub(crate) struct Survey<'a> {
    reader: &'a Reader,
    chosen: Chosen<'a>,
}

impl Reader {
    /// Asks something of many runs at once.
    pub(crate) fn survey<T>(
        &self,
        filter: Option<&str>,
        question: impl Fn(&Survey<'_>) -> Result<T>,
    ) -> Result<T> {
        self.ask(|reader| question(&Survey::of(reader, filter)?))
    }
}

impl<'a> Survey<'a> {
    fn of(reader: &'a Reader, filter: Option<&str>) -> Result<Self> {
        let chosen = Chosen::of(reader, filter)?;
        Ok(Self { reader, chosen })
    }

    /// Returns the ids of the runs.
    pub(crate) fn ids(&self) -> impl ExactSizeIterator<Item = RunId> {
        self.chosen.ids()
    }

    /// Shows every name of a kind that any run of the store has.
    pub(crate) fn names(&self, kind: NameKind, see: &mut dyn FnMut(&str)) {
        self.chosen.names(kind, see);
    }

    /// Shows what each run has in a field, by its place.
    pub(crate) fn values(
        &self,
        field: &Field,
        see: &mut dyn FnMut(usize, Value<'_>),
    ) -> Result<()> {
        self.chosen.values(&field.clone().into(), see)
    }

    /// Shows each run by its place, in no particular order, with what is said of it as a whole:
    /// start, environment, status, end, reason, note. Params, series and the rest may be missing.
    pub(crate) fn heads(&self, see: &mut dyn FnMut(usize, &Run)) -> Result<()> {
        let mut places = Vec::new(); // by the run's number
        for (place, run) in self.chosen.runs().enumerate() {
            match run {
                Ok(run) => see(place, run),
                Err(number) => {
                    let at = number.0 as usize;
                    if places.len() <= at {
                        places.resize(at + 1, None);
                    }
                    if let Some(slot) = places.get_mut(at) {
                        *slot = Some(place);
                    }
                }
            }
        }
        let Some(snapshot) = self.reader.snapshot() else {
            return Ok(());
        };
        let ids: Vec<RunId> = self.chosen.ids().collect();
        let end = u32::try_from(places.len()).unwrap_or(u32::MAX);
        for first in (0..end).step_by(ROWS as usize) {
            for (number, row) in snapshot.runs(first..=first.saturating_add(ROWS - 1))? {
                let place = places.get(number.0 as usize).copied().flatten();
                let id = place.and_then(|place| ids.get(place));
                if let (Some(place), Some(id)) = (place, id) {
                    see(place, &MemoryRun::outline(row).into_run(*id, None));
                }
            }
        }
        Ok(())
    }

    /// Shows the files of some runs, by their places; all that was said of each.
    pub(crate) fn files(
        &self,
        of: &dyn Fn(usize) -> bool,
        see: &mut dyn FnMut(usize, &ArtifactRef),
    ) -> Result<()> {
        for (place, run) in self.chosen.runs().enumerate() {
            if !of(place) {
                continue;
            }
            match (run, self.reader.snapshot()) {
                (Ok(run), _) => run.files().for_each(|file| see(place, file)),
                (Err(number), Some(snapshot)) => {
                    for (artifact, _) in snapshot.artifacts(number)? {
                        see(place, &artifact);
                    }
                }
                (Err(_), None) => {}
            }
        }
        Ok(())
    }
}
