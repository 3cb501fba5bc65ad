//! Blobs against a model, killed processes, and a disk whose power is cut.
//!
//! Whatever happens, no file under a blob's name is less than the blob: of all that is listed each
//! reads as its name says. What a put told to be there is there. `TRACKER_TORTURE=N` goes N times
//! as many rounds.
#![cfg(unix)]

#[expect(dead_code, reason = "the model and other tests use the rest")]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::disk::Disk;
use common::disk::DiskSys;
use common::disk::Fault;
use common::process::Actor;
use common::process::Counter;
use common::process::Random;
use common::process::part;
use common::process::round_dir;
use common::tally;
use common::tally::Tally;
use common::tally::torture;
use tracker::Error;
use tracker::blob::Blobs;
use tracker::blob::Form;
use tracker::blob::Put;
use tracker::blob::Source;
use tracker::limits::PIECE_BYTES_MAX;
use tracker::model::BlobId;
use tracker::sys::RealSys;

fn blobs(store: &Path) -> Blobs {
    fs::create_dir_all(store.join("blobs")).unwrap();
    Blobs::new(Arc::new(RealSys), store)
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// Bytes that share parts with others of this kind: noise, text and zeros, in any order.
fn content(random: &mut Random) -> Vec<u8> {
    let parts = random.below(5);
    let mut bytes = Vec::new();
    for _ in 0..parts {
        let len = usize::try_from(random.any_size(3 << 20)).unwrap();
        match random.below(4) {
            0 => bytes.resize(bytes.len() + len, 0),
            1 => bytes.extend(b"a line of a log\n".iter().cycle().take(len)),
            _ => {
                let skip = usize::try_from(random.below(1 << 20)).unwrap();
                bytes.extend_from_slice(&noise(3 << 20, random.below(3))[..len.max(skip)]);
            }
        }
    }
    bytes
}

fn read(mut reader: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Each file under a blob's name is whole, and chunks that a list names are there.
fn assert_sound(blobs: &Blobs, what: &str) -> Vec<BlobId> {
    let listing = blobs.list().unwrap();
    assert!(listing.strange.is_empty(), "{what}: {:?}", listing.strange);
    for listed in &listing.blobs {
        let verified = blobs.verify_file(listed.blob, listed.form);
        verified.unwrap_or_else(|error| panic!("{what}: {:?}: {error}", listed.form));
        if listed.form == Form::Chunks {
            blobs.verify(listed.blob).unwrap();
        }
    }
    listing.blobs.iter().map(|listed| listed.blob).collect()
}

#[test]
fn blobs_read_as_a_map_of_bytes_does() {
    let _tally = Tally;
    for round in 0..3 * torture() {
        let mut random = Random::new("blobs and a map", round);
        let (dir, store) = round_dir(round);
        let blobs = blobs(&store);
        let mut model: BTreeMap<BlobId, Vec<u8>> = BTreeMap::new();
        for step in 0..12 {
            let mut all = vec![content(&mut random)];
            let file = |number: usize, bytes: &[u8]| {
                let path = dir.path().join(format!("{step}-{number}"));
                fs::write(&path, bytes).unwrap();
                path
            };
            let puts = match random.below(4) {
                0 => vec![blobs.put_bytes(&all[0]).unwrap()],
                1 => {
                    let name = Path::new("stream");
                    vec![
                        blobs
                            .put_reader(&mut &all[0][..], name, &mut |_| ())
                            .unwrap(),
                    ]
                }
                2 => vec![blobs.put_file(&file(0, &all[0])).unwrap()],
                _ => {
                    all.extend((0..3).map(|_| content(&mut random)));
                    let name = String::new;
                    let paths = all
                        .iter()
                        .enumerate()
                        .map(|(number, all)| file(number, all));
                    let sources = paths.map(|path| Source { path, name: name() });
                    let sources: Vec<Source> = sources.collect();
                    blobs.put_files(&sources, &mut |_| ()).unwrap()
                }
            };
            for (put, bytes) in puts.into_iter().zip(all) {
                let want = BlobId(*blake3::hash(&bytes).as_bytes());
                assert_eq!((put.blob, put.bytes), (want, bytes.len() as u64));
                model.insert(want, bytes);
            }
            // Any chunk may go, as a `gc` that knows better would have it, and be put again.
            if random.below(3) == 0 {
                let listed = blobs.list().unwrap().blobs;
                let at = usize::try_from(random.below(listed.len() as u64)).unwrap();
                fs::remove_file(blobs.path(listed[at].blob)).unwrap();
                let lost = |blob: &BlobId, _: &mut Vec<u8>| blobs.verify(*blob).is_err();
                for (blob, bytes) in model.extract_if(.., lost).collect::<Vec<_>>() {
                    if random.below(2) == 0 {
                        assert!(blobs.put_bytes(&bytes).unwrap().new);
                        model.insert(blob, bytes);
                    }
                }
                model.retain(|blob, _| blobs.verify(*blob).is_ok());
            }
            let at = usize::try_from(random.below(model.len().max(1) as u64)).unwrap();
            let Some((blob, bytes)) = model.iter().nth(at) else {
                continue;
            };
            assert!(read(blobs.open(*blob).unwrap()) == *bytes);
            let out = dir.path().join("out");
            blobs.get(*blob, &out).unwrap();
            assert!(fs::read(&out).unwrap() == *bytes);
            let start = random.below(bytes.len() as u64 + 1);
            let end = start + random.any_size(bytes.len() as u64 - start + 1);
            let want = &bytes[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
            assert!(read(blobs.open_range(*blob, start..end).unwrap()) == *want);
        }
        for (blob, bytes) in &model {
            assert_eq!(blobs.verify(*blob).unwrap(), bytes.len() as u64);
            assert_eq!(blobs.stat(*blob).unwrap().bytes, bytes.len() as u64);
        }
        assert!(blobs.list().unwrap().temporary.is_empty());
    }
}

/// Plays the part that the parent gave: puts one large file after the other, and many small ones.
#[test]
fn child() {
    let Some(part) = part() else { return };
    let [store, counter, first] = part.as_slice() else {
        panic!("{part:?}")
    };
    let (blobs, counter) = (blobs(Path::new(store)), Counter::open(Path::new(counter)));
    for number in first.parse::<u64>().unwrap().. {
        blobs.put_bytes(&numbered(number)).unwrap();
        counter.set(number + 1);
    }
}

/// Large and much like the one before it.
fn numbered(number: u64) -> Vec<u8> {
    let mut bytes = noise(PIECE_BYTES_MAX + 999, 77);
    let at = usize::try_from(number % 40).unwrap() * 100_000;
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    bytes
}

#[test]
fn a_put_that_is_killed_leaves_no_half_of_a_blob_and_loses_none_it_told() {
    let _tally = Tally;
    let mut random = Random::new("killed puts", 0);
    let (dir, store) = round_dir(1);
    let counter_path = dir.path().join("told");
    let counter = Counter::open(&counter_path);
    let blobs = blobs(&store);
    for round in 0..8 * torture() {
        let first = counter.get();
        let text = [store.to_str().unwrap(), counter_path.to_str().unwrap()];
        let first_text = first.to_string();
        // Two that put the same bytes at once.
        let mut actors = [(); 2].map(|()| Actor::start(&[text[0], text[1], &first_text]));
        counter.wait_for(first + 1 + random.below(2), &mut actors[0]);
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
        actors.iter_mut().for_each(Actor::kill);
        let what = format!("round {round}");
        let listed = assert_sound(&blobs, &what);
        let told = BlobId(*blake3::hash(&numbered(counter.get() - 1)).as_bytes());
        assert!(listed.contains(&told), "{what}");
        blobs.sweep().unwrap();
        assert!(blobs.list().unwrap().temporary.is_empty(), "{what}");
    }
}

/// What a store is given, with what it told.
///
/// - `ends`: the operations at which large blobs were there
fn work(disk: &Disk, blobs: &Blobs, told: &mut Vec<Put>, ends: &mut Vec<u64>) -> Result<(), Error> {
    let large = noise(PIECE_BYTES_MAX + 300_000, 1);
    told.push(blobs.put_bytes(&large)?);
    ends.push(disk.operations());
    let mut edited = large;
    edited[1_000_000] ^= 1;
    edited.extend(b"a line of a log\n".iter().cycle().take(1 << 20));
    told.push(blobs.put_bytes(&edited)?);
    ends.push(disk.operations());
    told.push(blobs.put_bytes(b"small")?);
    let sources: Vec<Source> = (0..30)
        .map(|number| {
            let path = disk.path().join(format!("file-{number}"));
            let name = String::new();
            Source { path, name }
        })
        .collect();
    told.extend(blobs.put_files(&sources, &mut |_| ())?);
    told.push(blobs.put_bytes(&edited)?); // known
    let out = disk.path().join("out");
    blobs.get(told[1].blob, &out).map(drop)
}

fn on_disk(disk: &Arc<Disk>) -> Blobs {
    use tracker::sys::Sys;
    let sys = DiskSys(Arc::clone(disk));
    let store = disk.path().join("store");
    sys.create_dir(&store.join("blobs")).unwrap();
    sys.sync_dir(&store).unwrap();
    sys.sync_dir(disk.path()).unwrap();
    for number in 0..30_u64 {
        let path = disk.path().join(format!("file-{number}"));
        let file = sys.open(&path, tracker::sys::Open::Ensure).unwrap();
        file.write_at(&noise(4_000, number % 20), 0).unwrap();
    }
    Blobs::new(Arc::new(sys), &store)
}

#[test]
fn a_power_cut_or_failure_at_any_operation_loses_no_blob_and_shows_no_half_of_one() {
    let _tally = Tally;
    let mut random = Random::new("blobs and power cuts", 0);
    let disk = Disk::new(0, true);
    let blobs = on_disk(&disk);
    let before = disk.operations();
    let mut ends = Vec::new();
    work(&disk, &blobs, &mut Vec::new(), &mut ends).unwrap();
    let most = disk.operations() - before;
    for round in 0..16 * torture() {
        let seed = random.below(u64::MAX);
        let fault = match round % 4 {
            0 => Fault::Broken,
            1 => Fault::Full,
            _ => Fault::PowerCut,
        };
        let disk = Disk::new(seed, true);
        let blobs = on_disk(&disk);
        // The last steps of a large blob are few and matter most; others do not take just as many.
        let at = match random.below(2) {
            0 => before + 1 + random.below(most),
            _ => ends[usize::try_from(random.below(2)).unwrap()] + 3 - random.below(9),
        };
        disk.at(at, fault);
        let mut told = Vec::new();
        let done = work(&disk, &blobs, &mut told, &mut Vec::new());
        let what = format!("{fault:?} at {at} of {most}, seed {seed}: {done:?}");
        disk.at(0, fault);
        drop(blobs);
        let left = match fault {
            Fault::PowerCut => disk.after_power_cut(seed),
            Fault::Broken | Fault::Full => disk,
        };
        let blobs = on_disk(&left);
        assert_sound(&blobs, &what);
        for put in &told {
            let bytes = blobs.verify(put.blob);
            assert_eq!(bytes.ok(), Some(put.bytes), "{what}: {put:?}");
        }
        if fault != Fault::PowerCut {
            assert!(blobs.list().unwrap().temporary.len() <= 1, "{what}");
        }
        blobs.sweep().unwrap();
        let mut again = Vec::new();
        work(&left, &blobs, &mut again, &mut Vec::new()).unwrap();
        assert_eq!(again.len(), 34, "{what}");
        assert_sound(&blobs, &what);
    }
    tally::POWER_CUTS.add(8 * torture());
}
