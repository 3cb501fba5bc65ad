//! How large a store and its parts are.

use std::collections::BTreeMap;
use std::path::Path;

use crate::blob::Blobs;
use crate::error::Result;
use crate::fold::Folder;
use crate::fold::SLOWED_TAG;
use crate::model::RunId;
use crate::query::Query;
use crate::query::Reader;
use crate::sys::Stat;

/// Size of one part of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartStat {
    /// Files.
    pub files: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// What they take on the disk, in bytes.
    pub allocated: u64,
}

impl PartStat {
    fn add(&mut self, stat: &Stat) {
        self.files += 1;
        self.bytes += stat.len;
        self.allocated += stat.allocated;
    }
}

/// The size of a store and its parts.
#[derive(Clone, Debug, Default)]
pub struct StoreStat {
    /// The store's id.
    pub id: String,
    /// Runs by status.
    pub runs: BTreeMap<&'static str, u64>,
    /// Series.
    pub series: u64,
    /// Points.
    pub points: u64,
    /// Sealed and settled segments.
    pub journal: PartStat,
    /// Segments being appended, or not folded yet.
    pub live: PartStat,
    /// The index.
    pub index: PartStat,
    /// Artifacts' bytes.
    pub blobs: PartStat,
    /// Runs whose disk or core did not keep up, as their writers noted.
    pub slowed: Vec<(RunId, String)>,
}

/// Measures the store.
pub(crate) fn stat(
    folder: &Folder<'_>,
    blobs: &Blobs,
    reader: &Reader,
    id: &str,
) -> Result<StoreStat> {
    let folders = folder.folders;
    let mut stat = StoreStat {
        id: id.to_owned(),
        ..StoreStat::default()
    };
    for run in reader.runs(&Query::default())? {
        *stat.runs.entry(run.status.as_str()).or_default() += 1;
        stat.series += run.metrics.len() as u64;
        stat.points += run
            .metrics
            .values()
            .map(|summary| summary.count)
            .sum::<u64>();
        if let Some(why) = run.tags.get(SLOWED_TAG) {
            stat.slowed.push((run.id, why.clone()));
        }
    }
    let add = |part: &mut PartStat, path: &Path| match folders.sys.stat(path) {
        Err(error) if error.is_missing() => Ok(()), // sealed or moved meanwhile
        found => found.map(|found| part.add(&found)),
    };
    for file in folders.list_live()? {
        add(&mut stat.live, &file.path)?;
    }
    for (number, _) in folders.list_folders()? {
        for id in folders.list_folder(number)? {
            add(&mut stat.journal, &folders.settled(&id))?;
        }
    }
    for index in [folder.index, &folder.index.aside()] {
        add(&mut stat.index, index.path())?;
    }
    for listed in blobs.list()?.blobs {
        stat.blobs.add(&listed.stat);
    }
    Ok(stat)
}
