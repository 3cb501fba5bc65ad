//! What runs say of their files, by run and by blob, and of aliases.

use std::ops::RangeInclusive;

use super::Snapshot;
use crate::codec;
use crate::codec::Bytes;
use crate::error::Result;
use crate::index::checksum::checked;
use crate::index::columns::RunNumber;
use crate::index::rows;
use crate::index::rows::ArtifactRow;
use crate::index::tables;
use crate::index::tables::ArtifactKey;
use crate::index::tables::UseKey;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::Flow;
use crate::model::Stamp;
use crate::model::WriterId;

/// A path of a run under which a blob was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobUse {
    /// The hash.
    pub blob: BlobId,
    /// Its length in bytes.
    pub bytes: u64,
    /// The run.
    pub run: RunNumber,
    /// Whether the run made it or read it.
    pub flow: Flow,
    /// Under which path.
    pub path: String,
}

impl Snapshot {
    /// Returns all that was said of the files of a run: outputs before inputs, by path, in the
    /// order of their stamps.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn artifacts(&self, run: RunNumber) -> Result<Vec<(ArtifactRef, Stamp)>> {
        self.artifacts_from(run, 0, "", |_, _| true)
    }

    /// Returns all that was said of one path of a run, in the order of stamps.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn artifacts_at(
        &self,
        run: RunNumber,
        flow: Flow,
        path: &str,
    ) -> Result<Vec<(ArtifactRef, Stamp)>> {
        let wanted = (rows::flow_code(flow), path);
        self.artifacts_from(run, wanted.0, path, |flow, path| (flow, path) == wanted)
    }

    /// Reads what was said of the files of a run from one on, as long as it is wanted.
    fn artifacts_from(
        &self,
        run: RunNumber,
        flow: u8,
        path: &str,
        is_wanted: impl Fn(u8, &str) -> bool,
    ) -> Result<Vec<(ArtifactRef, Stamp)>> {
        self.ask(|txn| {
            let mut artifacts = Vec::new();
            // To no end, as no path is the last possible one.
            let first = (run.0, flow, path, i64::MIN, 0, 0, 0);
            for entry in txn.open_table(tables::ARTIFACTS)?.range(first..)? {
                let (stored, row) = entry?;
                let key = stored.value();
                let (owner, flow, path, time_us, writer, seq, place) = key;
                if owner != run.0 || !is_wanted(flow, path) {
                    break;
                }
                let stamp = Stamp {
                    time_us,
                    writer: WriterId(writer),
                    seq,
                    row: place,
                };
                let row: ArtifactRow = codec::decode(checked::<ArtifactKey>(&key, row.value())?)?;
                artifacts.push((row.into_artifact(rows::flow_of(flow)?, path), stamp));
            }
            Ok(artifacts)
        })
    }

    /// Returns under which paths of which runs blobs of a range were logged, by blob and run.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn uses(&self, blobs: RangeInclusive<BlobId>) -> Result<Vec<BlobUse>> {
        let (from, to) = blobs.into_inner();
        self.ask(|txn| {
            let mut uses = Vec::new();
            let first = (&from.0, 0, 0, "");
            for entry in txn.open_table(tables::USES)?.range(first..)? {
                let (stored, row) = entry?;
                let key = stored.value();
                let (blob, run, flow, path) = key;
                if *blob > to.0 {
                    break;
                }
                let bytes = Bytes(checked::<UseKey>(&key, row.value())?).u64()?;
                uses.push(BlobUse {
                    blob: BlobId(*blob),
                    bytes,
                    run: RunNumber(run),
                    flow: rows::flow_of(flow)?,
                    path: path.to_owned(),
                });
            }
            Ok(uses)
        })
    }

    /// Returns each alias with each run that said something of it, by alias; what it said is in the
    /// run's row.
    ///
    /// - `name`: only of this alias
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn aliases(&self, name: Option<&str>) -> Result<Vec<(String, RunNumber)>> {
        self.ask(|txn| {
            let mut aliases = Vec::new();
            let first = (name.unwrap_or_default(), 0);
            for entry in txn.open_table(tables::ALIASES)?.range(first..)? {
                let (stored, _) = entry?;
                let (alias, run) = stored.value();
                if name.is_some_and(|name| name != alias) {
                    break;
                }
                aliases.push((alias.to_owned(), RunNumber(run)));
            }
            Ok(aliases)
        })
    }
}
