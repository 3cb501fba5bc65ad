//! Columns: one value of every run, side by side, for what filters, sorts and groups.
//!
//! A column has a [`Cell`] of 8 bytes for each run, by the run's number, in pages of
//! [`PAGE_VALUES`]. A missing page, and what lies past the end of a page, is absent.
//!
//! A page is stored in whichever of two ways is shorter: *dense* (the cells up to the last one
//! that is there) or *sparse* (slot and cell of each that is there, 10 bytes). A param that three
//! runs in 100,000 have so costs three short rows instead of 800 KB.
//!
//! Each run that is folded touches every column it has a value in, and a page is 16 KB: 5 params
//! and 5 metrics are 68 columns, so writing pages at once would cost 0.5 MB a run. So cells go to
//! one row of the run first (`RECENT_CELLS`, 1.1 KB for such a run), and into their pages when
//! [`RECENT_RUNS_MAX`] runs wait. A reader lays these rows over the pages.
//!
//! A run of very many metrics would still pay 11 pages for each when its cells move. So a run of
//! more than [`COLUMN_METRICS_MAX`] series is *wide*: it says so in a column, its metrics get no
//! further cells, and a reader takes its values from their series rows (1 to 2 µs each).
//!
//! Measured (2 busy cores): 10,000 runs of 5 params and 5 values take 2.0 KB of index a run, all
//! tables. With 100,000 runs of 20 params and 10 metrics (5.1 KB a run) one more takes 0.3 ms
//! besides opening, syncing and closing the file, and every 256th 20 to 40 ms; a column of them
//! is read in 0.5 ms, all ids in 1 ms.
//!
//! Rejected: cells at once into pages (0.5 MB a short run); one page for all fields of a metric
//! (a filter reads one or two of eleven).

use std::collections::BTreeMap;

use crate::codec::Bytes;
use crate::codec::Malformed;
use crate::limits::PAGE_VALUES;
use crate::model::ParamValue;
use crate::model::Status;
use crate::model::Summary;

/// Runs whose cells may wait outside the pages.
pub(super) const RECENT_RUNS_MAX: u64 = 256;
/// Series from which on a run is wide.
pub(super) const COLUMN_METRICS_MAX: u32 = 256;
/// Longest text that stands in a column; a longer one is looked up.
pub(super) const TEXT_CELL_BYTES_MAX: usize = 512;

const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const SPARSE_ENTRY_BYTES: usize = 10;

const _: () = {
    assert!(PAGE_VALUES <= u16::MAX as usize);
    // A dense page fits a page of redb of 16 KiB together with its key and headers.
    assert!(PAGE_VALUES * 8 + 140 <= 16 << 10);
};

/// Number of a run in this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunNumber(pub u32);

/// Number of a text in this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameNumber(pub u32);

/// The value of a run in a column, in the bits of an `f64`.
///
/// | high 16 bits  | low 32 bits | meaning                                               |
/// |---------------|-------------|-------------------------------------------------------|
/// | `fff9`        | 0           | absent                                                |
/// | `fffa`        | 0 or 1      | false, true                                           |
/// | `fffb`        | number      | text of that number                                   |
/// | `fffc`        | 0           | there is a value; it is in the row                    |
/// | anything else |             | that number; every NaN is `7ff8_0000_0000_0000`       |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Cell(u64);

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CellValue {
    /// The run has no such value.
    Absent,
    /// A number: whole ones up to 2^53, any `f64`; times in microseconds since 1970.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(NameNumber),
    /// The exact value stands in the run's row: a list, a long text, a whole number past 2^53.
    Lookup,
}

impl Cell {
    /// No value.
    pub const ABSENT: Self = Self(0xfff9 << 48);
    /// A value that no cell can hold.
    pub const LOOKUP: Self = Self(0xfffc << 48);
    const BOOL: u64 = 0xfffa << 48;
    const TEXT: u64 = 0xfffb << 48;
    const NAN: u64 = 0x7ff8 << 48;

    /// Returns the cell of a number.
    pub fn number(value: f64) -> Self {
        Self(if value.is_nan() {
            Self::NAN
        } else {
            value.to_bits()
        })
    }

    /// Returns the cell of a whole number, [`Self::LOOKUP`] if an `f64` cannot hold it for sure.
    pub fn int(value: i64) -> Self {
        if value.unsigned_abs() <= 1 << 53 {
            Self::number(value as f64)
        } else {
            Self::LOOKUP
        }
    }

    /// Returns the cell of a truth value.
    pub fn bool(value: bool) -> Self {
        Self(Self::BOOL | u64::from(value))
    }

    /// Returns the cell of a text.
    pub fn text(number: NameNumber) -> Self {
        Self(Self::TEXT | u64::from(number.0))
    }

    /// Returns the cell of a status: its place in running, completed, failed, unknown.
    pub fn status(status: Status) -> Self {
        Self::number(match status {
            Status::Running => 0.0,
            Status::Completed => 1.0,
            Status::Failed => 2.0,
            Status::Unknown => 3.0,
        })
    }

    /// Returns what the cell says.
    #[inline]
    pub fn value(self) -> CellValue {
        let low = u32::try_from(self.0 & 0xffff_ffff).unwrap_or_default();
        match self.0 >> 48 {
            0xfff9 => CellValue::Absent,
            0xfffa => CellValue::Bool(low != 0),
            0xfffb => CellValue::Text(NameNumber(low)),
            0xfffc => CellValue::Lookup,
            _ => CellValue::Number(f64::from_bits(self.0)),
        }
    }

    /// Returns the status that [`Self::status`] made a cell of.
    pub fn as_status(self) -> Option<Status> {
        [
            Status::Running,
            Status::Completed,
            Status::Failed,
            Status::Unknown,
        ]
        .into_iter()
        .find(|status| Self::status(*status) == self)
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }
}

/// What a name can be the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A param.
    Param,
    /// A metric.
    Metric,
    /// A tag.
    Tag,
}

impl Kind {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Param => 1,
            Self::Metric => 2,
            Self::Tag => 3,
        }
    }
}

/// What of a series stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the fields of `Summary`, by their names")]
pub enum MetricField {
    Last,
    LastStep,
    First,
    Min,
    MinStep,
    Max,
    MaxStep,
    Mean,
    Std,
    Count,
    NanCount,
}

impl MetricField {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Last,
        Self::LastStep,
        Self::First,
        Self::Min,
        Self::MinStep,
        Self::Max,
        Self::MaxStep,
        Self::Mean,
        Self::Std,
        Self::Count,
        Self::NanCount,
    ];

    /// Returns the cell of this field.
    pub fn cell(self, summary: &Summary) -> Cell {
        let number = |value: Option<f64>| value.map_or(Cell::ABSENT, Cell::number);
        let int = |value: Option<i64>| value.map_or(Cell::ABSENT, Cell::int);
        let count = |value: u64| i64::try_from(value).map_or(Cell::LOOKUP, Cell::int);
        match self {
            Self::Last => number(summary.last.map(|edge| edge.value)),
            Self::LastStep => int(summary.last.map(|edge| edge.step)),
            Self::First => number(summary.first.map(|edge| edge.value)),
            Self::Min => number(summary.min.map(|extreme| extreme.value)),
            Self::MinStep => int(summary.min.map(|extreme| extreme.step)),
            Self::Max => number(summary.max.map(|extreme| extreme.value)),
            Self::MaxStep => int(summary.max.map(|extreme| extreme.step)),
            Self::Mean => number(summary.mean()),
            Self::Std => number(summary.std()),
            Self::Count => count(summary.count),
            Self::NanCount => count(summary.nan_count),
        }
    }
}

/// What of the run itself stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// [`Cell::status`], if no writer of the run lives.
    Status,
    /// Start in microseconds since 1970.
    Start,
    /// End in microseconds since 1970, if no writer of the run lives.
    End,
    /// Text.
    Name,
    /// Text.
    Experiment,
    /// Text.
    Author,
    /// The parent's id as text.
    Parent,
    /// True for a run whose series have no cells.
    Wide,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// The values of a param.
    Param(NameNumber),
    /// One field of a metric.
    Metric(NameNumber, MetricField),
    /// The texts of a tag.
    Tag(NameNumber),
    /// Something that every run has.
    Attribute(Attribute),
}

impl Column {
    /// Returns the key: kind, name and field in 8, 32 and 8 bits.
    pub(super) fn key(self) -> u64 {
        let key = |kind: u8, name: u32, field: u8| {
            u64::from(kind) << 40 | u64::from(name) << 8 | u64::from(field)
        };
        match self {
            Self::Param(name) => key(Kind::Param.code(), name.0, 0),
            Self::Metric(name, field) => key(Kind::Metric.code(), name.0, field as u8),
            Self::Tag(name) => key(Kind::Tag.code(), name.0, 0),
            Self::Attribute(attribute) => key(4, 0, attribute as u8),
        }
    }
}

/// Returns the cell of a param, or the text that needs a number first.
pub(super) fn param_cell(value: &ParamValue) -> Result<Cell, &str> {
    Ok(match value {
        ParamValue::Bool(value) => Cell::bool(*value),
        ParamValue::Int(value) => Cell::int(*value),
        ParamValue::Float(value) => Cell::number(*value),
        ParamValue::Text(text) => return Err(text),
        ParamValue::List(_) => Cell::LOOKUP,
    })
}

/// Returns page and slot of a run.
pub(super) fn place(run: RunNumber) -> (u32, usize) {
    let values = u32::try_from(PAGE_VALUES).unwrap_or(u32::MAX);
    (run.0 / values, (run.0 % values) as usize)
}

/// Encodes the cells of a page; none if all are absent.
pub(super) fn encode_page(cells: &[Cell]) -> Option<Vec<u8>> {
    let last = cells.iter().rposition(|cell| *cell != Cell::ABSENT)?;
    let there = cells.iter().filter(|cell| **cell != Cell::ABSENT).count();
    let dense = cells.iter().take(last + 1);
    if there * SPARSE_ENTRY_BYTES < (last + 1) * 8 {
        let mut bytes = Vec::with_capacity(1 + there * SPARSE_ENTRY_BYTES);
        bytes.push(SPARSE);
        for (slot, cell) in (0u16..).zip(dense) {
            if *cell != Cell::ABSENT {
                bytes.extend(slot.to_le_bytes());
                bytes.extend(cell.0.to_le_bytes());
            }
        }
        return Some(bytes);
    }
    let mut bytes = Vec::with_capacity(1 + (last + 1) * 8);
    bytes.push(DENSE);
    bytes.extend(dense.flat_map(|cell| cell.0.to_le_bytes()));
    Some(bytes)
}

/// Decodes a page over `cells`, which are absent before. Cells past the end of `cells` are an
/// error: no run has them.
pub(super) fn decode_page(bytes: &[u8], cells: &mut [Cell]) -> Result<(), Malformed> {
    let outside = || Malformed::new("a cell of no run");
    match bytes.split_first() {
        Some((&DENSE, dense)) => {
            let (stored, rest) = dense.as_chunks::<8>();
            if !rest.is_empty() || stored.len() > cells.len() {
                return Err(outside());
            }
            for (cell, bytes) in cells.iter_mut().zip(stored) {
                *cell = Cell(u64::from_le_bytes(*bytes));
            }
            Ok(())
        }
        Some((&SPARSE, sparse)) => {
            let mut rest = Bytes(sparse);
            while !rest.0.is_empty() {
                let slot = usize::from(u16::from_le_bytes(rest.array()?));
                *cells.get_mut(slot).ok_or_else(outside)? = Cell(rest.u64()?);
            }
            Ok(())
        }
        _ => Err(Malformed::new("a page of no known kind")),
    }
}

/// Encodes a row of `RECENT_CELLS`.
pub(super) fn encode_recent(row: &BTreeMap<u64, Cell>) -> Vec<u8> {
    let words = row.iter().flat_map(|(column, cell)| [*column, cell.bits()]);
    words.flat_map(u64::to_le_bytes).collect()
}

/// Decodes a row of `RECENT_CELLS`, ascending by column.
pub(super) fn decode_recent(bytes: &[u8]) -> Result<Vec<(u64, Cell)>, Malformed> {
    let (words, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(Malformed::new("a part of a cell"));
    }
    Ok(words
        .iter()
        .map(|word| {
            let word = u128::from_le_bytes(*word);
            let low = u64::try_from(word & u128::from(u64::MAX)).unwrap_or_default();
            let high = u64::try_from(word >> 64).unwrap_or_default();
            (low, Cell::from_bits(high))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_what_was_put_in_and_no_number_is_taken_for_a_mark() {
        for number in [0.0, -0.0, 1.5, f64::MIN, f64::INFINITY, f64::NEG_INFINITY] {
            let CellValue::Number(back) = Cell::number(number).value() else {
                panic!("{number} is no number");
            };
            assert_eq!(back.to_bits(), number.to_bits());
        }
        for bits in [0x7ff8 << 48, 0xfff9 << 48, (0xfffb << 48) | 7, u64::MAX] {
            let nan = Cell::number(f64::from_bits(bits));
            assert!(matches!(nan.value(), CellValue::Number(back) if back.is_nan()));
        }
        assert_eq!(Cell::bool(true).value(), CellValue::Bool(true));
        let text = NameNumber(u32::MAX);
        assert_eq!(Cell::text(text).value(), CellValue::Text(text));
        assert_eq!(Cell::int(1 << 53).value(), CellValue::Number(2f64.powi(53)));
        assert_eq!(Cell::int((1 << 53) + 1), Cell::LOOKUP);
        assert_eq!(Cell::int(i64::MIN), Cell::LOOKUP);
        assert_eq!(
            Cell::status(Status::Failed).as_status(),
            Some(Status::Failed)
        );
    }

    #[test]
    fn a_page_reads_back_and_takes_the_shorter_form() {
        arbtest::arbtest(|u| {
            let mut cells = vec![Cell::ABSENT; PAGE_VALUES];
            let entries: Vec<(u16, u32)> = u.arbitrary()?;
            let run: u16 = u.int_in_range(0..=2_000)?;
            for slot in 0..run {
                cells[usize::from(slot)] = Cell::int(i64::from(slot));
            }
            for (slot, text) in entries {
                cells[usize::from(slot) % PAGE_VALUES] = Cell::text(NameNumber(text));
            }
            let mut back = vec![Cell::ABSENT; PAGE_VALUES];
            let bytes = encode_page(&cells);
            if let Some(bytes) = &bytes {
                decode_page(bytes, &mut back).unwrap();
                let there = cells.iter().filter(|cell| **cell != Cell::ABSENT).count();
                assert!(bytes.len() <= 1 + there * SPARSE_ENTRY_BYTES);
                assert!(bytes.len() <= 1 + PAGE_VALUES * 8);
            }
            assert_eq!(back, cells);
            Ok(())
        });
    }

    #[test]
    fn a_page_with_cells_of_no_run_is_malformed() {
        let mut cells = vec![Cell::ABSENT; 3];
        let page = encode_page(&[Cell::bool(true); 4]).unwrap();
        assert!(decode_page(&page, &mut cells).is_err());
        let mut far = vec![Cell::ABSENT; 9];
        far[8] = Cell::LOOKUP;
        assert!(decode_page(&encode_page(&far).unwrap(), &mut cells).is_err());
        assert!(decode_page(&[], &mut cells).is_err());
        assert!(decode_page(&[DENSE, 1], &mut cells).is_err());
        assert!(decode_page(&[9, 1], &mut cells).is_err());
    }
}
