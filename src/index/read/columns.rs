//! Names, texts and columns of all runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;

use redb::ReadOnlyTable;

use super::Snapshot;
use super::collect;
use super::collect_unchecked;
use super::run_count;
use crate::codec::Malformed;
use crate::error::Result;
use crate::index::checksum;
use crate::index::checksum::checked;
use crate::index::columns;
use crate::index::columns::Attribute;
use crate::index::columns::Cell;
use crate::index::columns::CellValue;
use crate::index::columns::Column;
use crate::index::columns::Kind;
use crate::index::columns::MetricField;
use crate::index::columns::NameNumber;
use crate::index::quiet::Failure;
use crate::index::rows::SeriesRow;
use crate::index::tables;
use crate::limits::PAGE_VALUES;
use crate::model::Summary;

/// A name in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameUse {
    /// Its number.
    pub name: NameNumber,
    /// Its text.
    pub text: String,
    /// Runs that have it.
    pub runs: u32,
}

/// All texts by number. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Texts(Arc<JoinedTexts>);

#[derive(Debug, Default)]
struct JoinedTexts {
    text: String,
    ends: Vec<usize>,
}

/// A metric and what wide runs have of it, by number: several questions in a row are about one.
pub(super) type WideSeries = (NameNumber, Vec<(u32, Summary)>);

impl Texts {
    /// Returns the text of a number.
    pub fn get(&self, name: NameNumber) -> Option<&str> {
        let at = name.0 as usize;
        let start = match at.checked_sub(1) {
            Some(before) => *self.0.ends.get(before)?,
            None => 0,
        };
        self.0.text.get(start..*self.0.ends.get(at)?)
    }
}

impl Snapshot {
    /// Returns the number of a text.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn name_number(&self, text: &str) -> Result<Option<NameNumber>> {
        self.ask(|txn| {
            let number = txn.open_table(tables::NAMES)?.get(text)?;
            let Some(number) = number.map(|number| NameNumber(number.value())) else {
                return Ok(None);
            };
            if read_text(&txn.open_table(tables::NAME_TEXTS)?, number)?.as_deref() == Some(text) {
                Ok(Some(number))
            } else {
                Err(Failure::Damaged(format!("{number:?} is of another text")))
            }
        })
    }

    /// Returns the text of a number.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn text(&self, name: NameNumber) -> Result<Option<String>> {
        self.ask(|txn| read_text(&txn.open_table(tables::NAME_TEXTS)?, name))
    }

    /// Returns all texts by number: for sorting or showing columns of them. They are read once.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn texts(&self) -> Result<Texts> {
        if let Some(texts) = self.texts.get() {
            return Ok(texts.clone());
        }
        let read = self.ask(|txn| {
            let mut texts = JoinedTexts::default();
            for entry in txn.open_table(tables::NAME_TEXTS)?.range(0..=u32::MAX)? {
                let (number, text) = entry?;
                if number.value() as usize != texts.ends.len() {
                    let why = format!("no text of number {}", texts.ends.len());
                    return Err(Failure::Damaged(why));
                }
                let text = checked::<u32>(&number.value(), text.value())?;
                texts.text.push_str(utf8(text)?);
                texts.ends.push(texts.text.len());
            }
            Ok(texts)
        })?;
        Ok(self.texts.get_or_init(|| Texts(Arc::new(read))).clone())
    }

    /// Returns the names of all params, metrics or tags, in no particular order.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn names(&self, kind: Kind) -> Result<Vec<NameUse>> {
        self.ask(|txn| {
            let texts = txn.open_table(tables::NAME_TEXTS)?;
            let all = (kind.code(), 0)..=(kind.code(), u32::MAX);
            collect_unchecked(txn, tables::COLUMNS, all, |(_, name), runs| {
                let name = NameNumber(name);
                let text = read_text(&texts, name)?;
                let text = text.ok_or_else(|| Failure::Damaged(format!("no text of {name:?}")))?;
                Ok(NameUse { name, text, runs })
            })
        })
    }

    /// Returns how many runs have such a param, metric or tag.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn name_use(&self, kind: Kind, name: NameNumber) -> Result<u32> {
        self.ask(|txn| {
            let key = (kind.code(), name.0);
            let runs = txn.open_table(tables::COLUMNS)?.get(key)?;
            Ok(runs.map_or(0, |runs| runs.value()))
        })
    }

    /// Returns a column: a cell of every run, by number.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn column(&self, column: Column) -> Result<Vec<Cell>> {
        let mut cells = self.stored_column(column)?;
        if let Column::Metric(metric, field) = column {
            self.fill_wide(metric, field, &mut cells)?;
        }
        Ok(cells)
    }

    fn stored_column(&self, column: Column) -> Result<Vec<Cell>> {
        let key = column.key();
        let mut cells = self.ask(|txn| {
            let mut cells = vec![Cell::ABSENT; run_count(txn)? as usize];
            let pages = txn.open_table(tables::COLUMN_PAGES)?;
            for entry in pages.range((key, 0)..=(key, u32::MAX))? {
                let (page, bytes) = entry?;
                let start = (page.value().1 as usize).saturating_mul(PAGE_VALUES);
                let rest = cells.get_mut(start..).unwrap_or_default();
                let len = rest.len().min(PAGE_VALUES);
                let place = rest.get_mut(..len).unwrap_or_default();
                let bytes = checked::<(u64, u32)>(&page.value(), bytes.value())?;
                columns::decode_page(bytes, place)?;
            }
            Ok(cells)
        })?;
        for (run, row) in self.recent()? {
            if let Ok(at) = row.binary_search_by_key(&key, |(column, _)| *column) {
                let cell = row.get(at).map(|(_, cell)| *cell);
                if let (Some(place), Some(cell)) = (cells.get_mut(*run as usize), cell) {
                    *place = cell;
                }
            }
        }
        Ok(cells)
    }

    /// Returns the cells that are not in their pages yet.
    fn recent(&self) -> Result<&BTreeMap<u32, Vec<(u64, Cell)>>> {
        if let Some(recent) = self.recent.get() {
            return Ok(recent);
        }
        let rows = self.ask(|txn| {
            collect(txn, tables::RECENT_CELLS, 0..=u32::MAX, |run, row| {
                Ok((run, columns::decode_recent(row)?))
            })
        })?;
        Ok(self.recent.get_or_init(|| rows.into_iter().collect()))
    }

    /// Takes the cells of wide runs from their series.
    fn fill_wide(&self, metric: NameNumber, field: MetricField, cells: &mut [Cell]) -> Result<()> {
        let mut last = self.wide.lock().unwrap_or_else(PoisonError::into_inner);
        let series = match last.take() {
            Some((of, series)) if of == metric => series,
            _ => self.wide_series(metric)?,
        };
        for (run, summary) in &series {
            if let Some(cell) = cells.get_mut(*run as usize) {
                *cell = field.cell(summary);
            }
        }
        *last = Some((metric, series));
        Ok(())
    }

    /// Returns what wide runs have of a metric, by number.
    fn wide_series(&self, metric: NameNumber) -> Result<Vec<(u32, Summary)>> {
        let wide = self.stored_column(Column::Attribute(Attribute::Wide))?;
        self.ask(|txn| {
            let rows = txn.open_table(tables::SERIES)?;
            let mut series = Vec::new();
            for (run, mark) in (0u32..).zip(wide) {
                if mark.value() == CellValue::Bool(true)
                    && let Some(row) = checksum::get(&rows, &(run, metric.0))?
                {
                    series.push((run, SeriesRow::decode(&row)?.summary));
                }
            }
            Ok(series)
        })
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|why| Malformed::new(format!("a text: {why}")))
}

fn read_text(
    texts: &ReadOnlyTable<u32, &'static [u8]>,
    name: NameNumber,
) -> Result<Option<String>, Failure> {
    let text = checksum::get(texts, &name.0)?;
    Ok(text
        .map(|text| utf8(&text).map(str::to_owned))
        .transpose()?)
}
