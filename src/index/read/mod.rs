//! One snapshot of the index: what was committed when it was taken.
//!
//! Lists are short (what one run has) and come as a `Vec`; what is long comes as a range of run
//! numbers, or chunk by chunk. Text stands for a name nowhere: names and texts are numbers, and
//! [`Snapshot::texts`] turns many of them back.

mod artifacts;
mod columns;
mod files;
mod series;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::OnceLock;

use redb::Key;
use redb::ReadOnlyDatabase;
use redb::ReadOnlyTable;
use redb::ReadTransaction;
use redb::ReadableTableMetadata;
use redb::TableDefinition;
use redb::Value;

pub use artifacts::BlobUse;
pub use columns::NameUse;
pub use columns::Texts;
use columns::WideSeries;
pub use files::FoldedSegment;
pub use files::IndexStat;
pub use series::Chunk;
pub use series::ChunkHead;
pub use series::ChunkHeads;
pub use series::ChunkTables;
pub use series::Chunks;

use crate::codec;
use crate::error::Error;
use crate::error::Result;
use crate::index::checksum;
use crate::index::checksum::checked;
use crate::index::columns::Attribute;
use crate::index::columns::Cell;
use crate::index::columns::Column;
use crate::index::columns::NameNumber;
use crate::index::columns::RunNumber;
use crate::index::quiet::Failure;
use crate::index::quiet::Quiet;
use crate::index::quiet::caught;
use crate::index::rows::ParamRow;
use crate::index::rows::RunRow;
use crate::index::rows::TagRow;
use crate::index::tables;
use crate::model::RunId;

/// What a snapshot holds open; the transaction goes before the database.
struct Open {
    txn: ReadTransaction,
    db: ReadOnlyDatabase,
    quiet: Quiet,
}

/// One snapshot of the index.
pub struct Snapshot {
    path: PathBuf,
    process: u32,
    open: Option<Open>,
    ids: OnceLock<Vec<RunId>>,
    recent: OnceLock<BTreeMap<u32, Vec<(u64, Cell)>>>,
    texts: OnceLock<Texts>,
    wide: Mutex<Option<WideSeries>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        if self.process != std::process::id() {
            // Closing would free the locks of the parent, who still reads. See `index`.
            std::mem::forget(open);
            return;
        }
        let Open { txn, db, quiet } = open;
        // A failure to close what was only read takes nothing from anybody.
        let _ = caught(&self.path, || {
            drop(txn);
            Ok(db.close()?)
        });
        drop(quiet);
    }
}

impl Snapshot {
    pub(super) fn new(
        path: &Path,
        db: ReadOnlyDatabase,
        txn: ReadTransaction,
        quiet: Quiet,
    ) -> Self {
        Self {
            path: path.to_owned(),
            process: std::process::id(),
            open: Some(Open { txn, db, quiet }),
            ids: OnceLock::new(),
            recent: OnceLock::new(),
            texts: OnceLock::new(),
            wide: Mutex::new(None),
        }
    }

    fn ask<T>(&self, call: impl FnOnce(&ReadTransaction) -> Result<T, Failure>) -> Result<T> {
        match &self.open {
            Some(open) if self.process == std::process::id() => {
                caught(&self.path, || call(&open.txn))
            }
            Some(_) | None => Err(Error::invalid(
                "reader",
                "it was opened by the parent of this process; open another",
            )),
        }
    }

    /// Returns the path of the index.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of runs; their numbers are all below it.
    ///
    /// # Errors
    /// `Error::Corrupt` or `Error::Io`, here and in all other questions: the index cannot be
    /// trusted, or read; the journal can answer.
    pub fn run_count(&self) -> Result<u32> {
        self.ask(run_count)
    }

    /// Returns the ids of all runs by number. They are read once.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn run_ids(&self) -> Result<&[RunId]> {
        if let Some(ids) = self.ids.get() {
            return Ok(ids);
        }
        let read = self.ask(|txn| {
            let count = run_count(txn)? as usize;
            let mut ids = Vec::with_capacity(count);
            for entry in txn.open_table(tables::RUN_ID_PAGES)?.range(0..=u32::MAX)? {
                let (page, stored) = entry?;
                let stored = checked::<u32>(&page.value(), stored.value())?;
                let (stored, _) = stored.as_chunks::<16>();
                ids.extend(stored.iter().map(|id| RunId(u128::from_le_bytes(*id))));
            }
            if ids.len() == count {
                Ok(ids)
            } else {
                let why = format!("{count} runs, ids of {}", ids.len());
                Err(Failure::Damaged(why))
            }
        })?;
        Ok(self.ids.get_or_init(|| read))
    }

    /// Returns the number of a run.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn run_number(&self, id: RunId) -> Result<Option<RunNumber>> {
        self.ask(|txn| {
            let number = txn.open_table(tables::RUN_IDS)?.get(id.0)?;
            let Some(number) = number.map(|number| number.value()) else {
                return Ok(None);
            };
            let pages = txn.open_table(tables::RUN_ID_PAGES)?;
            let (page, slot) = tables::run_id_place(number);
            let ids = checksum::get(&pages, &page)?.unwrap_or_default();
            if ids.as_chunks::<16>().0.get(slot) == Some(&id.0.to_le_bytes()) {
                Ok(Some(RunNumber(number)))
            } else {
                Err(Failure::Damaged(format!(
                    "number {number} is of another run"
                )))
            }
        })
    }

    /// Returns the runs whose printed id begins with `prefix`, in order of arrival.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn runs_with_prefix(&self, prefix: &str) -> Result<Vec<(RunNumber, RunId)>> {
        let digits = prefix.len();
        let Ok(wanted) = u128::from_str_radix(prefix, 16) else {
            return Ok(Vec::new());
        };
        if !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) || digits > 32 {
            return Ok(Vec::new());
        }
        // The printed form is the id with its halves exchanged.
        let matches = |id: &RunId| id.0.rotate_left(64) >> (128 - 4 * digits) == wanted;
        let ids = self.run_ids()?;
        let numbered = (0..).map(RunNumber).zip(ids.iter().copied());
        Ok(numbered.filter(|(_, id)| matches(id)).collect())
    }

    /// Returns the runs of a name, in order of arrival.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn runs_with_name(&self, name: &str) -> Result<Vec<RunNumber>> {
        let Some(text) = self.name_number(name)? else {
            return Ok(Vec::new());
        };
        let wanted = Cell::text(text);
        let cells = self.column(Column::Attribute(Attribute::Name))?;
        let numbered = (0..).map(RunNumber).zip(cells);
        Ok(numbered
            .filter(|(_, cell)| *cell == wanted)
            .map(|(run, _)| run)
            .collect())
    }

    /// Returns what is said of a run as a whole.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn run(&self, run: RunNumber) -> Result<Option<RunRow>> {
        self.ask(|txn| {
            let row = checksum::get(&txn.open_table(tables::RUNS)?, &run.0)?;
            Ok(row.map(|row| codec::decode(&row)).transpose()?)
        })
    }

    /// Returns the rows of many runs, by number. Some 1 KB a run: ask for a part at a time.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn runs(&self, runs: RangeInclusive<u32>) -> Result<Vec<(RunNumber, RunRow)>> {
        self.ask(|txn| {
            collect(txn, tables::RUNS, runs, |run, row| {
                Ok((RunNumber(run), codec::decode(row)?))
            })
        })
    }

    /// Returns the params of a run.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn params(&self, run: RunNumber) -> Result<Vec<(NameNumber, ParamRow)>> {
        self.ask(|txn| {
            collect(txn, tables::PARAMS, all_of(run), |(_, name), row| {
                Ok((NameNumber(name), codec::decode(row)?))
            })
        })
    }

    /// Returns a param of a run.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn param(&self, run: RunNumber, name: NameNumber) -> Result<Option<ParamRow>> {
        self.ask(|txn| {
            let row = checksum::get(&txn.open_table(tables::PARAMS)?, &(run.0, name.0))?;
            Ok(row.map(|row| codec::decode(&row)).transpose()?)
        })
    }

    /// Returns the tags of a run.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn tags(&self, run: RunNumber) -> Result<Vec<(NameNumber, TagRow)>> {
        self.ask(|txn| {
            collect(txn, tables::TAGS, all_of(run), |(_, name), row| {
                Ok((NameNumber(name), codec::decode(row)?))
            })
        })
    }
}

fn run_count(txn: &ReadTransaction) -> Result<u32, Failure> {
    let count = txn.open_table(tables::RUN_IDS)?.len()?;
    u32::try_from(count).map_err(|why| Failure::Damaged(format!("{count} runs: {why}")))
}

/// Returns the keys of all rows of a run.
fn all_of(run: RunNumber) -> RangeInclusive<(u32, u32)> {
    (run.0, 0)..=(run.0, u32::MAX)
}

/// Reads all rows of a range of keys.
fn collect<K: Key + 'static, T>(
    txn: &ReadTransaction,
    table: TableDefinition<'_, K, &'static [u8]>,
    keys: RangeInclusive<K::SelfType<'_>>,
    read: impl Fn(K::SelfType<'_>, &[u8]) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    collect_unchecked(txn, table, keys, |key, stored| {
        let row = checked::<K>(&key, stored)?;
        read(key, row)
    })
}

/// Reads all rows of a range of keys in a table whose values are plain numbers.
fn collect_unchecked<K: Key + 'static, V: Value + 'static, T>(
    txn: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
    keys: RangeInclusive<K::SelfType<'_>>,
    read: impl Fn(K::SelfType<'_>, V::SelfType<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let table: ReadOnlyTable<K, V> = txn.open_table(table)?;
    let mut rows = Vec::new();
    for entry in table.range::<K::SelfType<'_>>(keys)? {
        let (key, value) = entry?;
        rows.push(read(key.value(), value.value())?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::index::Index;
    use crate::index::Opened;
    use crate::sys::RealSys;

    #[test]
    fn a_snapshot_of_the_parent_process_answers_with_an_error_and_frees_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::new(Arc::new(RealSys), dir.path().join("index.redb"), "store");
        index.write(|_| Ok(())).unwrap();
        let Opened::Reader(mut inherited) = index.read().unwrap() else {
            panic!("no reader");
        };
        inherited.process = 0;
        let refused = inherited.run_count().unwrap_err().to_string();
        assert!(refused.contains("parent"), "{refused}");
        drop(inherited);
        index.write(|writer| writer.put_folder(1, 1)).unwrap();
    }
}
