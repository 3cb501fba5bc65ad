//! Files of runs: what is said of one, and the versions that what was said under a path makes.
//!
//! A path that a run logs again has a new version: v0, v1, … by the stamps of the records, so the
//! numbers are the same in whatever order the records are folded. The same bytes again in
//! succession are no new version; the latest record of them speaks for it. What a run reads and
//! what it writes are counted apart: a run that reads `model.pt` and writes it has two first
//! versions, not an input that is hidden by an output.
//!
//! All records of a path are kept, not the newest of each version: a record that arrives late may
//! stand between two of the same bytes, and then there were two versions.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use super::id::BlobId;
use super::summary::Stamp;

/// Which way a file goes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Flow {
    /// The run made it.
    #[default]
    Output,
    /// The run read it.
    Input,
}

impl Flow {
    /// Returns the word that is printed: `output`, `input`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Input => "input",
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A run's name for some bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Path inside the run, with `/`.
    pub path: String,
    /// Hash of its bytes.
    pub blob: BlobId,
    /// Length in bytes.
    pub bytes: u64,
    /// Media type, if known.
    pub media_type: Option<String>,
    /// When it was added, in microseconds since 1970.
    pub time_us: i64,
    /// What it is, in the user's words: `model`, `dataset`.
    pub kind: Option<String>,
    /// Whether the run made it or read it.
    pub flow: Flow,
    /// Where the bytes stay, as a full path; none if they are in the store.
    pub reference: Option<String>,
    /// Permission bits of the file, where the system has such.
    pub mode: Option<u32>,
    /// Last change of the file, in nanoseconds since 1970; none for bytes that were no file.
    pub modified_ns: Option<i64>,
}

impl ArtifactRef {
    /// Names bytes in the store that a run made, of which no more is known.
    pub fn new(path: String, blob: BlobId, bytes: u64, time_us: i64) -> Self {
        Self {
            path,
            blob,
            bytes,
            media_type: None,
            time_us,
            kind: None,
            flow: Flow::Output,
            reference: None,
            mode: None,
            modified_ns: None,
        }
    }
}

/// What a run says of an alias: which of its files the name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasTarget {
    /// Whether it is among what the run made or read.
    pub flow: Flow,
    /// Path inside the run.
    pub path: String,
    /// Hash of the version's bytes: its number may change when records arrive late.
    pub blob: BlobId,
}

/// A version of a file of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Counted from 0 among the versions of its path.
    pub number: u32,
    /// Whether no later one is known.
    pub is_newest: bool,
    /// What is said of it.
    pub artifact: ArtifactRef,
}

impl Version {
    /// Returns `PATH@vN`, which names it in its run.
    pub fn name(&self) -> String {
        format!("{}@v{}", self.artifact.path, self.number)
    }
}

/// All that was said of the files of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(BTreeMap<Key, BTreeMap<Stamp, ArtifactRef>>);

/// Versions are counted by this.
type Key = (Flow, String);

impl Files {
    /// Takes in a record; again is once.
    pub(crate) fn put(&mut self, artifact: ArtifactRef, stamp: Stamp) {
        let key = (artifact.flow, artifact.path.clone());
        self.0.entry(key).or_default().insert(stamp, artifact);
    }

    /// Returns all records, by path and then in the order in which they were said.
    pub(crate) fn into_records(self) -> impl Iterator<Item = (Stamp, ArtifactRef)> {
        self.0.into_values().flatten()
    }

    /// Returns when a file was last spoken of, in microseconds since 1970.
    pub(crate) fn spoken_us(&self) -> Option<i64> {
        let last = self.0.values().filter_map(BTreeMap::last_key_value);
        last.map(|(stamp, _)| stamp.time_us).max()
    }

    /// Returns the versions of each path, the oldest first; none has none.
    pub(crate) fn into_versions(self) -> BTreeMap<Key, Vec<ArtifactRef>> {
        let versions = |(key, records): (Key, BTreeMap<Stamp, ArtifactRef>)| {
            let mut versions: Vec<ArtifactRef> = Vec::new();
            for artifact in records.into_values() {
                match versions.last_mut() {
                    Some(last) if last.blob == artifact.blob => *last = artifact,
                    _ => versions.push(artifact),
                }
            }
            (key, versions)
        };
        self.0.into_iter().map(versions).collect()
    }

    /// Returns all versions with their numbers: outputs before inputs, by path, the oldest first.
    pub(crate) fn into_list(self) -> Vec<Version> {
        let all = self.into_versions().into_values();
        all.flat_map(|versions| numbered(versions.into_iter()))
            .collect()
    }
}

/// Finds the version that `name` names: `PATH` is the newest of that path and `PATH@vN` another; of
/// a path that was made and read what was made.
pub(crate) fn named<'a>(versions: &'a [Version], name: &str) -> Option<&'a Version> {
    let mut newest = versions.iter().filter(|version| version.is_newest);
    // A file may itself be called `x@v1`.
    let newest = newest.find(|version| version.artifact.path == name);
    newest.or_else(|| versions.iter().find(|version| version.name() == name))
}

/// Numbers the versions of a path.
pub(crate) fn numbered(
    versions: impl ExactSizeIterator<Item = ArtifactRef>,
) -> impl Iterator<Item = Version> {
    let count = versions.len();
    versions.zip(0..).map(move |(artifact, number)| Version {
        number,
        is_newest: number as usize + 1 == count,
        artifact,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WriterId;

    fn stamp(time_us: i64) -> Stamp {
        Stamp {
            time_us,
            writer: WriterId(1),
            seq: 0,
            row: 0,
        }
    }

    /// The blobs of the versions of one path, said in this order.
    fn versions(said: &[(i64, u8)]) -> Vec<u8> {
        let mut files = Files::default();
        for (time_us, byte) in said {
            let blob = BlobId([*byte; 32]);
            let artifact = ArtifactRef::new("model.pt".to_owned(), blob, 1, *time_us);
            files.put(artifact, stamp(*time_us));
        }
        let list = files.into_list();
        assert!(list.iter().zip(0..).all(|(version, n)| version.number == n));
        let newest = list.iter().rposition(|version| version.is_newest);
        assert_eq!(newest, list.len().checked_sub(1));
        list.iter()
            .map(|version| version.artifact.blob.0[0])
            .collect()
    }

    #[test]
    fn a_late_record_between_two_of_the_same_bytes_parts_their_version() {
        assert_eq!(versions(&[(1, 7), (2, 7), (5, 7)]), [7]);
        assert_eq!(versions(&[(1, 7), (2, 7), (5, 7), (3, 8)]), [7, 8, 7]);
        assert_eq!(versions(&[(3, 8), (5, 7), (2, 7), (1, 7)]), [7, 8, 7]);
        assert_eq!(versions(&[(3, 8), (5, 7), (4, 8), (5, 7)]), [8, 7]);
    }

    #[test]
    fn what_is_read_and_what_is_written_is_counted_apart() {
        let mut files = Files::default();
        for (flow, time_us) in [(Flow::Input, 1), (Flow::Output, 2)] {
            let blob = BlobId([u8::from(flow == Flow::Input); 32]);
            let mut artifact = ArtifactRef::new("model.pt".to_owned(), blob, 1, time_us);
            artifact.flow = flow;
            files.put(artifact, stamp(time_us));
        }
        let list = files.into_list();
        let told = |version: &Version| (version.artifact.flow, version.name(), version.is_newest);
        let want = |flow| (flow, "model.pt@v0".to_owned(), true);
        let told: Vec<_> = list.iter().map(told).collect();
        assert_eq!(told, [want(Flow::Output), want(Flow::Input)]);
    }
}
