//! What a row says, and how two records about the same thing become one.
//!
//! Records reach the index in any order: files arrive by rsync, ranks are folded one after the
//! other. So every row keeps the [`Stamp`] of what it says and merging is decided by stamps alone;
//! the same records give the same row in whatever order they come, and again is once.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::codec;
use crate::codec::Bytes;
use crate::codec::Malformed;
use crate::model::AliasTarget;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::EDGE_WORDS;
use crate::model::Edge;
use crate::model::Flow;
use crate::model::ParamValue;
use crate::model::RunInfo;
use crate::model::SUMMARY_WORDS;
use crate::model::Stamp;
use crate::model::Status;
use crate::model::Summary;

/// In what part a writer opened a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It started or resumed the run, and the run lives as long as it.
    Owner,
    /// It adds to a run that somebody else ends.
    Member,
    /// It started or resumed a run that is fed by short commands.
    Detached,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// As what it was finished.
    pub status: Status,
    /// Why, if that was said.
    pub reason: Option<String>,
    /// When, in microseconds since 1970.
    pub end_us: i64,
}

/// What the journal says of a run as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// The earliest start; none while only other segments of the run have arrived.
    pub info: Option<(RunInfo, Stamp)>,
    /// The latest opening by an owner or a detached writer.
    pub opened: Option<(Stamp, Role)>,
    /// The latest end.
    pub finished: Option<(Stamp, Finish)>,
    /// The latest note.
    pub note: Option<(Stamp, String)>,
    /// Earliest and latest time of any record, in microseconds since 1970.
    pub times_us: Option<(i64, i64)>,
    /// Series it has.
    pub series: u32,
    /// What was last said in it of each alias; none of one that was removed.
    pub aliases: BTreeMap<String, (Stamp, Option<AliasTarget>)>,
}

impl RunRow {
    /// Takes in a start: the earliest stays.
    pub(crate) fn start(&mut self, info: &RunInfo, stamp: Stamp) {
        if self.info.as_ref().is_none_or(|(_, old)| stamp < *old) {
            self.info = Some((info.clone(), stamp));
        }
    }

    /// Takes in an opening: the latest of an owner or a detached writer stays.
    pub(crate) fn open(&mut self, role: Role, stamp: Stamp) {
        let ends_with_it = match role {
            Role::Owner | Role::Detached => true,
            Role::Member => false,
        };
        if ends_with_it && self.opened.is_none_or(|(old, _)| stamp > old) {
            self.opened = Some((stamp, role));
        }
    }

    /// Takes in an end: the latest stays.
    pub(crate) fn finish(&mut self, finish: &Finish, stamp: Stamp) {
        if self.finished.as_ref().is_none_or(|(old, _)| stamp > *old) {
            self.finished = Some((stamp, finish.clone()));
        }
    }

    /// Takes in a note: the latest stays.
    pub(crate) fn annotate(&mut self, text: &str, stamp: Stamp) {
        if self.note.as_ref().is_none_or(|(old, _)| stamp > *old) {
            self.note = Some((stamp, text.to_owned()));
        }
    }

    /// Takes in what is said of an alias: the latest stays.
    pub(crate) fn alias(&mut self, name: &str, target: Option<&AliasTarget>, stamp: Stamp) {
        let known = self.aliases.get(name);
        if known.is_none_or(|(old, _)| stamp > *old) {
            let said = (stamp, target.cloned());
            self.aliases.insert(name.to_owned(), said);
        }
    }

    /// Takes in the earliest and latest time of some records.
    pub(crate) fn span(&mut self, first_us: i64, last_us: i64) {
        let (first, last) = self.times_us.unwrap_or((first_us, last_us));
        self.times_us = Some((first.min(first_us), last.max(last_us)));
    }

    /// Returns how the run stands and when it ended, if no writer of it lives.
    ///
    /// A run is unknown when nothing of its owner has arrived yet. Who knows of a living writer
    /// puts that above this answer.
    pub fn status(&self) -> (Status, Option<i64>) {
        let opened = self.opened.map(|(stamp, _)| stamp);
        if let Some((stamp, finish)) = &self.finished
            && opened.is_none_or(|opened| *stamp > opened)
        {
            return (finish.status, Some(finish.end_us));
        }
        let detached = match (self.opened, &self.info) {
            (Some((_, role)), _) => role == Role::Detached,
            (None, Some((info, _))) => info.detached,
            (None, None) => return (Status::Unknown, None),
        };
        if detached {
            (Status::Running, None)
        } else {
            (Status::Failed, self.times_us.map(|(_, last)| last))
        }
    }
}

/// A param: the record with the smallest stamp wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamRow {
    /// The value that counts.
    pub value: ParamValue,
    /// When it was set.
    pub stamp: Stamp,
    /// The earliest record with another value, which was refused.
    pub conflict: Option<(ParamValue, Stamp)>,
}

impl ParamRow {
    /// Takes in another record. Winner and first differing record are all that any later record
    /// can be compared with, so nothing that was forgotten would have mattered.
    pub(crate) fn merge(&mut self, value: &ParamValue, stamp: Stamp) {
        let same = self.value == *value;
        if stamp < self.stamp {
            if !same {
                self.conflict = Some((self.value.clone(), self.stamp));
            }
            self.value = value.clone();
            self.stamp = stamp;
        } else if !same && self.conflict.as_ref().is_none_or(|(_, old)| stamp < *old) {
            self.conflict = Some((value.clone(), stamp));
        }
    }
}

/// A tag: the record with the largest stamp wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagRow {
    /// Its text.
    pub text: String,
    /// When it was set.
    pub stamp: Stamp,
}

/// What was said of a file. Run, flow, path and stamp are in the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArtifactRow {
    blob: BlobId,
    bytes: u64,
    media_type: Option<String>,
    time_us: i64,
    kind: Option<String>,
    reference: Option<String>,
    mode: Option<u32>,
    modified_ns: Option<i64>,
}

impl ArtifactRow {
    pub(super) fn of(artifact: &ArtifactRef) -> Self {
        let ArtifactRef {
            path: _, // in the key
            blob,
            bytes,
            media_type,
            time_us,
            kind,
            flow: _, // in the key
            reference,
            mode,
            modified_ns,
        } = artifact.clone();
        Self {
            blob,
            bytes,
            media_type,
            time_us,
            kind,
            reference,
            mode,
            modified_ns,
        }
    }

    pub(super) fn into_artifact(self, flow: Flow, path: &str) -> ArtifactRef {
        let Self {
            blob,
            bytes,
            media_type,
            time_us,
            kind,
            reference,
            mode,
            modified_ns,
        } = self;
        ArtifactRef {
            path: path.to_owned(),
            blob,
            bytes,
            media_type,
            time_us,
            kind,
            flow,
            reference,
            mode,
            modified_ns,
        }
    }
}

/// Returns what stands for a flow in keys.
pub(super) fn flow_code(flow: Flow) -> u8 {
    match flow {
        Flow::Output => 0,
        Flow::Input => 1,
    }
}

/// Returns the flow that a key tells.
pub(super) fn flow_of(code: u8) -> Result<Flow, Malformed> {
    match code {
        0 => Ok(Flow::Output),
        1 => Ok(Flow::Input),
        other => Err(Malformed::new(format!(
            "a file of an unknown flow, {other}"
        ))),
    }
}

/// A journal file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Length in bytes.
    pub bytes: u64,
    /// Points in it.
    pub points: u64,
    /// The hash that it carries of itself.
    pub hash: [u8; 32],
}

/// A series without its points.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SeriesRow {
    pub(super) summary: Summary,
    /// Largest distance between first and last step of one chunk.
    pub(super) span: u64,
}

/// A series that is one point: its words, then the span.
const POINT: u8 = 0;
/// A series of more: the words of its summary, then the span.
const POINTS: u8 = 1;

/// A series is stored as a byte that tells which, then words. One point says all of its summary,
/// and most series of a short run have one point.
impl SeriesRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let words = self.summary.words();
        let point = self.summary.first.filter(|_| self.summary.count == 1);
        if let Some(point) = point.filter(|point| summary_of(point).words() == words) {
            return stored(POINT, &point.words(), self.span);
        }
        stored(POINTS, &words, self.span)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut rest = Bytes(bytes);
        let summary = match rest.u8()? {
            POINT => summary_of(&Edge::from_words(rest.words::<EDGE_WORDS>()?)),
            POINTS => Summary::from_words(&rest.words::<SUMMARY_WORDS>()?),
            tag => {
                return Err(Malformed::new(format!(
                    "a series of an unknown kind, {tag}"
                )));
            }
        };
        let [span] = rest.words()?;
        Ok(Self { summary, span })
    }
}

fn stored(tag: u8, words: &[u64], span: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.push(tag);
    codec::put_words(words, &mut bytes);
    codec::put_words(&[span], &mut bytes);
    bytes
}

fn summary_of(point: &Edge) -> Summary {
    let mut summary = Summary::default();
    summary.add(point.step, point.stamp, point.value);
    summary
}

/// Encodes a row by the crate's codec.
pub(super) fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>, Malformed> {
    let mut bytes = Vec::new();
    codec::encode(row, &mut bytes)?;
    Ok(bytes)
}
