//! What can still be read of a damaged file of the journal, and what cannot.
//!
//! Each thing in such a file proves itself: a frame of rows, a part of columns and the footer have
//! checksums seeded with the segment that the file is named for. So header, magic and the hash of
//! the whole may be wrong, and what has its own checksum right is still what was written. What has
//! not is left out and named; nothing is guessed.
//!
//! What remains is given as [`Rows`], each record at its place, and is written again by the encoder
//! that seals ([`write`]). Without the footer nothing tells where the parts of columns begin: then
//! all of them are lost. After a hole in rows places are counted from the records that are there,
//! as every reader does: their order is right.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::files::Folders;
use super::files::SegmentId;
use super::rows;
use super::rows::Group;
use super::rows::Rows;
use super::sealed::Axis;
use super::sealed::Encoder;
use super::sealed::Sealed;
use super::segment;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::limits::SEGMENT_READ_BYTES_MAX;
use crate::model::Name;
use crate::sys;
use crate::sys::File;
use crate::sys::Open;
use crate::sys::Sys;

/// How much a damage takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Nothing: what is damaged is said twice, or only guards the rest.
    Nothing,
    /// Points.
    Points {
        /// Their metrics.
        metrics: Vec<Name>,
        /// Smallest and largest step.
        steps: (i64, i64),
        /// How many.
        count: u64,
    },
    /// All that the segment says beside points: params, tags, artifacts, start and end.
    Events,
    /// Some records; nobody can tell of what.
    Records {
        /// Metrics of the points logged next to them.
        metrics: Vec<Name>,
        /// The steps of these.
        steps: Option<(i64, i64)>,
    },
    /// All of the file.
    All,
}

/// Something that was written and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where and how it shows.
    pub damage: Damage,
    /// What is gone with it.
    pub extent: Extent,
}

impl Loss {
    /// A file that cannot be read at all, for whatever reason.
    pub fn of_file(path: &Path, error: Error) -> Self {
        let damage = error.into_damage(path, 0);
        let extent = Extent::All;
        Self { damage, extent }
    }

    fn harmless(damage: Damage) -> Self {
        let extent = Extent::Nothing;
        Self { damage, extent }
    }
}

/// What is left of a segment's file.
#[derive(Clone, Debug, Default)]
pub struct Remains {
    /// All that can be read.
    pub rows: Rows,
    /// What cannot.
    pub losses: Vec<Loss>,
}

impl Remains {
    /// Whether everything that was written can be read.
    pub fn is_whole(&self) -> bool {
        self.losses
            .iter()
            .all(|loss| loss.extent == Extent::Nothing)
    }

    /// Counts the records, a point of each metric as one.
    pub fn count(&self) -> u64 {
        let others = self.rows.events.len() + self.rows.unknown.len();
        self.rows.point_count() + others as u64
    }

    /// Reads a file of columns. A part that the disk does not give back is lost like a damaged one.
    pub fn of_sealed(file: Arc<dyn File>, id: &SegmentId) -> Self {
        let path = file.path().to_owned();
        let mut losses = Vec::new();
        let opened = Sealed::open_despite(file, id, &mut |damage| {
            losses.push(Loss::harmless(damage));
            Ok(())
        });
        let mut remains = match opened {
            Ok(sealed) => Self::of_parts(&sealed),
            // All hangs on what could not be read; what else is wrong does not matter then.
            Err(error) => {
                return Self {
                    rows: Rows::default(),
                    losses: vec![Loss::of_file(&path, error)],
                };
            }
        };
        losses.append(&mut remains.losses);
        Self { losses, ..remains }
    }

    fn of_parts(sealed: &Sealed) -> Self {
        let footer = &sealed.footer;
        let names = |metrics: &[u32]| -> Vec<Name> {
            let names = metrics.iter().map(|at| footer.metrics.get(*at as usize));
            names.flatten().map(|(name, _)| name.clone()).collect()
        };
        let mut builder = Builder::new(footer.metrics.iter().map(|(name, _)| name.clone()));
        let mut losses = Vec::new();
        let mut lose = |error: Error, offset, metrics: &[u32], steps, count| {
            losses.push(Loss {
                damage: error.into_damage(sealed.path(), offset),
                extent: Extent::Points {
                    metrics: names(metrics),
                    steps,
                    count,
                },
            });
        };
        for (number, group) in footer.groups.iter().enumerate() {
            for block in &group.blocks {
                let (steps, rows) = ((block.min_step, block.max_step), u64::from(block.rows));
                let axis = match sealed.axis(block) {
                    Ok(axis) => axis,
                    Err(error) => {
                        let count = rows * block.columns.len() as u64;
                        lose(error, block.axis.offset, &group.metrics, steps, count);
                        continue;
                    }
                };
                let mut columns = Vec::with_capacity(block.columns.len());
                for (metric, column) in group.metrics.iter().zip(&block.columns) {
                    match sealed.values(block, column) {
                        Ok(values) => columns.push((*metric, values)),
                        Err(error) => lose(error, column.part.offset, &[*metric], steps, rows),
                    }
                }
                builder.add(number, &axis, &columns);
            }
        }
        let mut rows = builder.finish();
        match sealed.events_and_unknown() {
            Ok((events, unknown)) => (rows.events, rows.unknown) = (events, unknown),
            Err(error) => losses.push(Loss {
                damage: error.into_damage(sealed.path(), footer.events.offset),
                extent: Extent::Events,
            }),
        }
        if losses.is_empty()
            && let Err(error) = sealed.verify_whole()
        {
            losses.push(Loss::harmless(error.into_damage(sealed.path(), 0)));
        }
        Self { rows, losses }
    }

    /// Reads a file of rows; one that is being written, as far as it is. What a power cut tore was
    /// never promised: it is no loss ([`rows::read_left`]).
    pub fn of_rows(file: &dyn File, id: &SegmentId, sys: &dyn Sys) -> Self {
        let path = file.path();
        let read = || -> Result<Self> {
            if segment::predates_boot(file, sys) {
                let (rows, losses) = (rows::read_left(file, id, sys)?, Vec::new());
                return Ok(Self { rows, losses });
            }
            let (rows, header) = rows::read_despite(file, id)?;
            let header = header.map(|damage| Loss {
                damage,
                // Nothing in it is of this segment, whatever it is.
                extent: if rows.is_empty() {
                    Extent::All
                } else {
                    Extent::Nothing
                },
            });
            let mut losses: Vec<Loss> = header.into_iter().collect();
            losses.extend(losses_of(&rows));
            Ok(Self { rows, losses })
        };
        read().unwrap_or_else(|error| Self {
            rows: Rows::default(),
            losses: vec![Loss::of_file(path, error)],
        })
    }
}

/// The damage of rows, that of the same kind in one go: when the record that tells a shape is
/// damaged, thousands after it cannot be understood.
fn losses_of(rows: &Rows) -> Vec<Loss> {
    let found: Vec<(&Damage, u32)> = rows
        .damage
        .iter()
        .zip(rows.damage_rows.iter().copied())
        .collect();
    let alike = found.chunk_by(|(a, _), (b, _)| a.why == b.why);
    let losses = alike.filter_map(|alike| {
        let ((first, from), (last, to)) = (alike.first()?, alike.last()?);
        let mut damage = (*first).clone();
        if alike.len() > 1 {
            let (more, at) = (alike.len() - 1, last.offset);
            damage.why = format!("{}, and {more} more up to byte {at}", damage.why);
        }
        let (metrics, steps) = beside(rows, *from, *to);
        let extent = Extent::Records { metrics, steps };
        Some(Loss { damage, extent })
    });
    losses.collect()
}

/// Place of a row of points among the records, its group, and its row there.
type Spot = (u32, usize, usize);

/// Tells what was logged last before the record at `from` and first from that at `to` on.
fn beside(rows: &Rows, from: u32, to: u32) -> (Vec<Name>, Option<(i64, i64)>) {
    let points = |group: usize| {
        let group = rows.groups.get(group);
        group.map_or(&[][..], |group| group.rows.as_slice())
    };
    let (mut before, mut after): (Option<Spot>, Option<Spot>) = (None, None);
    for number in 0..rows.groups.len() {
        let places = points(number);
        let split = places.partition_point(|place| *place < from);
        if let Some(at) = split.checked_sub(1) {
            let place = places.get(at).copied().unwrap_or_default();
            before = before.max(Some((place, number, at)));
        }
        let at = places.partition_point(|place| *place < to);
        if let Some(place) = places.get(at).copied() {
            let found = (place, number, at);
            after = Some(after.map_or(found, |after| after.min(found)));
        }
    }
    let (mut metrics, mut steps) = (Vec::new(), None);
    for (_, number, at) in before.into_iter().chain(after) {
        let Some(group) = rows.groups.get(number) else {
            continue;
        };
        for metric in &group.metrics {
            if let Some(name) = rows.metrics.get(*metric as usize)
                && !metrics.contains(name)
            {
                metrics.push(name.clone());
            }
        }
        if let Some(&step) = group.steps.get(at) {
            let (a, b) = steps.unwrap_or((step, step));
            steps = Some((step.min(a), step.max(b)));
        }
    }
    (metrics, steps)
}

/// Puts blocks of columns together as rows.
#[derive(Debug, Default)]
pub struct Builder {
    rows: Rows,
    /// By the number of the group they are of, and the metrics that are left of it.
    groups: HashMap<(usize, Vec<u32>), usize>,
}

impl Builder {
    /// Begins with the metrics that columns are numbered by.
    pub fn new(metrics: impl Iterator<Item = Name>) -> Self {
        let metrics = metrics.collect();
        let rows = Rows {
            metrics,
            ..Rows::default()
        };
        Self {
            rows,
            groups: HashMap::new(),
        }
    }

    /// Adds what is left of a block.
    ///
    /// - `group`: blocks of the same one come in the order logged
    /// - `columns`: each as long as `axis`
    pub fn add(&mut self, group: usize, axis: &Axis, columns: &[(u32, Vec<f64>)]) {
        if columns.is_empty() {
            return;
        }
        let metrics: Vec<u32> = columns.iter().map(|(metric, _)| *metric).collect();
        let next = self.rows.groups.len();
        let at = *self.groups.entry((group, metrics)).or_insert(next);
        if at == next {
            self.rows.groups.push(Group {
                metrics: columns.iter().map(|(metric, _)| *metric).collect(),
                ..Group::default()
            });
        }
        let Some(group) = self.rows.groups.get_mut(at) else {
            return;
        };
        let place = |place: &i64| u32::try_from(*place).unwrap_or(u32::MAX);
        group.rows.extend(axis.places.iter().map(place));
        group.steps.extend_from_slice(&axis.steps);
        group.times_us.extend_from_slice(&axis.times_us);
        for row in 0..axis.steps.len() {
            let values = columns.iter().map(|(_, values)| values.get(row));
            group
                .values
                .extend(values.map(|value| value.copied().unwrap_or_default()));
        }
    }

    /// Returns the rows; metrics of which nothing is left are forgotten.
    pub fn finish(mut self) -> Rows {
        self.rows.drop_unused_metrics();
        self.rows
    }
}

/// Writes what remains of a segment as columns where they stay. Safe from a power cut once the
/// folders are synced.
///
/// # Errors
/// `Error::Corrupt` if the rows cannot be encoded (none that were read); `Error::Io`.
pub fn write(folders: &Folders, id: &SegmentId, rows: &Rows, encoder: &mut Encoder) -> Result<u64> {
    let path = folders.settled(id);
    let bytes = encoder
        .encode(rows, id)
        .map_err(|why| Damage::new(&path, 0, "segment", why.to_string()))?;
    folders.sys.create_dir(&folders.folder(id))?;
    write_new(folders, &path, bytes)
}

/// Copies a sealed file as it is to where it stays, if it is whole.
///
/// What counts is what arrives: the copy is read back and checked, so the source is read once.
///
/// - returns: the copy; none if it is not whole
///
/// # Errors
/// `Error::Io` if it cannot be written.
pub fn copy_sealed(folders: &Folders, id: &SegmentId, file: &dyn File) -> Result<Option<Sealed>> {
    let Ok(bytes) = sys::read_all(file, SEGMENT_READ_BYTES_MAX) else {
        return Ok(None);
    };
    let path = folders.settled(id);
    folders.sys.create_dir(&folders.folder(id))?;
    write_new(folders, &path, &bytes)?;
    let copy = folders.sys.open(&path, Open::Read)?;
    let checked = Sealed::open(copy.into(), id).and_then(|sealed| {
        sealed.verify()?;
        Ok(sealed)
    });
    match checked {
        Ok(sealed) => Ok(Some(sealed)),
        Err(error @ Error::Io { .. }) => Err(error),
        Err(_) => folders.sys.remove(&path).map(|()| None),
    }
}

/// Copies rows as they are up to their tail, under their name in `live/`.
///
/// # Errors
/// `Error::Io`, of either side.
pub fn copy_rows(folders: &Folders, id: &SegmentId, file: &dyn File, len: u64) -> Result<u64> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    write_new(folders, &folders.rows(id), &bytes)
}

fn write_new(folders: &Folders, path: &Path, bytes: &[u8]) -> Result<u64> {
    let file = folders.sys.open(path, Open::New)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    Ok(bytes.len() as u64)
}

/// Tells which segment a file says it is, whatever its name.
///
/// # Errors
/// `Error::Io`.
pub fn segment_told(file: &dyn File) -> Result<Option<SegmentId>> {
    let mut header = [0; segment::HEADER_BYTES];
    let read = file.read_at(&mut header, 0)?;
    Ok((read == header.len())
        .then(|| segment::id_of(&header))
        .flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::Event;
    use crate::journal::rows::EventRow;
    use crate::model::RunId;
    use crate::model::WriterId;
    use crate::sys::RealSys;
    use crate::sys::Sys;

    const ID: SegmentId = SegmentId {
        run: RunId(1 << 80),
        writer: WriterId(2),
        seq: 3,
    };

    /// Two shapes whose rows alternate, an event, and a record of a later version.
    fn rows() -> Rows {
        let names = ["a", "b"].map(|name| Name::new("metric name", name).unwrap());
        let mut groups = [vec![0, 1], vec![1]].map(|metrics| Group {
            metrics,
            ..Group::default()
        });
        for row in 0..10_000 {
            let group = &mut groups[row as usize % 2];
            group.rows.push(row);
            group.steps.push(i64::from(row) % 7);
            group.times_us.push(i64::from(row));
            let values = [f64::from(row).sin(), f64::NAN];
            group.values.extend(&values[..group.metrics.len()]);
        }
        Rows {
            metrics: names.to_vec(),
            groups: groups.to_vec(),
            events: vec![EventRow {
                row: 10_000,
                time_us: 5,
                event: Event::Note("text".to_owned()),
            }],
            unknown: vec![(10_001, vec![200, 1, 2])],
            ..Rows::default()
        }
    }

    /// Each point of a metric: row, step, time and bits.
    fn points(rows: &Rows, metric: &str) -> Vec<(u32, i64, i64, u64)> {
        let mut points = Vec::new();
        rows.points_of(metric, &mut points);
        points.sort_by_key(|(_, row)| *row);
        let all = points.iter();
        all.map(|(point, row)| (*row, point.step, point.time_us, point.value.to_bits()))
            .collect()
    }

    #[test]
    fn what_remains_is_what_was_and_is_sealed_again() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::new(Arc::new(RealSys), dir.path());
        let (whole, mut encoder) = (rows(), Encoder::default());
        let bytes = encoder.encode(&whole, &ID).unwrap().to_vec();
        let mut lossless = 0;
        for at in (0..bytes.len()).step_by(bytes.len() / 150) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let path = dir.path().join("damaged");
            std::fs::write(&path, &damaged).unwrap();
            let file: Arc<dyn File> = RealSys.open(&path, Open::Read).unwrap().into();
            let Remains { rows, losses } = Remains::of_sealed(file, &ID);
            assert!(!losses.is_empty(), "byte {at}");
            let mut lost: u64 = 0;
            for loss in &losses {
                lost += match &loss.extent {
                    Extent::Nothing | Extent::Events => 0,
                    Extent::Points { count, .. } => *count,
                    Extent::Records { .. } | Extent::All => 15_000,
                };
            }
            let mut kept = 0;
            for metric in ["a", "b"] {
                let (kept_points, right) = (points(&rows, metric), points(&whole, metric));
                kept += kept_points.len() as u64;
                let mut right = right.iter();
                let all = kept_points
                    .iter()
                    .all(|point| right.any(|other| other == point));
                assert!(all, "byte {at}: {metric}");
            }
            assert_eq!(kept + lost, 15_000, "byte {at}");
            if lost == 0 && rows.events == whole.events {
                assert_eq!(rows.unknown, whole.unknown);
                lossless += 1;
            }
            if !rows.is_empty() {
                write(&folders, &ID, &rows, &mut encoder).unwrap();
                let path = folders.settled(&ID);
                let file: Arc<dyn File> = RealSys.open(&path, Open::Read).unwrap().into();
                Sealed::open(Arc::clone(&file), &ID)
                    .unwrap()
                    .verify()
                    .unwrap();
                let again = Remains::of_sealed(file, &ID);
                let others = rows.events.len() + rows.unknown.len();
                let count = kept + others as u64;
                assert!(again.is_whole() && again.count() == count, "byte {at}");
                std::fs::remove_file(path).unwrap();
            }
        }
        assert!(lossless > 0, "a header can be lost without harm");
    }
}
