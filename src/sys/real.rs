//! The machine we run on.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use super::Attributes;
use super::Clock;
use super::Entry;
use super::File;
use super::FileSystem;
use super::Kind;
use super::Map;
use super::NoFork;
use super::Open;
use super::Stat;
use super::Sys;
use super::raw;
use crate::error::Error;
use crate::error::Result;
use crate::model::Process;

/// Bits of a mode that say who may do what; the others let a program run as somebody else.
#[cfg(unix)]
const PERMISSIONS: u32 = 0o777;

/// The real files, clock and random bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealSys;

impl Sys for RealSys {
    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        let op = match how {
            Open::Read => options.read(true).custom_nonblocking().done("open"),
            Open::Write => options.read(true).write(true).done("open for writing"),
            Open::New => options
                .read(true)
                .write(true)
                .create_new(true)
                .done("create"),
            Open::NewReadOnly => options
                .read(true)
                .write(true)
                .create_new(true)
                .custom_read_only()
                .done("create"),
            Open::Ensure => options
                .read(true)
                .write(true)
                .create(true)
                .done("open or create"),
        };
        let opened = if how == Open::Read {
            options.open(path)
        } else {
            let _section = NoFork::enter();
            let opened = options.open(path);
            #[cfg(unix)]
            if let Ok(file) = &opened {
                raw::opened(std::os::fd::AsRawFd::as_raw_fd(file));
            }
            opened
        };
        let file = opened.map_err(|source| Error::io(op, path, source))?;
        Ok(Box::new(RealFile {
            file,
            path: path.to_owned(),
            is_noted: how != Open::Read,
        }))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path).map_err(|source| Error::io("create folder", path, source))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        let failed = |source| Error::io("list", dir, source);
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // A link to a folder is one: what is written through it must be found through it.
            let is_dir = entry.file_type().is_ok_and(|kind| {
                let leads_to_dir = || fs::metadata(entry.path()).is_ok_and(|meta| meta.is_dir());
                kind.is_dir() || kind.is_symlink() && leads_to_dir()
            });
            entries.push(Entry { name, is_dir });
        }
        Ok(entries)
    }

    fn list_names(&self, dir: &Path) -> Result<Vec<OsString>> {
        fs::read_dir(dir)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
            .map_err(|source| Error::io("list", dir, source))
    }

    fn stat(&self, path: &Path) -> Result<Stat> {
        let meta = fs::metadata(path).map_err(|source| Error::io("stat", path, source))?;
        Ok(stat(&meta))
    }

    #[cfg(unix)]
    fn mode(&self, path: &Path) -> Result<Option<u32>> {
        use std::os::unix::fs::PermissionsExt;
        let meta = fs::metadata(path).map_err(|source| Error::io("stat", path, source))?;
        Ok(Some(meta.permissions().mode() & PERMISSIONS))
    }

    fn set_attributes(&self, path: &Path, attributes: Attributes) -> Result<()> {
        let Attributes { mode, modified_ns } = attributes;
        let failed = |source| Error::io("set the attributes of", path, source);
        if let Some(modified_ns) = modified_ns {
            let since = Duration::from_nanos(modified_ns.unsigned_abs());
            let time = if modified_ns < 0 {
                SystemTime::UNIX_EPOCH.checked_sub(since)
            } else {
                SystemTime::UNIX_EPOCH.checked_add(since)
            };
            if let Some(time) = time {
                let file = fs::File::options().write(true).open(path).map_err(failed)?;
                file.set_modified(time).map_err(failed)?;
            }
        }
        // Last: a file that may not be written takes no time any more.
        #[cfg(unix)]
        if let Some(mode) = mode {
            use std::os::unix::fs::PermissionsExt;
            let bits = fs::Permissions::from_mode(mode & PERMISSIONS);
            fs::set_permissions(path, bits).map_err(failed)?;
        }
        #[cfg(not(unix))]
        let _ = mode;
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|source| Error::io("rename", from, source))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|source| Error::io("remove", path, source))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        #[cfg(unix)]
        fs::File::open(dir)
            .and_then(|file| file.sync_all())
            .map_err(|source| Error::io("sync folder", dir, source))?;
        Ok(())
    }

    /// Source: `statfs(2)`. A map is safe where blocks given by `fallocate` are written in place:
    /// not on copy-on-write, network and FUSE file systems. Unknown ones are not trusted.
    fn file_system(&self, dir: &Path) -> FileSystem {
        #[cfg(target_os = "linux")]
        {
            let kind = kind_of(rustix::fs::statfs(dir));
            FileSystem {
                maps_safely: kind == Some(FileSystemKind::InPlace),
                locks_surely: kind.is_some(),
            }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = dir;
            FileSystem {
                maps_safely: false,
                locks_surely: true,
            }
        }
    }

    fn now_us(&self) -> i64 {
        let (sign, distance) = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => (1, after),
            Err(before) => (-1, before.duration()),
        };
        i64::try_from(distance.as_micros()).map_or(i64::MAX, |micros| sign * micros)
    }

    fn clock(&self) -> Clock {
        // Both clocks at one moment: a thread that loses the processor between the two would be
        // late for good.
        const APART_MAX: Duration = Duration::from_micros(200);
        const TRIES: usize = 16;
        let look = || {
            let before = Instant::now();
            let start_us = self.now_us();
            let start = Instant::now();
            (start - before, Clock { start_us, start })
        };
        let looks = (0..TRIES).map(|_| look());
        let mut nearest = look();
        for next in looks {
            if nearest.0 < APART_MAX {
                break;
            }
            if next.0 < nearest.0 {
                nearest = next;
            }
        }
        nearest.1
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_err() {
            // No kernel we run on lacks it; should one, time, process and a counter still differ.
            let mut hasher = std::hash::DefaultHasher::new();
            std::hash::Hash::hash(&(Instant::now(), std::process::id()), &mut hasher);
            let word = std::hash::Hasher::finish(&hasher).to_le_bytes();
            let now = self.now_us().to_le_bytes();
            for (place, byte) in bytes.iter_mut().zip(word.iter().chain(&now)) {
                *place = *byte;
            }
        }
        bytes
    }

    fn process(&self) -> Process {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        #[cfg(unix)]
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        #[cfg(not(unix))]
        let host = std::env::var("COMPUTERNAME").unwrap_or_default();
        Process {
            pid: std::process::id(),
            boot_id: boot_id.trim().to_owned(),
            pid_namespace: namespace.to_string_lossy().into_owned(),
            host,
        }
    }

    fn boot_us(&self) -> Option<i64> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "));
        seconds?.trim().parse::<i64>().ok()?.checked_mul(1_000_000)
    }

    fn is_alive(&self, process: &Process) -> Option<bool> {
        let here = self.process();
        if here.host != process.host || here.boot_id.is_empty() {
            return None;
        }
        if here.boot_id != process.boot_id {
            return Some(false); // the machine was started again since
        }
        if here.pid_namespace != process.pid_namespace {
            return None;
        }
        // Not by /proc, which may hide the processes of others.
        #[cfg(unix)]
        {
            let pid = i32::try_from(process.pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw)?;
            match rustix::process::test_kill_process(pid) {
                Ok(()) | Err(rustix::io::Errno::PERM) => Some(true),
                Err(_) => Some(false),
            }
        }
        #[cfg(not(unix))]
        None
    }

    fn lower_priority(&self) {
        // On Linux niceness is a property of the thread. Refusal only means no difference.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::nice(10);
    }
}

/// File systems of this machine's own disks.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileSystemKind {
    /// A block is written where it was.
    InPlace,
    /// A block is written anew.
    CopyOnWrite,
}

/// Returns none for those of other machines and those that are not known.
#[cfg(target_os = "linux")]
fn kind_of(stat: rustix::io::Result<rustix::fs::StatFs>) -> Option<FileSystemKind> {
    const EXT4: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    const TMPFS: u64 = 0x0102_1994;
    const OVERLAY: u64 = 0x794c_7630;
    const F2FS: u64 = 0xf2f5_2010;
    const BTRFS: u64 = 0x9123_683e;
    const ZFS: u64 = 0x2fc1_2fc1;
    const BCACHEFS: u64 = 0xca45_1a4e;
    match stat.ok()?.f_type.cast_unsigned() & 0xffff_ffff {
        EXT4 | XFS | TMPFS | OVERLAY | F2FS => Some(FileSystemKind::InPlace),
        BTRFS | ZFS | BCACHEFS => Some(FileSystemKind::CopyOnWrite),
        _ => None,
    }
}

/// Small steps that let `open` read as a table.
trait OptionsExt {
    fn custom_nonblocking(&mut self) -> &mut Self;
    fn custom_read_only(&mut self) -> &mut Self;
    fn done(&mut self, op: &'static str) -> &'static str;
}

impl OptionsExt for fs::OpenOptions {
    /// Opening a named pipe without a writer must fail or return, not hang.
    fn custom_nonblocking(&mut self) -> &mut Self {
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(self, libc::O_NONBLOCK);
        self
    }

    /// One call in place of three that take the right away later.
    fn custom_read_only(&mut self) -> &mut Self {
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(self, 0o444);
        self
    }

    fn done(&mut self, op: &'static str) -> &'static str {
        op
    }
}

#[derive(Debug)]
struct RealFile {
    file: fs::File,
    path: PathBuf,
    /// A child of a fork loses its copy.
    is_noted: bool,
}

impl RealFile {
    fn failed(&self, op: &'static str) -> impl Fn(io::Error) -> Error + use<'_> {
        move |source| Error::io(op, &self.path, source)
    }
}

impl File for RealFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn stat(&self) -> Result<Stat> {
        self.file
            .metadata()
            .map(|meta| stat(&meta))
            .map_err(self.failed("stat"))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize> {
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match read_some(&self.file, rest, offset + read as u64) {
                Ok(0) => break,
                Ok(some) => read += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read")(error)),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        #[cfg(unix)]
        let written = std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset);
        #[cfg(windows)]
        let written = windows_write_all(&self.file, bytes, offset);
        written.map_err(self.failed("write"))
    }

    fn allocate(&self, len: u64) -> Result<()> {
        #[cfg(target_os = "linux")]
        {
            let flags = rustix::fs::FallocateFlags::empty();
            rustix::fs::fallocate(&self.file, flags, 0, len)
                .map_err(|errno| self.failed("allocate")(errno.into()))
        }
        #[cfg(not(target_os = "linux"))]
        self.set_len(len)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(self.failed("set length of"))
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(self.failed("sync"))
    }

    fn begin_sync(&self) {
        // Pages that are written already leave the cache, those being written stay. A refusal
        // only means that the writing begins later.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }

    /// Source: `syncfs(2)`; since Linux 5.8 it tells what failed. Other machines' file systems, and
    /// those in user space, may pass nothing on.
    fn sync_file_system(&self) -> Result<bool> {
        #[cfg(target_os = "linux")]
        if kind_of(rustix::fs::fstatfs(&self.file)).is_some() {
            return rustix::fs::syncfs(&self.file)
                .map(|()| true)
                .map_err(|errno| self.failed("sync the file system of")(errno.into()));
        }
        Ok(false)
    }

    fn set_read_only(&self) -> Result<()> {
        let failed = self.failed("make read-only");
        let mut rights = self.file.metadata().map_err(&failed)?.permissions();
        rights.set_readonly(true);
        self.file.set_permissions(rights).map_err(&failed)
    }

    fn try_lock(&self) -> Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(self.failed("lock")(error)),
        }
    }

    fn is_locked(&self) -> Result<bool> {
        match self.file.try_lock_shared() {
            Ok(()) => self
                .file
                .unlock()
                .map(|()| false)
                .map_err(self.failed("unlock")),
            Err(fs::TryLockError::WouldBlock) => Ok(true),
            Err(fs::TryLockError::Error(error)) => Err(self.failed("lock")(error)),
        }
    }

    fn map(&self, len: usize) -> Result<Map> {
        Map::new(&self.file, len).map_err(self.failed("map"))
    }
}

impl Drop for RealFile {
    fn drop(&mut self) {
        // A file that cannot be closed in this section may be copied by a fork a moment later:
        // unlocked, it holds up nobody there.
        #[cfg(unix)]
        if self.is_noted {
            let _section = NoFork::enter();
            if raw::closing(std::os::fd::AsRawFd::as_raw_fd(&self.file)) {
                let _ = self.file.unlock();
            }
        }
    }
}

#[cfg(unix)]
fn read_some(file: &fs::File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_some(file: &fs::File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}

#[cfg(windows)]
fn windows_write_all(file: &fs::File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        bytes = bytes.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}

fn stat(meta: &fs::Metadata) -> Stat {
    let kind = match meta.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Dir,
        _ => Kind::Other,
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // Whoever copies a folder may set its time of change, as `cp -a` and `rsync -a` do, and so
        // back to what it was before a file arrived. The time of its entry nobody can set.
        let (seconds, nanos) = match kind {
            Kind::Dir => (meta.ctime(), meta.ctime_nsec()),
            Kind::File | Kind::Other => (meta.mtime(), meta.mtime_nsec()),
        };
        let modified_ns = seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        let (device, inode) = (meta.dev(), meta.ino());
        let allocated = meta.blocks() * 512;
        Stat {
            len: meta.len(),
            allocated,
            device,
            inode,
            modified_ns,
            kind,
        }
    }
    #[cfg(not(unix))]
    {
        let modified_ns = meta
            .modified()
            .ok()
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_nanos()).ok())
            .unwrap_or(0);
        let len = meta.len();
        Stat {
            len,
            allocated: len,
            device: 0,
            inode: 0,
            modified_ns,
            kind,
        }
    }
}
