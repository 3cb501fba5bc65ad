//! Over a real folder, with a system between that is watched and disturbed.

mod chunks;

use std::fs;
use std::io;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::error::Damage;
use crate::error::Error;
use crate::limits::PIECE_BYTES_MAX;
use crate::sys::rig::Rig;
use crate::sys::rig::RigSys;

struct Fixture {
    blobs: Blobs,
    rig: Arc<Rig>,
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rig = Arc::new(Rig::default());
        let store = dir.path().join(".tracker");
        fs::create_dir(&store).unwrap();
        let blobs = Blobs::new(Arc::new(RigSys(rig.clone())), &store);
        Self { blobs, rig, dir }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Changes a blob as no program should.
    fn damage(&self, blob: BlobId, change: impl Fn(&mut Vec<u8>)) -> PathBuf {
        let path = self.blobs.path(blob);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn count(&self) -> (usize, usize, usize) {
        let all = self.blobs.list().unwrap();
        (all.blobs.len(), all.temporary.len(), all.strange.len())
    }
}

/// Bytes that no compression or repetition makes equal to each other's.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_le_bytes()[7]
    })
    .take(len)
    .collect()
}

/// One that is kept whole, and hashed and read in several steps.
fn medium() -> Vec<u8> {
    noise((3 << 20) + 17)
}

/// One that is kept in chunks.
fn large() -> Vec<u8> {
    noise(PIECE_BYTES_MAX + (2 << 20) + 17)
}

fn text_of<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn bytes_are_kept_under_the_hash_that_blake3_publishes_for_them() {
    let at = Fixture::new();
    // Source: test_vectors.json of BLAKE3: no bytes, and 0, 1, … 250 over and over.
    let pattern: Vec<u8> = (0..102_400_u32).map(|at| (at % 251) as u8).collect();
    for (bytes, want) in [
        (
            &[][..],
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        ),
        (
            &pattern[..],
            "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
        ),
    ] {
        let put = at.blobs.put_file(&at.file("a", bytes)).unwrap();
        assert_eq!((put.blob.to_string().as_str(), put.new), (want, true));
        assert_eq!(put.bytes, bytes.len() as u64);
        let path = at
            .dir
            .path()
            .join(".tracker/blobs")
            .join(&want[..2])
            .join(want);
        let form = at.blobs.stat(put.blob).unwrap().form;
        let path = path.with_extension(form.ending().trim_start_matches('.'));
        let file = fs::read(&path).unwrap();
        match form {
            Form::Plain => assert_eq!(file, bytes),
            _ => assert_eq!(zstd::decode_all(&file[..]).unwrap(), bytes),
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o222, 0);
        assert_eq!(at.blobs.verify(put.blob).unwrap(), put.bytes);
        assert_eq!(at.blobs.stat(put.blob).unwrap().bytes, put.bytes);
        assert_eq!(at.blobs.stat(put.blob).unwrap().stored, file.len() as u64);
    }
    assert_eq!(at.count(), (2, 0, 0));
}

#[test]
fn the_same_bytes_are_written_once_and_read_once() {
    let at = Fixture::new();
    for bytes in [large(), medium(), b"small".to_vec()] {
        let first = at.blobs.put_file(&at.file("a", &bytes)).unwrap();
        at.rig.ops.lock().unwrap().clear();
        let again = at.blobs.put_file(&at.file("b", &bytes)).unwrap();
        let from_memory = at.blobs.put_bytes(&bytes).unwrap();
        assert_eq!(
            (first.new, again.new, from_memory.new),
            (true, false, false)
        );
        assert!(first.blob == again.blob && first.blob == from_memory.blob);
        let ops = at.rig.ops.lock().unwrap().clone();
        assert!(!ops.iter().any(|op| op.starts_with("write")), "{ops:?}");
        let reads = ops.iter().filter(|op| *op == "read b").count();
        // Its beginning tells whether it may be known, then all of it is read by the mebibyte.
        let once = 1 + bytes.len().div_ceil(1 << 20);
        let is_small = bytes.len() < PIECE_BYTES_MAX;
        assert_eq!(reads, if is_small { 1 } else { once });
    }
}

#[test]
fn a_blob_is_synced_before_it_has_its_name_and_its_name_before_put_returns() {
    let at = Fixture::new();
    let put = at.blobs.put_bytes(b"model").unwrap();
    let folder = put.blob.folder();
    let ops = at.rig.ops.lock().unwrap().clone();
    let want = [
        "sync folder blobs",
        "sync folder .tracker",
        "write tmp",
        "sync tmp",
        &format!("rename {}", put.blob),
        &format!("sync folder {folder}"),
    ];
    assert_eq!(ops, want);
    // Somebody else may have renamed it and died before syncing the folder.
    at.rig.ops.lock().unwrap().clear();
    at.blobs.put_bytes(b"model").unwrap();
    assert_eq!(
        *at.rig.ops.lock().unwrap(),
        [
            format!("read {}", put.blob),
            format!("sync folder {folder}")
        ]
    );
}

#[test]
fn eight_threads_put_the_same_bytes_at_once() {
    let at = Fixture::new();
    let bytes = large();
    let path = at.file("a", &bytes);
    let barrier = std::sync::Barrier::new(8);
    let puts: Vec<Put> = std::thread::scope(|scope| {
        let put = || {
            barrier.wait();
            at.blobs.put_file(&path).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(put)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(puts.iter().all(|put| put.blob == puts[0].blob));
    assert!(puts.iter().any(|put| put.new));
    let pieces = at.blobs.pieces(puts[0].blob).unwrap().len();
    assert_eq!(at.count(), (1 + pieces, 0, 0));
    assert_eq!(at.blobs.verify(puts[0].blob).unwrap(), bytes.len() as u64);
}

#[test]
fn a_blob_that_was_cut_is_mended_by_putting_its_bytes_again() {
    let at = Fixture::new();
    let put = at.blobs.put_bytes(b"weights").unwrap();
    at.damage(put.blob, |bytes| bytes.truncate(3));
    assert!(at.blobs.put_bytes(b"weights").unwrap().new);
    assert_eq!(at.blobs.verify(put.blob).unwrap(), 7);
}

#[test]
fn a_damaged_blob_of_the_right_length_is_not_taken_for_a_known_one() {
    let at = Fixture::new();
    for bytes in [noise(1 << 20), b"small".to_vec()] {
        let file = at.file("a", &bytes);
        let blob = at.blobs.put_file(&file).unwrap().blob;
        for again in 0..2 {
            let path = at.damage(blob, |bytes| bytes[2] ^= 1);
            let put = match again {
                0 => at.blobs.put_file(&file).unwrap(),
                _ => at.blobs.put_bytes(&bytes).unwrap(),
            };
            assert!(put.new && put.blob == blob);
            assert_eq!(fs::read(path).unwrap(), bytes);
            assert_eq!(at.blobs.verify(blob).unwrap(), bytes.len() as u64);
        }
    }
    assert_eq!(at.count(), (2, 0, 0));
}

#[test]
fn what_a_killed_put_left_is_swept_and_what_is_being_written_stays() {
    let at = Fixture::new();
    assert_eq!(at.blobs.sweep().unwrap(), 0);
    let kept = at.blobs.put_bytes(b"kept").unwrap().blob;
    let left = at.file(".tracker/blobs/0123.tmp", b"half");
    let left_read_only = at.file(".tracker/blobs/4567.tmp", b"all but its name");
    fs::set_permissions(&left_read_only, fs::Permissions::from_mode(0o400)).unwrap();
    let (writing, lock) = at.blobs.create_temporary().unwrap();
    assert_eq!(at.blobs.sweep().unwrap(), 2);
    assert!(!left.exists() && !left_read_only.exists() && writing.exists());
    drop(lock);
    assert_eq!(at.blobs.sweep().unwrap(), 1);
    assert_eq!(at.count(), (1, 0, 0));
    assert_eq!(at.blobs.verify(kept).unwrap(), 4);
}

#[test]
fn puts_and_sweeps_at_once_lose_no_blob() {
    let at = Fixture::new();
    let blobs = &at.blobs;
    std::thread::scope(|scope| {
        for writer in 0..2_u8 {
            scope.spawn(move || {
                for number in 0..100 {
                    let put = blobs.put_bytes(&[writer, number]).unwrap();
                    assert_eq!(blobs.verify(put.blob).unwrap(), 2);
                }
            });
        }
        scope.spawn(move || {
            for _ in 0..400 {
                blobs.sweep().unwrap();
            }
        });
    });
    assert_eq!(at.count(), (200, 0, 0));
}

#[test]
fn wrong_bytes_are_told_with_their_file_and_never_given_out_whole() {
    let at = Fixture::new();
    let bytes = medium();
    let put = at.blobs.put_bytes(&bytes).unwrap();
    let changes: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[0] ^= 1,
        |bytes| *bytes.last_mut().unwrap() ^= 0x80,
        |bytes| bytes.truncate(5),
        |bytes| bytes.push(0),
    ];
    let target = at.file("out/model.pt", b"the old one");
    for change in changes {
        at.damage(put.blob, |damaged| {
            damaged.clone_from(&bytes);
            change(damaged);
        });
        let path = at.blobs.path(put.blob);
        let found = at.blobs.verify(put.blob).unwrap_err();
        assert!(matches!(&found, Error::Corrupt(damage)
            if matches!(&**damage, Damage { what: "blob", path: at, .. } if *at == path)));

        assert!(matches!(
            at.blobs.get(put.blob, &target),
            Err(Error::Corrupt(_))
        ));
        assert_eq!(fs::read(&target).unwrap(), b"the old one");
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);

        let mut reader = at.blobs.open(put.blob).unwrap();
        let len = fs::metadata(&path).unwrap().len();
        let mut exact = vec![0; usize::try_from(len).unwrap()];
        let error = reader.read_exact(&mut exact).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        assert!(reader.read(&mut exact).is_err());
    }
}

#[test]
fn what_was_put_comes_back() {
    let at = Fixture::new();
    for bytes in [
        vec![],
        b"x".to_vec(),
        medium(),
        noise(PIECE_BYTES_MAX),
        large(),
    ] {
        let blob = at.blobs.put_bytes(&bytes).unwrap().blob;
        let target = at.dir.path().join("new/folder/out");
        assert_eq!(at.blobs.get(blob, &target).unwrap(), bytes.len() as u64);
        assert_eq!(fs::read(&target).unwrap(), bytes);
        fs::write(&target, "a copy is the user's to change").unwrap();
        let mut read = Vec::new();
        at.blobs.open(blob).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }
}

#[test]
fn a_target_that_is_a_folder_or_device_is_refused() {
    let at = Fixture::new();
    let blob = at.blobs.put_bytes(b"x").unwrap().blob;
    for target in [at.dir.path(), Path::new("/dev/null")] {
        let why = text_of(at.blobs.get(blob, target));
        assert!(why.starts_with("invalid target"), "{why}");
    }
    assert!(fs::metadata("/dev/null").unwrap().permissions().mode() & 0o222 != 0);
}

#[test]
fn a_blob_that_is_not_there_is_not_found() {
    let at = Fixture::new();
    let blob = BlobId([7; 32]);
    let target = at.dir.path().join("out");
    for error in [
        at.blobs.open(blob).map(drop).unwrap_err(),
        at.blobs.verify(blob).map(drop).unwrap_err(),
        at.blobs.stat(blob).map(drop).unwrap_err(),
        at.blobs.get(blob, &target).map(drop).unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::NotFound { what: "blob", .. }),
            "{error}"
        );
    }
    assert!(!target.exists());
    assert_eq!(at.count(), (0, 0, 0));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused_by_name() {
    let changes: [fn(&Path); 2] = [
        |path| fs::write(path, noise(10)).unwrap(),
        |path| {
            let mut grown = fs::read(path).unwrap();
            grown.push(1);
            fs::write(path, grown).unwrap();
        },
    ];
    for (change, at_read) in [(0, 1), (1, 1), (0, 2), (1, 2)] {
        let at = Fixture::new();
        let path = at.file("model.pt", &large());
        let (target, mut reads) = (path.clone(), 0);
        *at.rig.on_read.lock().unwrap() = Some(Box::new(move || {
            reads += 1;
            if reads == at_read {
                changes[change](&target);
            }
        }));
        let why = text_of(at.blobs.put_file(&path));
        assert!(
            why.contains("changed while") && why.contains("model.pt"),
            "{why}"
        );
        assert_eq!(at.count(), (0, 0, 0), "change {change} at read {at_read}");
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let at = Fixture::new();
    let path = at.file("a", &large());
    *at.rig.room.lock().unwrap() = Some(2 << 20);
    assert!(at.blobs.put_file(&path).unwrap_err().is_disk_full());
    assert_eq!(at.count(), (0, 0, 0));
    let files = [at.file("b/1", b"x"), path.clone()];
    let files = files.map(|path| Source {
        path,
        name: String::new(),
    });
    assert!(
        at.blobs
            .put_files(&files, &mut |_| ())
            .unwrap_err()
            .is_disk_full()
    );
    assert_eq!(at.count(), (0, 0, 0));
    *at.rig.room.lock().unwrap() = None;
    assert!(at.blobs.put_file(&path).unwrap().new);
}

#[test]
fn what_is_no_file_is_refused_by_name() {
    let at = Fixture::new();
    let pipe = at.dir.path().join("things/pipe");
    let socket = at.dir.path().join("things/socket");
    fs::create_dir(pipe.parent().unwrap()).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [at.dir.path(), &pipe, &socket, Path::new("/dev/zero")] {
        let why = text_of(at.blobs.put_file(path));
        assert!(why.starts_with("invalid artifact: is a"), "{why}");
        assert!(why.ends_with(&path.display().to_string()), "{why}");
    }
    fs::remove_file(&socket).unwrap();
    for why in [
        text_of(at.blobs.walk(&pipe)),
        text_of(at.blobs.walk(pipe.parent().unwrap())),
    ] {
        assert!(why.ends_with("things/pipe"), "{why}");
    }
    assert!(at.blobs.put_file(&socket).unwrap_err().is_missing());
    assert_eq!(at.count(), (0, 0, 0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_the_kernel_makes_up_is_stored_as_read() {
    let at = Fixture::new();
    let put = at.blobs.put_file(Path::new("/proc/version")).unwrap();
    assert_eq!(
        fs::read(at.blobs.path(put.blob)).unwrap(),
        fs::read("/proc/version").unwrap()
    );
}

#[test]
fn a_folder_is_walked_by_name_through_links_and_past_the_store() {
    let at = Fixture::new();
    let outside = Fixture::new();
    outside.file("data/x.csv", b"1");
    for name in ["b.txt", "a/z", "a.b/c", "größe"] {
        at.file(name, name.as_bytes());
    }
    fs::create_dir(at.dir.path().join("empty")).unwrap();
    symlink(
        outside.dir.path().join("data"),
        at.dir.path().join("linked"),
    )
    .unwrap();
    symlink("b.txt", at.dir.path().join("latest")).unwrap();
    at.blobs.put_bytes(b"in the store").unwrap();

    let found = at.blobs.walk(at.dir.path()).unwrap();
    let names: Vec<&str> = found.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(
        names,
        ["a.b/c", "a/z", "b.txt", "größe", "latest", "linked/x.csv"]
    );
    assert_eq!(fs::read(&found[4].path).unwrap(), b"b.txt");

    let (path, name) = (at.dir.path().join("b.txt"), String::new());
    assert_eq!(at.blobs.walk(&path).unwrap(), [Source { path, name }]);
    assert!(text_of(at.blobs.walk(&at.dir.path().join(".tracker"))).contains("the store"));
}

#[test]
fn a_walk_ends_at_loops_dead_links_and_names_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt;
    let at = Fixture::new();
    let made = |name: &str, target: &str| {
        at.file(&format!("{name}/a/file"), b"x");
        symlink(target, at.dir.path().join(name).join("a/link")).unwrap();
        text_of(at.blobs.walk(&at.dir.path().join(name)))
    };
    let why = made("loop", "..");
    assert!(
        why.contains("leads back") && why.ends_with("loop/a/link"),
        "{why}"
    );
    let why = made("dead", "nowhere");
    assert!(why.contains("dead/a/link"), "{why}");
    let why = made("self", "link");
    assert!(why.contains("self/a/link"), "{why}");
    let name = std::ffi::OsStr::from_bytes(b"\xff.txt");
    at.file("bytes/fine", b"x");
    if fs::write(at.dir.path().join("bytes").join(name), "x").is_ok() {
        let why = text_of(at.blobs.walk(&at.dir.path().join("bytes")));
        assert!(why.contains("UTF-8"), "{why}");
    }
}

#[test]
fn a_listing_has_blobs_leftovers_and_strangers_apart() {
    let at = Fixture::new();
    let mut blobs: Vec<BlobId> = (0..20_u8)
        .map(|byte| at.blobs.put_bytes(&[byte]).unwrap().blob)
        .collect();
    blobs.sort();
    let folder = blobs[0].folder();
    at.file(".tracker/blobs/0123.tmp", b"half");
    let strange = [
        at.file(".tracker/blobs/zz/file", b"")
            .parent()
            .unwrap()
            .to_owned(),
        at.file(
            &format!(".tracker/blobs/{folder}/{}", BlobId([!blobs[0].0[0]; 32])),
            b"",
        ),
        at.file(&format!(".tracker/blobs/{folder}/notes.txt"), b""),
    ];
    let listing = at.blobs.list().unwrap();
    let found: Vec<BlobId> = listing.blobs.iter().map(|listed| listed.blob).collect();
    assert_eq!(found, blobs);
    assert!(listing.blobs.iter().all(|listed| listed.stat.len == 1));
    assert_eq!(listing.temporary.len(), 1);
    assert!(listing.temporary[0].0.ends_with("0123.tmp") && listing.temporary[0].1.len == 4);
    let mut want = strange.to_vec();
    want.sort();
    assert_eq!(listing.strange, want);
}
