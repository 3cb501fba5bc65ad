//! Fold: from the journal into the index, or into memory for what a reader finds not yet folded.
//!
//! The only place that knows both. A sealed segment is taken in one transaction, once: its row in
//! SEGMENTS is written with all that it says, so whatever dies when, it is folded exactly once.
//! What its records mean is decided by their stamps alone, so segments may come in any order.
//!
//! Order: what dead writers left is sealed; sealed files move from `live/` to where they stay; then
//! the journal's folders are looked through for segments that the index does not have. So files
//! that arrive by copy take the same way as our own, and a death between two of these steps leaves
//! nothing but work for the next fold.
//!
//! A folder is marked as seen with the time of its last change, but not while that time is so
//! recent that another file could still arrive within it, and not while it holds a damaged file:
//! readers then look into it themselves, and say what they find.

mod memory;
mod points;
mod regain;
mod unfolded;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::blob::Blobs;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::index;
use crate::index::Finish;
use crate::index::Index;
use crate::index::Opened;
use crate::index::RunNumber;
use crate::index::Snapshot;
use crate::index::Steps;
use crate::journal::Event;
use crate::journal::Folders;
use crate::journal::Role;
use crate::journal::SegmentId;
use crate::journal::files::LiveKind;
use crate::journal::record;
use crate::journal::rows;
use crate::journal::rows::EventRow;
use crate::journal::seal;
use crate::journal::seal::Recovered;
use crate::journal::sealed::Sealed;
use crate::model::AliasTarget;
use crate::model::ArtifactRef;
use crate::model::ParamValue;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Stamp;
use crate::model::Summary;
use crate::sys::File;
use crate::sys::Open;

pub(crate) use memory::MemoryRun;
pub(crate) use points::AxisRow;
pub(crate) use points::ChunkRow;
pub(crate) use regain::Regained;
pub(crate) use regain::regain;
pub(crate) use unfolded::ALL_ROWS;
pub(crate) use unfolded::Place;
pub(crate) use unfolded::Seen;
pub(crate) use unfolded::Unfolded;

/// Told of work as it goes on: `(done, total)` in bytes.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// The tag under which a run says that its logging was held up.
pub const SLOWED_TAG: &str = "tracker.slowed";

/// What is said of a segment that the index has and the journal has not.
pub(crate) const GONE: &str = "it is gone from the journal";
/// How often an index that is busy is asked again.
const INDEX_TRIES: usize = 40;
/// One transaction takes about so many bytes of sealed files.
const BATCH_BYTES: u64 = 64 << 20;
/// One transaction takes at most so many segments.
const BATCH_SEGMENTS: usize = 4_096;
/// A folder's time of change is trusted when it is older than this: file systems count in steps.
const SETTLED_NS: i64 = 2_000_000_000;
/// A short command's segment is left for the next one for so long.
const COMMAND_IDLE_NS: i64 = 60_000_000_000;

/// What a fold did.
#[derive(Clone, Debug, Default)]
pub struct FoldReport {
    /// Segments taken into the index.
    pub segments: u64,
    /// Points in them.
    pub points: u64,
    /// Runs with a writer that had died and whose last segment was sealed.
    pub recovered: Vec<RunId>,
    /// What could not be read, and was left where it is.
    pub damage: Vec<Damage>,
    /// Whether another process was at it, so that nothing was done.
    pub busy: bool,
    /// Whether the index is now as the journal, as far as that could be read.
    pub complete: bool,
}

/// Takes in what the records of a run say. Both ends of a fold are one.
pub(crate) trait Sink {
    fn started(&mut self, info: &RunInfo, stamp: Stamp) -> Result<()>;
    fn opened(&mut self, role: index::Role, stamp: Stamp) -> Result<()>;
    fn finished(&mut self, finish: &Finish, stamp: Stamp) -> Result<()>;
    fn note(&mut self, text: &str, stamp: Stamp) -> Result<()>;
    fn times(&mut self, first_us: i64, last_us: i64) -> Result<()>;
    fn param(&mut self, key: &str, value: &ParamValue, stamp: Stamp) -> Result<()>;
    fn tag(&mut self, key: &str, text: &str, stamp: Stamp) -> Result<()>;
    fn artifact(&mut self, artifact: &ArtifactRef, stamp: Stamp) -> Result<()>;
    fn alias(&mut self, name: &str, target: Option<&AliasTarget>, stamp: Stamp) -> Result<()>;
    fn series(&mut self, metric: &str, part: &Summary) -> Result<()>;
}

/// Gives a sink all that a segment says, save its points.
pub(crate) fn fold_segment<'a>(
    sink: &mut dyn Sink,
    id: &SegmentId,
    events: &[EventRow],
    series: impl Iterator<Item = (&'a str, &'a Summary)>,
) -> Result<()> {
    let mut times: Option<(i64, i64)> = None;
    let mut span = |first: i64, last: i64| {
        let (a, b) = times.unwrap_or((first, last));
        times = Some((a.min(first), b.max(last)));
    };
    for EventRow {
        row,
        time_us,
        event,
    } in events
    {
        span(*time_us, *time_us);
        let stamp = Stamp {
            time_us: *time_us,
            writer: id.writer,
            seq: id.seq,
            row: *row,
        };
        match event {
            Event::WriterOpened {
                role: Role::Owner,
                process: _,
            } => {
                sink.opened(index::Role::Owner, stamp)?;
            }
            // Neither says how the run stands: somebody else ends it.
            Event::WriterOpened {
                role: Role::Member | Role::Command,
                process: _,
            } => {}
            Event::RunStarted(info) => sink.started(info, stamp)?,
            Event::Param { key, value } => sink.param(key.as_str(), value, stamp)?,
            Event::Tag { key, value } => sink.tag(key.as_str(), value, stamp)?,
            Event::Note(text) => sink.note(text, stamp)?,
            Event::Artifact(artifact) => sink.artifact(artifact, stamp)?,
            Event::Finished {
                status,
                reason,
                end_us,
            } => {
                let finish = Finish {
                    status: *status,
                    reason: reason.clone(),
                    end_us: *end_us,
                };
                sink.finished(&finish, stamp)?;
            }
            Event::Slowed(why) => sink.tag(SLOWED_TAG, why, stamp)?,
            Event::Alias { name, target } => sink.alias(name.as_str(), target.as_ref(), stamp)?,
        }
    }
    for (metric, part) in series {
        if let Some((first, last)) = part.times_us {
            span(first, last);
        }
        sink.series(metric, part)?;
    }
    times.map_or(Ok(()), |(first, last)| sink.times(first, last))
}

/// One run of an index being written.
struct IndexRun<'a, 'txn> {
    writer: &'a mut index::Writer<'txn>,
    run: RunNumber,
}

impl Sink for IndexRun<'_, '_> {
    fn started(&mut self, info: &RunInfo, stamp: Stamp) -> Result<()> {
        self.writer.put_started(self.run, info, stamp)
    }

    fn opened(&mut self, role: index::Role, stamp: Stamp) -> Result<()> {
        self.writer.put_opened(self.run, role, stamp)
    }

    fn finished(&mut self, finish: &Finish, stamp: Stamp) -> Result<()> {
        self.writer.put_finished(self.run, finish, stamp)
    }

    fn note(&mut self, text: &str, stamp: Stamp) -> Result<()> {
        self.writer.put_note(self.run, text, stamp)
    }

    fn times(&mut self, first_us: i64, last_us: i64) -> Result<()> {
        self.writer.put_times(self.run, first_us, last_us)
    }

    fn param(&mut self, key: &str, value: &ParamValue, stamp: Stamp) -> Result<()> {
        self.writer.put_param(self.run, key, value, stamp)
    }

    fn tag(&mut self, key: &str, text: &str, stamp: Stamp) -> Result<()> {
        self.writer.put_tag(self.run, key, text, stamp)
    }

    fn artifact(&mut self, artifact: &ArtifactRef, stamp: Stamp) -> Result<()> {
        self.writer.put_artifact(self.run, artifact, stamp)
    }

    fn alias(&mut self, name: &str, target: Option<&AliasTarget>, stamp: Stamp) -> Result<()> {
        self.writer.put_alias(self.run, name, target, stamp)
    }

    fn series(&mut self, metric: &str, part: &Summary) -> Result<()> {
        let metric = self.writer.name(metric)?;
        self.writer.merge_series(self.run, metric, part)
    }
}

/// Opens the index. A reader has no time to wait for a busy machine; who reads all has.
pub(crate) fn read_patiently(index: &Index) -> Result<Opened> {
    let mut opened = index.read()?;
    for _ in 1..INDEX_TRIES {
        if !matches!(opened, Opened::Busy) {
            break;
        }
        opened = index.read()?;
    }
    Ok(opened)
}

/// Returns the segments that are folded, each with the hash that its file carried.
pub(crate) fn indexed(snapshot: &Snapshot) -> Result<BTreeMap<SegmentId, [u8; 32]>> {
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
    Ok(indexed)
}

/// Opens the index, mended if its writer was killed. The caller holds `fold.lock`.
fn read_mended(index: &Index) -> Result<Opened> {
    let opened = read_patiently(index)?;
    if matches!(opened, Opened::NeedsMending) && index.mend().is_ok() {
        return read_patiently(index);
    }
    Ok(opened)
}

/// Returns the segments that only the index has that was set aside: one that cannot be read has
/// none. None if one of the two does not answer in time, so that nothing can be told.
///
/// - `aside`: that one, opened
pub(crate) fn only_aside(index: &Index, aside: Opened) -> Result<Option<Vec<SegmentId>>> {
    let segments = |opened| match opened {
        Opened::Reader(snapshot) => Some(indexed(&snapshot).unwrap_or_default()),
        Opened::Busy => None,
        _ => Some(BTreeMap::new()),
    };
    let there = match segments(aside) {
        Some(there) if there.is_empty() => return Ok(Some(Vec::new())),
        there => there,
    };
    let here = segments(read_patiently(index)?);
    Ok(there.zip(here).map(|(there, here)| {
        let there = there.into_keys();
        there.filter(|id| !here.contains_key(id)).collect()
    }))
}

/// What is said of a file that could not be taken in: one must not keep all others out.
fn left(path: &Path, error: Error) -> Result<Damage> {
    match error {
        // A full or read-only disk is not the file's fault.
        error if error.is_disk_full() => Err(error),
        Error::Io { ref source, .. } if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
            Err(error)
        }
        error => Ok(error.into_damage(path, 0)),
    }
}

/// Folds one store. The caller need not hold any lock.
#[derive(Debug)]
pub(crate) struct Folder<'a> {
    pub(crate) folders: &'a Folders,
    pub(crate) index: &'a Index,
    /// Whoever holds this file's lock may write the index.
    pub(crate) lock: &'a Path,
    /// Artifacts' bytes, of which killed writers leave beginnings.
    pub(crate) blobs: &'a Blobs,
    /// Set by a reader that found the index damaged: it is then made anew.
    pub(crate) distrusted: &'a AtomicBool,
}

impl Folder<'_> {
    /// Takes the lock that writing the index needs; none if another process has it.
    pub(crate) fn try_lock(&self) -> Result<Option<Box<dyn File>>> {
        let file = self.folders.sys.open(self.lock, Open::Ensure)?;
        Ok(file.try_lock()?.then_some(file))
    }

    /// Brings the index up to date, for about `budget`.
    pub(crate) fn fold(&self, budget: Option<Duration>) -> Result<FoldReport> {
        let Some(_lock) = self.try_lock()? else {
            return Ok(FoldReport {
                busy: true,
                ..FoldReport::default()
            });
        };
        let mut report = FoldReport::default();
        // Few have anything live when they are asked, and looking twice takes twice as long.
        let settled = if self.recover(&mut report)? {
            self.settle(&mut report)?
        } else {
            0
        };
        if self.distrusted.swap(false, Ordering::Relaxed) {
            self.index.set_aside()?;
        }
        if settled == 0 && !self.has_news()? {
            report.complete = true;
            return Ok(report);
        }
        let folded = self.fold_pending(budget, &mut report);
        if let Err(Error::Corrupt(damage)) = &folded
            && damage.path == self.index.path()
        {
            // The index is derived: what cannot be trusted is made again.
            self.index.set_aside()?;
            self.fold_pending(budget, &mut report)?;
        } else {
            folded?;
        }
        if report.complete {
            self.drop_aside()?;
        }
        Ok(report)
    }

    /// Deletes the index that was set aside once this one has all its segments.
    fn drop_aside(&self) -> Result<()> {
        let aside = self.index.aside();
        let opened = read_mended(&aside)?;
        if matches!(opened, Opened::Missing) {
            return Ok(());
        }
        match only_aside(self.index, opened)? {
            Some(segments) if segments.is_empty() => aside.remove(),
            _ => Ok(()),
        }
    }

    /// Makes a new index and puts it in the place of the old one.
    pub(crate) fn rebuild(&self, progress: Progress<'_>) -> Result<FoldReport> {
        let Some(_lock) = self.try_lock()? else {
            return Err(Error::Locked { what: "the index" });
        };
        let mut report = FoldReport::default();
        self.recover(&mut report)?;
        self.settle(&mut report)?;
        let rebuild = self.index.rebuild()?;
        let mut pending = Vec::new();
        let mut seen = Vec::new();
        for (folder, modified_ns) in self.folders.list_folders()? {
            pending.extend(self.folders.list_folder(folder)?);
            seen.push((folder, modified_ns));
        }
        let mut total = 0;
        for id in &pending {
            total += self.folders.sys.stat(&self.folders.settled(id))?.len;
        }
        let mut done = 0;
        let mut rest = pending.as_slice();
        while !rest.is_empty() {
            rest = rebuild.write(|writer| {
                self.fold_batch(writer, rest, &mut report, &mut |bytes| {
                    done += bytes;
                    progress(done, total);
                })
            })?;
        }
        rebuild.write(|writer| self.mark_seen(writer, &seen, &report.damage))?;
        self.keep_what_only_it_has(&pending, &report.damage)?;
        rebuild.finish()?;
        report.complete = true;
        Ok(report)
    }

    /// Refuses to drop an index that still has what segments had that are damaged or gone.
    ///
    /// - `there`: the segments that are in the journal
    fn keep_what_only_it_has(&self, there: &[SegmentId], damage: &[Damage]) -> Result<()> {
        let snapshot = match read_mended(self.index)? {
            Opened::Reader(snapshot) => snapshot,
            Opened::Busy if !damage.is_empty() => return Err(Error::Locked { what: "the index" }),
            _ => return Ok(()),
        };
        let Ok(indexed) = indexed(&snapshot) else {
            return Ok(()); // it is damaged itself
        };
        for damage in damage {
            let name = damage.path.file_name().and_then(|name| name.to_str());
            let Some((id, "sealed")) = name.and_then(SegmentId::parse) else {
                continue;
            };
            if indexed.contains_key(&id) {
                return Err(damage.clone().into());
            }
        }
        let there: BTreeSet<&SegmentId> = there.iter().collect();
        match indexed.keys().find(|id| !there.contains(id)) {
            Some(id) => Err(Damage::new(&self.folders.settled(id), 0, "file", GONE).into()),
            None => Ok(()),
        }
    }

    /// Seals what dead writers left, and sweeps up what they were making.
    ///
    /// - returns: whether anything was live
    fn recover(&self, report: &mut FoldReport) -> Result<bool> {
        // What stays is swept the next time; it is in nobody's way.
        let _ = (self.blobs.sweep(), self.index.sweep());
        let mut recovered = BTreeSet::new();
        let live = self.folders.list_live()?;
        for file in &live {
            match file.kind {
                LiveKind::Rows if self.is_fresh_command(&file.path, &file.id) => {}
                LiveKind::Rows => match seal::recover(self.folders, &file.id) {
                    Ok(Recovered::Held | Recovered::Gone | Recovered::Copied) => {}
                    Ok(Recovered::Sealed) => _ = recovered.insert(file.id.run),
                    Ok(Recovered::Damaged(damage)) => report.damage.push(damage),
                    // Another user's: theirs to seal, and read as it is.
                    Err(error) if error.is_read_only() => {}
                    Err(error) => report.damage.push(left(&file.path, error)?),
                },
                LiveKind::Unfinished => {
                    if let Err(error) = seal::sweep(self.folders, &file.path) {
                        report.damage.push(left(&file.path, error)?);
                    }
                }
                LiveKind::Sealed => {}
            }
        }
        report.recovered = recovered.into_iter().collect();
        Ok(!live.is_empty())
    }

    /// Whether a short command left this segment so lately that another may go on in it.
    fn is_fresh_command(&self, path: &Path, id: &SegmentId) -> bool {
        const HEAD_BYTES: usize = 64 << 10; // the first record tells, and is short
        let read = || -> Result<bool> {
            let file = self.folders.sys.open(path, Open::Read)?;
            let age_ns = self.folders.sys.now_us() * 1_000 - file.stat()?.modified_ns;
            if age_ns > COMMAND_IDLE_NS {
                return Ok(false);
            }
            let mut head = vec![0; HEAD_BYTES];
            let len = file.read_at(&mut head, 0)?;
            head.truncate(len);
            let first = rows::first_record(&head, id);
            Ok(matches!(
                first,
                Some(record::Record::Event {
                    event: Event::WriterOpened {
                        role: Role::Command,
                        ..
                    },
                    ..
                })
            ))
        };
        read().unwrap_or(false) // then `recover` looks at it
    }

    /// Moves sealed files to where they stay.
    fn settle(&self, report: &mut FoldReport) -> Result<usize> {
        let mut moved = 0;
        for file in self.folders.list_live()? {
            if file.kind == LiveKind::Sealed {
                if moved == 0 {
                    // Who made a folder there may have died before its name was synced.
                    self.folders.sys.sync_dir(self.folders.journal())?;
                }
                match self.folders.settle(&file.id) {
                    Ok(()) => moved += 1,
                    Err(error) => report.damage.push(left(&file.path, error)?),
                }
            }
        }
        Ok(moved)
    }

    /// Whether the index lacks anything, or is itself not well.
    fn has_news(&self) -> Result<bool> {
        let snapshot = match self.index.read()? {
            Opened::Reader(snapshot) => snapshot,
            Opened::Missing => return Ok(!self.folders.list_folders()?.is_empty()),
            Opened::NeedsMending | Opened::Foreign(_) | Opened::Damaged(_) => return Ok(true),
            Opened::Busy => return Ok(false),
        };
        let seen: BTreeMap<u8, i64> = snapshot.folders()?.into_iter().collect();
        let folders = self.folders.list_folders()?;
        Ok(folders
            .iter()
            .any(|(folder, modified_ns)| seen.get(folder) != Some(modified_ns)))
    }

    fn fold_pending(&self, budget: Option<Duration>, report: &mut FoldReport) -> Result<()> {
        match self.index.read()? {
            Opened::Reader(_) | Opened::Missing | Opened::Busy => {}
            Opened::NeedsMending => match self.index.mend() {
                Err(Error::Corrupt(_)) => self.index.set_aside()?,
                mended => mended?,
            },
            Opened::Foreign(_) | Opened::Damaged(_) => self.index.set_aside()?,
        }
        let clock = self.folders.sys.clock();
        let (start_us, budget_us) = (clock.now_us(), budget.map(|budget| budget.as_micros()));
        let is_over = || {
            let passed = u128::try_from(clock.now_us() - start_us).unwrap_or(0);
            budget_us.is_some_and(|budget_us| passed > budget_us)
        };
        let mut pending = Vec::new();
        let mut seen = Vec::new();
        // First what is missing, then a batch at a time: each transaction is whole by itself.
        let mut rest = self.index.write(|writer| {
            for (folder, modified_ns) in self.folders.list_folders()? {
                if writer.folder(folder)? == Some(modified_ns) {
                    continue;
                }
                let ids = match self.folders.list_folder(folder) {
                    Ok(ids) => ids,
                    // What is in the others can be folded; it is not seen, and asked for again.
                    Err(error) => {
                        let path = self.folders.numbered(folder);
                        report.damage.push(left(&path, error)?);
                        continue;
                    }
                };
                seen.push((folder, modified_ns));
                for id in ids {
                    match writer.segment(id.run, id.writer, id.seq)? {
                        None => pending.push(id),
                        Some(folded) => self.check_folded(&id, &folded, report)?,
                    }
                }
            }
            let rest = self.fold_batch(writer, &pending, report, &mut |_| {})?;
            if rest.is_empty() {
                self.mark_seen(writer, &seen, &report.damage)?;
            }
            Ok(rest.len())
        })?;
        while rest > 0 && !is_over() {
            let left = pending.get(pending.len() - rest..).unwrap_or_default();
            rest = self.index.write(|writer| {
                let rest = self.fold_batch(writer, left, report, &mut |_| {})?;
                if rest.is_empty() {
                    self.mark_seen(writer, &seen, &report.damage)?;
                }
                Ok(rest.len())
            })?;
        }
        report.complete = rest == 0;
        Ok(())
    }

    /// A segment that is another file than was folded makes the index untrue. One that was damaged
    /// since does not: the index may be all that still has what it held.
    fn check_folded(
        &self,
        id: &SegmentId,
        folded: &index::Segment,
        report: &mut FoldReport,
    ) -> Result<()> {
        let (path, sys) = (self.folders.settled(id), &self.folders.sys);
        let is_same = match sys.stat(&path) {
            Ok(stat) => stat.len == folded.bytes,
            Err(_) => true, // gone, or out of reach: nothing better is there
        };
        if is_same {
            return Ok(());
        }
        let verified = sys
            .open(&path, Open::Read)
            .and_then(|file| Sealed::open(file.into(), id))
            .and_then(|sealed| sealed.verify());
        if let Err(error) = verified {
            report.damage.push(left(&path, error)?);
            return Ok(());
        }
        let why = format!("segment {} was folded from another file", id.stem());
        Err(Damage::new(self.index.path(), 0, "index", why).into())
    }

    /// Remembers when folders last changed, as they were before they were listed.
    fn mark_seen(
        &self,
        writer: &mut index::Writer<'_>,
        seen: &[(u8, i64)],
        damage: &[Damage],
    ) -> Result<()> {
        let now_ns = self.folders.sys.now_us() * 1_000;
        let damaged: BTreeSet<&Path> = damage
            .iter()
            .filter_map(|damage| damage.path.parent())
            .collect();
        for (folder, modified_ns) in seen {
            let holds_damage = damaged.contains(self.folders.numbered(*folder).as_path());
            if now_ns - modified_ns > SETTLED_NS && !holds_damage {
                writer.put_folder(*folder, *modified_ns)?;
            }
        }
        Ok(())
    }

    /// Folds the first of `pending` in one transaction; returns the others.
    fn fold_batch<'p>(
        &self,
        writer: &mut index::Writer<'_>,
        pending: &'p [SegmentId],
        report: &mut FoldReport,
        done: &mut dyn FnMut(u64),
    ) -> Result<&'p [SegmentId]> {
        let mut bytes = 0;
        let mut rest = pending;
        for _ in 0..BATCH_SEGMENTS {
            let Some((id, others)) = rest.split_first() else {
                break;
            };
            match self.fold_one(writer, id) {
                Ok(Some(sealed)) => {
                    bytes += sealed.len;
                    report.segments += 1;
                    report.points += sealed.footer.points;
                    done(sealed.len);
                }
                Ok(None) => {}
                Err(Error::Corrupt(damage)) if damage.path == self.index.path() => {
                    return Err(Error::Corrupt(damage));
                }
                Err(error) if error.is_missing() => {} // removed by hand meanwhile
                Err(error) => report.damage.push(left(&self.folders.settled(id), error)?),
            }
            rest = others;
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        Ok(rest)
    }

    /// Folds one segment; none if the index has it.
    ///
    /// All of the file is read and checked before anything is put, so that a damaged one leaves
    /// no half of itself in the transaction.
    fn fold_one(&self, writer: &mut index::Writer<'_>, id: &SegmentId) -> Result<Option<Sealed>> {
        let file = self
            .folders
            .sys
            .open(&self.folders.settled(id), Open::Read)?;
        let sealed = Sealed::open(file.into(), id)?;
        let events = sealed.events()?;
        let mut blocks = Vec::new();
        for group in &sealed.footer.groups {
            for block in &group.blocks {
                let axis = sealed.part(&block.axis, "axis")?;
                let mut columns = Vec::with_capacity(block.columns.len());
                for column in &block.columns {
                    columns.push(sealed.part(&column.part, "chunk")?);
                }
                blocks.push((group, block, axis, columns));
            }
        }
        let run = writer.run(id.run)?;
        let segment = index::Segment {
            bytes: sealed.len,
            points: sealed.footer.points,
            hash: sealed.hash,
        };
        if !writer.put_segment(run, id.writer, id.seq, &segment)? {
            return Ok(None);
        }
        let series = sealed
            .footer
            .metrics
            .iter()
            .map(|(name, summary)| (name.as_str(), summary));
        fold_segment(&mut IndexRun { writer, run }, id, &events, series)?;
        let mut names = Vec::with_capacity(sealed.footer.metrics.len());
        for (name, _) in &sealed.footer.metrics {
            names.push(writer.name(name.as_str())?);
        }
        for (group, block, axis, columns) in blocks {
            let axis = writer.put_axis(run, &AxisRow::encode(id, block, &axis))?;
            let steps = Steps {
                first: block.min_step,
                last: block.max_step,
            };
            for ((metric, column), values) in group.metrics.iter().zip(&block.columns).zip(columns)
            {
                let Some(metric) = names.get(*metric as usize) else {
                    continue;
                };
                let chunk = ChunkRow::encode(axis, block.rows, column, &values);
                writer.put_chunk(run, *metric, steps, &chunk)?;
            }
        }
        Ok(Some(sealed))
    }
}
