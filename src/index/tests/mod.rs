//! Fixtures, and the one property that all rests on: the order of arrival means nothing.

mod answers;
mod damage;

use std::path::Path;
use std::sync::Arc;

use arbitrary::Unstructured;

use super::Attribute;
use super::BlobUse;
use super::CellValue;
use super::Column;
use super::Finish;
use super::Index;
use super::Kind;
use super::MetricField;
use super::NameUse;
use super::Opened;
use super::Role;
use super::Segment;
use super::Snapshot;
use super::Steps;
use super::Texts;
use super::Writer;
use crate::error::Result;
use crate::model::AliasTarget;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::Flow;
use crate::model::ParamValue;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Stamp;
use crate::model::Status;
use crate::model::Summary;
use crate::model::WriterId;
use crate::sys::RealSys;

const STORE: &str = "0123456789abcdef";

fn index_in(dir: &Path) -> Index {
    Index::new(Arc::new(RealSys), dir.join("index.redb"), STORE)
}

/// Opens an index to read; on a busy machine that may take more than one try.
fn patiently(index: &Index) -> Opened {
    let tries = (0..100).map(|_| index.read().unwrap());
    tries
        .into_iter()
        .find(|opened| !matches!(opened, Opened::Busy))
        .unwrap_or(Opened::Busy)
}

fn snapshot(index: &Index) -> Box<Snapshot> {
    match patiently(index) {
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
    Started(Box<RunInfo>, Stamp),
    Opened(Role, Stamp),
    Finished(Finish, Stamp),
    Note(String, Stamp),
    Times(i64, i64),
    Param(String, ParamValue, Stamp),
    Tag(String, String, Stamp),
    Artifact(ArtifactRef, Stamp),
    Alias(String, Option<AliasTarget>, Stamp),
    /// A segment with one series of these steps.
    Segment(u32, String, Vec<(i64, f64)>),
}

fn any_put(u: &mut Unstructured<'_>, row: u32) -> arbitrary::Result<Put> {
    let at = stamp(u.int_in_range(0..=3)?, row);
    let name = u.choose(&["a", "b/c", "größe"])?.to_string();
    let text = u.choose(&["", "x", "y", &"long".repeat(200)])?.to_string();
    Ok(match u.int_in_range(0..=9)? {
        0 => {
            let info = RunInfo {
                name: format!("n{text}"),
                author: u.arbitrary::<bool>()?.then_some(text),
                parent: u.arbitrary::<bool>()?.then_some(run_id(9)),
                start_us: u.arbitrary()?,
                detached: u.arbitrary()?,
                ..RunInfo::default()
            };
            Put::Started(Box::new(info), at)
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
            let blob = BlobId([u.int_in_range(0..=2)?; 32]);
            let artifact = ArtifactRef {
                flow: *u.choose(&[Flow::Output, Flow::Input])?,
                reference: u.arbitrary::<bool>()?.then_some(text),
                ..ArtifactRef::new(name, blob, 5, 0)
            };
            Put::Artifact(artifact, at)
        }
        8 => {
            let target = AliasTarget {
                flow: Flow::Output,
                path: text,
                blob: BlobId([u.int_in_range(0..=2)?; 32]),
            };
            Put::Alias(name, u.arbitrary::<bool>()?.then_some(target), at)
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
        Put::Alias(name, target, at) => writer.put_alias(run, name, target.as_ref(), *at),
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
    for BlobUse {
        blob,
        bytes,
        run,
        flow,
        path,
    } in snapshot.uses(BlobId([0; 32])..=BlobId([0xff; 32]))?
    {
        let id = ids.get(run.0 as usize);
        said.push(format!("{blob} of {bytes} in {id:?} {flow} {path}"));
    }
    for (alias, run) in snapshot.aliases(None)? {
        let id = ids.get(run.0 as usize);
        said.push(format!("alias {alias} in {id:?}"));
    }
    said.push(format!("{:?}", snapshot.folders()?));
    said.extend(said_by_columns(snapshot, ids, &texts)?);
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
    .budget_ms(2_000);
}
