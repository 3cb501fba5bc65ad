//! A disk whose power can be cut: what was not synced is then there, or not, or half.
//!
//! Processes see a real folder, so locks and maps are real. Beside it this file remembers what
//! survives: of each file the content of its last sync, of each folder the names of its last sync,
//! and what was done to names since. [`Disk::after_power_cut`] makes a new folder of that:
//!
//! - of each 512-byte sector that was not synced either the old or the new content, or a mixture
//!   of their 8-byte words, as of a page that was being written back while the program stored into
//!   it; of the length the old or the new one;
//! - of each name made, removed or changed since the folder was synced either the old or the new
//!   state. Only a rename is all or nothing. A folder is a name in the folder above it.
//!
//! This is harsher than any file system: none leaves later names and drops earlier ones. Files keep
//! their inode over the cut, and processes of the time before it lived in another boot.
//!
//! Every operation that changes something is counted. The power can be cut before any of them, or
//! one of them can fail, once, as of a broken or a full disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tempfile::TempDir;
use tracker::Error;
use tracker::Result;
use tracker::model::Process;
use tracker::sys::Clock;
use tracker::sys::Entry;
use tracker::sys::File;
use tracker::sys::FileSystem;
use tracker::sys::Map;
use tracker::sys::Open;
use tracker::sys::RealSys;
use tracker::sys::Stat;
use tracker::sys::Sys;

use super::process::Random;
use super::real::memory_dir;

const SECTOR_BYTES: usize = 512;

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power is cut before it.
    PowerCut,
    /// It fails as on a broken disk.
    Broken,
    /// It fails as on a full disk.
    Full,
}

/// A file or folder, whatever its names.
#[derive(Debug)]
struct Node {
    /// Of a file: to read what it holds now, also when it has no name any more.
    open: Option<fs::File>,
    /// Of a file: what the last sync made sure of.
    synced: Vec<u8>,
    /// Of a folder: the names that the last sync made sure of.
    names: BTreeMap<String, u64>,
}

/// Names that changed together since their folders were synced.
#[derive(Clone, Debug)]
struct Change {
    /// Folder, name, and what it names from now on.
    names: Vec<(u64, String, Option<u64>)>,
}

#[derive(Debug, Default)]
struct State {
    nodes: BTreeMap<u64, Node>,
    /// Every path below the root, as it is now.
    paths: BTreeMap<PathBuf, u64>,
    changes: Vec<Change>,
    next: u64,
    operations: u64,
    fault: Option<(u64, Fault)>,
    /// What is left, once the power was cut.
    left: Option<TempDir>,
    left_paths: BTreeMap<PathBuf, u64>,
    /// Decides what is left.
    seed: u64,
}

/// A disk, mounted at a folder of the machine.
#[derive(Debug)]
pub(crate) struct Disk {
    dir: TempDir,
    state: Mutex<State>,
    boot: u64,
    boot_us: i64,
    maps_safely: bool,
}

const ROOT: u64 = 1;

impl Disk {
    /// - `maps_safely`: whether segments may be mapped, else they are written
    pub(crate) fn new(seed: u64, maps_safely: bool) -> Arc<Self> {
        Self::mount(memory_dir(), BTreeMap::new(), 1, seed, maps_safely)
    }

    fn mount(
        dir: TempDir,
        paths: BTreeMap<PathBuf, u64>,
        boot: u64,
        seed: u64,
        maps_safely: bool,
    ) -> Arc<Self> {
        let mut state = State {
            next: paths.values().max().copied().unwrap_or(ROOT) + 1,
            seed,
            ..State::default()
        };
        state.nodes.insert(
            ROOT,
            Node {
                open: None,
                synced: Vec::new(),
                names: BTreeMap::new(),
            },
        );
        state.paths.insert(PathBuf::new(), ROOT);
        // Sorted, so that a folder comes before what is in it.
        for (path, id) in paths {
            let real = dir.path().join(&path);
            let is_dir = real.is_dir();
            let node = Node {
                open: (!is_dir).then(|| fs::File::open(&real).unwrap()),
                synced: if is_dir {
                    Vec::new()
                } else {
                    fs::read(&real).unwrap()
                },
                names: BTreeMap::new(),
            };
            state.nodes.insert(id, node);
            let (folder, name) = state.place(&path);
            state.nodes.get_mut(&folder).unwrap().names.insert(name, id);
            state.paths.insert(path, id);
        }
        Arc::new(Self {
            dir,
            state: Mutex::new(state),
            boot,
            boot_us: RealSys.now_us() + 1, // what was left was written before
            maps_safely,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// How many operations changed something so far.
    pub(crate) fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Lets something happen at an operation, counted from the first.
    pub(crate) fn at(&self, operation: u64, fault: Fault) {
        self.lock().fault = Some((operation, fault));
    }

    /// Cuts the power now, if it is still on, and returns the disk as the next boot finds it.
    pub(crate) fn after_power_cut(&self, seed: u64) -> Arc<Self> {
        let mut state = self.lock();
        state.cut(self.dir.path());
        let dir = state.left.take().unwrap();
        let paths = std::mem::take(&mut state.left_paths);
        Self::mount(dir, paths, self.boot + 1, seed, self.maps_safely)
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.lock().left.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation, and tells how it fails.
    fn operation(&self, op: &'static str, path: &Path) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.operations += 1;
        if let Some((at, fault)) = state.fault
            && at == state.operations
        {
            state.fault = None;
            match fault {
                Fault::PowerCut => state.cut(self.dir.path()),
                Fault::Broken => return Err(io_error(op, path, io::Error::other("broken"))),
                Fault::Full => return Err(io_error(op, path, io::ErrorKind::StorageFull.into())),
            }
        }
        if state.left.is_some() {
            return Err(io_error(op, path, io::Error::other("the power is cut")));
        }
        Ok(state)
    }

    fn inner(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(self.dir.path()).ok().map(Path::to_owned)
    }
}

fn io_error(op: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io {
        op,
        path: path.to_owned(),
        source,
    }
}

impl Node {
    /// Makes sure of what a file holds.
    fn sync(&mut self) {
        let Some(mut open) = self.open.as_ref() else {
            return;
        };
        self.synced.clear();
        io::Seek::rewind(&mut open).unwrap();
        io::Read::read_to_end(&mut open, &mut self.synced).unwrap();
    }
}

impl State {
    /// Makes sure of all contents and names.
    fn sync_all(&mut self) {
        self.nodes.values_mut().for_each(Node::sync);
        let changes = std::mem::take(&mut self.changes);
        self.apply(changes);
    }

    /// The folder and name of a path.
    fn place(&self, path: &Path) -> (u64, String) {
        let folder = self.paths[path.parent().unwrap()];
        (
            folder,
            path.file_name().unwrap().to_str().unwrap().to_owned(),
        )
    }

    fn change(&mut self, paths: &[(&Path, Option<u64>)]) {
        let names = paths.iter().map(|(path, node)| {
            let (folder, name) = self.place(path);
            (folder, name, *node)
        });
        let names = names.collect();
        self.changes.push(Change { names });
        for (path, node) in paths {
            match node {
                Some(node) => self.paths.insert((*path).to_owned(), *node),
                None => self.paths.remove(*path),
            };
        }
    }

    fn add(&mut self, path: &Path, open: Option<fs::File>) -> u64 {
        let id = self.next;
        self.next += 1;
        let node = Node {
            open,
            synced: Vec::new(),
            names: BTreeMap::new(),
        };
        self.nodes.insert(id, node);
        self.change(&[(path, Some(id))]);
        id
    }

    /// Makes sure of what was done to the names of a folder.
    fn sync_names(&mut self, folder: u64) {
        let touches = |change: &Change| change.names.iter().any(|(at, _, _)| *at == folder);
        let (synced, rest) = std::mem::take(&mut self.changes)
            .into_iter()
            .partition(touches);
        self.changes = rest;
        self.apply(synced);
    }

    fn apply(&mut self, changes: Vec<Change>) {
        for (folder, name, node) in changes.into_iter().flat_map(|change| change.names) {
            let names = &mut self.nodes.get_mut(&folder).unwrap().names;
            match node {
                Some(node) => names.insert(name, node),
                None => names.remove(&name),
            };
        }
    }

    /// Decides what is left and writes it to a folder of its own.
    fn cut(&mut self, root: &Path) {
        if self.left.is_some() {
            return;
        }
        let mut random = Random::quiet(self.seed | 1);
        // A change that a later one of the same name made sure of is no longer open; of the others
        // any may be there.
        let changes = std::mem::take(&mut self.changes);
        let kept = changes
            .into_iter()
            .filter(|_| random.below(2) == 0)
            .collect();
        self.apply(kept);
        let left = memory_dir();
        let mut paths = BTreeMap::new();
        let mut open = vec![(ROOT, PathBuf::new())];
        while let Some((folder, at)) = open.pop() {
            for (name, id) in &self.nodes[&folder].names {
                let path = at.join(name);
                let node = &self.nodes[id];
                if node.open.is_some() {
                    fs::write(left.path().join(&path), content(node, &mut random)).unwrap();
                } else {
                    fs::create_dir(left.path().join(&path)).unwrap();
                    open.push((*id, path.clone()));
                }
                paths.insert(path, *id);
            }
        }
        // A folder's time tells readers whether to look into it again.
        for path in paths.keys() {
            let times = fs::metadata(root.join(path)).and_then(|meta| meta.modified());
            if let Ok(modified) = times {
                let _ = fs::File::open(left.path().join(path))
                    .unwrap()
                    .set_modified(modified);
            }
        }
        self.left_paths = paths;
        self.left = Some(left);
    }
}

/// What is left of a file.
fn content(node: &Node, random: &mut Random) -> Vec<u8> {
    let mut new = Vec::new();
    let mut open = node.open.as_ref().unwrap();
    io::Seek::rewind(&mut open).unwrap();
    io::Read::read_to_end(&mut open, &mut new).unwrap();
    let old = &node.synced;
    if new == *old {
        return new;
    }
    let len = if random.below(2) == 0 {
        new.len()
    } else {
        old.len()
    };
    // All old and all new are likelier than they would be by sectors alone.
    let style = random.below(4);
    let mut left = vec![0; len];
    for (number, sector) in left.chunks_mut(SECTOR_BYTES).enumerate() {
        let start = number * SECTOR_BYTES;
        let mix = random.below(16) == 0;
        let is_new = match style {
            0 => true,
            1 => false,
            _ => random.below(2) == 0,
        };
        for (at, byte) in sector.iter_mut().enumerate() {
            let from_new = if mix && style > 1 && at % 8 == 0 {
                random.below(2) == 0
            } else {
                is_new
            };
            let source = if from_new { &new } else { old };
            *byte = source.get(start + at).copied().unwrap_or(0);
        }
    }
    left
}

/// The machine, with a [`Disk`] in place of its own.
#[derive(Clone, Debug)]
pub(crate) struct DiskSys(pub(crate) Arc<Disk>);

#[derive(Debug)]
struct DiskFile {
    disk: Arc<Disk>,
    real: Box<dyn File>,
    node: u64,
}

impl Sys for DiskSys {
    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>> {
        let disk = &self.0;
        let inner = disk.inner(path).expect("a path on the disk");
        let known = disk.lock().paths.get(&inner).copied();
        let (real, node) = match known {
            Some(node) => {
                let real = RealSys.open(path, how)?;
                // Another name may have come here in between.
                let node = disk.lock().paths.get(&inner).copied().unwrap_or(node);
                (real, node)
            }
            None if matches!(how, Open::Read | Open::Write) => {
                return Err(io_error("open", path, io::ErrorKind::NotFound.into()));
            }
            None => {
                let mut state = disk.operation("create", path)?;
                let real = RealSys.open(path, how)?;
                let watch = fs::File::open(path).unwrap();
                (real, state.add(&inner, Some(watch)))
            }
        };
        Ok(Box::new(DiskFile {
            disk: Arc::clone(disk),
            real,
            node,
        }))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        let inner = self.0.inner(path).expect("a path on the disk");
        let mut ancestors: Vec<&Path> = inner.ancestors().collect();
        ancestors.reverse();
        for folder in ancestors {
            if self.0.lock().paths.contains_key(folder) {
                continue;
            }
            let mut state = self.0.operation("create folder", path)?;
            if !state.paths.contains_key(folder) {
                RealSys.create_dir(&self.0.path().join(folder))?;
                state.add(folder, None);
            }
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        RealSys.list(dir)
    }

    fn list_names(&self, dir: &Path) -> Result<Vec<std::ffi::OsString>> {
        RealSys.list_names(dir)
    }

    fn stat(&self, path: &Path) -> Result<Stat> {
        let mut stat = RealSys.stat(path)?;
        if let Some(inner) = self.0.inner(path)
            && let Some(node) = self.0.lock().paths.get(&inner)
        {
            (stat.inode, stat.device) = (*node, 1);
        }
        Ok(stat)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.0.operation("rename", from)?;
        RealSys.rename(from, to)?;
        let (from, to) = (self.0.inner(from).unwrap(), self.0.inner(to).unwrap());
        let node = state.paths[&from];
        state.change(&[(&from, None), (&to, Some(node))]);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut state = self.0.operation("remove", path)?;
        RealSys.remove(path)?;
        let inner = self.0.inner(path).unwrap();
        state.change(&[(&inner, None)]);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut state = self.0.operation("sync folder", dir)?;
        let folder = state.paths[&self.0.inner(dir).unwrap()];
        state.sync_names(folder);
        Ok(())
    }

    fn file_system(&self, _dir: &Path) -> FileSystem {
        FileSystem {
            maps_safely: self.0.maps_safely,
            locks_surely: true,
        }
    }

    fn now_us(&self) -> i64 {
        RealSys.now_us()
    }

    fn clock(&self) -> Clock {
        RealSys.clock()
    }

    fn random(&self) -> [u8; 16] {
        RealSys.random()
    }

    fn process(&self) -> Process {
        Process {
            boot_id: format!("boot {}", self.0.boot),
            ..RealSys.process()
        }
    }

    fn boot_us(&self) -> Option<i64> {
        Some(self.0.boot_us)
    }

    fn is_alive(&self, process: &Process) -> Option<bool> {
        Some(process.boot_id == self.process().boot_id)
    }

    fn lower_priority(&self) {}
}

impl DiskFile {
    fn sync_content(&self, state: &mut State) {
        state.nodes.get_mut(&self.node).unwrap().sync();
    }
}

impl File for DiskFile {
    fn path(&self) -> &Path {
        self.real.path()
    }

    fn stat(&self) -> Result<Stat> {
        let stat = self.real.stat()?;
        Ok(Stat {
            inode: self.node,
            device: 1,
            ..stat
        })
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize> {
        self.real.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let _state = self.disk.operation("write", self.path())?;
        self.real.write_at(bytes, offset)
    }

    fn allocate(&self, len: u64) -> Result<()> {
        let _state = self.disk.operation("allocate", self.path())?;
        self.real.allocate(len)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let _state = self.disk.operation("set length of", self.path())?;
        self.real.set_len(len)
    }

    fn sync(&self) -> Result<()> {
        let mut state = self.disk.operation("sync", self.path())?;
        self.sync_content(&mut state);
        Ok(())
    }

    fn sync_file_system(&self) -> Result<bool> {
        let mut state = self.disk.operation("sync file system", self.path())?;
        state.sync_all();
        Ok(true)
    }

    fn set_read_only(&self) -> Result<()> {
        self.real.set_read_only()
    }

    fn try_lock(&self) -> Result<bool> {
        self.real.try_lock()
    }

    fn is_locked(&self) -> Result<bool> {
        self.real.is_locked()
    }

    fn map(&self, len: usize) -> Result<Map> {
        self.real.map(len)
    }
}
