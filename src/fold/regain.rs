//! What the index still has of a segment whose file is damaged or gone.
//!
//! The index keeps the chunks and axes of a segment as they were sealed, and each names its writer
//! and segment: points come back bit for bit at their places. They count only if there are as many
//! as the segment had, for a row that damage hides from its table is not seen otherwise.
//!
//! Of the other records it keeps those that answers depend on, with their stamps: the start, the
//! last opening, the last end, the last note, each param with its first conflict, the last tag of
//! each name, all artifacts, the last of each alias. They are restated at their places. A text that
//! was replaced later, and who opened as what process, are not there any more; so the events of a
//! segment are never whole again, though the run answers as before.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::AxisRow;
use super::ChunkRow;
use super::MemoryRun;
use crate::chunk;
use crate::codec::Malformed;
use crate::error::Damage;
use crate::error::Result;
use crate::index;
use crate::index::Snapshot;
use crate::journal::Event;
use crate::journal::Role;
use crate::journal::SegmentId;
use crate::journal::remains::Builder;
use crate::journal::rows::EventRow;
use crate::journal::rows::Rows;
use crate::journal::sealed::Axis;
use crate::model::Name;
use crate::model::Process;
use crate::model::Stamp;

/// What an index has of a segment.
#[derive(Debug)]
pub(crate) struct Regained {
    /// Points and events.
    pub(crate) rows: Rows,
    /// Whether these are all points that the segment had.
    pub(crate) has_all_points: bool,
}

/// Steps and times, and the values of metrics under them.
type Block = (Axis, Vec<(u32, Vec<f64>)>);

/// Reads what the index has of a segment; none if it never took it in.
///
/// # Errors
/// `Error::Corrupt` if the index is damaged there; `Error::Io`.
pub(crate) fn regain(snapshot: &Snapshot, id: &SegmentId) -> Result<Option<Regained>> {
    let Some(number) = snapshot.run_number(id.run)? else {
        return Ok(None);
    };
    let segments = snapshot.segments(number.0..=number.0)?;
    let is_it = |folded: &&index::FoldedSegment| (folded.writer, folded.seq) == (id.writer, id.seq);
    let Some(folded) = segments.iter().find(is_it) else {
        return Ok(None);
    };
    let malformed =
        |why: Malformed| Damage::new(snapshot.path(), 0, "chunk", format!("of {number:?}: {why}"));
    let read_axis = |axis: u32| -> Result<Option<Block>> {
        let missing = || malformed(Malformed::new("it has no axis"));
        let bytes = snapshot.axis(number, axis)?.ok_or_else(missing)?;
        let row = AxisRow::decode(&bytes).map_err(malformed)?;
        if (row.writer, row.seq) != (id.writer, id.seq) {
            return Ok(None);
        }
        let axis = Axis::decode(row.bytes, row.rows as usize, row.split).map_err(malformed)?;
        Ok(Some((axis, Vec::new())))
    };
    let mut names = Vec::new();
    // By the number of their axis; none for one of another segment.
    let mut blocks: BTreeMap<u32, Option<Block>> = BTreeMap::new();
    for (name, _) in snapshot.series(number)? {
        let metric = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let text = snapshot.text(name)?.unwrap_or_default();
        names.push(Name::new("metric name", &text)?);
        for chunk in snapshot.chunks(number, name, i64::MIN..=i64::MAX)? {
            let chunk = chunk?;
            let chunk = ChunkRow::decode(&chunk.bytes).map_err(malformed)?;
            let block = match blocks.entry(chunk.axis) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(read_axis(chunk.axis)?),
            };
            if let Some((axis, columns)) = block {
                let mut values = Vec::new();
                chunk::decode_values(chunk.values, axis.steps.len(), &mut values)
                    .map_err(malformed)?;
                columns.push((metric, values));
            }
        }
    }
    let mut builder = Builder::new(names.into_iter());
    // Axes were numbered as their blocks were folded, in the order logged.
    for (number, block) in blocks {
        if let Some((axis, columns)) = block {
            builder.add(number as usize, &axis, &columns);
        }
    }
    let mut rows = builder.finish();
    rows.events = events(snapshot, number, id)?;
    Ok(Some(Regained {
        has_all_points: rows.point_count() == folded.segment.points,
        rows,
    }))
}

/// Restates what the index keeps of the segment's other records.
fn events(snapshot: &Snapshot, number: index::RunNumber, id: &SegmentId) -> Result<Vec<EventRow>> {
    let mut text = |name| Ok(snapshot.text(name)?.unwrap_or_default());
    let MemoryRun {
        row,
        params,
        tags,
        files,
        series: _,
    } = MemoryRun::load(snapshot, number, &mut text)?;
    let mut events = Vec::new();
    let mut add = |stamp: Stamp, event: Event| {
        if (stamp.writer, stamp.seq) == (id.writer, id.seq) {
            events.push(EventRow {
                row: stamp.row,
                time_us: stamp.time_us,
                event,
            });
        }
    };
    if let Some((info, stamp)) = row.info {
        add(stamp, Event::RunStarted(Box::new(info)));
    }
    if let Some((stamp, index::Role::Owner)) = row.opened {
        let (role, process) = (Role::Owner, Process::default());
        add(stamp, Event::WriterOpened { role, process });
    }
    if let Some((stamp, finish)) = row.finished {
        let index::Finish {
            status,
            reason,
            end_us,
        } = finish;
        let event = Event::Finished {
            status,
            reason,
            end_us,
        };
        add(stamp, event);
    }
    if let Some((stamp, note)) = row.note {
        add(stamp, Event::Note(note));
    }
    for (key, param) in params {
        let key = Name::new("param name", &key)?;
        let value = param.value;
        add(
            param.stamp,
            Event::Param {
                key: key.clone(),
                value,
            },
        );
        if let Some((value, stamp)) = param.conflict {
            add(stamp, Event::Param { key, value });
        }
    }
    for (key, tag) in tags {
        let key = Name::new("tag name", &key)?;
        let value = tag.text;
        add(tag.stamp, Event::Tag { key, value });
    }
    for (stamp, artifact) in files.into_records() {
        add(stamp, Event::Artifact(artifact));
    }
    for (name, (stamp, target)) in row.aliases {
        let name = Name::new("alias", &name)?;
        add(stamp, Event::Alias { name, target });
    }
    events.sort_by_key(|event| event.row);
    Ok(events)
}
