//! What is not as it should be: copied, killed, cut, flipped.

use std::ops::Bound;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::fill;
use super::index_in;
use super::patiently;
use super::run_id;
use super::said;
use super::snapshot;
use crate::error::Error;
use crate::error::Result;
use crate::index::Index;
use crate::index::Opened;
use crate::sys::RealSys;

/// Names a file in which a child of this test binary is to die.
const DIE_IN: &str = "TRACKER_TEST_DIE_IN";

#[test]
fn an_error_or_a_panic_of_the_caller_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    fill(&index, 1);
    let before = said(&snapshot(&index)).unwrap();
    let refused = index.write(|writer| -> Result<()> {
        writer.put_folder(1, 1)?;
        Err(Error::Locked { what: "test" })
    });
    assert!(matches!(refused, Err(Error::Locked { what: "test" })));
    assert_eq!(said(&snapshot(&index)).unwrap(), before);

    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        index.write(|writer| -> Result<()> {
            writer.put_folder(1, 1)?;
            std::panic::resume_unwind(Box::new("of the caller"))
        })
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"of the caller"));
    index.mend().unwrap();
    assert_eq!(said(&snapshot(&index)).unwrap(), before);
}

#[test]
fn an_index_that_is_missing_or_of_elsewhere_is_told_from_a_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    assert!(matches!(index.read().unwrap(), Opened::Missing));
    fill(&index, 1);

    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(index.path(), copy.join("index.redb")).unwrap();
    let copied = index_in(&copy);
    let other = Index::new(Arc::new(RealSys), index.path().to_owned(), "another");
    for foreign in [&copied, &other] {
        assert!(matches!(patiently(foreign), Opened::Foreign(_)));
        let refused = foreign.write(|_| Ok(()));
        assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
    }
    copied.remove().unwrap();
    copied.remove().unwrap();
    fill(&copied, 1);
    assert_eq!(
        said(&snapshot(&copied)).unwrap(),
        said(&snapshot(&index)).unwrap()
    );
}

#[test]
fn an_index_that_somebody_holds_alone_is_busy_until_it_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    fill(&index, 1);
    let alone = redb::Database::open(index.path()).unwrap();
    assert!(matches!(index.read().unwrap(), Opened::Busy));
    let refused = index.write(|_| Ok(()));
    assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
    drop(alone);
    assert_eq!(snapshot(&index).run_count().unwrap(), 1);
}

#[test]
fn a_reader_that_stands_still_in_the_header_refuses_a_writer_after_seconds_and_leaves_all_whole() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    fill(&index, 2);
    let before = said(&snapshot(&index)).unwrap();
    let still = FileBackend::new(std::fs::File::open(index.path()).unwrap()).unwrap();
    let header = (Bound::Included(0), Bound::Excluded(1));
    assert!(still.try_lock_shared_range(header.0, header.1).unwrap());
    let refused = index.write(|writer| writer.put_folder(1, 1));
    assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
    still.unlock_range(header.0, header.1).unwrap();
    index.mend().unwrap();
    assert_eq!(said(&snapshot(&index)).unwrap(), before);
    index.write(|writer| writer.put_folder(1, 1)).unwrap();
    index.verify().unwrap();
}

/// Not a test of its own: what the child of the next one does.
#[test]
fn child_dies_in_a_transaction() {
    let Some(dir) = std::env::var_os(DIE_IN) else {
        return;
    };
    let _ = index_in(Path::new(&dir)).write(|writer| -> Result<()> {
        writer.put_folder(1, 1)?;
        std::process::abort()
    });
}

#[test]
fn what_a_killed_writer_leaves_is_mended_and_says_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    fill(&index, 2);
    let before = said(&snapshot(&index)).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "index::tests::damage::child_dies_in_a_transaction",
        ])
        .env(DIE_IN, dir.path())
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
    assert!(matches!(patiently(&index), Opened::NeedsMending));
    index.mend().unwrap();
    assert_eq!(said(&snapshot(&index)).unwrap(), before);
    index.verify().unwrap();
}

#[test]
fn damage_is_an_error_never_a_panic_and_verify_finds_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    fill(&index, 3);
    let good = std::fs::read(index.path()).unwrap();
    let right = said(&snapshot(&index)).unwrap();
    // Written over, not replaced: the file stays the one it says it is.
    let with = |bytes: &[u8]| std::fs::write(index.path(), bytes).unwrap();
    let mut refused = 0;
    for at in (0..good.len()).step_by(good.len() / 400) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        with(&bytes);
        let answer = match patiently(&index) {
            Opened::Reader(snapshot) => said(&snapshot),
            Opened::NeedsMending => index.mend().and_then(|()| said(&snapshot(&index))),
            _ => Err(Error::Locked { what: "test" }),
        };
        refused += usize::from(answer.is_err());
        with(&bytes);
        if index.verify().is_ok() {
            let answer = said(&snapshot(&index)).unwrap();
            assert_eq!(answer, right, "byte {at}");
        }
        with(&bytes);
        let _ = index.write(|writer| writer.run(run_id(200)).map(drop));
    }
    assert!(refused > 0);
    for len in [0, 1, 100, 4_096, good.len() / 2, good.len() - 1] {
        with(&good[..len]);
        match patiently(&index) {
            Opened::Reader(snapshot) => assert!(said(&snapshot).is_ok_and(|said| said == right)),
            Opened::Damaged(_) | Opened::NeedsMending | Opened::Missing => {}
            other => panic!("{len} bytes: {other:?}"),
        }
    }
    with(&vec![0x5a; good.len()]);
    assert!(matches!(patiently(&index), Opened::Damaged(_)));
    assert!(matches!(index.mend(), Err(Error::Corrupt(_))));
    let refused = index.write(|_| Ok(()));
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
}
