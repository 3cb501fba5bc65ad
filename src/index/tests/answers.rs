//! What was put is what is answered.

use super::fill;
use super::index_in;
use super::run_id;
use super::said;
use super::snapshot;
use super::stamp;
use super::summary;
use crate::index::Cell;
use crate::index::Column;
use crate::index::Finish;
use crate::index::IndexStat;
use crate::index::MetricField;
use crate::index::NameNumber;
use crate::index::Role;
use crate::index::RunNumber;
use crate::index::RunRow;
use crate::index::Segment;
use crate::index::Steps;
use crate::index::Writer;
use crate::index::columns;
use crate::limits::PAGE_VALUES;
use crate::model::ParamValue;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Status;
use crate::model::WriterId;
use crate::sys::RealSys;
use crate::sys::Sys;

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
    .budget_ms(1_000);
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

#[test]
fn runs_are_found_by_name_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_in(dir.path());
    let segment = Segment {
        bytes: 10,
        points: 3,
        hash: [1; 32],
    };
    index
        .write(|writer| {
            for (at, name) in (0..).zip(["otter", "lynx", "otter"]) {
                let run = writer.run(run_id(at))?;
                let info = RunInfo {
                    name: name.to_owned(),
                    ..RunInfo::default()
                };
                writer.put_started(run, &info, stamp(1, 0))?;
                assert!(writer.put_segment(run, WriterId(1), 0, &segment)?);
                assert!(!writer.put_segment(run, WriterId(1), 0, &segment)?);
                assert!(writer.segment(run_id(at), WriterId(1), 0)?.is_some());
                assert!(writer.segment(run_id(at), WriterId(1), 1)?.is_none());
            }
            Ok(())
        })
        .unwrap();
    let snapshot = snapshot(&index);
    let found = |name| snapshot.runs_with_name(name).unwrap();
    assert_eq!(found("otter"), [RunNumber(0), RunNumber(2)]);
    assert_eq!(found("lynx"), [RunNumber(1)]);
    assert_eq!(found("ott"), []);
    let want = IndexStat {
        runs: 3,
        points: 9,
        segments: 3,
        names: 2,
        ..IndexStat::default()
    };
    assert_eq!(snapshot.stat().unwrap(), want);
}
