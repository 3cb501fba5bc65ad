//! What is not as it was written, and what it takes with it: the words of `check` and `salvage`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::error::Damage;
use crate::fold::Regained;
use crate::journal::Event;
use crate::journal::remains::Extent;
use crate::journal::remains::Loss;
use crate::journal::rows::EventRow;
use crate::journal::rows::Rows;
use crate::model::BlobId;
use crate::model::Name;
use crate::model::RunId;

/// What kind of thing is out of reach because of a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Nothing: it is said elsewhere too.
    Nothing,
    /// Points.
    Points,
    /// All that a segment says beside points: params, tags, artifacts, start and end of the run.
    Events,
    /// Some records of a run; the points next to them are told.
    Records,
    /// All of a segment.
    Segment,
    /// Files of runs.
    Artifacts,
    /// A folder and all that is in it.
    Folder,
}

impl Touched {
    /// Returns its name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Points => "points",
            Self::Events => "events",
            Self::Records => "records",
            Self::Segment => "segment",
            Self::Artifacts => "artifacts",
            Self::Folder => "folder",
        }
    }
}

/// Something that is not as it was written, and what it takes with it as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, and how it shows.
    pub damage: Damage,
    /// What kind of thing it takes.
    pub touched: Touched,
    /// Whose.
    pub runs: Vec<RunId>,
    /// Metrics of the points.
    pub metrics: Vec<String>,
    /// Smallest and largest step of the points.
    pub steps: Option<(i64, i64)>,
    /// How many points, where that is known.
    pub points: Option<u64>,
    /// Paths of the artifacts, each with its run.
    pub artifacts: Vec<(RunId, String)>,
    /// Whether the index still has all of the segment's points.
    pub in_index: bool,
}

impl Fault {
    fn new(damage: Damage, touched: Touched) -> Self {
        Self {
            damage,
            touched,
            runs: Vec::new(),
            metrics: Vec::new(),
            steps: None,
            points: None,
            artifacts: Vec::new(),
            in_index: false,
        }
    }

    pub(crate) fn of_segment(run: RunId, loss: Loss) -> Self {
        let Loss { damage, extent } = loss;
        let mut fault = Self::new(damage, Touched::Segment);
        fault.runs.push(run);
        let texts = |names: Vec<Name>| names.iter().map(|name| name.as_str().to_owned()).collect();
        match extent {
            Extent::Nothing => (fault.touched, fault.points) = (Touched::Nothing, Some(0)),
            Extent::Points {
                metrics,
                steps,
                count,
            } => {
                fault.touched = Touched::Points;
                fault.metrics = texts(metrics);
                (fault.steps, fault.points) = (Some(steps), Some(count));
            }
            Extent::Events => (fault.touched, fault.points) = (Touched::Events, Some(0)),
            Extent::Records { metrics, steps } => {
                fault.touched = Touched::Records;
                (fault.metrics, fault.steps) = (texts(metrics), steps);
            }
            Extent::All => {}
        }
        fault
    }

    pub(crate) fn of_folder(damage: Damage) -> Self {
        Self::new(damage, Touched::Folder)
    }

    /// Adds what the index says of the segment.
    pub(crate) fn tell_by(&mut self, regained: &Regained) {
        self.in_index = regained.has_all_points;
        if self.touched != Touched::Segment {
            return;
        }
        let Rows {
            metrics, groups, ..
        } = &regained.rows;
        self.metrics = metrics
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect();
        let steps = || groups.iter().flat_map(|group| group.steps.iter().copied());
        self.steps = steps().min().zip(steps().max());
        let points = regained.rows.point_count();
        self.points = regained.has_all_points.then_some(points);
    }
}

/// Whose files blobs are, as the records say that were read so far.
#[derive(Debug, Default)]
pub(crate) struct Owners(BTreeMap<BlobId, BTreeSet<(RunId, String)>>);

impl Owners {
    /// Notes the artifacts among the events of a run whose bytes are in the store.
    pub(crate) fn note(&mut self, run: RunId, events: &[EventRow]) {
        for row in events {
            if let Event::Artifact(artifact) = &row.event
                && artifact.reference.is_none()
            {
                let owners = self.0.entry(artifact.blob).or_default();
                owners.insert((run, artifact.path.clone()));
            }
        }
    }

    /// Says whose files are damaged: those that are one of the blobs.
    pub(crate) fn fault(&self, blobs: &[BlobId], damage: Damage) -> Fault {
        let mut fault = Fault::new(damage, Touched::Artifacts);
        let owners = blobs.iter().filter_map(|blob| self.0.get(blob)).flatten();
        fault.artifacts = owners.cloned().collect();
        fault.artifacts.sort_unstable();
        fault.artifacts.dedup();
        let runs: BTreeSet<RunId> = fault.artifacts.iter().map(|(run, _)| *run).collect();
        fault.runs = runs.into_iter().collect();
        fault
    }

    /// The blobs that records name.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = BlobId> + '_ {
        self.0.keys().copied()
    }
}
