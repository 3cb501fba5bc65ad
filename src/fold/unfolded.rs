//! What a reader finds in the journal that the index does not have: live tails, sealed segments
//! that wait to be folded, files that arrived by copy.
//!
//! The order makes it one snapshot: first `live/` is listed and the rows there opened, then the
//! index's read transaction begins, then sealed files are looked at. A segment folded in between
//! is in SEGMENTS and adds nothing; one moved in between is found where it went; rows that are
//! gone mean list once more. Nothing is written, save that an index whose writer was killed is
//! mended, if nobody else is at it.
//!
//! A store may hold more unfolded files than a process may have open: few stay open, and not for
//! longer than the gathering.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::OnceLock;

use super::Folder;
use super::MemoryRun;
use super::fold_segment;
use crate::error::Damage;
use crate::error::Result;
use crate::index::Opened;
use crate::index::Snapshot;
use crate::journal::Event;
use crate::journal::Folders;
use crate::journal::Role;
use crate::journal::SegmentId;
use crate::journal::files::LiveFile;
use crate::journal::files::LiveKind;
use crate::journal::footer::Footer;
use crate::journal::record::Record;
use crate::journal::rows;
use crate::journal::rows::EventRow;
use crate::journal::rows::Rows;
use crate::journal::sealed::Sealed;
use crate::journal::segment;
use crate::liveness;
use crate::liveness::Liveness;
use crate::model::Point;
use crate::model::RunId;
use crate::model::Stamp;
use crate::model::Status;
use crate::model::Summary;
use crate::model::WriterId;
use crate::sys::File;
use crate::sys::FileSystem;
use crate::sys::Open;

/// So many files at most stay open until the index is; of those before them the rows are read at
/// once, also if the index turns out to have them. Programs may often open no more than 1,024.
const OPEN_MAX: usize = 64;
/// How often `live/` is listed anew before what is still missing is passed over.
const LISTINGS_MAX: usize = 8;

/// Where a point was logged: decides between points of one step and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) writer: WriterId,
    pub(crate) seq: u32,
    pub(crate) row: u32,
}

/// How far segments were read: of each the first row that was not.
pub(crate) type Seen = BTreeMap<(WriterId, u32), u32>;
/// Nothing will be added to a segment that was read so far.
pub(crate) const ALL_ROWS: u32 = u32::MAX;

#[derive(Debug)]
enum Content {
    Rows(Rows, OnceLock<Vec<Summary>>),
    Sealed(Footer, Vec<EventRow>),
}

/// A segment that is not folded.
#[derive(Debug)]
struct Piece {
    id: SegmentId,
    content: Content,
    /// Of rows: whether their writer lives.
    liveness: Option<Liveness>,
}

impl Piece {
    fn is_empty(&self) -> bool {
        match &self.content {
            Content::Rows(rows, _) => rows.is_empty(),
            Content::Sealed(..) => false,
        }
    }
}

/// One snapshot of the store, journal and index together.
#[derive(Debug)]
pub(crate) struct Unfolded {
    /// The index, if it answers.
    pub(crate) snapshot: Option<Box<Snapshot>>,
    /// What the user should know.
    pub(crate) warnings: Vec<String>,
    folders: Folders,
    pieces: BTreeMap<RunId, Vec<Piece>>,
}

impl Unfolded {
    /// Takes a snapshot.
    ///
    /// # Errors
    /// `Error::Io` if the folders cannot be listed.
    pub(crate) fn gather(
        folder: &Folder<'_>,
        file_system: FileSystem,
        with_index: bool,
    ) -> Result<Self> {
        let mut gather = Gather {
            folder,
            file_system,
            warnings: Vec::new(),
            pieces: BTreeMap::new(),
            sealed: BTreeSet::new(),
        };
        let (live, sealed) = gather.open_live()?;
        let snapshot = if with_index {
            gather.open_index()
        } else {
            None
        };
        let is_folded = |id: &SegmentId| match &snapshot {
            Some(snapshot) => snapshot.has_segment(id.run, id.writer, id.seq),
            None => Ok(false),
        };
        // Sealed files first: they shadow the rows they were made of.
        for id in &sealed {
            if !gather.sealed.contains(id) && !is_folded(id)? {
                gather.add_sealed(id);
            }
        }
        gather.look_through_folders(snapshot.as_deref())?;
        for live in live {
            let shadowed = gather.sealed.contains(&live.id) || is_folded(&live.id)?;
            if shadowed && live.is_copy {
                continue; // it was sealed where it was written, and that has arrived
            }
            gather.add_rows(live, shadowed);
        }
        let Gather {
            folder: _,
            file_system: _,
            warnings,
            mut pieces,
            sealed: _,
        } = gather;
        // A writer that has not said a word starts no run: it is about to, or died before it did.
        let mut unknown = Vec::new();
        for (run, pieces) in &pieces {
            let is_indexed = match &snapshot {
                Some(snapshot) => snapshot.run_number(*run)?.is_some(),
                None => false,
            };
            if !is_indexed && pieces.iter().all(Piece::is_empty) {
                unknown.push(*run);
            }
        }
        for run in unknown {
            pieces.remove(&run);
        }
        Ok(Self {
            snapshot,
            warnings,
            folders: folder.folders.clone(),
            pieces,
        })
    }

    /// Returns the runs that have anything unfolded, in order of their ids.
    pub(crate) fn runs(&self) -> impl Iterator<Item = RunId> + '_ {
        self.pieces.keys().copied()
    }

    /// Whether anything of the run is unfolded.
    pub(crate) fn contains(&self, run: RunId) -> bool {
        self.pieces.contains_key(&run)
    }

    /// Folds what is not in the index into a run.
    pub(crate) fn fold_into(&self, id: RunId, run: &mut MemoryRun) -> Result<()> {
        for piece in self.pieces.get(&id).into_iter().flatten() {
            match &piece.content {
                Content::Rows(rows, summaries) => {
                    let summaries = summaries.get_or_init(|| rows.summaries(&piece.id));
                    let names = rows.metrics.iter().map(crate::model::Name::as_str);
                    fold_segment(run, &piece.id, &rows.events, names.zip(summaries))?;
                }
                Content::Sealed(footer, events) => {
                    let series = footer.metrics.iter();
                    let series = series.map(|(name, summary)| (name.as_str(), summary));
                    fold_segment(run, &piece.id, events, series)?;
                }
            }
        }
        Ok(())
    }

    /// Shows what a run says beside its points and is not folded, in no particular order.
    pub(crate) fn events(&self, id: RunId, mut see: impl FnMut(&Event, Stamp)) {
        for piece in self.pieces.get(&id).into_iter().flatten() {
            let events = match &piece.content {
                Content::Rows(rows, _) => &rows.events,
                Content::Sealed(_, events) => events,
            };
            for row in events {
                let stamp = Stamp {
                    time_us: row.time_us,
                    writer: piece.id.writer,
                    seq: piece.id.seq,
                    row: row.row,
                };
                see(&row.event, stamp);
            }
        }
    }

    /// Returns how the run stands by its writers; none if none of them is there to ask.
    ///
    /// - `told`: how it stands by its records
    pub(crate) fn status(&self, run: RunId, told: Status) -> Option<Status> {
        let states = || {
            let pieces = self.pieces.get(&run).into_iter().flatten();
            pieces.filter_map(|piece| piece.liveness)
        };
        if states().any(|state| state == Liveness::Alive) {
            return Some(Status::Running);
        }
        let is_open = matches!(told, Status::Failed | Status::Unknown);
        (is_open && states().any(|state| state == Liveness::Unknown)).then_some(Status::Unknown)
    }

    /// Appends the unfolded points of a series to `out`, and names what could not be read.
    pub(crate) fn points_of(
        &self,
        run: RunId,
        metric: &str,
        out: &mut Vec<(Point, Place)>,
        damage: &mut Vec<Damage>,
    ) -> Result<()> {
        self.news_of(run, metric, &mut Seen::new(), out, damage)
    }

    /// As [`Self::points_of`], of the rows that were not seen; they are then.
    pub(crate) fn news_of(
        &self,
        run: RunId,
        metric: &str,
        seen: &mut Seen,
        out: &mut Vec<(Point, Place)>,
        damage: &mut Vec<Damage>,
    ) -> Result<()> {
        let mut points = Vec::new();
        for piece in self.pieces.get(&run).into_iter().flatten() {
            let SegmentId {
                run: _,
                writer,
                seq,
            } = piece.id;
            let next = seen.entry((writer, seq)).or_insert(0);
            let from = *next;
            if from == ALL_ROWS {
                continue;
            }
            match &piece.content {
                Content::Rows(rows, _) => rows.points_of(metric, &mut points),
                Content::Sealed(footer, _) => {
                    if footer
                        .metrics
                        .iter()
                        .any(|(name, _)| name.as_str() == metric)
                    {
                        let file = open_sealed(&self.folders, &piece.id)?;
                        let sealed = Sealed::open(file, &piece.id)?;
                        sealed.points_of(metric, &mut points, damage)?;
                    }
                }
            }
            let places = points
                .drain(..)
                .map(|(point, row)| (point, Place { writer, seq, row }));
            for (point, place) in places.filter(|(_, place)| place.row >= from) {
                *next = (*next).max(place.row.saturating_add(1));
                out.push((point, place));
            }
            if let Content::Sealed(..) = piece.content {
                *next = ALL_ROWS;
            }
        }
        Ok(())
    }

    /// Counts all as seen that a metric has here.
    pub(crate) fn mark_seen(&self, run: RunId, metric: &str, seen: &mut Seen) {
        for piece in self.pieces.get(&run).into_iter().flatten() {
            let next = match &piece.content {
                Content::Sealed(..) => ALL_ROWS,
                Content::Rows(rows, _) => {
                    let mut points = Vec::new();
                    rows.points_of(metric, &mut points);
                    let last = points.iter().map(|(_, row)| *row).max();
                    last.map_or(0, |row| row.saturating_add(1))
                }
            };
            seen.insert((piece.id.writer, piece.id.seq), next);
        }
    }
}

/// A file of rows in `live/`.
struct Live {
    id: SegmentId,
    rows: LiveRows,
    /// Whether their writer lives. Asked before they are read: what a writer that has gone by then
    /// had to say is all there.
    liveness: Option<Liveness>,
    /// Whether these are rows that are written elsewhere.
    is_copy: bool,
}

/// Rows of a file that is open: they stay, whoever seals or removes it.
enum LiveRows {
    Open(Box<dyn File>),
    Read(Result<Rows>),
}

/// Opens a sealed file, which may be moved from `live/` at any moment.
fn open_sealed(folders: &Folders, id: &SegmentId) -> Result<Arc<dyn File>> {
    let file = match folders.sys.open(&folders.sealed(id), Open::Read) {
        Err(error) if error.is_missing() => folders.sys.open(&folders.settled(id), Open::Read),
        opened => opened,
    };
    Ok(file?.into())
}

struct Gather<'a> {
    folder: &'a Folder<'a>,
    file_system: FileSystem,
    warnings: Vec<String>,
    pieces: BTreeMap<RunId, Vec<Piece>>,
    sealed: BTreeSet<SegmentId>,
}

impl Gather<'_> {
    /// Opens all rows in `live/`, and names what is sealed there.
    fn open_live(&mut self) -> Result<(Vec<Live>, Vec<SegmentId>)> {
        let folders = self.folder.folders;
        for listing in 1.. {
            let (mut live, mut sealed) = (Vec::new(), Vec::new());
            let mut all_there = true;
            // A writer's newest segment is read first: when anything stands in it, those before it
            // are full, so that no later point is told without those before it.
            let files = folders.list_live()?;
            let mut left = files
                .iter()
                .filter(|file| file.kind == LiveKind::Rows)
                .count();
            for file in files.into_iter().rev() {
                match file.kind {
                    LiveKind::Unfinished => continue,
                    LiveKind::Sealed => {
                        sealed.push(file.id);
                        continue;
                    }
                    LiveKind::Rows => left -= 1,
                }
                let open = match folders.sys.open(&file.path, Open::Read) {
                    Ok(open) => open,
                    Err(error) if error.is_missing() => {
                        all_there = false;
                        sealed.push(file.id); // since the listing
                        continue;
                    }
                    Err(error) => {
                        self.warnings.push(error.to_string());
                        continue;
                    }
                };
                let is_copy = segment::is_at_home(&*open).is_ok_and(|is_at_home| !is_at_home);
                let liveness = self.liveness(&file, &*open, is_copy);
                // Its writer may go on in a segment that was made after the listing.
                all_there &=
                    liveness != Some(Liveness::Gone) || folders.sys.stat(&file.path).is_ok();
                let rows = if left < OPEN_MAX {
                    LiveRows::Open(open)
                } else {
                    LiveRows::Read(rows::read_left(&*open, &file.id, &*folders.sys))
                };
                live.push(Live {
                    id: file.id,
                    rows,
                    liveness,
                    is_copy,
                });
            }
            if all_there || listing == LISTINGS_MAX {
                return Ok((live, sealed));
            }
        }
        Ok((Vec::new(), Vec::new()))
    }

    /// Asks whether the writer of some rows lives; none for a short command, which lets go of its
    /// segment at once: that tells nothing of the run.
    fn liveness(&self, file: &LiveFile, open: &dyn File, is_copy: bool) -> Option<Liveness> {
        const HEAD_BYTES: usize = 4 << 10; // the first record tells, and is short
        let mut head = vec![0; HEAD_BYTES];
        let len = open.read_at(&mut head, 0).unwrap_or(0);
        head.truncate(len);
        let (role, process) = match rows::first_record(&head, &file.id) {
            Some(Record::Event {
                event: Event::WriterOpened { role, process },
                ..
            }) => (Some(role), Some(process)),
            _ => (None, None),
        };
        let sys = &*self.folder.folders.sys;
        (role != Some(Role::Command)).then(|| {
            let process = process.as_ref();
            liveness::of_writer(sys, self.file_system, &file.path, process, is_copy)
        })
    }

    fn open_index(&mut self) -> Option<Box<Snapshot>> {
        let why = match self.folder.index.read() {
            Ok(Opened::Reader(snapshot)) => return Some(snapshot),
            Ok(Opened::NeedsMending) => match self.mend() {
                Ok(Some(snapshot)) => return Some(snapshot),
                Ok(None) => "a process was killed while it wrote it".to_owned(),
                Err(error) => error.to_string(),
            },
            Ok(Opened::Missing) => {
                // A new store has none, and nothing for one.
                let folders = self.folder.folders.list_folders().unwrap_or_default();
                if !folders.is_empty() {
                    self.warnings
                        .push("there is no index yet; reading the journal".to_owned());
                }
                return None;
            }
            Ok(Opened::Foreign(why) | Opened::Damaged(why)) => why,
            Ok(Opened::Busy) => "it did not answer in time".to_owned(),
            Err(error) => error.to_string(),
        };
        self.warnings.push(format!(
            "the index is not used, reading the journal instead: {why}"
        ));
        None
    }

    fn mend(&self) -> Result<Option<Box<Snapshot>>> {
        let Some(lock) = self.folder.try_lock()? else {
            return Ok(None);
        };
        if !self.folder.index.mend_soon(lock)? {
            return Ok(None);
        }
        Ok(match self.folder.index.read()? {
            Opened::Reader(snapshot) => Some(snapshot),
            _ => None,
        })
    }

    /// Adds the sealed files that the index does not have: all, if there is no index.
    fn look_through_folders(&mut self, snapshot: Option<&Snapshot>) -> Result<()> {
        let folders = self.folder.folders;
        let seen = snapshot.map_or_else(|| Ok(BTreeMap::new()), Snapshot::folders)?;
        for (number, modified_ns) in folders.list_folders()? {
            if seen.get(&number) == Some(&modified_ns) {
                continue;
            }
            let ids = match folders.list_folder(number) {
                Ok(ids) => ids,
                // What is in the others can be read.
                Err(error) => {
                    self.warnings.push(error.to_string());
                    continue;
                }
            };
            for id in ids {
                let folded = match snapshot {
                    Some(snapshot) => snapshot.has_segment(id.run, id.writer, id.seq)?,
                    None => false,
                };
                if folded || self.sealed.contains(&id) {
                    continue;
                }
                self.add_sealed(&id);
            }
        }
        Ok(())
    }

    fn add_sealed(&mut self, id: &SegmentId) {
        let read = open_sealed(self.folder.folders, id)
            .and_then(|file| Sealed::open(file, id))
            .and_then(|sealed| {
                let events = sealed.events()?;
                Ok(Content::Sealed(sealed.footer, events))
            });
        match read {
            Ok(content) => {
                let piece = Piece {
                    id: *id,
                    content,
                    liveness: None,
                };
                self.pieces.entry(id.run).or_default().push(piece);
                self.sealed.insert(*id);
            }
            Err(error) if error.is_missing() => {} // removed since it was listed
            Err(error) => self.warnings.push(error.to_string()),
        }
    }

    /// - `shadowed`: whether the rows are told elsewhere; then only their writer matters
    fn add_rows(&mut self, live: Live, shadowed: bool) {
        let Live {
            id,
            rows,
            liveness,
            is_copy: _,
        } = live;
        let rows = match rows {
            _ if shadowed && matches!(liveness, None | Some(Liveness::Gone)) => return,
            _ if shadowed => Ok(Rows::default()),
            LiveRows::Open(file) => rows::read_left(&*file, &id, &*self.folder.folders.sys),
            LiveRows::Read(rows) => rows,
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return self.warnings.push(error.to_string()),
        };
        self.warnings
            .extend(rows.damage.iter().map(|damage| format!("corrupt {damage}")));
        let content = Content::Rows(rows, OnceLock::new());
        let piece = Piece {
            id,
            content,
            liveness,
        };
        self.pieces.entry(id.run).or_default().push(piece);
    }
}
