//! Names of blobs, runs, segments and artifacts, and the bytes behind them, from a store that
//! somebody made to hurt: no name is read in two ways, nothing is listed as what it is not, wrong
//! bytes are never given away, and no artifact leads out of the folder that it is copied into.
#![no_main]

use std::fs;
use std::io::Read;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use tracker::Error;
use tracker::RunOptions;
use tracker::Store;
use tracker::blob;
use tracker::blob::Blobs;
use tracker::blob::manifest::Manifest;
use tracker::blob::manifest::Piece;
use tracker::export;
use tracker::journal::Event;
use tracker::journal::Folders;
use tracker::journal::SegmentId;
use tracker::journal::rows::EventRow;
use tracker::journal::rows::Rows;
use tracker::journal::sealed::Encoder;
use tracker::limits::ARTIFACT_PATH_BYTES_MAX;
use tracker::model::ArtifactRef;
use tracker::model::BlobId;
use tracker::model::Environment;
use tracker::model::RunId;
use tracker::model::RunInfo;
use tracker::model::WriterId;
use tracker::sys::RealSys;

const ID: SegmentId = SegmentId {
    run: RunId(1 << 80),
    writer: WriterId(2),
    seq: 0,
};

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("fuzz-blob-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("the folder can be made");
    folder
});

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let text = std::str::from_utf8(bytes);
    let mut rest = Unstructured::new(bytes);
    match kind % 16 {
        0 => listed(&text.unwrap_or_default().lines().take(8).collect::<Vec<_>>()),
        1 => exported(&text.unwrap_or_default().lines().take(8).collect::<Vec<_>>()),
        2 => logged(text.unwrap_or_default()),
        3 | 4 => {
            let (at, flip, sizes): (u16, u8, Vec<u8>) = rest.arbitrary().unwrap_or_default();
            let kept: Vec<u8> = rest.arbitrary().unwrap_or_default();
            read(&kept, at, flip, &sizes);
        }
        5 => listed_chunks(&rest.arbitrary::<Vec<(u8, u8, u32)>>().unwrap_or_default()),
        6 => forged(bytes),
        _ => names(text.unwrap_or_default()),
    }
});

/// A list of chunks that somebody laid: given out is only what its name says.
fn listed_chunks(entries: &[(u8, u8, u32)]) {
    let folder = FOLDER.join("chunks");
    let _ = fs::remove_dir_all(&folder);
    let blobs = Blobs::new(Arc::new(RealSys), &folder);
    fs::create_dir_all(folder.join("blobs")).expect("the folder can be made");
    let parts: Vec<Vec<u8>> = (0..4_u8)
        .map(|part| vec![part; usize::from(part) * 2_000])
        .collect();
    let known: Vec<BlobId> = parts
        .iter()
        .map(|part| blobs.put_bytes(part).expect("bytes can be stored").blob)
        .collect();
    let (mut pieces, mut end, mut whole) = (Vec::new(), 0_u64, Vec::new());
    for (which, other, far) in entries {
        let part = usize::from(which % 4);
        let honest = parts[part].len() as u64;
        let is_honest = other % 4 != 0;
        let blob = if is_honest {
            known[part]
        } else {
            BlobId([*other; 32])
        };
        end = end.wrapping_add(if other % 4 == 1 {
            u64::from(*far)
        } else {
            honest
        });
        whole.extend_from_slice(&parts[part]);
        pieces.push(Piece { blob, end });
    }
    let name = BlobId(blake3::hash(&whole).into());
    // One alone would be the list itself.
    let is_right = pieces.len() > 1
        && pieces
            .iter()
            .zip(entries)
            .all(|(piece, (which, other, _))| {
                known.get(usize::from(which % 4)) == Some(&piece.blob) && other % 4 > 1
            })
        && entries.iter().all(|(which, _, _)| which % 4 > 0);
    let dir = folder.join("blobs").join(name.folder());
    fs::create_dir_all(&dir).expect("the folder can be made");
    let list = Manifest { pieces }.encode(name);
    let _ = fs::remove_file(dir.join(name.to_string()));
    fs::write(dir.join(format!("{name}.chunks")), list).expect("the file can be written");
    let out = folder.join("out");
    if blobs.get(name, &out).is_ok() {
        assert_eq!(fs::read(&out).expect("it is there"), whole);
    } else {
        assert!(!is_right && !out.exists());
    }
    let mut read = Vec::new();
    let mut reader = blobs.open(name);
    if reader
        .as_mut()
        .is_ok_and(|reader| reader.read_to_end(&mut read).is_ok())
    {
        assert_eq!(read, whole);
    }
    let _ = (blobs.stat(name), blobs.verify(name), blobs.list());
}

/// Any bytes in the place of a list or a frame.
fn forged(bytes: &[u8]) {
    let folder = FOLDER.join("forged");
    let blobs = Blobs::new(Arc::new(RealSys), &folder);
    let name = BlobId(blake3::hash(b"what it should be").into());
    let dir = folder.join("blobs").join(name.folder());
    fs::create_dir_all(&dir).expect("the folder can be made");
    for ending in [".zst", ".chunks"] {
        let path = dir.join(format!("{name}{ending}"));
        fs::write(&path, bytes).expect("the file can be written");
        if let Ok(found) = blobs.verify(name) {
            assert_eq!((ending, found), (".zst", 17));
        }
        let _ = (
            blobs.stat(name),
            blobs.pieces(name),
            Manifest::decode(name, bytes),
        );
        assert!(blobs.put_bytes(b"what it should be").is_ok());
        assert_eq!(blobs.verify(name).expect("it was mended"), 17);
        fs::remove_file(blobs.path(name)).expect("it is there");
        let _ = fs::remove_file(path);
    }
}

/// What reads as a name prints as that name.
fn names(text: &str) {
    if let Ok(id) = text.parse::<BlobId>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
        assert!(id.to_string().starts_with(&id.folder()));
    }
    if let Ok(id) = text.parse::<RunId>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
        assert_eq!(id.to_string()[..8], id.short());
        assert_eq!(id.to_string()[..2], id.folder());
    }
    if let Some((id, ending)) = SegmentId::parse(text) {
        assert_eq!(format!("{}.{ending}", id.stem()), text);
    }
    if let Some(kind) = blob::media_type(text) {
        assert!(kind.contains('/'));
    }
}

/// A store that is empty, in a folder of its own.
fn store(name: &str) -> (Store, PathBuf) {
    let folder = FOLDER.join(name);
    let _ = fs::remove_dir_all(&folder);
    let store = Store::open_or_create(&folder.join("store")).expect("a store can be made");
    (store, folder)
}

/// Each file in `blobs/` is listed once, and as a blob only by the one name a blob has.
fn listed(names: &[&str]) {
    let (store, folder) = store("listed");
    let dir = store.path().join("blobs");
    let mut made = 0;
    for name in names {
        let is_inner = |part| matches!(part, Component::Normal(_));
        let path = dir.join(name);
        if !Path::new(name).components().all(is_inner) || name.matches('/').count() > 1 {
            continue;
        }
        let parent = path.parent().expect("it is below a folder");
        let is_made = fs::create_dir_all(parent).is_ok() && !path.exists();
        made += usize::from(is_made && fs::write(&path, name).is_ok());
    }
    let blobs = Blobs::new(Arc::new(RealSys), store.path());
    let listing = blobs.list().expect("it can be listed");
    for found in &listing.blobs {
        assert!(blobs.path(found.blob).is_file());
        assert!(
            blobs.verify(found.blob).is_err(),
            "a text has its own name for a hash"
        );
    }
    for (path, _) in &listing.temporary {
        assert!(path.is_file() && path.extension().is_some_and(|end| end == "tmp"));
    }
    assert!(
        listing
            .strange
            .iter()
            .all(|path| path.starts_with(&dir) && path.exists())
    );
    let found = listing.blobs.len() + listing.temporary.len();
    let strange: usize = listing.strange.iter().map(|path| count_files(path)).sum();
    assert_eq!(found + strange, made, "{listing:?}");
    assert_eq!(
        blobs.sweep().expect("it can be swept"),
        listing.temporary.len() as u64
    );
    let check = store
        .check(&mut |_, _| {})
        .expect("the store can be checked");
    let is_empty = listing.blobs.is_empty();
    assert_eq!(check.damage.is_empty(), is_empty, "{check:?}");
    fs::remove_dir_all(folder).expect("it can be removed");
}

fn count_files(path: &Path) -> usize {
    if !path.is_dir() {
        return 1;
    }
    let entries = fs::read_dir(path).expect("it can be listed");
    entries
        .map(|entry| count_files(&entry.expect("it can be listed").path()))
        .sum()
}

/// A path that a record in the journal names may be anything. Copied out, it stays inside.
fn exported(paths: &[&str]) {
    let (store, folder) = store("exported");
    let blobs = Blobs::new(Arc::new(RealSys), store.path());
    let put = blobs.put_bytes(b"bytes").expect("bytes can be stored");
    let events = paths.iter().map(|path| {
        let path = (*path).to_owned();
        Event::Artifact(ArtifactRef::new(path, put.blob, put.bytes, 0))
    });
    let info = RunInfo {
        name: "hostile".to_owned(),
        ..RunInfo::default()
    };
    let events = [Event::RunStarted(Box::new(info))]
        .into_iter()
        .chain(events);
    let events = (0..).zip(events).map(|(row, event)| EventRow {
        row,
        time_us: 0,
        event,
    });
    let rows = Rows {
        events: events.collect(),
        ..Rows::default()
    };
    let mut encoder = Encoder::default();
    let bytes = encoder.encode(&rows, &ID).expect("rows can be encoded");
    let folders = Folders::new(Arc::new(RealSys), store.path());
    fs::write(folders.sealed(&ID), bytes).expect("the file can be written");
    let reader = store.reader().expect("the store can be read");
    let run = reader.run(ID.run).expect("the run is there");
    let out = folder.join("a/b/out");
    match export::export_run(&store, &reader, ID.run, &out) {
        Ok(exported) => {
            let copied = exported.artifacts as usize;
            assert_eq!(copied + exported.failures.len(), run.artifacts.len());
            let inner = out.join(format!("{}.artifacts", ID.run));
            let there = if inner.is_dir() {
                count_files(&inner)
            } else {
                0
            };
            // Two spellings of a path are one file.
            assert!(there <= copied && (there > 0 || copied == 0));
            assert_eq!(count_files(&out), there + 1);
        }
        Err(error) => assert!(matches!(error, Error::Io { .. }), "{error}"),
    }
    assert_eq!(count_files(&folder.join("a")), count_files(&out), "outside");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .expect("it can be listed")
        .flatten()
        .collect();
    names.retain(|entry| entry.file_name() != "a" && entry.file_name() != "store");
    assert!(names.is_empty(), "{names:?}");
    fs::remove_dir_all(folder).expect("it can be removed");
}

/// A name that a run takes is a path inside of it.
fn logged(name: &str) {
    static RUN: LazyLock<(Store, tracker::RunWriter)> = LazyLock::new(|| {
        let (store, _) = store("logged");
        let options = RunOptions {
            environment: Some(Environment::default()),
            ..RunOptions::default()
        };
        let run = store.start_run(options).expect("a run can be started");
        (store, run)
    });
    let (store, run) = &*RUN;
    let parts = || name.split('/');
    let is_good = (1..=ARTIFACT_PATH_BYTES_MAX).contains(&name.len())
        && !name.chars().any(char::is_control)
        && parts().all(|part| !matches!(part, "" | "." | ".."));
    match run.artifact_bytes(name, b"some bytes") {
        Ok(artifact) => {
            assert!(is_good, "{name:?}");
            assert_eq!(artifact.path, name);
            assert!(store.verify_blob(artifact.blob).is_ok());
        }
        Err(error) => assert!(
            !is_good && matches!(error, Error::Invalid { .. }),
            "{error}"
        ),
    }
}

/// Bytes come back as they were, in parts of any size, or not at all.
fn read(bytes: &[u8], at: u16, flip: u8, sizes: &[u8]) {
    let folder = FOLDER.join("read");
    let blobs = Blobs::new(Arc::new(RealSys), &folder);
    fs::create_dir_all(folder.join("blobs")).expect("the folder can be made");
    let put = blobs.put_bytes(bytes).expect("bytes can be stored");
    assert_eq!(put.bytes, bytes.len() as u64);
    let path = blobs.path(put.blob);
    let mut damaged = bytes.to_vec();
    match usize::from(at).checked_rem(bytes.len() + 1) {
        Some(at) if at < bytes.len() => damaged[at] ^= flip,
        _ if flip & 1 == 1 => damaged.push(flip),
        _ => drop(damaged.pop()),
    }
    fs::remove_file(&path).expect("the file can be removed");
    fs::write(&path, &damaged).expect("the file can be written");
    let is_same = damaged == bytes;
    assert_eq!(blobs.verify(put.blob).is_ok(), is_same);
    let out = folder.join("out");
    assert_eq!(blobs.get(put.blob, &out).is_ok(), is_same);
    assert_eq!(fs::read(&out).ok(), is_same.then(|| bytes.to_vec()));
    let mut reader = blobs.open(put.blob).expect("it is there");
    let (mut have, mut sizes) = (Vec::new(), sizes.iter().cycle());
    let is_read = loop {
        let mut part = vec![0; usize::from(sizes.next().copied().unwrap_or(7)).max(1)];
        match reader.read(&mut part) {
            Ok(0) => break true,
            Ok(read) => have.extend_from_slice(&part[..read]),
            Err(_) => break false,
        }
    };
    assert_eq!(is_read, is_same);
    assert!(if is_same {
        have == bytes
    } else {
        have.len() < damaged.len().max(1)
    });
    // What was damaged is written anew by who has the bytes.
    assert_eq!(
        blobs.put_bytes(bytes).expect("bytes can be stored").new,
        !is_same
    );
    assert!(blobs.verify(put.blob).is_ok());
    let _ = fs::remove_file(out);
    fs::remove_file(path).expect("the file can be removed");
}
