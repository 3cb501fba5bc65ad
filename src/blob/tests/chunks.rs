//! Blobs in chunks, and many at once.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::*;
use crate::blob::batch::Batch;
use crate::blob::manifest::Manifest;
use crate::blob::manifest::Piece;

/// A large file with parts changed, added and moved.
fn edited(bytes: &[u8]) -> Vec<u8> {
    let (third, mut edited) = (bytes.len() / 3, bytes.to_vec());
    edited[third] ^= 1;
    edited.splice(2 * third..2 * third, *b"inserted");
    edited.extend(noise(100_000));
    edited
}

fn read_all(mut reader: BlobReader) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map(|_| bytes)
}

#[test]
fn a_changed_copy_of_a_large_file_costs_the_chunks_that_changed() {
    let at = Fixture::new();
    let bytes = large();
    let first = at.blobs.put_bytes(&bytes).unwrap();
    let files = at.count().0;
    let second = at.blobs.put_file(&at.file("b", &edited(&bytes))).unwrap();
    let (first_chunks, second_chunks) = (
        at.blobs.pieces(first.blob).unwrap(),
        at.blobs.pieces(second.blob).unwrap(),
    );
    let is_shared = |piece: &&Piece| first_chunks.iter().any(|other| other.blob == piece.blob);
    let shared = second_chunks.iter().filter(is_shared).count();
    assert!(
        shared * 2 > second_chunks.len(),
        "{shared} of {}",
        second_chunks.len()
    );
    assert_eq!(at.count().0, files + 1 + second_chunks.len() - shared);
    for (put, want) in [(first, bytes.clone()), (second, edited(&bytes))] {
        assert_eq!(at.blobs.stat(put.blob).unwrap().form, Form::Chunks);
        assert_eq!(at.blobs.verify(put.blob).unwrap(), want.len() as u64);
        assert!(read_all(at.blobs.open(put.blob).unwrap()).unwrap() == want);
        let out = at.dir.path().join("out");
        at.blobs.get(put.blob, &out).unwrap();
        assert!(fs::read(&out).unwrap() == want);
    }
}

#[test]
fn a_part_reads_as_that_part_of_the_whole_in_every_form() {
    let at = Fixture::new();
    let text: Vec<u8> = (0..40_000)
        .flat_map(|n| format!("{n}\n").into_bytes())
        .collect();
    for (bytes, form) in [
        (large(), Form::Chunks),
        (text, Form::Zstd),
        (medium(), Form::Plain),
        (vec![], Form::Plain),
    ] {
        let blob = at.blobs.put_bytes(&bytes).unwrap().blob;
        assert_eq!(at.blobs.stat(blob).unwrap().form, form);
        let len = bytes.len() as u64;
        let chunk_ends = at
            .blobs
            .pieces(blob)
            .unwrap()
            .into_iter()
            .map(|piece| piece.end);
        let mut edges: Vec<u64> = [
            0,
            1,
            17,
            len / 2,
            len.saturating_sub(1),
            len,
            len + 9,
            u64::MAX,
        ]
        .into_iter()
        .chain(chunk_ends.take(3).flat_map(|end| [end - 1, end, end + 1]))
        .collect();
        edges.sort_unstable();
        for (start, end) in edges
            .iter()
            .flat_map(|start| edges.iter().map(|end| (*start, *end)))
        {
            let reader = at.blobs.open_range(blob, start..end).unwrap();
            assert_eq!(reader.len(), len);
            let within = |at: u64| usize::try_from(at.min(len)).unwrap();
            let want = bytes.get(within(start)..within(end)).unwrap_or_default();
            assert!(read_all(reader).unwrap() == want, "{start}..{end} of {len}");
        }
    }
}

#[test]
fn a_part_reads_only_the_chunks_it_touches() {
    let at = Fixture::new();
    let bytes = large();
    let blob = at.blobs.put_bytes(&bytes).unwrap().blob;
    let pieces = at.blobs.pieces(blob).unwrap();
    let middle = pieces[pieces.len() / 2];
    at.rig.ops.lock().unwrap().clear();
    let reader = at
        .blobs
        .open_range(blob, middle.end - 5..middle.end)
        .unwrap();
    assert_eq!(read_all(reader).unwrap().len(), 5);
    let reads = at.rig.ops.lock().unwrap().clone();
    assert_eq!(
        reads,
        [
            format!("read {blob}.chunks"),
            format!("read {}", middle.blob)
        ]
    );
}

#[test]
fn a_chunk_that_is_damaged_is_named_and_mended_when_it_is_removed_and_put_again() {
    let at = Fixture::new();
    let bytes = large();
    let file = at.file("model.pt", &bytes);
    let blob = at.blobs.put_file(&file).unwrap().blob;
    let second = at.blobs.pieces(blob).unwrap()[1];
    let target = at.file("out", b"the old one");

    let chunk = at.damage(second.blob, |bytes| bytes[3] ^= 1);
    for found in [
        at.blobs.verify(blob).unwrap_err(),
        at.blobs.get(blob, &target).unwrap_err(),
        at.blobs
            .open_range(blob, second.end - 1..second.end)
            .and_then(|mut reader| {
                let error = reader.read(&mut [0]).unwrap_err();
                assert!(reader.read(&mut [0]).is_err());
                Err::<u64, _>(*error.into_inner().unwrap().downcast::<Error>().unwrap())
            })
            .unwrap_err(),
    ] {
        assert!(
            matches!(&found, Error::Corrupt(damage) if damage.path == chunk),
            "{found}"
        );
    }
    assert_eq!(fs::read(&target).unwrap(), b"the old one");
    let before = at.blobs.open_range(blob, 0..1).unwrap();
    assert_eq!(
        read_all(before).unwrap(),
        bytes[..1],
        "what is sound is given"
    );

    // Each of these is seen by its length, and the bytes are at hand.
    let changes: [&dyn Fn(); 3] = [
        &|| fs::remove_file(&chunk).unwrap(),
        &|| drop(at.damage(second.blob, |bytes| bytes.truncate(9))),
        &|| drop(at.damage(blob, |manifest| manifest.truncate(99))),
    ];
    for change in changes {
        change();
        assert!(at.blobs.verify(blob).is_err());
        assert!(at.blobs.put_file(&file).unwrap().new);
        assert_eq!(at.blobs.verify(blob).unwrap(), bytes.len() as u64);
        assert!(!at.blobs.put_file(&file).unwrap().new);
    }
}

#[test]
fn a_list_that_somebody_made_to_hurt_is_refused() {
    let at = Fixture::new();
    let whole = at.blobs.put_bytes(b"a chunk").unwrap().blob;
    let name = BlobId([7; 32]);
    let lay = |pieces: &[(BlobId, u64)]| {
        let pieces = pieces
            .iter()
            .map(|(blob, end)| Piece {
                blob: *blob,
                end: *end,
            })
            .collect();
        let folder = at.blobs.folder().join("07");
        fs::create_dir_all(&folder).unwrap();
        let bytes = Manifest { pieces }.encode(name);
        fs::write(folder.join(format!("{name}.chunks")), bytes).unwrap();
    };
    // Of itself, of another length, of what is not there, of sound chunks that are not the blob.
    for pieces in [
        &[(name, 9)][..],
        &[(whole, 8)],
        &[(whole, 7), (BlobId([8; 32]), 9)],
        &[(whole, 7), (whole, 14)],
        &[(whole, u64::MAX)],
    ] {
        lay(pieces);
        assert!(matches!(at.blobs.verify(name), Err(Error::Corrupt(_))));
        let target = at.dir.path().join("out");
        assert!(at.blobs.get(name, &target).is_err() && !target.exists());
        assert!(
            at.blobs
                .open(name)
                .map_or(true, |reader| read_all(reader).is_err())
        );
        let other = Fixture::new();
        assert!(other.blobs.copy_from(&at.blobs, name).is_err());
        assert_eq!(other.count(), (0, 0, 0));
    }
}

#[test]
fn what_compresses_takes_less_of_the_disk_and_reads_the_same() {
    let at = Fixture::new();
    let mut bytes: Vec<u8> = (0..900_000)
        .flat_map(|n| format!("{n} loss\n").into_bytes())
        .collect();
    bytes.extend(large()); // what does not stays as it is, in the same blob
    let put = at.blobs.put_bytes(&bytes).unwrap();
    let stat = at.blobs.stat(put.blob).unwrap();
    let listing = at.blobs.list().unwrap();
    let files: u64 = listing.blobs.iter().map(|listed| listed.stat.len).sum();
    assert_eq!((stat.bytes, stat.stored), (bytes.len() as u64, files));
    let forms = |form| {
        listing
            .blobs
            .iter()
            .filter(|listed| listed.form == form)
            .count()
    };
    assert!(forms(Form::Zstd) > 5 && forms(Form::Plain) > 5 && forms(Form::Chunks) == 1);
    assert!(stat.stored < large().len() as u64 + (bytes.len() - large().len()) as u64 / 2);
    assert!(read_all(at.blobs.open(put.blob).unwrap()).unwrap() == bytes);
}

#[test]
fn holes_cost_next_to_nothing_in_the_store_and_stay_holes_outside() {
    use std::os::unix::fs::MetadataExt;
    let at = Fixture::new();
    let path = at.file("sparse", b"begins");
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(64 << 20).unwrap();
    let put = at.blobs.put_file(&path).unwrap();
    assert!(at.blobs.stat(put.blob).unwrap().stored < 1 << 20);
    let out = at.dir.path().join("out");
    assert_eq!(at.blobs.get(put.blob, &out).unwrap(), 64 << 20);
    assert!(fs::read(&out).unwrap() == fs::read(&path).unwrap());
    assert!(fs::metadata(&out).unwrap().blocks() * 512 < 8 << 20);
}

#[test]
fn a_stream_of_any_length_is_stored_as_a_file_of_its_bytes_is() {
    struct Slow<'a>(&'a [u8]);
    impl io::Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = out.len().min(10_007);
            self.0.read(&mut out[..most])
        }
    }
    struct Broken(u32);
    impl io::Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 3 {
                Err(io::ErrorKind::ConnectionReset.into())
            } else {
                Ok(out.len())
            }
        }
    }
    let at = Fixture::new();
    for bytes in [vec![], b"x".to_vec(), noise(PIECE_BYTES_MAX), large()] {
        let name = Path::new("standard input");
        let put = at
            .blobs
            .put_reader(&mut Slow(&bytes), name, &mut |_| ())
            .unwrap();
        assert_eq!((put.bytes, put.new), (bytes.len() as u64, true));
        assert!(!at.blobs.put_file(&at.file("same", &bytes)).unwrap().new);
        assert!(read_all(at.blobs.open(put.blob).unwrap()).unwrap() == bytes);
    }
    let before = at.count();
    let why = text_of(
        at.blobs
            .put_reader(&mut Broken(0), Path::new("the pipe"), &mut |_| ()),
    );
    assert!(why.contains("the pipe"), "{why}");
    assert_eq!(at.count(), before);
}

#[test]
fn many_files_wait_for_the_disk_together_and_come_back_each_as_it_was() {
    let at = Fixture::new();
    let mut want = BTreeMap::new();
    for number in 0..500_u32 {
        let bytes = noise((number % 97) as usize * 31);
        at.file(&format!("many/{number}"), &bytes);
        want.insert(number.to_string(), bytes);
    }
    at.file("many/large", &large());
    want.insert("large".to_owned(), large());
    let sources = at.blobs.walk(&at.dir.path().join("many")).unwrap();
    at.rig.ops.lock().unwrap().clear();
    let mut told = vec![0];
    let puts = at
        .blobs
        .put_files(&sources, &mut |bytes| told.push(bytes))
        .unwrap();
    let ops = at.rig.ops.lock().unwrap().clone();
    let syncs = ops.iter().filter(|op| op.starts_with("sync")).count();
    assert!(syncs < 20, "{syncs}");
    let total: u64 = puts.iter().map(|put| put.bytes).sum();
    assert!(told.is_sorted() && told.last() == Some(&total));
    assert_eq!((sources.len(), puts.len()), (501, 501));
    for (source, put) in sources.iter().zip(&puts) {
        let bytes = read_all(at.blobs.open(put.blob).unwrap()).unwrap();
        assert!(bytes == want[&source.name], "{}", source.name);
    }
    let new = puts.iter().filter(|put| put.new).count();
    assert_eq!(new, 98, "those of the same length are the same");
    let again = at.blobs.put_files(&sources, &mut |_| ()).unwrap();
    assert!(
        again
            .iter()
            .zip(&puts)
            .all(|(a, b)| a.blob == b.blob && !a.new)
    );
    assert_eq!(at.count().1, 0);
}

#[test]
fn of_many_files_one_that_cannot_be_stored_is_named_and_nothing_is_left() {
    let at = Fixture::new();
    for number in 0..50 {
        at.file(&format!("many/{number}"), &[number]);
    }
    let sources = at.blobs.walk(&at.dir.path().join("many")).unwrap();
    fs::remove_file(&sources[20].path).unwrap();
    let error = at.blobs.put_files(&sources, &mut |_| ()).unwrap_err();
    assert!(
        error.is_missing() && error.to_string().contains(&sources[20].name),
        "{error}"
    );
    assert_eq!(at.count(), (0, 0, 0));
}

#[test]
fn what_a_killed_batch_left_is_swept_and_what_a_live_one_writes_stays() {
    let at = Fixture::new();
    let live = Batch::begin(&at.blobs).unwrap();
    live.add(BlobId([1; 32]), b"1", None, || Known::No).unwrap();
    // Of one dead batch the file that stands for it was lost.
    for name in ["aa.tmp", "00/aa.1.tmp", "01/aa.2.tmp", "01/bb.7.tmp"] {
        at.file(&format!(".tracker/blobs/{name}"), b"");
    }
    assert_eq!(at.count(), (0, 6, 0));
    assert_eq!(at.blobs.sweep().unwrap(), 4);
    at.file(".tracker/blobs/ff/cc.1.tmp", b"");
    assert_eq!(at.blobs.sweep().unwrap(), 0, "nobody died");
    assert_eq!(at.blobs.sweep_all().unwrap(), 1);
    assert_eq!(at.count(), (0, 2, 0));
    drop(live);
    assert_eq!(at.count(), (0, 0, 0));
}

#[test]
fn copies_of_another_store_have_its_forms_and_are_checked() {
    let (at, other) = (Fixture::new(), Fixture::new());
    let text: Vec<u8> = (0..40_000)
        .flat_map(|n| format!("{n}\n").into_bytes())
        .collect();
    for bytes in [large(), text, medium(), vec![]] {
        let blob = at.blobs.put_bytes(&bytes).unwrap().blob;
        for _ in 0..2 {
            assert_eq!(
                other.blobs.copy_from(&at.blobs, blob).unwrap(),
                bytes.len() as u64
            );
        }
        assert_eq!(
            at.blobs.stat(blob).unwrap(),
            other.blobs.stat(blob).unwrap()
        );
        assert!(read_all(other.blobs.open(blob).unwrap()).unwrap() == bytes);
    }
    assert_eq!(at.count(), other.count());
    // A large one as stores of the first version have it.
    let bytes = noise(2 * PIECE_BYTES_MAX);
    let blob = hash(&bytes);
    let path = at.file(&format!(".tracker/blobs/{}/{blob}", blob.folder()), &bytes);
    assert!(!at.blobs.put_bytes(&bytes).unwrap().new);
    assert_eq!(
        other.blobs.copy_from(&at.blobs, blob).unwrap(),
        bytes.len() as u64
    );
    assert_eq!(other.blobs.stat(blob).unwrap().form, Form::Plain);
    assert_eq!(
        read_all(other.blobs.open_range(blob, 5..9).unwrap()).unwrap(),
        bytes[5..9]
    );
    fs::write(path, noise(2 * PIECE_BYTES_MAX - 1)).unwrap();
    assert!(at.blobs.open_range(blob, 5..9).is_err());
}
