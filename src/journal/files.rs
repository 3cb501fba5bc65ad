//! Names and folders of the journal's files.

use std::path::Path;
use std::path::PathBuf;

use crate::error::Result;
use crate::model::RunId;
use crate::model::WriterId;
use crate::sys;
use crate::sys::Entry;
use crate::sys::SharedSys;

/// Says which segment: of which run, of which writer, its how-manieth from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    /// The run.
    pub run: RunId,
    /// Its writer.
    pub writer: WriterId,
    /// Number among the writer's segments, from 0.
    pub seq: u32,
}

impl SegmentId {
    /// Returns the file name without an ending.
    pub fn stem(&self) -> String {
        format!("{}-{}-{:08x}", self.run, self.writer, self.seq)
    }

    /// Reads a file name; none if it is none of ours.
    ///
    /// - returns: the segment, and the ending without its dot
    pub fn parse(name: &str) -> Option<(Self, &str)> {
        let (stem, ending) = name.split_once('.')?;
        let mut parts = stem.split('-');
        let (run, writer, seq) = (parts.next()?, parts.next()?, parts.next()?);
        let fits = run.len() == 32 && writer.len() == 16 && seq.len() == 8;
        let id = Self {
            run: run.parse().ok()?,
            writer: WriterId(u64::from_str_radix(writer, 16).ok()?),
            seq: u32::from_str_radix(seq, 16).ok()?,
        };
        // The round trip refuses upper case and signs: one segment, one name.
        (fits && parts.next().is_none() && id.stem() == stem).then_some((id, ending))
    }
}

/// What the ending of a live file says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveKind {
    /// Rows: `.seg`.
    Rows,
    /// Columns: `.sealed`.
    Sealed,
    /// Something being made: `.new`, `.sealing`.
    Unfinished,
}

/// A file in `live/`.
#[derive(Clone, Debug)]
pub struct LiveFile {
    /// The segment.
    pub id: SegmentId,
    /// What it holds.
    pub kind: LiveKind,
    /// Where it is.
    pub path: PathBuf,
}

/// The journal's two folders in a store.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The system they are on.
    pub sys: SharedSys,
    live: PathBuf,
    journal: PathBuf,
}

impl Folders {
    /// Knows the folders of the store at `store`; touches nothing.
    pub fn new(sys: SharedSys, store: &Path) -> Self {
        Self {
            sys,
            live: store.join("live"),
            journal: store.join("journal"),
        }
    }

    /// Creates both.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn create(&self) -> Result<()> {
        self.sys.create_dir(&self.live)?;
        self.sys.create_dir(&self.journal)
    }

    /// Returns the folder of live segments.
    pub fn live(&self) -> &Path {
        &self.live
    }

    /// Returns the folder of the folders where columns stay.
    pub fn journal(&self) -> &Path {
        &self.journal
    }

    /// Returns the path of live rows.
    pub fn rows(&self, id: &SegmentId) -> PathBuf {
        self.live.join(id.stem() + ".seg")
    }

    /// Returns the path of columns that are not folded yet.
    pub fn sealed(&self, id: &SegmentId) -> PathBuf {
        self.live.join(id.stem() + ".sealed")
    }

    /// Returns the path of columns where they stay.
    pub fn settled(&self, id: &SegmentId) -> PathBuf {
        self.folder(id).join(id.stem() + ".sealed")
    }

    /// Returns the folder where a segment's columns stay.
    pub fn folder(&self, id: &SegmentId) -> PathBuf {
        self.journal.join(id.run.folder())
    }

    /// Counts the sealed files in `live/`.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn count_sealed(&self) -> Result<usize> {
        let is_sealed = |file: &&LiveFile| file.kind == LiveKind::Sealed;
        Ok(self.list_live()?.iter().filter(is_sealed).count())
    }

    /// Lists `live/`, sorted; files that are none of ours are left out. No folder is no files.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn list_live(&self) -> Result<Vec<LiveFile>> {
        let entries = match self.sys.list(&self.live) {
            Err(error) if error.is_missing() => return Ok(Vec::new()),
            listed => listed?,
        };
        let mut files: Vec<LiveFile> = entries
            .iter()
            .filter_map(|entry| {
                let (id, kind) = live_kind(entry)?;
                Some(LiveFile {
                    id,
                    kind,
                    path: self.live.join(&entry.name),
                })
            })
            .collect();
        files.sort_by(|a, b| (a.id, &a.path).cmp(&(b.id, &b.path)));
        Ok(files)
    }

    /// Lists the folders under `journal/` with the time of their last change: a folder that
    /// changed may hold files that arrived by copy.
    ///
    /// - returns: `(first two digits of the runs' ids, nanoseconds since 1970)`, sorted
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn list_folders(&self) -> Result<Vec<(u8, i64)>> {
        let entries = match self.sys.list(&self.journal) {
            Err(error) if error.is_missing() => return Ok(Vec::new()),
            listed => listed?,
        };
        let mut folders = Vec::new();
        for entry in &entries {
            let Some(number) = folder_number(entry) else {
                continue;
            };
            let stat = self.sys.stat(&self.journal.join(&entry.name))?;
            folders.push((number, stat.modified_ns));
        }
        folders.sort_unstable();
        Ok(folders)
    }

    /// The folder of that number under `journal/`.
    pub fn numbered(&self, number: u8) -> PathBuf {
        self.journal.join(format!("{number:02x}"))
    }

    /// Lists the sealed segments in one folder under `journal/`, sorted.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn list_folder(&self, number: u8) -> Result<Vec<SegmentId>> {
        let entries = match self.sys.list(&self.numbered(number)) {
            Err(error) if error.is_missing() => return Ok(Vec::new()),
            listed => listed?,
        };
        let mut ids: Vec<SegmentId> = entries
            .iter()
            .filter_map(|entry| settled_id(entry, number))
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Lists what lies in `live/` and `journal/` under a name or at a place that no segment has:
    /// nobody reads it. A folder that cannot be listed has none.
    pub fn list_strange(&self) -> Vec<PathBuf> {
        let list = |folder: &Path| self.sys.list(folder).unwrap_or_default();
        let mut strange = Vec::new();
        let mut add = |folder: &Path, entries: &[Entry], is_ours: &dyn Fn(&Entry) -> bool| {
            let others = entries.iter().filter(|entry| !is_ours(entry));
            strange.extend(others.map(|entry| folder.join(&entry.name)));
        };
        let live = list(&self.live);
        add(&self.live, &live, &|entry| live_kind(entry).is_some());
        let folders = list(&self.journal);
        add(&self.journal, &folders, &|entry| {
            folder_number(entry).is_some()
        });
        for number in folders.iter().filter_map(folder_number) {
            let folder = self.numbered(number);
            let is_ours = |entry: &Entry| settled_id(entry, number).is_some();
            add(&folder, &list(&folder), &is_ours);
        }
        strange.sort_unstable();
        strange
    }

    /// Moves columns from `live/` to where they stay. The caller syncs folders, if it must.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn settle(&self, id: &SegmentId) -> Result<()> {
        let to = self.settled(id);
        match self.sys.rename(&self.sealed(id), &to) {
            Err(error) if error.is_missing() => {
                sys::make_dir(&*self.sys, &self.folder(id))?;
                self.sys.rename(&self.sealed(id), &to)
            }
            renamed => renamed,
        }
    }
}

fn live_kind(entry: &Entry) -> Option<(SegmentId, LiveKind)> {
    let (id, ending) = SegmentId::parse(&entry.name).filter(|_| !entry.is_dir)?;
    let kind = match ending {
        "seg" => LiveKind::Rows,
        "sealed" => LiveKind::Sealed,
        "new" | "sealing" => LiveKind::Unfinished,
        _ => return None,
    };
    Some((id, kind))
}

/// The number of a folder under `journal/`: two digits as they are written there.
fn folder_number(entry: &Entry) -> Option<u8> {
    let number = u8::from_str_radix(&entry.name, 16).ok()?;
    (entry.is_dir && entry.name == format!("{number:02x}")).then_some(number)
}

/// The segment whose columns stay in a folder under that name.
fn settled_id(entry: &Entry, number: u8) -> Option<SegmentId> {
    let (id, ending) = SegmentId::parse(&entry.name)?;
    let is_here = id.run.folder() == format!("{number:02x}");
    (!entry.is_dir && ending == "sealed" && is_here).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_one_name() {
        let id = SegmentId {
            run: RunId(0xfeed << 64 | 0xbeef),
            writer: WriterId(9),
            seq: 12,
        };
        let name = id.stem() + ".sealed";
        let frozen = "000000000000beef000000000000feed-0000000000000009-0000000c.sealed";
        assert_eq!(name, frozen);
        assert_eq!(SegmentId::parse(&name), Some((id, "sealed")));
        for bad in [
            name.to_uppercase(),
            name.replace(".sealed", ""),
            name.replacen('-', "", 1),
            format!(".{name}.x8"),
            name.replace("-0000000c", "-000000c"),
            name.replace("-0000000c", "-+000000c"),
        ] {
            assert_eq!(SegmentId::parse(&bad), None, "{bad}");
        }
    }
}
