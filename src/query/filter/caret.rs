//! An error in a filter, shown below the place.

use unicode_width::UnicodeWidthChar;

use crate::error::FilterError;

/// Columns that a line may take.
const COLUMNS_MAX: usize = 78;

impl FilterError {
    /// Returns the line of the filter that is wrong and a line of `^` below the place.
    ///
    /// No line end follows. A long line is cut to 78 columns around the place, `…` where
    /// it was cut; control characters show as `·`.
    pub fn caret(&self) -> String {
        let text = self.text.as_str();
        let at = (0..=self.span.start.min(text.len()))
            .rev()
            .find(|at| text.is_char_boundary(*at));
        let (before, after) = text.split_at(at.unwrap_or(0));
        let head = before.rsplit('\n').next().unwrap_or_default();
        let tail = after.split('\n').next().unwrap_or_default();
        let marked = self.span.end.saturating_sub(before.len()).min(tail.len());
        let is_marked = |(offset, c): (usize, char)| Cell {
            shown: if c.is_control() { '·' } else { c },
            marked: offset < marked,
        };
        let unmarked = head.char_indices().map(|(_, c)| is_marked((usize::MAX, c)));
        let mut cells: Vec<Cell> = unmarked.collect();
        let first = cells.len();
        cells.extend(tail.char_indices().map(is_marked));
        window(&cells, first).trim_end().to_owned()
    }
}

struct Cell {
    shown: char,
    marked: bool,
}

impl Cell {
    fn columns(&self) -> usize {
        self.shown.width().unwrap_or(0)
    }
}

/// Shows what fits around the cell `first`, a third of the columns before it.
fn window(cells: &[Cell], first: usize) -> String {
    let (before, after) = cells.split_at(first.min(cells.len()));
    let total: usize = cells.iter().map(Cell::columns).sum();
    let (mut left, mut right) = (before.len(), 0);
    if total > COLUMNS_MAX {
        let room = COLUMNS_MAX - 2; // an ellipsis at each end
        let tail = fitting(after.iter(), usize::MAX).1;
        let head_room = (room / 3).max(room.saturating_sub(tail));
        let (taken, columns) = fitting(before.iter().rev(), head_room);
        left = taken;
        right = fitting(after.iter(), room - columns).0;
    } else {
        right += after.len();
    }
    let cut_before = left < before.len();
    let mut line = String::from(if cut_before { "…" } else { "" });
    let mut marks = String::from(if cut_before { " " } else { "" });
    let shown = before
        .iter()
        .skip(before.len() - left)
        .chain(after.iter().take(right));
    for cell in shown {
        line.push(cell.shown);
        let mark = if cell.marked { "^" } else { " " };
        marks.push_str(&mark.repeat(cell.columns()));
    }
    if right < after.len() {
        line.push('…');
    }
    let mut marks = marks.trim_end().to_owned();
    if marks.is_empty() {
        let columns = before
            .iter()
            .rev()
            .take(left)
            .map(Cell::columns)
            .sum::<usize>();
        marks = format!("{}^", " ".repeat(columns + usize::from(cut_before)));
    }
    format!("{line}\n{marks}")
}

/// How many cells fit in so many columns, and the columns they take.
fn fitting<'a>(cells: impl Iterator<Item = &'a Cell>, columns_max: usize) -> (usize, usize) {
    let (mut count, mut columns) = (0, 0);
    for cell in cells {
        if columns + cell.columns() > columns_max {
            break;
        }
        columns += cell.columns();
        count += 1;
    }
    (count, columns)
}
