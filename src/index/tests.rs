use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arbitrary::Unstructured;

use super::*;
use crate::limits::PAGE_VALUES;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::ParamValue;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Stamp;
use crate::model::Status;
use crate::model::Summary;
use crate::model::WriterId;
use crate::sys::RealSys;
use crate::sys::Sys;

const STORE: &str = "0123456789abcdef";
/// Names a file in which a child of this test binary is to die.
const DIE_IN: &str = "TRACKER_TEST_DIE_IN";

fn index_in(dir: &Path) -> Index {
    Index::new(Arc::new(RealSys), dir.join("index.redb"), STORE)
}

fn snapshot(index: &Index) -> Box<Snapshot> {
    match index.read().unwrap() {
        Opened::Reader(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

fn run_id(at: u8) -> RunId {
    RunId::new(1_700_000_000_000 + i64::from(at), [at.wrapping_mul(37); 16])
}

fn stamp(time_us: i64, row: u32) -> Stamp {
    let writer = WriterId(7);
    Stamp {
        time_us,
        writer,
        seq: 0,
        row,
    }
}

fn summary(points: &[(i64, f64)]) -> Summary {
    let mut summary = Summary::default();
    for ((step, value), row) in points.iter().zip(0..) {
        summary.add(*step, stamp(*step, row), *value);
    }
    summary
}

/// One thing to put, about one of a few runs.
#[derive(Clone, Debug)]
enum Put {
    Started(RunInfo, Stamp),
    Opened(Role, Stamp),
    Finished(Finish, Stamp),
    Note(String, Stamp),
    Times(i64, i64),
    Param(String, ParamValue, Stamp),
    Tag(String, String, Stamp),
    Artifact(ArtifactRef, Stamp),
    /// A segment with one series of these steps.
    Segment(u32, String, Vec<(i64, f64)>),
}

fn any_put(u: &mut Unstructured<'_>, row: u32) -> arbitrary::Result<Put> {
    let at = stamp(u.int_in_range(0..=3)?, row);
    let name = u.choose(&["a", "b/c", "größe"])?.to_string();
    let text = u.choose(&["", "x", "y", &"long".repeat(200)])?.to_string();
    Ok(match u.int_in_range(0..=8)? {
        0 => {
            let info = RunInfo {
                name: format!("n{text}"),
                author: u.arbitrary::<bool>()?.then_some(text),
                parent: u.arbitrary::<bool>()?.then_some(run_id(9)),
                start_us: u.arbitrary()?,
                detached: u.arbitrary()?,
                ..RunInfo::default()
            };
            Put::Started(info, at)
        }
        1 => Put::Opened(*u.choose(&[Role::Owner, Role::Member, Role::Detached])?, at),
        2 => {
            let status = *u.choose(&[Status::Completed, Status::Failed])?;
            let finish = Finish {
                status,
                reason: Some(text),
                end_us: u.arbitrary()?,
            };
            Put::Finished(finish, at)
        }
        3 => Put::Note(text, at),
        4 => Put::Times(u.int_in_range(0..=9)?, u.int_in_range(10..=19)?),
        5 => {
            let value = match u.int_in_range(0..=5)? {
                0 => ParamValue::Bool(true),
                1 => ParamValue::Int(u.arbitrary()?),
                2 => ParamValue::Float(f64::NAN),
                3 => ParamValue::List(vec![ParamValue::Int(1)]),
                4 => ParamValue::Int(3),
                _ => ParamValue::Text(text),
            };
            Put::Param(name, value, at)
        }
        6 => Put::Tag(name, text, at),
        7 => {
            let artifact = ArtifactRef {
                path: name,
                blob: BlobId([u.int_in_range(0..=2)?; 32]),
                bytes: 5,
                media_type: None,
                time_us: 0,
            };
            Put::Artifact(artifact, at)
        }
        _ => {
            let mut points: Vec<(i64, f64)> = Vec::new();
            for _ in 0..=u.int_in_range(0..=3)? {
                let step = u.int_in_range(-4..=9)?;
                let value = *u.choose(&[0.0, 1.0, 2.5, f64::NAN, f64::INFINITY])?;
                points.push((step, value));
            }
            Put::Segment(row, name, points)
        }
    })
}

fn put(writer: &mut Writer<'_>, run: RunId, put: &Put) -> Result<()> {
    let run = writer.run(run)?;
    match put {
        Put::Started(info, at) => writer.put_started(run, info, *at),
        Put::Opened(role, at) => writer.put_opened(run, *role, *at),
        Put::Finished(finish, at) => writer.put_finished(run, finish, *at),
        Put::Note(text, at) => writer.put_note(run, text, *at),
        Put::Times(first, last) => writer.put_times(run, *first, *last),
        Put::Param(name, value, at) => writer.put_param(run, name, value, *at),
        Put::Tag(name, text, at) => writer.put_tag(run, name, text, *at),
        Put::Artifact(artifact, at) => writer.put_artifact(run, artifact, *at),
        Put::Segment(seq, name, points) => {
            let segment = Segment {
                bytes: 1,
                points: points.len() as u64,
                hash: [3; 32],
            };
            if !writer.put_segment(run, WriterId(7), *seq, &segment)? {
                return Ok(());
            }
            let metric = writer.name(name)?;
            let mut part = Summary::default();
            for ((step, value), row) in points.iter().zip(*seq * 100..) {
                part.add(*step, stamp(*step, row), *value);
            }
            writer.merge_series(run, metric, &part)?;
            let steps = points.iter().map(|(step, _)| *step);
            let steps = Steps {
                first: steps.clone().min().unwrap(),
                last: steps.max().unwrap(),
            };
            writer.put_chunk(run, metric, steps, format!("{points:?}").as_bytes())?;
            writer.put_axis(run, &seq.to_le_bytes()).map(drop)
        }
    }
}

/// Everything a snapshot says, without the numbers that depend on the order of arrival.
fn said(snapshot: &Snapshot) -> Result<Vec<String>> {
    let ids = snapshot.run_ids()?;
    let texts = snapshot.texts()?;
    let text = |name| texts.get(name).map(str::to_owned);
    let mut said = Vec::new();
    for (run, row) in snapshot.runs(0..=u32::MAX)? {
        let Some(id) = ids.get(run.0 as usize) else {
            said.push(format!("{run:?} has no id"));
            continue;
        };
        if snapshot.run_number(*id)? != Some(run) {
            said.push(format!("{id} is not {run:?}"));
        }
        said.push(format!("{id} {row:?} {:?}", row.status()));
        for (name, row) in snapshot.params(run)? {
            said.push(format!("{id} param {:?} {row:?}", text(name)));
        }
        for (name, row) in snapshot.tags(run)? {
            said.push(format!("{id} tag {:?} {row:?}", text(name)));
        }
        for row in snapshot.artifacts(run)? {
            said.push(format!("{id} artifact {row:?}"));
        }
        for (metric, sums) in snapshot.series(run)? {
            let moments = (sums.mean(), sums.std(), sums.count, sums.nan_count);
            let edges = (sums.first, sums.last, sums.min, sums.max, sums.times_us);
            said.push(format!("{id} {:?} {moments:?} {edges:?}", text(metric)));
            for chunk in snapshot.chunks(run, metric, i64::MIN..=i64::MAX)? {
                let chunk = chunk?;
                let bytes = String::from_utf8_lossy(&chunk.bytes).into_owned();
                said.push(format!("{id} {:?} {:?} {bytes}", text(metric), chunk.steps));
            }
        }
        let axes = (0..).map_while(|axis| snapshot.axis(run, axis).transpose());
        for axis in axes {
            said.push(format!("{id} axis {:?}", axis?));
        }
    }
    for folded in snapshot.segments(0..=u32::MAX)? {
        if let Some(id) = ids.get(folded.run.0 as usize) {
            let known = snapshot.has_segment(*id, folded.writer, folded.seq)?;
            said.push(format!("{id} {known} {} {:?}", folded.seq, folded.segment));
        }
    }
    said.extend(snapshot.blobs()?.iter().map(|blob| format!("{blob:?}")));
    said.push(format!("{:?}", snapshot.folders()?));
    said.extend(said_by_columns(snapshot, &ids, &texts)?);
    said.sort();
    Ok(said)
}

fn said_by_columns(snapshot: &Snapshot, ids: &[RunId], texts: &Texts) -> Result<Vec<String>> {
    let mut columns: Vec<(String, Column)> = [
        Attribute::Status,
        Attribute::Start,
        Attribute::End,
        Attribute::Name,
        Attribute::Author,
        Attribute::Experiment,
        Attribute::Parent,
    ]
    .map(|attribute| (format!("{attribute:?}"), Column::Attribute(attribute)))
    .into();
    let mut said = Vec::new();
    for kind in [Kind::Param, Kind::Metric, Kind::Tag] {
        for NameUse { name, text, runs } in snapshot.names(kind)? {
            let again = (snapshot.text(name)?, snapshot.name_use(kind, name)?);
            said.push(format!("{kind:?} {text} {runs} {again:?}"));
            let label = format!("{kind:?} {text}");
            match kind {
                Kind::Param => columns.push((label, Column::Param(name))),
                Kind::Tag => columns.push((label, Column::Tag(name))),
                Kind::Metric => columns.extend(MetricField::ALL.map(|field| {
                    let label = format!("{label} {field:?}");
                    (label, Column::Metric(name, field))
                })),
            }
        }
    }
    for (label, column) in columns {
        let cells = snapshot.column(column)?;
        for (id, cell) in ids.iter().zip(cells) {
            let value = match cell.value() {
                CellValue::Text(name) => format!("{:?}", texts.get(name)),
                other => format!("{other:?}"),
            };
            said.push(format!("{id} {label} {value}"));
        }
    }
    Ok(said)
}

/// A store with some of everything.
fn fill(index: &Index, runs: u8) {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005) + 1; // Knuth's MMIX generator
        state.to_le_bytes()[7]
    };
    index
        .write(|writer| {
            for run in 0..runs {
                for row in 0..40 {
                    let bytes: Vec<u8> = (0..64).map(|_| noise()).collect();
                    let any = any_put(&mut Unstructured::new(&bytes), row).unwrap();
                    put(writer, run_id(run), &any)?;
                }
            }
            writer.put_folder(7, 70)
        })
        .unwrap();
}

#[test]
fn records_in_any_order_and_any_number_of_transactions_say_the_same() {
    arbtest::arbtest(|u| {
        let mut puts = Vec::new();
        for row in 0..u.int_in_range(1..=30)? {
            puts.push((run_id(u.int_in_range(0..=2)?), any_put(u, row)?));
        }
        let dir = tempfile::tempdir().unwrap();
        let mut answers = Vec::new();
        for side in ["a", "b"] {
            let index = Index::new(Arc::new(RealSys), dir.path().join(side), STORE);
            let mut rest = puts.as_slice();
            while !rest.is_empty() {
                let (part, later) = rest.split_at(u.int_in_range(1..=rest.len())?);
                let write = |writer: &mut Writer<'_>| {
                    part.iter()
                        .try_for_each(|(run, any)| put(writer, *run, any))
                };
                index.write(write).unwrap();
                rest = later;
            }
            answers.push(said(&snapshot(&index)).unwrap());
            for at in (1..puts.len()).rev() {
                puts.swap(at, u.int_in_range(0..=at)?);
            }
            let again = u.choose(&puts)?.clone();
            puts.push(again);
        }
        assert_eq!(answers[0], answers[1]);
        Ok(())
    })
    .budget_ms(4_000);
}

#[test]
fn a_param_keeps_its_first_value_and_shows_the_first_that_was_refused() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    let put = |value: i64, at: i64| {
        index
            .write(|writer| {
                let run = writer.run(run_id(1))?;
                writer.put_param(run, "lr", &ParamValue::Int(value), stamp(at, 0))
            })
            .unwrap();
    };
    put(3, 30);
    put(1, 10);
    put(2, 20);
    put(1, 40);
    let snapshot = snapshot(&index);
    let name = snapshot.name_number("lr").unwrap().unwrap();
    let row = snapshot.param(RunNumber(0), name).unwrap().unwrap();
    assert_eq!(row.value, ParamValue::Int(1));
    assert_eq!(row.conflict, Some((ParamValue::Int(2), stamp(20, 0))));
    let cells = snapshot.column(Column::Param(name)).unwrap();
    assert_eq!(cells, [Cell::int(1)]);
}

#[test]
fn a_run_whose_writer_is_gone_has_the_status_of_its_last_word() {
    let ended = |status, at: i64| {
        let finish = Finish {
            status,
            reason: None,
            end_us: at,
        };
        (stamp(at, 0), finish)
    };
    let mut row = RunRow::default();
    assert_eq!(row.status(), (Status::Unknown, None));
    row.open(Role::Member, stamp(1, 0));
    assert_eq!(row.status(), (Status::Unknown, None));
    row.open(Role::Owner, stamp(2, 0));
    row.span(1, 9);
    assert_eq!(row.status(), (Status::Failed, Some(9)));
    row.finished = Some(ended(Status::Completed, 5));
    assert_eq!(row.status(), (Status::Completed, Some(5)));
    row.open(Role::Owner, stamp(6, 0)); // resumed, then killed
    assert_eq!(row.status(), (Status::Failed, Some(9)));
    row.open(Role::Detached, stamp(7, 0));
    assert_eq!(row.status(), (Status::Running, None));
    row.open(Role::Member, stamp(8, 0));
    assert_eq!(row.status(), (Status::Running, None));
}

#[test]
fn columns_hold_over_pages_and_rows_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    let runs = u32::try_from(PAGE_VALUES).unwrap() + 300;
    let id = |run: u32| RunId(u128::from(run) * 0x1_0000_0001_0000_0001);
    let lr = |writer: &mut Writer<'_>, run: u32, at: i64, value: i64| {
        let number = writer.run(id(run))?;
        writer.put_param(number, "lr", &ParamValue::Int(value), stamp(at, 0))
    };
    index
        .write(|writer| (0..runs).try_for_each(|run| lr(writer, run, 9, i64::from(run))))
        .unwrap();
    // Earlier records win over what already stands in a page, one by one past the limit.
    let recent = u32::try_from(columns::RECENT_RUNS_MAX).unwrap();
    for half in [0..recent / 2, recent / 2..recent + 9] {
        index
            .write(|writer| half.clone().try_for_each(|run| lr(writer, run * 5, 1, -1)))
            .unwrap();
        let snapshot = snapshot(&index);
        let name = snapshot.name_number("lr").unwrap().unwrap();
        let cells = snapshot.column(Column::Param(name)).unwrap();
        for (run, cell) in (0..runs).zip(&cells) {
            let early = run % 5 == 0 && run / 5 < half.end;
            let want = if early { -1 } else { i64::from(run) };
            assert_eq!(*cell, Cell::int(want), "run {run}");
        }
        assert_eq!(snapshot.run_ids().unwrap()[77], id(77));
        let printed = id(1_234).to_string();
        let found = snapshot.runs_with_prefix(&printed[..8]).unwrap();
        assert_eq!(found, [(RunNumber(1_234), id(1_234))]);
        assert_eq!(snapshot.runs_with_prefix(&printed).unwrap(), found);
        assert!(snapshot.runs_with_prefix("+1").unwrap().is_empty());
        assert!(snapshot.runs_with_prefix("").unwrap().is_empty());
    }
}

#[test]
fn a_run_of_thousands_of_metrics_answers_as_any_other_and_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    for run in 0..3 {
        index
            .write(|writer| {
                let wide = writer.run(run_id(run))?;
                for metric in 0..3_000 {
                    let name = writer.name(&format!("layer/{metric}"))?;
                    let part = summary(&[(1, f64::from(metric)), (2, f64::from(run))]);
                    writer.merge_series(wide, name, &part)?;
                }
                let narrow = writer.run(run_id(100 + run))?;
                let name = writer.name("layer/5")?;
                writer.merge_series(narrow, name, &summary(&[(1, 0.5)]))
            })
            .unwrap();
    }
    let snapshot = snapshot(&index);
    for metric in ["layer/5", "layer/2999"] {
        let name = snapshot.name_number(metric).unwrap().unwrap();
        let max = snapshot
            .column(Column::Metric(name, MetricField::Max))
            .unwrap();
        let number: f64 = metric.strip_prefix("layer/").unwrap().parse().unwrap();
        let narrow = if metric == "layer/5" {
            Cell::number(0.5)
        } else {
            Cell::ABSENT
        };
        let wide = Cell::number(number);
        assert_eq!(max, [wide, narrow, wide, narrow, wide, narrow]);
    }
    let stat = RealSys.stat(index.path()).unwrap();
    assert!(stat.len < 9_000 * 600, "{} bytes", stat.len);
}

#[test]
fn a_bounded_scan_finds_every_chunk_that_touches_it() {
    arbtest::arbtest(|u| {
        let dir = tempfile::tempdir().unwrap();
        let index = index_in(dir.path());
        let mut all: Vec<Steps> = Vec::new();
        for _ in 0..u.int_in_range(1..=12)? {
            let first = u.int_in_range(-20..=20)?;
            let last = first + u.int_in_range(0..=9)?;
            all.push(Steps { first, last });
        }
        if u.arbitrary()? {
            let (first, last) = (i64::MIN, i64::MAX);
            all.push(Steps { first, last });
        }
        index
            .write(|writer| {
                let (run, metric) = (writer.run(run_id(1))?, writer.name("loss")?);
                all.iter()
                    .try_for_each(|steps| writer.put_chunk(run, metric, *steps, b"chunk"))
            })
            .unwrap();
        let from = u.int_in_range(-30..=30)?;
        let to = from + u.int_in_range(-1..=20)?;
        let snapshot = snapshot(&index);
        let chunks = snapshot
            .chunks(RunNumber(0), NameNumber(0), from..=to)
            .unwrap();
        let found: Vec<Steps> = chunks.map(|chunk| chunk.unwrap().steps).collect();
        let mut want = all;
        want.retain(|steps| from <= to && steps.first <= to && steps.last >= from);
        want.sort_by_key(|steps| steps.first);
        let firsts = |list: &[Steps]| list.iter().map(|steps| steps.first).collect::<Vec<_>>();
        assert_eq!(firsts(&found), firsts(&want));
        assert!(want.iter().all(|steps| found.contains(steps)));
        Ok(())
    })
    .budget_ms(2_000);
}

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
        assert!(matches!(foreign.read().unwrap(), Opened::Foreign(_)));
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
fn a_rebuilt_index_takes_the_place_of_the_old_one_and_says_what_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    fill(&index, 3);
    let old = snapshot(&index);
    drop(index.rebuild().unwrap()); // given up
    let rebuild = index.rebuild().unwrap();
    for run in 10..14 {
        rebuild
            .write(|writer| writer.run(run_id(run)).map(drop))
            .unwrap();
    }
    assert_eq!(snapshot(&index).run_count().unwrap(), 3);
    rebuild.finish().unwrap();
    let new = snapshot(&index);
    assert_eq!(new.run_ids().unwrap(), [10, 11, 12, 13].map(run_id));
    assert_eq!(old.run_count().unwrap(), 3); // a reader keeps what it opened
    index.verify().unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_snapshot_sees_no_later_commit_and_can_go_to_another_thread() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    fill(&index, 1);
    let before = snapshot(&index);
    let said_before = said(&before).unwrap();
    fill(&index, 4);
    let later = std::thread::spawn(move || said(&before).unwrap());
    assert_eq!(later.join().unwrap(), said_before);
    assert_ne!(said(&snapshot(&index)).unwrap(), said_before);
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
        .args(["--exact", "index::tests::child_dies_in_a_transaction"])
        .env(DIE_IN, dir.path())
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
    assert!(matches!(index.read().unwrap(), Opened::NeedsMending));
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
        let answer = match index.read().unwrap() {
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
        match index.read().unwrap() {
            Opened::Reader(snapshot) => assert!(said(&snapshot).is_ok_and(|said| said == right)),
            Opened::Damaged(_) | Opened::NeedsMending | Opened::Missing => {}
            other => panic!("{len} bytes: {other:?}"),
        }
    }
    with(&vec![0x5a; good.len()]);
    assert!(matches!(index.read().unwrap(), Opened::Damaged(_)));
    assert!(matches!(index.mend(), Err(Error::Corrupt(_))));
    let refused = index.write(|_| Ok(()));
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
}
