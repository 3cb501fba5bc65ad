//! The cells of a writing transaction: from memory, by way of a row for each run, into pages.

use std::collections::BTreeMap;

use redb::ReadableTableMetadata;

use super::Writer;
use crate::index::checksum;
use crate::index::columns;
use crate::index::columns::Attribute;
use crate::index::columns::Cell;
use crate::index::columns::Column;
use crate::index::columns::RunNumber;
use crate::index::quiet::Failure;
use crate::index::rows::RunRow;
use crate::limits::PAGE_VALUES;

/// Cells kept in memory; some 40 bytes each.
const CELLS_PENDING_MAX: usize = 256 << 10;

impl Writer<'_> {
    pub(super) fn set_attributes(&mut self, run: RunNumber, row: &RunRow) -> Result<(), Failure> {
        let (status, end_us) = row.status();
        let time = |time_us: Option<i64>| time_us.map_or(Cell::ABSENT, Cell::int);
        let info = row.info.as_ref().map(|(info, _)| info);
        let parent = info.and_then(|info| info.parent.map(|id| id.to_string()));
        let name = info.map(|info| info.name.as_str());
        let experiment = info.and_then(|info| info.experiment.as_deref());
        let author = info.and_then(|info| info.author.as_deref());
        let wide = row.series > columns::COLUMN_METRICS_MAX;
        let cells = [
            (Attribute::Status, Cell::status(status)),
            (Attribute::End, time(end_us)),
            (Attribute::Start, time(info.and_then(|info| info.start_us))),
            (Attribute::Name, self.optional_text_cell(name)?),
            (Attribute::Experiment, self.optional_text_cell(experiment)?),
            (Attribute::Author, self.optional_text_cell(author)?),
            (
                Attribute::Parent,
                self.optional_text_cell(parent.as_deref())?,
            ),
            (
                Attribute::Wide,
                if wide { Cell::bool(true) } else { Cell::ABSENT },
            ),
        ];
        cells.into_iter().try_for_each(|(attribute, cell)| {
            self.set_cell(run, Column::Attribute(attribute), cell)
        })
    }

    fn optional_text_cell(&mut self, text: Option<&str>) -> Result<Cell, Failure> {
        text.map_or(Ok(Cell::ABSENT), |text| self.text_cell(text))
    }

    pub(super) fn text_cell(&mut self, text: &str) -> Result<Cell, Failure> {
        if text.len() > columns::TEXT_CELL_BYTES_MAX {
            return Ok(Cell::LOOKUP);
        }
        self.intern(text).map(Cell::text)
    }

    pub(super) fn set_cell(
        &mut self,
        run: RunNumber,
        column: Column,
        cell: Cell,
    ) -> Result<(), Failure> {
        let row = self.cells.entry(run).or_default();
        if row.insert(column.key(), cell).is_none() {
            self.cell_count += 1;
        }
        if self.cell_count >= CELLS_PENDING_MAX {
            self.store_pages()?;
        }
        Ok(())
    }

    /// Puts the cells in memory beside the pages, or, when many runs wait there, into them.
    pub(super) fn store_cells(&mut self) -> Result<(), Failure> {
        let waiting = self.tables.recent_cells.len()? + self.cells.len() as u64;
        if waiting > columns::RECENT_RUNS_MAX {
            return self.store_pages();
        }
        for (run, cells) in std::mem::take(&mut self.cells) {
            let stored = checksum::get(&self.tables.recent_cells, &run.0)?;
            let mut row: BTreeMap<u64, Cell> = columns::decode_recent(&stored.unwrap_or_default())?
                .into_iter()
                .collect();
            row.extend(cells);
            let bytes = columns::encode_recent(&row);
            checksum::put(&mut self.tables.recent_cells, run.0, bytes)?;
        }
        self.cell_count = 0;
        Ok(())
    }

    /// Moves all cells, in memory and beside the pages, into their pages.
    fn store_pages(&mut self) -> Result<(), Failure> {
        let mut cells = Vec::with_capacity(self.cell_count);
        while let Some((run, row)) = self.tables.recent_cells.pop_first()? {
            let row = checksum::checked::<u32>(&run.value(), row.value())?;
            let row = columns::decode_recent(row)?;
            let run = RunNumber(run.value());
            let newer = self.cells.get(&run);
            let kept = row
                .into_iter()
                .filter(|(column, _)| newer.is_none_or(|row| !row.contains_key(column)));
            cells.extend(kept.map(|(column, cell)| (column, run, cell)));
        }
        for (run, row) in std::mem::take(&mut self.cells) {
            cells.extend(row.into_iter().map(|(column, cell)| (column, run, cell)));
        }
        self.cell_count = 0;
        cells.sort_unstable_by_key(|(column, run, _)| (*column, *run));
        let mut page = vec![Cell::ABSENT; PAGE_VALUES];
        let pages = &mut self.tables.column_pages;
        for group in cells.chunk_by(|(a, run_a, _), (b, run_b, _)| {
            a == b && columns::place(*run_a).0 == columns::place(*run_b).0
        }) {
            let Some((column, first, _)) = group.first() else {
                continue;
            };
            let key = (*column, columns::place(*first).0);
            page.fill(Cell::ABSENT);
            if let Some(bytes) = checksum::get(pages, &key)? {
                columns::decode_page(&bytes, &mut page)?;
            }
            for (_, run, cell) in group {
                if let Some(place) = page.get_mut(columns::place(*run).1) {
                    *place = *cell;
                }
            }
            match columns::encode_page(&page) {
                Some(bytes) => checksum::put(pages, key, bytes)?,
                None => drop(pages.remove(key)?),
            }
        }
        Ok(())
    }
}
