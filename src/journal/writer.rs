//! Appends to a run: gives names and shapes their numbers, turns segments over.
//!
//! A call costs a look at the shape it logged last, a copy and a checksum. When a segment is full
//! the next one is there already, and the full one goes to `background`.

use std::collections::HashMap;

use super::background::Background;
pub use super::background::Backlog;
pub use super::background::Options;
use super::files::Folders;
use super::files::LiveKind;
use super::files::SegmentId;
use super::frame;
use super::record;
use super::record::Event;
use super::record::Role;
use super::rows;
use super::seal;
use super::segment;
use super::segment::Segment;
use crate::codec::Malformed;
use crate::error::Error;
use crate::error::Result;
use crate::limits::PACE_BYTES;
use crate::limits::RECORD_BYTES_MAX;
use crate::limits::RECORD_METRICS_MAX;
use crate::limits::SEGMENT_BYTES_MAX;
use crate::limits::SEGMENT_BYTES_MIN;
use crate::limits::SEGMENT_READ_BYTES_MAX;
use crate::limits::SEGMENT_WIDE_BYTES_MAX;
use crate::limits::WIDE_METRICS;
use crate::model::Name;
use crate::model::RunId;
use crate::model::WriterId;
use crate::sys;
use crate::sys::Clock;
use crate::sys::fork_generation;

/// A metric, as this writer knows it.
#[derive(Debug)]
struct MetricEntry {
    name: Name,
    /// The segment it was told in, plus one; 0 is none.
    told_in: u32,
}

/// Metrics in the order they are logged together.
#[derive(Debug)]
struct Shape {
    metrics: Vec<u32>,
    names: Vec<Name>,
    told_in: u32,
    /// The shape that followed this one last time: trainings repeat themselves.
    next: u32,
}

/// Appends to one run. One thread at a time.
#[derive(Debug)]
pub struct Writer {
    folders: Folders,
    options: Options,
    segment: Option<Segment>,
    id: SegmentId,
    first_seq: u32,
    clock: Clock,
    metrics: Vec<MetricEntry>,
    numbers: HashMap<Name, u32>,
    shapes: Vec<Shape>,
    shape_numbers: HashMap<Vec<u32>, u32>,
    last_shape: u32,
    capacity: usize,
    /// The next segment is asked for when this one is so long.
    ask_at: usize,
    /// Bytes to log before the queue is looked at again.
    until_pace: usize,
    slowed: bool,
    background: Background,
    generation: u32,
}

impl Writer {
    /// Begins to write to a run, with a first segment that tells who writes.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn open(folders: &Folders, run: RunId, options: Options) -> Result<Self> {
        if options.role == Role::Command
            && let Some(writer) = Self::reopen(folders, run, &options)?
        {
            return Ok(writer);
        }
        let [low, _] = split(folders.sys.random());
        let id = SegmentId {
            run,
            writer: WriterId(low),
            seq: 0,
        };
        let segment = Segment::create(folders, id, SEGMENT_BYTES_MIN, options.append)?;
        let mut writer = Self::with(folders, options, id, segment);
        writer.open_segment()?;
        Ok(writer)
    }

    /// Takes up a segment that an earlier command left open.
    fn reopen(folders: &Folders, run: RunId, options: &Options) -> Result<Option<Self>> {
        for left in folders.list_live()? {
            if left.id.run != run || left.kind != LiveKind::Rows {
                continue;
            }
            let Some(file) = seal::lock(folders, &left.path)? else {
                continue;
            };
            if !sys::still_names(&*folders.sys, &left.path, &*file)? {
                continue;
            }
            let rows = rows::read(&*file, &left.id)?;
            let len = usize::try_from(rows.len).unwrap_or(usize::MAX);
            let is_command = rows.events.first().is_some_and(|first| {
                let role = Role::Command;
                matches!(&first.event, Event::WriterOpened { role: told, .. } if *told == role)
            });
            // In a copy of the store both would go on in a file of one name.
            let is_ours = is_command && segment::is_at_home(&*file)?;
            // A name may have been told after one with a higher number, or never been used.
            let whole = rows.damage.is_empty()
                && file.stat()?.len == rows.len
                && rows.numbers_are_positions;
            if !is_ours || !whole || len >= SEGMENT_BYTES_MIN {
                continue;
            }
            let segment = Segment::reopen(left.id, file, len, SEGMENT_BYTES_MIN);
            let mut writer = Self::with(folders, options.clone(), left.id, segment);
            writer.adopt(&rows);
            return Ok(Some(writer));
        }
        Ok(None)
    }

    /// Knows the names and shapes that earlier commands told in this segment.
    fn adopt(&mut self, rows: &rows::Rows) {
        let told_in = self.now();
        for name in &rows.metrics {
            let number = u32::try_from(self.metrics.len()).unwrap_or(u32::MAX);
            self.numbers.insert(name.clone(), number);
            self.metrics.push(MetricEntry {
                name: name.clone(),
                told_in,
            });
        }
        for group in &rows.groups {
            let number = u32::try_from(self.shapes.len()).unwrap_or(u32::MAX);
            let metrics = group.metrics.clone();
            let names = metrics
                .iter()
                .filter_map(|metric| rows.metrics.get(*metric as usize));
            let names = names.cloned().collect();
            self.shape_numbers.insert(metrics.clone(), number);
            self.shapes.push(Shape {
                metrics,
                names,
                told_in,
                next: number,
            });
        }
    }

    fn with(folders: &Folders, options: Options, id: SegmentId, segment: Segment) -> Self {
        let clock = folders.sys.clock().not_before(options.not_before_us);
        let background = Background::start(folders, id, &options, segment.file(), clock);
        Self {
            folders: folders.clone(),
            options,
            segment: Some(segment),
            id,
            first_seq: id.seq,
            clock,
            metrics: Vec::new(),
            numbers: HashMap::new(),
            shapes: Vec::new(),
            shape_numbers: HashMap::new(),
            last_shape: 0,
            capacity: SEGMENT_BYTES_MIN,
            ask_at: SEGMENT_BYTES_MIN / 2,
            until_pace: PACE_BYTES,
            slowed: false,
            background,
            generation: fork_generation(),
        }
    }

    /// Returns the writer's clock, which never steps back.
    #[inline]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Appends something that happened.
    ///
    /// # Errors
    /// `Error::Invalid` if it is too large; `Error::Io`.
    pub fn event(&mut self, time_us: i64, event: &Event) -> Result<()> {
        let body = record::event(time_us, event).map_err(|why| malformed(&why))?;
        if body.len() > RECORD_BYTES_MAX {
            let why = format!("has {} bytes, at most {RECORD_BYTES_MAX}", body.len());
            return Err(Error::invalid("record", why));
        }
        self.make_room(body.len())?;
        self.append(body.len(), |place| place.copy_from_slice(&body))
    }

    /// Appends the values of one step.
    ///
    /// # Errors
    /// `Error::Invalid` for a bad name, then nothing is appended; `Error::Io`.
    #[inline]
    pub fn points(&mut self, step: i64, time_us: i64, values: &[(&str, f64)]) -> Result<()> {
        if values.len() > RECORD_METRICS_MAX {
            for (name, _) in values {
                Name::new("metric name", name)?; // all or nothing
            }
            return values
                .chunks(RECORD_METRICS_MAX)
                .try_for_each(|some| self.points(step, time_us, some));
        }
        if values.is_empty() {
            return Ok(());
        }
        let shape = match self.expected_shape(values) {
            Some(shape) => shape,
            None => self.find_shape(values)?,
        };
        self.points_of_shape(shape, step, time_us, values.iter().map(|(_, value)| *value))
    }

    /// Returns the number of the shape with this one metric.
    ///
    /// # Errors
    /// `Error::Invalid` for a bad name.
    pub fn shape_of(&mut self, metric: &str) -> Result<u32> {
        self.find_shape(&[(metric, 0.0)])
    }

    /// Appends the values of one step, in the order of a shape of this writer.
    ///
    /// # Errors
    /// `Error::Io`.
    #[inline]
    pub fn points_of_shape(
        &mut self,
        shape: u32,
        step: i64,
        time_us: i64,
        values: impl ExactSizeIterator<Item = f64>,
    ) -> Result<()> {
        let count = values.len();
        let len = record::points_bytes(count);
        let told = self
            .shapes
            .get(shape as usize)
            .is_some_and(|shape| shape.told_in == self.now());
        if !told {
            self.tell_shape(shape, len)?;
        } else if !self.fits(len) {
            self.turn_over(0)?;
            self.tell_shape(shape, len)?;
        }
        self.append(len, |place| {
            let Some((header, rest)) = place.split_first_chunk_mut() else {
                return;
            };
            *header = record::points_header(count, shape, step, time_us);
            for (place, value) in rest.as_chunks_mut::<8>().0.iter_mut().zip(values) {
                *place = value.to_le_bytes();
            }
        })
    }

    /// The current segment's mark in `told_in`.
    #[inline]
    fn now(&self) -> u32 {
        self.id.seq.wrapping_add(1)
    }

    #[inline]
    fn fits(&self, len: usize) -> bool {
        self.segment
            .as_ref()
            .is_some_and(|segment| segment.fits(len))
    }

    /// The shape that followed last time, or the last one, if the names are its names.
    #[inline]
    fn expected_shape(&mut self, values: &[(&str, f64)]) -> Option<u32> {
        let last = self.shapes.get(self.last_shape as usize)?;
        for number in [last.next, self.last_shape] {
            let Some(shape) = self.shapes.get(number as usize) else {
                continue;
            };
            let names = shape.names.iter().zip(values);
            if shape.names.len() == values.len()
                && names.into_iter().all(|(a, b)| a.as_str() == b.0)
            {
                self.last_shape = number;
                return Some(number);
            }
        }
        None
    }

    #[cold]
    fn find_shape(&mut self, values: &[(&str, f64)]) -> Result<u32> {
        let mut names = Vec::with_capacity(values.len());
        for (name, _) in values {
            names.push(match self.numbers.get_key_value(*name) {
                Some((name, _)) => name.clone(),
                None => Name::new("metric name", name)?,
            });
        }
        let metrics: Vec<u32> = names.iter().map(|name| self.metric_number(name)).collect();
        let next = u32::try_from(self.shapes.len()).unwrap_or(u32::MAX);
        let number = *self
            .shape_numbers
            .entry(metrics)
            .or_insert_with_key(|metrics| {
                let metrics = metrics.clone();
                self.shapes.push(Shape {
                    metrics,
                    names,
                    told_in: 0,
                    next,
                });
                next
            });
        if let Some(last) = self.shapes.get_mut(self.last_shape as usize) {
            last.next = number;
        }
        self.last_shape = number;
        Ok(number)
    }

    fn metric_number(&mut self, name: &Name) -> u32 {
        let next = u32::try_from(self.metrics.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(name.clone()).or_insert_with(|| {
            self.metrics.push(MetricEntry {
                name: name.clone(),
                told_in: 0,
            });
            next
        })
    }

    /// Tells the segment of a shape and its metrics, in one segment with the points that follow.
    #[cold]
    fn tell_shape(&mut self, number: u32, points_len: usize) -> Result<()> {
        let shape = self.shapes.get(number as usize);
        let metrics = shape.map(|shape| shape.metrics.clone()).unwrap_or_default();
        let names = metrics
            .iter()
            .filter_map(|metric| self.metrics.get(*metric as usize));
        let names_len: usize = names
            .map(|metric| frame::frame_bytes(8 + metric.name.as_str().len()))
            .sum();
        let shape_len = frame::frame_bytes(8 + 4 * metrics.len());
        let all_len = names_len + shape_len + frame::frame_bytes(points_len);
        if !self.fits(all_len) {
            self.turn_over(all_len)?;
        }
        let now = self.now();
        for &metric in &metrics {
            let entry = self.metrics.get(metric as usize);
            let Some(entry) = entry.filter(|entry| entry.told_in != now) else {
                continue;
            };
            let body = record::metric(metric, &entry.name);
            self.append(body.len(), |place| place.copy_from_slice(&body))?;
            // Not before: on a full disk it was not told, and has to be when there is room again.
            if let Some(entry) = self.metrics.get_mut(metric as usize) {
                entry.told_in = now;
            }
        }
        let body = record::shape(number, &metrics);
        self.append(body.len(), |place| place.copy_from_slice(&body))?;
        if let Some(shape) = self.shapes.get_mut(number as usize) {
            shape.told_in = now;
        }
        Ok(())
    }

    #[inline]
    fn append(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        let Some(segment) = &mut self.segment else {
            return Err(closed());
        };
        segment.append(len, fill)?;
        let (end, bytes) = (segment.end(), frame::frame_bytes(len));
        self.background.note_appended(bytes);
        if end >= self.ask_at {
            self.ask_ahead();
        }
        if let Some(left) = self.until_pace.checked_sub(bytes) {
            self.until_pace = left;
        } else {
            self.until_pace = PACE_BYTES;
            self.background.pace(bytes);
        }
        Ok(())
    }

    #[cold]
    fn ask_ahead(&mut self) {
        self.ask_at = usize::MAX;
        let next = SegmentId {
            seq: self.id.seq.wrapping_add(1),
            ..self.id
        };
        self.background.ask(next, self.next_capacity(0));
    }

    fn make_room(&mut self, len: usize) -> Result<()> {
        if self.fits(len) {
            Ok(())
        } else {
            self.turn_over(frame::frame_bytes(len))
        }
    }

    /// Segments double: a short run must not pay for a large one.
    fn next_capacity(&self, needed: usize) -> usize {
        let is_wide = self.metrics.len() >= WIDE_METRICS;
        let most = if is_wide {
            SEGMENT_WIDE_BYTES_MAX
        } else {
            SEGMENT_BYTES_MAX
        };
        let read_max = usize::try_from(SEGMENT_READ_BYTES_MAX).unwrap_or(usize::MAX);
        let least = (needed + segment::HEADER_BYTES + 4096)
            .next_power_of_two()
            .min(read_max);
        (self.capacity * 2).min(most).max(least)
    }

    /// Goes on in the next segment, and leaves the full one to be sealed.
    ///
    /// If none can be made (a full disk) the full one stays, and the next call tries again.
    #[cold]
    fn turn_over(&mut self, needed: usize) -> Result<()> {
        let id = SegmentId {
            seq: self.id.seq.wrapping_add(1),
            ..self.id
        };
        let capacity = self.next_capacity(needed);
        let segment = match self.background.take() {
            Some(segment) if segment.fits(needed) => segment,
            other => {
                if let Some(small) = other {
                    let path = self.folders.rows(&small.id);
                    drop(small);
                    self.folders.sys.remove(&path)?;
                }
                Segment::create(&self.folders, id, capacity, self.options.append)?
            }
        };
        let live = segment.file();
        if let Some(full) = self.segment.replace(segment) {
            self.background.turned_over(full, live);
        }
        (self.id, self.capacity, self.ask_at) = (id, capacity, capacity / 2);
        self.open_segment()?;
        if let Some(why) = self.background.slowed().filter(|_| !self.slowed) {
            self.slowed = true;
            self.event(self.clock.now_us(), &Event::Slowed(why))?;
        }
        Ok(())
    }

    fn open_segment(&mut self) -> Result<()> {
        let process = self.options.process.clone();
        let opened = Event::WriterOpened {
            role: self.options.role,
            process,
        };
        self.event(self.clock.now_us(), &opened)
    }

    /// Returns what tells how much waits to be sealed.
    pub fn backlog(&self) -> Backlog {
        self.background.backlog()
    }

    /// Whether disk or core did not keep up, as said to the run once.
    pub fn slowed(&self) -> Option<String> {
        self.background.slowed()
    }

    /// Makes all that was appended survive a power cut.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn sync(&mut self) -> Result<()> {
        self.background.drain()?;
        self.background.sync_live()
    }

    /// Ends the writer: all it wrote is sealed.
    ///
    /// A disk too full to seal is no loss: the rows are synced, and sealed by a later command.
    ///
    /// - returns: whether anything was sealed
    ///
    /// # Errors
    /// `Error::Io` if the rows could not even be synced.
    pub fn close_for_good(mut self) -> Result<bool> {
        self.seal_last()
    }

    /// Ends the writer and leaves its segment, synced, for the next command to go on in.
    ///
    /// - returns: whether anything was sealed
    ///
    /// # Errors
    /// `Error::Io` if it could not be synced.
    pub fn leave(mut self) -> Result<bool> {
        self.background.stop();
        self.background.sync_live()?;
        self.segment = None;
        Ok(self.id.seq > self.first_seq)
    }

    fn seal_last(&mut self) -> Result<bool> {
        let Some(segment) = self.segment.take() else {
            return Ok(false);
        };
        let mut sealer = self.background.stop();
        let file = segment.into_file();
        match sealer.seal(&self.folders, &self.id, &*file) {
            Ok(made) => Ok(made || self.id.seq > self.first_seq),
            Err(Error::Io { .. }) => file.sync().map(|()| false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.generation == fork_generation() {
            // Nobody is left to hear of a failure; the rows stay.
            if self.options.role == Role::Command {
                self.background.stop();
            } else {
                let _ = self.seal_last();
            }
        } else {
            // A forked child: file, lock and threads are the parent's.
            self.background.forget();
            std::mem::forget(self.segment.take());
        }
    }
}

/// Two numbers of 16 random bytes.
fn split(bytes: [u8; 16]) -> [u64; 2] {
    let all = u128::from_le_bytes(bytes);
    [all, all >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0))
}

fn malformed(why: &Malformed) -> Error {
    Error::invalid("record", why.to_string())
}

fn closed() -> Error {
    Error::invalid("writer", "it has ended")
}
