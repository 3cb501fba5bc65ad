//! Rows that know whether they are what was written, at the key where they were written.
//!
//! redb has checksums for its pages but looks at them only when it mends or verifies. So the rows
//! of all tables with bytes for values end in a CRC-32C of key and value: 4 bytes, and less than a
//! microsecond for the largest page. What stays unseen is damage that hides a row altogether.

use redb::Key;
use redb::ReadableTable;
use redb::Table;

use super::quiet::Failure;
use crate::codec::Malformed;

const CHECKSUM_BYTES: usize = 4;

fn checksum<K: Key>(key: &K::SelfType<'_>, value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let of_key = crc32c::crc32c(K::as_bytes(key).as_ref());
    crc32c::crc32c_append(of_key, value).to_le_bytes()
}

/// Stores a row.
pub(super) fn put<K: Key + 'static>(
    table: &mut Table<'_, K, &'static [u8]>,
    key: K::SelfType<'_>,
    mut value: Vec<u8>,
) -> Result<(), Failure> {
    let checksum = checksum::<K>(&key, &value);
    value.extend(checksum);
    table.insert(key, value.as_slice())?;
    Ok(())
}

/// Returns a copy of a row.
pub(super) fn get<K: Key + 'static>(
    table: &impl ReadableTable<K, &'static [u8]>,
    key: &K::SelfType<'_>,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some(stored) = table.get(key)? else {
        return Ok(None);
    };
    Ok(Some(checked::<K>(key, stored.value())?.to_vec()))
}

/// Returns the value of what is stored under `key`.
pub(super) fn checked<'a, K: Key>(
    key: &K::SelfType<'_>,
    stored: &'a [u8],
) -> Result<&'a [u8], Malformed> {
    match stored.split_last_chunk::<CHECKSUM_BYTES>() {
        Some((value, end)) if *end == checksum::<K>(key, value) => Ok(value),
        Some(_) | None => Err(Malformed::new("a row does not have its checksum")),
    }
}
