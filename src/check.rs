//! Walks journal, index and blobs, and tells all that is not as it was written.
//!
//! Nothing is changed: damage is data here, the same that an error would carry.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use crate::blob::Blobs;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::fold::ChunkRow;
use crate::fold::Folder;
use crate::fold::MemoryRun;
use crate::fold::Progress;
use crate::fold::SLOWED_TAG;
use crate::fold::fold_segment;
use crate::index::Opened;
use crate::index::RunNumber;
use crate::index::Snapshot;
use crate::journal::Event;
use crate::journal::Folders;
use crate::journal::SegmentId;
use crate::journal::files::LiveKind;
use crate::journal::rows;
use crate::journal::sealed::Sealed;
use crate::model::BlobId;
use crate::model::Run;
use crate::model::RunId;
use crate::model::Sum;
use crate::model::Summary;
use crate::query::Query;
use crate::query::Reader;
use crate::sys::Open;
use crate::sys::Stat;

/// How often an index that is busy is asked again.
const INDEX_TRIES: usize = 40;

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Segments read.
    pub segments: u64,
    /// Points in them.
    pub points: u64,
    /// Blobs read.
    pub blobs: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Records of a kind that this version does not know; they are kept.
    pub unknown_records: u64,
    /// What is damaged in journal and blobs, with the runs that it touches.
    pub damage: Vec<(Damage, Vec<RunId>)>,
    /// What of the index is not as the journal says; `rebuild` mends it.
    pub index: Vec<String>,
    /// Files that lie about: what was being made when its maker died, and what is none of ours.
    pub strays: Vec<std::path::PathBuf>,
}

impl CheckReport {
    /// Whether all is as it was written.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.index.is_empty()
    }
}

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
    add(&mut stat.index, folder.index.path())?;
    for listed in blobs.list()?.blobs {
        stat.blobs.add(&listed.stat);
    }
    Ok(stat)
}

/// Reads all of the store.
pub(crate) fn check(
    folder: &Folder<'_>,
    blobs: &Blobs,
    progress: Progress<'_>,
) -> Result<CheckReport> {
    let folders = folder.folders;
    let mut files = Vec::new();
    let mut report = CheckReport::default();
    for file in folders.list_live()? {
        match file.kind {
            LiveKind::Unfinished => report.strays.push(file.path),
            LiveKind::Rows | LiveKind::Sealed => files.push((file.id, file.path)),
        }
    }
    for (number, _) in folders.list_folders()? {
        let ids = folders.list_folder(number)?;
        files.extend(ids.into_iter().map(|id| (id, folders.settled(&id))));
    }
    let listing = blobs.list()?;
    report
        .strays
        .extend(listing.temporary.into_iter().map(|(path, _)| path));
    report.strays.extend(listing.strange);
    let len = |path: &Path| folders.sys.stat(path).map_or(0, |stat| stat.len);
    let total = files.iter().map(|(_, path)| len(path)).sum::<u64>()
        + listing
            .blobs
            .iter()
            .map(|listed| listed.stat.len)
            .sum::<u64>();
    let mut walk = Walk {
        report,
        total,
        progress,
        named: BTreeMap::new(),
    };
    let (mut sealed, mut damaged) = (Vec::new(), BTreeSet::new());
    for (id, path) in files {
        let bytes = len(&path);
        let is_rows = path.extension().is_some_and(|ending| ending == "seg");
        let checked = if is_rows {
            walk.rows(folders, &id, &path)
        } else {
            walk.sealed(folders, &id, &path)
                .map(|file| sealed.extend(file))
        };
        if checked.is_err() {
            damaged.insert(id);
        }
        walk.found(checked, id.run, &path);
        walk.advance(bytes);
    }
    for listed in &listing.blobs {
        let owners = walk.named.remove(&listed.blob).unwrap_or_default();
        match blobs.verify(listed.blob) {
            Ok(_) => {}
            Err(error) if error.is_missing() => {}
            Err(error) => {
                let damage = error.into_damage(&blobs.path(listed.blob));
                let owners = owners.into_iter().collect();
                walk.report.damage.push((damage, owners));
            }
        }
        walk.report.blobs += 1;
        walk.advance(listed.stat.len);
    }
    // What records name and nothing is there for.
    for (blob, owners) in std::mem::take(&mut walk.named) {
        let damage = Damage::new(&blobs.path(blob), 0, "blob", "it is missing");
        walk.report
            .damage
            .push((damage, owners.into_iter().collect()));
    }
    let mut report = walk.report;
    report.index = compare_index(folder, &sealed, &damaged)?;
    Ok(report)
}

struct Walk<'a> {
    report: CheckReport,
    total: u64,
    progress: Progress<'a>,
    /// Blobs that records name, and the runs whose records do.
    named: BTreeMap<BlobId, BTreeSet<RunId>>,
}

impl Walk<'_> {
    fn advance(&mut self, bytes: u64) {
        self.report.bytes += bytes;
        (self.progress)(self.report.bytes.min(self.total), self.total);
    }

    /// One file that cannot be read, or not by this version, must not hide what others have.
    fn found(&mut self, checked: Result<()>, run: RunId, path: &Path) {
        match checked {
            Ok(()) => {}
            Err(error) if error.is_missing() => {} // sealed or moved meanwhile
            Err(error) => self
                .report
                .damage
                .push((error.into_damage(path), vec![run])),
        }
    }

    fn take_events<'e>(&mut self, run: RunId, events: impl Iterator<Item = &'e Event>) {
        for event in events {
            if let Event::Artifact(artifact) = event {
                self.named.entry(artifact.blob).or_default().insert(run);
            }
        }
    }

    fn rows(&mut self, folders: &Folders, id: &SegmentId, path: &Path) -> Result<()> {
        let file = folders.sys.open(path, Open::Read)?;
        let rows = rows::read(&*file, id)?;
        self.report.segments += 1;
        self.report.points += rows
            .groups
            .iter()
            .map(|group| group.values.len() as u64)
            .sum::<u64>();
        self.report.unknown_records += rows.unknown.len() as u64;
        self.take_events(id.run, rows.events.iter().map(|row| &row.event));
        let damage = rows.damage.into_iter().map(|damage| (damage, vec![id.run]));
        self.report.damage.extend(damage);
        Ok(())
    }

    fn sealed(
        &mut self,
        folders: &Folders,
        id: &SegmentId,
        path: &Path,
    ) -> Result<Option<(SegmentId, [u8; 32])>> {
        let file = folders.sys.open(path, Open::Read)?;
        let sealed = Sealed::open(file.into(), id)?;
        sealed.verify()?;
        self.report.segments += 1;
        self.report.points += sealed.footer.points;
        self.report.unknown_records += u64::from(sealed.footer.unknown_count);
        self.take_events(id.run, sealed.events()?.iter().map(|row| &row.event));
        let settled = path == folders.settled(id);
        Ok(settled.then_some((*id, sealed.hash)))
    }
}

/// Tells what of the index is not as the sealed files say.
///
/// - `damaged`: segments of which that cannot be told; they are no fault of the index
fn compare_index(
    folder: &Folder<'_>,
    sealed: &[(SegmentId, [u8; 32])],
    damaged: &BTreeSet<SegmentId>,
) -> Result<Vec<String>> {
    // A reader has no time to wait for a busy machine; a check has.
    let mut opened = folder.index.read()?;
    for _ in 1..INDEX_TRIES {
        if !matches!(opened, Opened::Busy) {
            break;
        }
        opened = folder.index.read()?;
    }
    let snapshot = match opened {
        Opened::Reader(snapshot) => snapshot,
        Opened::Missing if sealed.is_empty() => return Ok(Vec::new()),
        Opened::Missing => return Ok(vec!["there is none".to_owned()]),
        Opened::NeedsMending => {
            return Ok(vec!["a process was killed while it wrote it".to_owned()]);
        }
        Opened::Busy => return Ok(vec!["it did not answer in time".to_owned()]),
        Opened::Foreign(why) | Opened::Damaged(why) => return Ok(vec![why]),
    };
    let mut found = Vec::new();
    match compare(folder, &snapshot, sealed, damaged, &mut found) {
        Err(Error::Corrupt(damage)) => found.push(damage.to_string()),
        compared => compared?,
    }
    drop(snapshot);
    // redb checks its own pages only when it is opened to write, under the lock that needs.
    match folder.try_lock() {
        Ok(Some(_lock)) => match folder.index.verify() {
            Err(Error::Corrupt(damage)) => found.push(damage.to_string()),
            verified => verified?,
        },
        Ok(None) => {}
        Err(error) if error.is_read_only() => {}
        Err(error) => return Err(error),
    }
    Ok(found)
}

fn compare(
    folder: &Folder<'_>,
    snapshot: &Snapshot,
    sealed: &[(SegmentId, [u8; 32])],
    damaged: &BTreeSet<SegmentId>,
    found: &mut Vec<String>,
) -> Result<()> {
    let mut indexed = BTreeMap::new();
    let ids = snapshot.run_ids()?;
    for segment in snapshot.segments(0..=u32::MAX)? {
        let RunNumber(number) = segment.run;
        if let Some(run) = ids.get(number as usize) {
            let id = SegmentId {
                run: *run,
                writer: segment.writer,
                seq: segment.seq,
            };
            indexed.insert(id, segment.segment.hash);
        }
    }
    let mut runs: BTreeMap<RunId, Vec<SegmentId>> = BTreeMap::new();
    for (id, hash) in sealed {
        match indexed.remove(id) {
            Some(known) if known == *hash => runs.entry(id.run).or_default().push(*id),
            Some(_) => found.push(format!("segment {} was folded from other bytes", id.stem())),
            None => {} // a reader finds it, and the next fold takes it in
        }
    }
    let gone = indexed
        .keys()
        .filter(|id| !damaged.contains(id))
        .map(|id| format!("segment {} is gone from the journal", id.stem()));
    found.extend(gone);
    let gone: BTreeSet<RunId> = indexed.keys().map(|id| id.run).collect();
    for (number, run) in (0..).map(RunNumber).zip(&ids) {
        let segments = runs.get(run).map(Vec::as_slice).unwrap_or_default();
        if !gone.contains(run) && !is_as_folded(folder, snapshot, *run, number, segments)? {
            found.push(format!("run {run} is not as its segments say"));
        }
    }
    Ok(())
}

/// Whether the index tells of a run what its folded segments tell.
fn is_as_folded(
    folder: &Folder<'_>,
    snapshot: &Snapshot,
    run: RunId,
    number: RunNumber,
    segments: &[SegmentId],
) -> Result<bool> {
    let mut text = |name| Ok(snapshot.text(name)?.unwrap_or_default());
    let have = MemoryRun::load(snapshot, number, &mut text)?.into_run(run, None);
    let mut want = MemoryRun::default();
    for id in segments {
        let file = folder
            .folders
            .sys
            .open(&folder.folders.settled(id), Open::Read)?;
        let sealed = Sealed::open(file.into(), id)?;
        let series = sealed
            .footer
            .metrics
            .iter()
            .map(|(name, part)| (name.as_str(), part));
        fold_segment(&mut want, id, &sealed.events()?, series)?;
    }
    for (name, summary) in snapshot.series(number)? {
        let mut rows = 0;
        for chunk in snapshot.chunks(number, name, i64::MIN..=i64::MAX)? {
            let chunk = chunk?;
            let chunk = ChunkRow::decode(&chunk.bytes)
                .map_err(|why| Damage::new(snapshot.path(), 0, "chunk", why.0))?;
            rows += u64::from(chunk.rows);
        }
        if rows != summary.count {
            return Ok(false);
        }
    }
    Ok(is_same(have, want.into_run(run, None)))
}

/// Whether two folds of a run tell the same. How sums round depends on the order of folding.
fn is_same(mut a: Run, mut b: Run) -> bool {
    let near = |a: Option<f64>, b: Option<f64>, size: f64| match (a, b) {
        (Some(a), Some(b)) if a.is_finite() && b.is_finite() => (a - b).abs() <= size * 1e-12,
        (a, b) => a.map(f64::to_bits) == b.map(f64::to_bits),
    };
    let is_near = |(a, b): (&Summary, &Summary)| {
        let size = (a.sum_of_squares.value() / a.finite_count() as f64).sqrt();
        let size = if size.is_finite() { size } else { f64::MAX }; // the squares overflowed
        near(a.mean(), b.mean(), size) && near(a.std(), b.std(), size)
    };
    let is_near = a.metrics.values().zip(b.metrics.values()).all(is_near);
    for summary in a.metrics.values_mut().chain(b.metrics.values_mut()) {
        (summary.sum, summary.sum_of_squares) = (Sum::default(), Sum::default());
    }
    is_near && format!("{a:?}") == format!("{b:?}")
}
