//! A file that is bytes in memory.

use std::path::Path;

use tracker::Result;
use tracker::sys::File;
use tracker::sys::Kind;
use tracker::sys::Map;
use tracker::sys::Stat;

/// A file in memory, to be read.
#[derive(Debug)]
pub(crate) struct Memory(pub(crate) Vec<u8>);

impl File for Memory {
    fn path(&self) -> &Path {
        Path::new("fuzzed.sealed")
    }

    fn stat(&self) -> Result<Stat> {
        let len = self.0.len() as u64;
        Ok(Stat {
            len,
            allocated: len,
            device: 1,
            inode: 1,
            modified_ns: 0,
            kind: Kind::File,
        })
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let there = self.0.get(from..).unwrap_or_default();
        let len = there.len().min(bytes.len());
        bytes[..len].copy_from_slice(&there[..len]);
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> Result<()> {
        unreachable!("reading writes nothing")
    }

    fn allocate(&self, _: u64) -> Result<()> {
        unreachable!("reading writes nothing")
    }

    fn set_len(&self, _: u64) -> Result<()> {
        unreachable!("reading writes nothing")
    }

    fn sync(&self) -> Result<()> {
        unreachable!("reading writes nothing")
    }

    fn try_lock(&self) -> Result<bool> {
        unreachable!("reading locks nothing")
    }

    fn is_locked(&self) -> Result<bool> {
        unreachable!("reading locks nothing")
    }

    fn map(&self, _: usize) -> Result<Map> {
        unreachable!("reading maps nothing")
    }
}
