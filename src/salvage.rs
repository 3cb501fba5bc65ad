//! Copies all that can be read of a damaged store into a new one. The source is only read.
//!
//! A sealed file that is whole is copied as it is, under its name. Of a damaged one each part whose
//! own checksum is right is written again as columns of the same run, writer and number
//! ([`remains`]); so a point is there once, at its place, however it came.
//! What the file has lost is taken from the index where that still has it (`fold::regain`): all
//! points of a segment or, if they are more than the file gives, some. An index that cannot be read
//! where it is, because its writer was killed, the store was copied or has lost its id, is copied
//! beside the new store, mended and verified there, and removed at the end. No index is needed: the
//! new store's is folded from its own journal.
//!
//! Of a segment that is there twice (rows and columns, `live/` and `journal/`) whole columns are
//! taken, else rows that have all, else the columns that have most. Two damaged ones are not woven
//! together: who damaged both in different places is not the accident to plan for.
//!
//! Rows that are whole stay rows while their writer lives, or if they are a copy of what is written
//! elsewhere: as with any copy of a store, the whole segment may still arrive under that name. All
//! others are sealed, for nobody will go on in them.
//!
//! A blob is copied if its bytes hash to its name. The record of one that is lost is kept: its hash
//! tells the file when it is found elsewhere, and until then `check` of the new store says that it
//! is missing.
//!
//! Whatever cannot be read is damage and named; whatever cannot be written is an error. The file
//! `format` is written last, by the store: before that the new folder is none.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::blob::Blobs;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::fault::Fault;
use crate::fault::Owners;
use crate::fold::GONE;
use crate::fold::Progress;
use crate::fold::indexed;
use crate::fold::read_patiently;
use crate::fold::regain;
use crate::index::Index;
use crate::index::Opened;
use crate::index::Snapshot;
use crate::journal::Event;
use crate::journal::Folders;
use crate::journal::Role;
use crate::journal::SegmentId;
use crate::journal::files::LiveKind;
use crate::journal::remains;
use crate::journal::remains::Extent;
use crate::journal::remains::Loss;
use crate::journal::remains::Remains;
use crate::journal::rows::EventRow;
use crate::journal::rows::Rows;
use crate::journal::sealed::Encoder;
use crate::journal::segment;
use crate::liveness;
use crate::liveness::Liveness;
use crate::model::BlobId;
use crate::model::RunId;
use crate::query::Source;
use crate::sys;
use crate::sys::File;
use crate::sys::Open;

/// Bytes of the index that are copied at once.
const BUFFER_BYTES: usize = 1 << 20;

/// What was copied, and what was lost.
#[derive(Clone, Debug, Default)]
pub struct SalvageReport {
    /// The new store.
    pub path: PathBuf,
    /// Runs of which anything was copied.
    pub runs: u64,
    /// Segments in the new store.
    pub segments: u64,
    /// Those of them that were written anew from what was left.
    pub rewritten: u64,
    /// Points in the segments.
    pub points: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of segments and blobs written.
    pub bytes: u64,
    /// What could not be copied.
    pub lost: Vec<Fault>,
    /// What is damaged in the source and cost nothing: it was there twice.
    pub spared: Vec<Fault>,
    /// Runs with a writer that lives: what it wrote so far was copied.
    pub live: Vec<RunId>,
    /// What else the user should know.
    pub warnings: Vec<String>,
}

/// Where the copy goes.
pub(crate) struct Target<'a> {
    pub(crate) folders: &'a Folders,
    pub(crate) blobs: &'a Blobs,
    pub(crate) path: &'a Path,
}

/// Copies what can be read of `from`; the folders of `to` are there and empty.
///
/// # Errors
/// `Error::Io` if the copy cannot be written.
pub(crate) fn salvage(
    from: &Source,
    to: &Target<'_>,
    progress: Progress<'_>,
) -> Result<SalvageReport> {
    let mut work = Work {
        from,
        to,
        report: SalvageReport {
            path: to.path.to_owned(),
            ..SalvageReport::default()
        },
        snapshot: None,
        encoder: Encoder::default(),
        whole: BTreeSet::new(),
        runs: BTreeSet::new(),
        live: BTreeSet::new(),
        owners: Owners::default(),
    };
    // First what is in `live/`: from there files move to `journal/`, never back.
    let mut ids = BTreeSet::new();
    work.list_live(&mut ids);
    work.list_journal(&mut ids);
    work.open_index(&mut ids);
    let listing = from.blobs.list();
    let blobs = listing.as_ref().map_or(&[][..], |listing| &listing.blobs);
    let blob_bytes: u64 = blobs.iter().map(|listed| listed.stat.len).sum();
    let total = ids.iter().map(|id| work.len(id)).sum::<u64>() + blob_bytes;
    let mut done = 0;
    let (mut rest, mut misnamed) = (Vec::new(), Vec::new());
    for id in &ids {
        done += work.len(id);
        if !work.copy_if_whole(id, &mut misnamed)? {
            rest.push(*id);
        }
        progress(done.min(total), total);
    }
    for (told, path) in misnamed {
        work.copy_misnamed(&told, &path)?;
    }
    for id in rest {
        work.copy_remains(&id)?;
    }
    work.snapshot = None;
    sys::remove_if_there(&*from.folders.sys, &work.copied_index())?;
    let mut found = BTreeSet::new();
    for listed in blobs {
        found.insert(listed.blob);
        work.copy_blob(listed.blob)?;
        done += listed.stat.len;
        progress(done.min(total), total);
    }
    if let Err(error) = listing {
        work.lose_folder(from.blobs.folder(), error);
    }
    for blob in work.owners.blobs().filter(|blob| !found.contains(blob)) {
        let damage = Damage::new(&from.blobs.path(blob), 0, "blob", "it is missing");
        work.report.lost.push(work.owners.fault(&[blob], damage));
    }
    work.finish()
}

/// A segment's files that are there, open.
#[derive(Default)]
struct Files {
    rows: Option<Arc<dyn File>>,
    sealed: Vec<Arc<dyn File>>,
    /// Those that are there and cannot be opened.
    refused: Vec<Loss>,
}

struct Work<'a> {
    from: &'a Source,
    to: &'a Target<'a>,
    report: SalvageReport,
    snapshot: Option<Box<Snapshot>>,
    encoder: Encoder,
    /// Segments that were copied as they are.
    whole: BTreeSet<SegmentId>,
    runs: BTreeSet<RunId>,
    live: BTreeSet<RunId>,
    owners: Owners,
}

impl Work<'_> {
    fn list_live(&mut self, ids: &mut BTreeSet<SegmentId>) {
        match self.from.folders.list_live() {
            Ok(files) => {
                let records = files
                    .into_iter()
                    .filter(|file| match file.kind {
                        LiveKind::Rows | LiveKind::Sealed => true,
                        LiveKind::Unfinished => false, // made from rows that are there
                    })
                    .map(|file| file.id);
                ids.extend(records);
            }
            Err(error) => self.lose_folder(self.from.folders.live(), error),
        }
    }

    fn list_journal(&mut self, ids: &mut BTreeSet<SegmentId>) {
        let folders = &self.from.folders;
        let numbers = folders.list_folders().unwrap_or_else(|error| {
            self.lose_folder(folders.journal(), error);
            Vec::new()
        });
        for (number, _) in numbers {
            match folders.list_folder(number) {
                Ok(found) => ids.extend(found),
                Err(error) => {
                    let folder = folders.numbered(number);
                    self.lose_folder(&folder, error);
                }
            }
        }
    }

    /// Nobody knows what is in a folder that cannot be listed; what the index knows of, it gives.
    fn lose_folder(&mut self, folder: &Path, error: Error) {
        let damage = error.into_damage(folder, 0);
        self.report.lost.push(Fault::of_folder(damage));
    }

    /// Opens the index, if there is one that answers, and adds the segments that only it knows.
    fn open_index(&mut self, ids: &mut BTreeSet<SegmentId>) {
        // One that was set aside has what the other could not be made of.
        let opened = match self.copy_index(&self.from.index.aside()) {
            Ok(snapshot) => Ok(snapshot),
            Err(_) => match read_patiently(&self.from.index) {
                Ok(Opened::Missing) => return,
                Ok(Opened::Reader(snapshot)) => Ok(snapshot),
                _ => self.copy_index(&self.from.index),
            },
        };
        let opened = opened.and_then(|snapshot| Ok((indexed(&snapshot)?, snapshot)));
        match opened {
            Ok((indexed, snapshot)) => {
                ids.extend(indexed.into_keys());
                self.snapshot = Some(snapshot);
            }
            Err(error) => {
                let warning = format!("the index is of no help: {error}");
                self.report.warnings.push(warning);
            }
        }
    }

    /// Opens a copy of an index, sound in itself.
    fn copy_index(&self, index: &Index) -> Result<Box<Snapshot>> {
        let sys = &self.from.folders.sys;
        let path = self.copied_index();
        let from = sys.open(index.path(), Open::Read)?;
        sys::remove_if_there(&**sys, &path)?; // one that was of no use
        let to = sys.open(&path, Open::New)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut offset = 0;
        loop {
            let read = from.read_at(&mut buffer, offset)?;
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            to.write_at(bytes, offset)?;
            offset += read as u64;
        }
        drop(to);
        let copy = index.copied_to(path);
        copy.mend()?;
        copy.verify()?;
        let why = match read_patiently(&copy)? {
            Opened::Reader(snapshot) => return Ok(snapshot),
            Opened::Foreign(why) | Opened::Damaged(why) => why,
            Opened::Missing => "nothing was ever put in".to_owned(),
            Opened::NeedsMending | Opened::Busy => "it does not answer".to_owned(),
        };
        Err(Damage::new(index.path(), 0, "index", why).into())
    }

    fn copied_index(&self) -> PathBuf {
        self.to.path.join("index.copy")
    }

    fn len(&self, id: &SegmentId) -> u64 {
        let folders = &self.from.folders;
        let stat = folders.sys.stat(&folders.settled(id));
        stat.map_or(0, |stat| stat.len)
    }

    /// Opens the files of a segment in the order in which they follow each other, so that one that
    /// is sealed or moved meanwhile is met at one of its places.
    fn open(&self, id: &SegmentId) -> Files {
        let folders = &self.from.folders;
        let mut files = Files::default();
        let mut open = |path: PathBuf| match folders.sys.open(&path, Open::Read) {
            Ok(file) => Some(Arc::from(file)),
            Err(error) if error.is_missing() => None,
            Err(error) => {
                files.refused.push(Loss::of_file(&path, error));
                None
            }
        };
        let rows = open(folders.rows(id));
        let sealed = [folders.sealed(id), folders.settled(id)].map(&mut open);
        files.rows = rows;
        files.sealed = sealed.into_iter().flatten().collect();
        files
    }

    /// Copies a sealed file of a segment as it is.
    ///
    /// - `misnamed`: gets files that say they are another segment
    /// - returns: whether one was whole
    fn copy_if_whole(
        &mut self,
        id: &SegmentId,
        misnamed: &mut Vec<(SegmentId, PathBuf)>,
    ) -> Result<bool> {
        let Files {
            rows: _,
            sealed,
            refused,
        } = self.open(id);
        let mut damaged = Vec::new();
        for file in sealed.into_iter().rev() {
            if self.copy_sealed(id, &*file)? {
                self.spare(id, refused);
                for file in damaged {
                    self.spare(id, Remains::of_sealed(file, id).losses);
                }
                return Ok(true);
            }
            if let Ok(Some(told)) = remains::segment_told(&*file)
                && told != *id
            {
                misnamed.push((told, file.path().to_owned()));
            }
            damaged.push(file);
        }
        Ok(false)
    }

    /// Copies a file that was found under the name of another segment.
    fn copy_misnamed(&mut self, told: &SegmentId, path: &Path) -> Result<()> {
        if self.whole.contains(told) {
            return Ok(());
        }
        match self.from.folders.sys.open(path, Open::Read) {
            Ok(file) => self.copy_sealed(told, &*file).map(drop),
            Err(_) => Ok(()), // it is spoken of under its name
        }
    }

    fn copy_sealed(&mut self, id: &SegmentId, file: &dyn File) -> Result<bool> {
        let Some(copy) = remains::copy_sealed(self.to.folders, id, file)? else {
            return Ok(false);
        };
        self.whole.insert(*id);
        self.report.segments += 1;
        self.report.points += copy.footer.points;
        self.report.bytes += copy.len;
        self.take_events(id.run, &copy.events()?);
        Ok(true)
    }

    fn take_events(&mut self, run: RunId, events: &[EventRow]) {
        self.runs.insert(run);
        self.owners.note(run, events);
    }

    /// Notes damage that costs nothing.
    fn spare(&mut self, id: &SegmentId, losses: Vec<Loss>) {
        let faults = losses
            .into_iter()
            .map(|loss| Fault::of_segment(id.run, loss));
        self.report.spared.extend(faults);
    }

    fn lose(&mut self, id: &SegmentId, loss: Loss) {
        self.report.lost.push(Fault::of_segment(id.run, loss));
    }

    /// Copies a segment of which no sealed file is whole.
    fn copy_remains(&mut self, id: &SegmentId) -> Result<()> {
        let Files {
            rows,
            sealed,
            refused,
        } = self.open(id);
        if self.whole.contains(id) {
            // It was found under another name.
            let losses = sealed
                .into_iter()
                .flat_map(|file| Remains::of_sealed(file, id).losses);
            let losses = refused.into_iter().chain(losses).collect();
            self.spare(id, losses);
            return Ok(());
        }
        for file in &sealed {
            // Sealed since the first look.
            if self.copy_sealed(id, &**file)? {
                return Ok(());
            }
        }
        let mut columns: Vec<Remains> = Vec::new();
        for loss in refused {
            let losses = vec![loss];
            let rows = Rows::default();
            columns.push(Remains { rows, losses });
        }
        let sealed = sealed.into_iter().rev();
        columns.extend(sealed.map(|file| Remains::of_sealed(file, id)));
        columns.sort_by_key(Remains::count);
        let told = columns.iter().map(points_told).max().unwrap_or(0);
        let has_columns = columns.last().is_some_and(|most| most.count() > 0);
        let Some(file) = rows else {
            let best = columns.pop().unwrap_or_else(|| self.gone(id));
            self.spare(id, losses_of(columns));
            return self.write(id, best, None);
        };
        let (mut best, goes_on) = self.read_rows(id, &*file);
        // Rows may be older than the columns beside them, or torn.
        let is_all =
            !goes_on && best.is_whole() && best.rows.clean && best.rows.point_count() >= told;
        if is_all && !best.rows.is_empty() {
            self.spare(id, losses_of(columns));
        } else if has_columns && let Some(most) = columns.pop() {
            self.spare(id, std::mem::replace(&mut best, most).losses);
            self.spare(id, losses_of(columns));
            return self.write(id, best, None);
        } else {
            // What the columns had, nobody knows.
            best.losses.extend(losses_of(columns));
        }
        let live = (goes_on && best.losses.is_empty()).then_some(file);
        self.write(id, best, live)
    }

    /// What is left of a segment without a file, which only the index knows.
    fn gone(&self, id: &SegmentId) -> Remains {
        let path = self.from.folders.settled(id);
        let damage = Damage::new(&path, 0, "file", GONE);
        let losses = vec![Loss {
            damage,
            extent: Extent::All,
        }];
        let rows = Rows::default();
        Remains { rows, losses }
    }

    /// Reads rows, and tells whether more of them may come.
    fn read_rows(&mut self, id: &SegmentId, file: &dyn File) -> (Remains, bool) {
        let path = file.path();
        let remains = Remains::of_rows(file, id, &*self.from.folders.sys);
        let is_copy = segment::is_at_home(file).is_ok_and(|is_at_home| !is_at_home);
        let opened = remains.rows.events.first().map(|row| &row.event);
        let (role, process) = match opened {
            Some(Event::WriterOpened { role, process }) => (Some(*role), Some(process)),
            _ => (None, None),
        };
        let Source {
            folders,
            file_system,
            ..
        } = self.from;
        // A short command lets go of its segment at once.
        let state = (role != Some(Role::Command))
            .then(|| liveness::of_writer(&*folders.sys, *file_system, path, process, is_copy));
        let is_alive = state == Some(Liveness::Alive);
        if is_alive {
            self.live.insert(id.run);
            return (remains, true);
        }
        // What a writer that has gone by now had to say is all there.
        let remains = Remains::of_rows(file, id, &*self.from.folders.sys);
        let rows = &remains.rows;
        if !rows.clean && remains.losses.is_empty() {
            self.report.warnings.push(format!(
                "what stands behind the last record, at byte {}, is none: torn by a death, or \
                 damaged: {}",
                rows.len,
                path.display()
            ));
        }
        (remains, is_copy)
    }

    /// Writes what is left of a segment, with what the index has of the rest.
    ///
    /// - `live`: rows that are to be copied as they are
    fn write(&mut self, id: &SegmentId, found: Remains, live: Option<Arc<dyn File>>) -> Result<()> {
        let found = if found.is_whole() {
            found
        } else {
            self.complete(id, found)
        };
        let Remains { rows, losses } = found;
        let is_damaged = !losses.is_empty();
        for loss in losses {
            if loss.extent == Extent::Nothing {
                self.spare(id, vec![loss]);
            } else {
                self.lose(id, loss);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let folders = self.to.folders;
        let bytes = match live {
            Some(file) => remains::copy_rows(folders, id, &*file, rows.len)?,
            None => match remains::write(folders, id, &rows, &mut self.encoder) {
                // Checksums can be made to fit what makes no sense.
                Err(Error::Corrupt(damage)) => {
                    let (damage, extent) = (*damage, Extent::All);
                    self.lose(id, Loss { damage, extent });
                    return Ok(());
                }
                written => written?,
            },
        };
        self.report.segments += 1;
        self.report.rewritten += u64::from(is_damaged);
        self.report.points += rows.point_count();
        self.report.bytes += bytes;
        self.take_events(id.run, &rows.events);
        Ok(())
    }

    /// Takes from the index what it has of a segment and the file has not.
    fn complete(&mut self, id: &SegmentId, found: Remains) -> Remains {
        let snapshot = self.snapshot.as_deref();
        // An index that is damaged there is of no use.
        let regained = snapshot.and_then(|snapshot| regain(snapshot, id).ok().flatten());
        let Some(regained) = regained else {
            return found;
        };
        let Remains {
            mut rows,
            mut losses,
        } = found;
        let has_all_points = regained.has_all_points;
        if regained.rows.point_count() > rows.point_count() {
            (rows.metrics, rows.groups) = (regained.rows.metrics, regained.rows.groups);
        }
        for loss in &mut losses {
            match &loss.extent {
                Extent::Points { .. } if has_all_points => loss.extent = Extent::Nothing,
                Extent::Events | Extent::All => {
                    if rows.events.is_empty() {
                        rows.events.clone_from(&regained.rows.events);
                    }
                    if has_all_points {
                        loss.extent = Extent::Events;
                    }
                    let why = "; what the index keeps of its events is restated";
                    loss.damage.why.push_str(why);
                }
                Extent::Nothing | Extent::Points { .. } | Extent::Records { .. } => {}
            }
        }
        Remains { rows, losses }
    }

    fn copy_blob(&mut self, blob: BlobId) -> Result<()> {
        match self.to.blobs.copy_from(&self.from.blobs, blob) {
            Ok(bytes) => {
                self.report.blobs += 1;
                self.report.bytes += bytes;
            }
            Err(Error::Io { op, path, source }) if path.starts_with(self.to.path) => {
                return Err(Error::Io { op, path, source });
            }
            Err(error) => {
                let damage = error.into_damage(&self.from.blobs.path(blob), 0);
                self.report.lost.push(self.owners.fault(&[blob], damage));
            }
        }
        Ok(())
    }

    /// Makes the names survive a power cut; their bytes do.
    fn finish(self) -> Result<SalvageReport> {
        let Folders { sys, .. } = self.to.folders;
        for (number, _) in self.to.folders.list_folders()? {
            sys.sync_dir(&self.to.folders.numbered(number))?;
        }
        for folder in ["live", "journal", "."] {
            sys.sync_dir(&self.to.path.join(folder))?;
        }
        Ok(SalvageReport {
            runs: self.runs.len() as u64,
            live: self.live.into_iter().collect(),
            ..self.report
        })
    }
}

/// How many points there were, as far as the file tells.
fn points_told(remains: &Remains) -> u64 {
    let lost = remains.losses.iter().map(|loss| match &loss.extent {
        Extent::Points { count, .. } => *count,
        Extent::Nothing | Extent::Events | Extent::Records { .. } | Extent::All => 0,
    });
    remains.rows.point_count() + lost.sum::<u64>()
}

fn losses_of(remains: Vec<Remains>) -> Vec<Loss> {
    let losses = remains.into_iter().map(|remains| remains.losses);
    losses.flatten().collect()
}
