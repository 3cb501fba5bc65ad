//! Walks journal, index and blobs, and tells all that is not as it was written.
//!
//! Nothing is changed: damage is data here, the same that an error would carry. A file that cannot
//! be read at all is damage as well, and no reason to stop: all others are still to be looked at.
//! What a damage takes with it is told by what stands around it
//! ([`remains`](crate::journal::remains)), and by the index where only that still knows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::blob::Blobs;
use crate::blob::Form;
use crate::blob::Listed;
use crate::blob::Listing;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::fault::Fault;
use crate::fault::Owners;
use crate::fold::ChunkRow;
use crate::fold::Folder;
use crate::fold::GONE;
use crate::fold::MemoryRun;
use crate::fold::Progress;
use crate::fold::fold_segment;
use crate::fold::indexed;
use crate::fold::only_aside;
use crate::fold::read_patiently;
use crate::fold::regain;
use crate::index::Opened;
use crate::index::RunNumber;
use crate::index::Snapshot;
use crate::journal::Folders;
use crate::journal::SegmentId;
use crate::journal::files::LiveKind;
use crate::journal::remains::Extent;
use crate::journal::remains::Loss;
use crate::journal::remains::Remains;
use crate::journal::sealed::Sealed;
use crate::model::BlobId;
use crate::model::Run;
use crate::model::RunId;
use crate::model::Sum;
use crate::model::Summary;
use crate::sys::File;
use crate::sys::Open;

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
    /// What is damaged in journal and blobs, with what it touches.
    pub damage: Vec<Fault>,
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
        match folders.list_folder(number) {
            Ok(ids) => files.extend(ids.into_iter().map(|id| (id, folders.settled(&id)))),
            Err(error) => {
                let damage = error.into_damage(&folders.numbered(number), 0);
                report.damage.push(Fault::of_folder(damage));
            }
        }
    }
    let listing = blobs.list().unwrap_or_else(|error| {
        let damage = error.into_damage(blobs.folder(), 0);
        report.damage.push(Fault::of_folder(damage));
        Listing::default()
    });
    report
        .strays
        .extend(listing.temporary.into_iter().map(|(path, _)| path));
    report.strays.extend(listing.strange);
    report.strays.extend(folders.list_strange());
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
        owners: Owners::default(),
        index: None,
    };
    let (mut sealed, mut damaged) = (Vec::new(), BTreeSet::new());
    for (id, path) in files {
        let bytes = len(&path);
        let before = walk.report.damage.len();
        match folders.sys.open(&path, Open::Read) {
            Err(error) if error.is_missing() => {} // sealed or moved meanwhile
            Err(error) => walk.lose(folder, &id, vec![Loss::of_file(&path, error)]),
            Ok(file) if path.extension().is_some_and(|ending| ending == "seg") => {
                walk.rows(folder, &id, &*file);
            }
            Ok(file) => sealed.extend(walk.sealed(folder, &id, &file.into())),
        }
        if walk.report.damage.len() > before {
            damaged.insert(id);
        }
        walk.advance(bytes);
    }
    walk.blobs(blobs, &listing.blobs);
    // What records name and was not listed.
    let found: BTreeSet<BlobId> = listing.blobs.iter().map(|listed| listed.blob).collect();
    for blob in walk.owners.blobs().filter(|blob| !found.contains(blob)) {
        let damage = match blobs.verify(blob) {
            Ok(_) => continue, // its folder, or one before it, could not be
            Err(Error::NotFound { .. }) => {
                Damage::new(&blobs.path(blob), 0, "blob", "it is missing")
            }
            Err(error) => error.into_damage(&blobs.path(blob), 0),
        };
        walk.report.damage.push(walk.owners.fault(&[blob], damage));
    }
    drop(walk.index.take());
    let mut report = walk.report;
    // What cannot be read of it is of no use to anybody, and no fault of the store.
    let aside = read_patiently(&folder.index.aside()).unwrap_or(Opened::Missing);
    for id in only_aside(folder.index, aside)
        .ok()
        .flatten()
        .unwrap_or_default()
    {
        if !damaged.contains(&id) {
            report.damage.push(gone(folders, &id));
        }
    }
    compare_index(folder, &sealed, &damaged, &mut report)?;
    Ok(report)
}

struct Walk<'a> {
    report: CheckReport,
    total: u64,
    progress: Progress<'a>,
    owners: Owners,
    /// Asked only of what is damaged: none while that is not needed, else what it answered.
    index: Option<Opened>,
}

impl Walk<'_> {
    fn advance(&mut self, bytes: u64) {
        self.report.bytes += bytes;
        (self.progress)(self.report.bytes.min(self.total), self.total);
    }

    /// Reads each file once: of a blob in chunks its list alone, for the chunks are files too.
    fn blobs(&mut self, blobs: &Blobs, listed: &[Listed]) {
        let (lists, files): (Vec<_>, Vec<_>) = listed
            .iter()
            .partition(|listed| listed.form == Form::Chunks);
        let mut broken: BTreeMap<BlobId, (Vec<Damage>, Vec<BlobId>)> = BTreeMap::new();
        for Listed { blob, form, stat } in files.into_iter().chain(lists).copied() {
            let verified = blobs.verify_file(blob, form);
            if form == Form::Chunks && !broken.is_empty() {
                for piece in blobs.pieces(blob).unwrap_or_default() {
                    if let Some((_, parts)) = broken.get_mut(&piece.blob) {
                        parts.push(blob);
                    }
                }
            }
            match verified {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => {
                    let (damages, parts) = broken.entry(blob).or_default();
                    damages.push(error.into_damage(&blobs.path(blob), 0));
                    parts.push(blob);
                }
            }
            self.report.blobs += 1;
            self.advance(stat.len);
        }
        for (damages, parts) in broken.into_values() {
            let faults = damages
                .into_iter()
                .map(|damage| self.owners.fault(&parts, damage));
            self.report.damage.extend(faults);
        }
    }

    /// Reports what a segment has lost.
    fn lose(&mut self, folder: &Folder<'_>, id: &SegmentId, losses: Vec<Loss>) {
        if losses.is_empty() {
            return;
        }
        let index = match self.index.take() {
            Some(opened) => opened,
            // Why it cannot be read is said where it is compared.
            None => read_patiently(folder.index).unwrap_or(Opened::Missing),
        };
        let regained = match &index {
            // One that is damaged itself is spoken of where it is compared.
            Opened::Reader(snapshot) => regain(snapshot, id).ok().flatten(),
            _ => None,
        };
        self.index = Some(index);
        for loss in losses {
            let mut fault = Fault::of_segment(id.run, loss);
            if let Some(regained) = &regained {
                fault.tell_by(regained);
            }
            self.report.damage.push(fault);
        }
    }

    fn rows(&mut self, folder: &Folder<'_>, id: &SegmentId, file: &dyn File) {
        self.remains(folder, id, Remains::of_rows(file, id, &*folder.folders.sys));
    }

    /// Counts what is left of a segment and reports what is not.
    fn remains(&mut self, folder: &Folder<'_>, id: &SegmentId, remains: Remains) {
        let Remains { rows, losses } = remains;
        self.report.segments += 1;
        self.report.points += rows.point_count();
        self.report.unknown_records += rows.unknown.len() as u64;
        self.owners.note(id.run, &rows.events);
        self.lose(folder, id, losses);
    }

    fn sealed(
        &mut self,
        folder: &Folder<'_>,
        id: &SegmentId,
        file: &Arc<dyn File>,
    ) -> Option<(SegmentId, [u8; 32])> {
        let read = || -> Result<_> {
            let sealed = Sealed::open(Arc::clone(file), id)?;
            sealed.verify()?;
            let events = sealed.events()?;
            Ok((sealed, events))
        };
        let (sealed, events) = match read() {
            Ok(read) => read,
            Err(error) => {
                let mut remains = Remains::of_sealed(Arc::clone(file), id);
                if remains.losses.is_empty() {
                    // The second look found nothing: the disk is not to be trusted all the same.
                    remains.losses.push(Loss::of_file(file.path(), error));
                }
                self.remains(folder, id, remains);
                return None;
            }
        };
        self.report.segments += 1;
        self.report.points += sealed.footer.points;
        self.report.unknown_records += u64::from(sealed.footer.unknown_count);
        self.owners.note(id.run, &events);
        let settled = sealed.path() == folder.folders.settled(id);
        settled.then_some((*id, sealed.hash))
    }
}

/// A segment that was folded once and has no file any more.
fn gone(folders: &Folders, id: &SegmentId) -> Fault {
    let damage = Damage::new(&folders.settled(id), 0, "file", GONE);
    let extent = Extent::All;
    Fault::of_segment(id.run, Loss { damage, extent })
}

/// Tells what of the index is not as the sealed files say.
///
/// - `damaged`: segments of which that cannot be told; they are no fault of the index
fn compare_index(
    folder: &Folder<'_>,
    sealed: &[(SegmentId, [u8; 32])],
    damaged: &BTreeSet<SegmentId>,
    report: &mut CheckReport,
) -> Result<()> {
    let snapshot = match read_patiently(folder.index) {
        Ok(Opened::Reader(snapshot)) => Ok(snapshot),
        Ok(Opened::Missing) if sealed.is_empty() => return Ok(()),
        Ok(Opened::Missing) => Err("there is none".to_owned()),
        Ok(Opened::NeedsMending) => Err("a process was killed while it wrote it".to_owned()),
        Ok(Opened::Busy) => Err("it did not answer in time".to_owned()),
        Ok(Opened::Foreign(why) | Opened::Damaged(why)) => Err(why),
        // No reason to keep back what was found in the journal.
        Err(error) => Err(error.to_string()),
    };
    let snapshot = match snapshot {
        Ok(snapshot) => snapshot,
        Err(why) => {
            report.index.push(why);
            return Ok(());
        }
    };
    match compare(folder, &snapshot, sealed, damaged, report) {
        Err(Error::Corrupt(damage)) => report.index.push(damage.to_string()),
        compared => compared?,
    }
    drop(snapshot);
    // redb checks its own pages only when it is opened to write, under the lock that needs.
    let verified = match folder.try_lock() {
        Ok(Some(_lock)) => folder.index.verify(),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    match verified {
        Err(Error::Corrupt(damage)) => report.index.push(damage.to_string()),
        Err(error) if !error.is_read_only() => report.index.push(error.to_string()),
        _ => {}
    }
    Ok(())
}

fn compare(
    folder: &Folder<'_>,
    snapshot: &Snapshot,
    sealed: &[(SegmentId, [u8; 32])],
    damaged: &BTreeSet<SegmentId>,
    report: &mut CheckReport,
) -> Result<()> {
    let folders = folder.folders;
    let mut indexed = indexed(snapshot)?;
    let ids = snapshot.run_ids()?;
    let mut runs: BTreeMap<RunId, Vec<SegmentId>> = BTreeMap::new();
    let mut not_there = Vec::new();
    for (id, hash) in sealed {
        match indexed.remove(id) {
            Some(known) if known == *hash => runs.entry(id.run).or_default().push(*id),
            Some(_) => {
                let why = format!("segment {} was folded from other bytes", id.stem());
                report.index.push(why);
            }
            None => not_there.push(id), // a reader finds it, and the next fold takes it in
        }
    }
    // Unless both pass over its folder, as one that has not changed since it was folded.
    let seen = snapshot.folders()?;
    for (number, modified_ns) in folders.list_folders()? {
        let is_in = |id: &&&SegmentId| id.run.folder() == format!("{number:02x}");
        if seen.get(&number) == Some(&modified_ns) {
            let passed_over = not_there.iter().filter(is_in);
            let why = |id: &&SegmentId| format!("segment {} was passed over", id.stem());
            report.index.extend(passed_over.map(why));
        }
    }
    for id in indexed.keys().filter(|id| !damaged.contains(id)) {
        let path = folders.settled(id);
        // One that was folded since the journal was listed is there.
        if folders
            .sys
            .stat(&path)
            .is_err_and(|error| error.is_missing())
        {
            let mut fault = gone(folders, id);
            if let Some(regained) = regain(snapshot, id)? {
                fault.tell_by(&regained);
            }
            report.damage.push(fault);
        }
    }
    let gone: BTreeSet<RunId> = indexed.keys().map(|id| id.run).collect();
    for (number, run) in (0..).map(RunNumber).zip(ids) {
        let segments = runs.get(run).map(Vec::as_slice).unwrap_or_default();
        if !gone.contains(run) && !is_as_folded(folder, snapshot, *run, number, segments)? {
            let why = format!("run {run} is not as its segments say");
            report.index.push(why);
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
