//! The index: what the journal says, laid out for reading. Derived; can be deleted.
//!
//! It stores and answers, and knows nothing of the journal: `fold` gives it plain values
//! ([`Writer`]), `query` asks it ([`Snapshot`]). It lives in one file of redb, and this module is
//! the only one that names redb. Which tables there are: `tables`; how records about one thing
//! become one row, in whatever order they come: `rows`; what filters and sorts: `columns`.
//!
//! Rules, each learnt by breaking it:
//! - A process that is killed with a writing handle open, even an idle one, leaves a file that no
//!   reader can open until somebody opens it for writing ([`Index::mend`]). So a writing handle
//!   lives for one call, and a process that logs makes none.
//! - Opening to read can wait for a suspended committer. So it happens on a thread of its own,
//!   which is left behind when it takes longer than [`INDEX_WAIT_MS`]; it owns nothing that
//!   anybody waits for and closes what it opened when it wakes.
//! - Opening to write and committing can wait for a reader that was suspended while it opened. So
//!   who must not wait folds on a thread, too, and leaves it behind with `fold.lock`; and nobody
//!   waits for a lock for good (`storage`): after seconds it is [`Error::Locked`].
//! - A handle that is dropped in a forked child frees its parent's locks, and the file is
//!   corrupted silently. So a [`Snapshot`] knows its process: in a child it answers with an error
//!   and is leaked, not dropped. Writing handles are never left to a child, for they stay on the
//!   stack of a thread, and a fork copies only the thread that forks.
//! - A copy taken beside a committing writer is bad, and is opened without a check. So the file
//!   remembers which file it is (device and inode); elsewhere it is foreign, to be made again.
//! - `compact` blocks readers for seconds. So only a file that nobody knows yet is compacted
//!   ([`Rebuild`]) and then renamed over the old one.
//! - redb checks its pages when it mends, not when it reads. So rows carry a `checksum`; what that
//!   cannot see, a row that damage hides, [`Index::verify`] finds by reading the whole file.
//! - redb panics on some damage. That is caught and means damaged (`quiet`).
//!
//! While a snapshot lives the file grows with every commit, as nothing it sees is reused: readers
//! are short. All writing calls need the caller to hold `fold.lock`.

mod checksum;
mod columns;
mod quiet;
mod read;
mod rows;
mod storage;
mod tables;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use redb::Builder;
use redb::ConcurrencyMode;
use redb::Database;
use redb::ReadableTable;
use redb::TableHandle;
use redb::WriteTransaction;

pub use columns::Attribute;
pub use columns::Cell;
pub use columns::CellValue;
pub use columns::Column;
pub use columns::Kind;
pub use columns::MetricField;
pub use columns::NameNumber;
pub use columns::RunNumber;
pub use read::BlobUse;
pub use read::Chunk;
pub use read::ChunkHead;
pub use read::ChunkHeads;
pub use read::ChunkTables;
pub use read::Chunks;
pub use read::FoldedSegment;
pub use read::IndexStat;
pub use read::NameUse;
pub use read::Snapshot;
pub use read::Texts;
pub use rows::Finish;
pub use rows::ParamRow;
pub use rows::Role;
pub use rows::RunRow;
pub use rows::Segment;
pub use rows::TagRow;
pub use write::Steps;
pub use write::Writer;

use crate::error::Error;
use crate::error::Result;
use crate::limits::INDEX_CACHE_BYTES;
use crate::limits::INDEX_WAIT_MS;
use crate::sys;
use crate::sys::Open;
use crate::sys::SharedSys;
use quiet::Failure;
use quiet::Quiet;
use quiet::caught;
use storage::Storage;

/// How long anybody waits for redb.
const WAIT: Duration = Duration::from_millis(INDEX_WAIT_MS);

/// Most passes of compaction; each moves pages forward, and two or three leave nothing to move.
const COMPACT_PASSES_MAX: usize = 8;

/// What became of opening the index to read.
#[derive(Debug)]
pub enum Opened {
    /// It answers.
    Reader(Box<Snapshot>),
    /// There is none, or nothing was ever put in.
    Missing,
    /// A writer died in it: [`Index::mend`] makes it whole in milliseconds.
    NeedsMending,
    /// It was copied here, is of another store or of another version; why. Delete and rebuild.
    Foreign(String),
    /// It is not what was written; how that shows. Delete and rebuild.
    ///
    /// Only under `fold.lock`: a file that is just being made looks damaged, too.
    Damaged(String),
    /// It did not answer in time.
    Busy,
}

/// The index file of a store, open or not.
#[derive(Clone, Debug)]
pub struct Index {
    sys: SharedSys,
    path: PathBuf,
    store: String,
    /// Whether it may be of any store and place.
    is_copy: bool,
}

impl Index {
    /// Names an index; touches nothing.
    ///
    /// - `path`: of the file
    /// - `store`: id of the store
    pub fn new(sys: SharedSys, path: PathBuf, store: &str) -> Self {
        Self {
            sys,
            path,
            store: store.to_owned(),
            is_copy: false,
        }
    }

    /// Names a copy of this index, of which it is no wonder that it finds itself elsewhere. It may
    /// have been taken beside a writer: only one that could be mended and verified is to be read.
    #[must_use]
    pub fn copied_to(&self, path: PathBuf) -> Self {
        Self {
            path,
            is_copy: true,
            ..self.clone()
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it to read, for at most [`INDEX_WAIT_MS`].
    ///
    /// # Errors
    /// [`Error::Io`] where the file is there and may not be read, or no thread can be started.
    pub fn read(&self) -> Result<Opened> {
        let first = self.read_once()?;
        // A rebuild may rename another file here between opening and asking which file it is.
        match first {
            Opened::Foreign(_) => self.read_once(),
            other => Ok(other),
        }
    }

    fn read_once(&self) -> Result<Opened> {
        match self.sys.stat(&self.path) {
            Err(error) if error.is_missing() => return Ok(Opened::Missing),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let index = self.clone();
        // A snapshot that comes too late is closed there.
        let work = move || index.open_snapshot();
        sys::within(WAIT, "tracker-index", &self.path, work)?.unwrap_or(Ok(Opened::Busy))
    }

    fn open_snapshot(&self) -> Result<Opened> {
        let quiet = Quiet::enter();
        let opened = caught(&self.path, || {
            let storage = self.storage(Open::Read)?;
            let db = match builder().open_read_only_with_backend(storage) {
                Err(redb::DatabaseError::RepairAborted) => return Ok(Opened::NeedsMending),
                Err(redb::DatabaseError::UpgradeRequired(version)) => {
                    let why = format!("it has format {version} of an older redb");
                    return Ok(Opened::Foreign(why));
                }
                other => other?,
            };
            let txn = redb::ReadableDatabase::begin_read(&db)?;
            let meta = match txn.open_table(tables::META) {
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Opened::Missing),
                other => other?,
            };
            Ok(match self.foreign(&meta)? {
                Some(why) => Opened::Foreign(why),
                None => Opened::Reader(Box::new(Snapshot::new(&self.path, db, txn, quiet))),
            })
        });
        match opened {
            Err(Error::Corrupt(damage)) => Ok(Opened::Damaged(damage.why)),
            Err(Error::Locked { .. }) => Ok(Opened::Busy),
            Err(error) if error.is_missing() => Ok(Opened::Missing),
            other => other,
        }
    }

    fn storage(&self, how: Open) -> Result<Storage, Failure> {
        Storage::open(&*self.sys, &self.path, how)
    }

    /// Opens the file, which is there, to write.
    fn open(&self) -> Result<Database, Failure> {
        let storage = self.storage(Open::Write)?;
        Ok(builder().create_with_backend(storage)?)
    }

    /// Opens it to write and closes it: redb then mends what a dead writer left.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if that cannot be mended: delete and rebuild. [`Error::Io`].
    pub fn mend(&self) -> Result<()> {
        let _quiet = Quiet::enter();
        caught(&self.path, || {
            let db = self.open()?;
            Ok(db.close()?)
        })
    }

    /// As [`Self::mend`], for at most [`INDEX_WAIT_MS`]: who opens to write waits for a reader that
    /// was suspended while it looked at the header. The thread is left behind then.
    ///
    /// - `lock`: `fold.lock`, held until it is done
    /// - returns: whether it is done
    ///
    /// # Errors
    /// As [`Self::mend`]; [`Error::Io`] when no thread can be started.
    pub fn mend_soon(&self, lock: Box<dyn sys::File>) -> Result<bool> {
        let index = self.clone();
        let work = move || {
            let mended = index.mend();
            drop(lock);
            mended
        };
        let mended = sys::within(WAIT, "tracker-mend", &self.path, work)?;
        mended.map_or(Ok(false), |mended| mended.map(|()| true))
    }

    /// Reads the whole file and checks the checksums of all pages.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a page is not as it was written. [`Error::Io`].
    pub fn verify(&self) -> Result<()> {
        let _quiet = Quiet::enter();
        caught(&self.path, || {
            let mut db = self.open()?;
            let intact = db.check_integrity()?;
            db.close()?;
            if intact {
                Ok(())
            } else {
                let why = "pages were not as they were written";
                Err(Failure::Damaged(why.to_owned()))
            }
        })
    }

    /// Stores what `fill` puts, all or nothing, durable when this returns; makes the file if it
    /// is missing. One call is one transaction, and readers see all of it or nothing.
    ///
    /// # Errors
    /// The first error of `fill`; [`Error::Corrupt`] for an index that is damaged or not of this
    /// place: delete and rebuild; [`Error::Io`], with `is_disk_full`; [`Error::Locked`] on a
    /// thread that panics, where redb would not close its file.
    pub fn write<T>(&self, fill: impl FnOnce(&mut Writer<'_>) -> Result<T>) -> Result<T> {
        if thread::panicking() {
            return Err(Error::Locked { what: "the index" });
        }
        let _quiet = Quiet::enter();
        let storage = self.storage(Open::Ensure);
        let db = caught(&self.path, || Ok(builder().create_with_backend(storage?)?))?;
        let result = self.transact(&db, fill);
        let closed = caught(&self.path, || Ok(db.close()?));
        let value = result?;
        closed?;
        Ok(value)
    }

    fn transact<T>(
        &self,
        db: &Database,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<T>,
    ) -> Result<T> {
        let txn = caught(&self.path, || Ok(db.begin_write()?))?;
        let filled = (|| {
            let mut writer = caught(&self.path, || {
                self.prove(&txn)?;
                Writer::new(&self.path, &txn)
            })?;
            match fill(&mut writer) {
                Ok(value) => writer.finish().map(|()| value),
                Err(error) => {
                    writer.abandon();
                    Err(error)
                }
            }
        })();
        match filled {
            Ok(value) => caught(&self.path, || Ok(txn.commit()?)).map(|()| value),
            Err(error) => {
                // What went wrong first says more than any trouble with giving up.
                let _ = caught(&self.path, || Ok(txn.abort()?));
                Err(error)
            }
        }
    }

    /// Writes into a new file which file it is; in another, checks it.
    fn prove(&self, txn: &WriteTransaction) -> Result<(), Failure> {
        let there: BTreeSet<String> = txn
            .list_tables()?
            .map(|table| table.name().to_owned())
            .collect();
        let is_new = there.is_empty();
        // redb would make a missing table anew. Without SEGMENTS all would be folded twice.
        let names = tables::names();
        let missing = names.iter().find(|name| !there.contains(*name));
        if let Some(missing) = missing.filter(|_| !is_new) {
            return Err(Failure::Damaged(format!("table {missing:?} is missing")));
        }
        let mut meta = txn.open_table(tables::META)?;
        if !is_new {
            return match self.foreign(&meta)? {
                Some(why) => Err(Failure::Damaged(why)),
                None => Ok(()),
            };
        }
        let stat = self.sys.stat(&self.path)?;
        meta.insert("format", tables::FORMAT.to_le_bytes().as_slice())?;
        meta.insert("store", self.store.as_bytes())?;
        meta.insert("device", stat.device.to_le_bytes().as_slice())?;
        meta.insert("inode", stat.inode.to_le_bytes().as_slice())?;
        Ok(())
    }

    /// Returns why the file is not this store's, at this place and of this version.
    fn foreign(
        &self,
        meta: &impl ReadableTable<&'static str, &'static [u8]>,
    ) -> Result<Option<String>, Failure> {
        let is = |key, want: &[u8]| -> Result<bool, Failure> {
            Ok(meta.get(key)?.is_some_and(|value| value.value() == want))
        };
        if !is("format", &tables::FORMAT.to_le_bytes())? {
            return Ok(Some("it is of another version of this program".to_owned()));
        }
        if self.is_copy {
            return Ok(None);
        }
        if !is("store", self.store.as_bytes())? {
            return Ok(Some("it is of another store".to_owned()));
        }
        let stat = self.sys.stat(&self.path)?;
        if !is("device", &stat.device.to_le_bytes())? || !is("inode", &stat.inode.to_le_bytes())? {
            return Ok(Some("it was copied here from another place".to_owned()));
        }
        Ok(None)
    }

    /// Deletes the file.
    ///
    /// # Errors
    /// [`Error::Io`]; a file that is missing is fine.
    pub fn remove(&self) -> Result<()> {
        sys::remove_if_there(&*self.sys, &self.path).map(drop)
    }

    /// Moves the file aside, so that a new one is made: it may be all that still has what a damaged
    /// segment held. What was set aside before has more of that, and stays.
    ///
    /// # Errors
    /// [`Error::Io`]; a file that is missing is fine.
    pub fn set_aside(&self) -> Result<()> {
        let aside = self.aside();
        let moved = match self.sys.stat(aside.path()) {
            Ok(_) => return self.remove(),
            Err(error) if error.is_missing() => self.sys.rename(&self.path, aside.path()),
            Err(error) => Err(error),
        };
        match moved {
            Err(error) if error.is_missing() => Ok(()),
            moved => moved,
        }
    }

    /// Names what was set aside.
    #[must_use]
    pub fn aside(&self) -> Self {
        self.copied_to(sys::with_suffix(&self.path, ".old"))
    }

    /// Removes what a rebuild left that was killed. The caller holds `fold.lock`: nobody is at it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sweep(&self) -> Result<()> {
        self.beside().remove()
    }

    /// The place where a rebuild makes its file.
    fn beside(&self) -> Self {
        Self {
            path: sys::with_suffix(&self.path, ".new"),
            ..self.clone()
        }
    }

    /// Starts a new index beside this one, which stays as it is until the new one is finished.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn rebuild(&self) -> Result<Rebuild<'_>> {
        let beside = self.beside();
        beside.remove()?; // a rebuild that was killed left it
        Ok(Rebuild {
            beside,
            target: self,
        })
    }
}

/// An index being made beside the one in use. Deleted when dropped unfinished.
#[derive(Debug)]
pub struct Rebuild<'a> {
    beside: Index,
    target: &'a Index,
}

impl Rebuild<'_> {
    /// Stores a part; as [`Index::write`].
    ///
    /// # Errors
    /// As [`Index::write`].
    pub fn write<T>(&self, fill: impl FnOnce(&mut Writer<'_>) -> Result<T>) -> Result<T> {
        self.beside.write(fill)
    }

    /// Compacts it and puts it in the place of the old one, durably.
    ///
    /// # Errors
    /// [`Error::Io`]; the old one is then still there.
    pub fn finish(self) -> Result<()> {
        let (beside, target) = (&self.beside, self.target);
        beside.write(|_| Ok(()))?; // an index of an empty journal is a file, too
        let quiet = Quiet::enter();
        caught(&beside.path, || {
            let mut db = beside.open()?;
            for _ in 0..COMPACT_PASSES_MAX {
                if !db.compact()? {
                    break;
                }
            }
            Ok(db.close()?)
        })?;
        drop(quiet);
        beside.sys.rename(&beside.path, &target.path)?;
        let folder = target.path.parent();
        folder.map_or(Ok(()), |folder| target.sys.sync_dir(folder))
    }
}

impl Drop for Rebuild<'_> {
    fn drop(&mut self) {
        // After `finish` there is nothing there; else the next rebuild removes what stays.
        let _ = self.beside.remove();
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .set_cache_size(INDEX_CACHE_BYTES)
        .set_concurrency_mode(ConcurrencyMode::MultiWriter);
    builder
}
