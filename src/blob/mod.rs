//! Blobs: bytes named by their BLAKE3 hash.
