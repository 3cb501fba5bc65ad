//! The one table of the command line: for people on a terminal, and for CSV, Markdown and JSON.
//!
//! A cell keeps both what is shown (rounded, escaped, perhaps elided) and the value itself, which
//! the machine formats write in full. On a terminal the table is as wide as the screen at most:
//! long texts and titles shrink first, then optional columns go from the right, and the caller
//! says which. A number is rounded where a text is cut: without its exponent it would be another.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::io::Write;

use comfy_table::Attribute;
use comfy_table::CellAlignment;
use comfy_table::Color;
use comfy_table::ColumnConstraint;
use comfy_table::ContentArrangement;
use comfy_table::Width;
use serde_json::Value;
use tracker::export;
use tracker::export::Datum;
use tracker::export::Fit;
use tracker::export::Frame;
use tracker::export::Kind;
use tracker::export::Origin;
use tracker::export::Type;
use tracker::model::ParamValue;
use tracker::model::time_to_text;
use unicode_width::UnicodeWidthStr;

use super::escape::escape;
use super::number;
use super::title::Titles;

/// Blanks between two columns.
const GAP: usize = 2;

/// A column: its name for programs, its title for people, and how it gives way.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    key: String,
    title: String,
    origin: Option<Origin>,
    right: bool,
    bold: bool,
    cut: Cut,
    /// When it goes where the screen is narrow.
    optional: Option<Turn>,
}

/// How the texts of a column are cut, and the narrowest useful width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    End(usize),
    /// As names are, which stay apart.
    Middle(usize),
}

impl Column {
    pub(crate) fn new(key: &str, title: &str) -> Self {
        Self {
            key: key.to_owned(),
            title: escape(title).into_owned(),
            origin: None,
            right: false,
            bold: true,
            cut: Cut::Never,
            optional: None,
        }
    }

    /// Tells programs what of a run stands in the column.
    pub(crate) fn of(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Returns the type of a column without values.
    fn empty_type(&self) -> Type {
        let origin = self.origin.as_ref();
        match origin.map(|origin| (origin.kind, origin.name.as_str())) {
            Some((Kind::Metric, _) | (Kind::Attribute, "duration_s")) => Type::Float,
            Some((Kind::Attribute, "start" | "end")) => Type::Time,
            Some(_) | None => Type::Text,
        }
    }

    /// Aligns to the right, as numbers are.
    pub(crate) fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// Lets the text be cut, down to `width_min`, where the screen is narrow.
    pub(crate) fn elastic(mut self, width_min: usize) -> Self {
        self.cut = Cut::End(width_min);
        self
    }

    /// Lets names be cut in the middle, down to `width_min`, and no more than leaves them apart.
    pub(crate) fn elastic_names(mut self, width_min: usize) -> Self {
        self.cut = Cut::Middle(width_min);
        self
    }

    /// Lets the column be left out where the screen is narrow.
    pub(crate) fn optional(mut self) -> Self {
        self.optional = self.optional.or(Some(Turn::Last));
        self
    }

    /// Lets the column be left out before those that are merely optional.
    pub(crate) fn dispensable(mut self) -> Self {
        self.optional = Some(Turn::First);
        self
    }
}

/// Which optional columns go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    First,
    Last,
}

/// How a cell looks where colours are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Look {
    #[default]
    Plain,
    Dim,
    Bold,
    Good,
    Bad,
    Warn,
}

/// What is shown, and the value itself.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    shown: String,
    value: Value,
    /// A number to be rounded where what is shown finds no room.
    number: Option<f64>,
    /// What stands behind it.
    mark: String,
    /// What it is, where `value` does not tell: times and numbers that JSON writes as text.
    typed: Option<Datum<'static>>,
    look: Look,
}

impl Cell {
    /// A cell that shows one thing to people and another to programs.
    pub(crate) fn new(shown: &str, value: impl Into<Value>) -> Self {
        Self {
            shown: escape(shown).into_owned(),
            value: value.into(),
            number: None,
            mark: String::new(),
            typed: None,
            look: Look::Plain,
        }
    }

    /// A cell that shows a number, which is rounded further where it finds no room.
    pub(crate) fn number(shown: &str, value: impl Into<Value>, number: f64) -> Self {
        Self {
            number: Some(number),
            ..Self::new(shown, value)
        }
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::new(text, text)
    }

    pub(crate) fn missing() -> Self {
        Self::new("-", Value::Null).look(Look::Dim)
    }

    pub(crate) fn maybe_text(text: Option<&str>) -> Self {
        text.map_or_else(Self::missing, Self::text)
    }

    /// A cell of whose value JSON does not tell the type.
    pub(crate) fn typed(shown: &str, value: impl Into<Value>, datum: Datum<'static>) -> Self {
        Self {
            typed: Some(datum),
            ..Self::new(shown, value)
        }
    }

    /// A cell that shows a time.
    pub(crate) fn time(shown: &str, time_us: i64) -> Self {
        Self::typed(shown, time_to_text(time_us), Datum::Time(time_us))
    }

    /// A cell that shows how long a thing took.
    pub(crate) fn seconds(shown: &str, seconds: f64) -> Self {
        let json = ParamValue::Float(seconds).to_json();
        Self::typed(shown, json, Datum::Float(seconds))
    }

    pub(crate) fn int(value: i64) -> Self {
        Self::new(&value.to_string(), value)
    }

    pub(crate) fn count(value: u64) -> Self {
        Self::new(&number::count(value), value)
    }

    /// A value of a metric: six digits for people, all for programs.
    pub(crate) fn float(value: f64) -> Self {
        Self::number(
            &number::compact(value),
            ParamValue::Float(value).to_json(), // non-finite numbers as the three strings
            value,
        )
    }

    pub(crate) fn bytes(len: u64) -> Self {
        Self::new(&number::bytes(len), len)
    }

    pub(crate) fn look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }

    /// Returns the value itself as it stands in a frame.
    fn datum(&self) -> Option<Datum<'_>> {
        if self.typed.is_some() {
            return self.typed.clone();
        }
        Some(match (&self.value, self.number) {
            (Value::Null, _) => return None,
            (Value::String(_), Some(number)) => Datum::Float(number), // `NaN`
            (Value::String(text), None) => Datum::text(text),
            (Value::Bool(value), _) => Datum::Bool(*value),
            (Value::Number(number), _) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => Datum::Int(int),
                (None, Some(float)) => Datum::Float(float),
                (None, None) => Datum::Text(number.to_string().into()),
            },
            (Value::Array(_) | Value::Object(_), _) => Datum::List(self.value.to_string().into()),
        })
    }

    /// Returns what is shown in so many columns of the screen; a text may still be too wide.
    fn shown_within(&self, width: Option<usize>) -> Cow<'_, str> {
        match (self.number, width) {
            (Some(number), Some(width)) if self.shown.width() > width => {
                let room = width.saturating_sub(self.mark.width());
                format!("{}{}", number::within(number, room), self.mark).into()
            }
            _ => self.shown.as_str().into(),
        }
    }

    /// Returns the value itself; null if there is none.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// Puts a mark behind what is shown; the value stays.
    pub(crate) fn marked(mut self, mark: &str) -> Self {
        self.shown.push_str(mark);
        self.mark.push_str(mark);
        self
    }
}

/// Rows of cells under columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        let rows = Vec::new();
        Self { columns, rows }
    }

    /// Adds a row, which has a cell for each column.
    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lays the table out for a screen.
    ///
    /// - `width`: columns of the screen; none is unbounded, as for a file or a pipe
    /// - returns: the text, and the titles of the columns that found no room
    pub(crate) fn render(&self, width: Option<usize>, colour: bool) -> (String, Vec<String>) {
        let contents = self.content_widths();
        let titles = Titles::new(self.columns.iter().map(|column| column.title.as_str()));
        let widths = fit(&self.columns, &titles, &contents, width);
        let titles = titles.cut(&widths);
        let mut table = self.laid_out(&titles, &widths, colour);
        let mut hidden = Vec::new();
        let last = widths.iter().rposition(Option::is_some);
        for (at, (column, width)) in self.columns.iter().zip(&widths).enumerate() {
            let Some(laid) = table.column_mut(at) else {
                continue;
            };
            let gap = if Some(at) == last { 0 } else { GAP };
            laid.set_padding((0, u16::try_from(gap).unwrap_or(0)));
            laid.set_constraint(match width {
                Some(width) => ColumnConstraint::Absolute(Width::Fixed(
                    u16::try_from(width + gap).unwrap_or(u16::MAX),
                )),
                None => ColumnConstraint::Hidden,
            });
            if width.is_none() {
                hidden.push(column.title.clone());
            }
        }
        let text: String = table
            .lines()
            .flat_map(|line| [line.trim_end().to_owned(), "\n".to_owned()])
            .collect();
        (text, hidden)
    }

    /// Widths of the cells of each column.
    fn content_widths(&self) -> Vec<Contents> {
        let widths = |(at, column): (usize, &Column)| {
            let widest = self.shown(at).map(UnicodeWidthStr::width).max();
            Contents {
                widest: widest.unwrap_or(0),
                apart: match column.cut {
                    Cut::Middle(_) => Titles::new(self.shown(at)).least_width(),
                    Cut::Never | Cut::End(_) => 0,
                },
            }
        };
        self.columns.iter().enumerate().map(widths).collect()
    }

    /// What the cells of a column show.
    fn shown(&self, at: usize) -> impl Iterator<Item = &str> {
        let cells = self.rows.iter().filter_map(move |row| row.get(at));
        cells.map(|cell| cell.shown.as_str())
    }

    fn laid_out(
        &self,
        titles: &[String],
        widths: &[Option<usize>],
        colour: bool,
    ) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_truncation_indicator("…")
            .set_delimiter('\n') // no cell has one: a text is cut at the width, not at a blank
            .force_no_tty();
        if colour {
            table.enforce_styling();
        }
        let align = |column: &Column| {
            if column.right {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            }
        };
        let titles = self.columns.iter().zip(titles).map(|(column, title)| {
            let cell = comfy_table::Cell::new(title).set_alignment(align(column));
            if colour && column.bold {
                cell.add_attribute(Attribute::Bold)
            } else {
                cell
            }
        });
        let mut header = comfy_table::Row::from(titles.collect::<Vec<_>>());
        header.max_height(1);
        table.set_header(header);
        let names = |(at, (column, width)): (usize, (&Column, &Option<usize>))| match column.cut {
            Cut::Middle(_) => Titles::new(self.shown(at)).cut(&vec![*width; self.rows.len()]),
            Cut::Never | Cut::End(_) => Vec::new(),
        };
        let columns = self.columns.iter().zip(widths);
        let names: Vec<Vec<String>> = columns.enumerate().map(names).collect();
        for (row, cells) in self.rows.iter().enumerate() {
            let columns = self.columns.iter().zip(widths).zip(&names);
            let cells = cells.iter().zip(columns);
            let cells = cells.map(|(cell, ((column, width), names))| {
                let shown = match names.get(row) {
                    Some(name) => name.into(),
                    None => cell.shown_within(*width),
                };
                let laid = comfy_table::Cell::new(shown).set_alignment(align(column));
                if colour {
                    styled(laid, cell.look)
                } else {
                    laid
                }
            });
            let mut row = comfy_table::Row::from(cells.collect::<Vec<_>>());
            row.max_height(1);
            table.add_row(row);
        }
        table
    }

    /// Writes all values as CSV under the columns' names for programs.
    pub(crate) fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_csv_rows(out, true)
    }

    /// The same; a table that goes on where another ended has no head.
    pub(crate) fn write_csv_rows(&self, out: &mut dyn Write, with_head: bool) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        if with_head {
            csv.write_record(self.columns.iter().map(|column| column.key.as_str()))
                .map_err(csv_error)?;
        }
        for row in &self.rows {
            csv.write_record(row.iter().map(|cell| csv_text(&cell.value)))
                .map_err(csv_error)?;
        }
        csv.flush()
    }

    /// Writes the table as Markdown, with nothing left out.
    pub(crate) fn write_markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        let titles: Vec<String> = self.columns.iter().map(|c| markdown(&c.title)).collect();
        writeln!(out, "| {} |", titles.join(" | "))?;
        let rules = self
            .columns
            .iter()
            .map(|column| if column.right { "---:" } else { "---" });
        writeln!(out, "| {} |", rules.collect::<Vec<_>>().join(" | "))?;
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .map(|cell| match cell.look {
                    Look::Bold => format!("**{}**", markdown(&cell.shown)),
                    _ => markdown(&cell.shown),
                })
                .collect();
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }

    /// Turns the table into columns with a type each. What stands twice in it is there once.
    pub(crate) fn to_frame(&self) -> Frame<'_> {
        let mut names = HashSet::new();
        let mut kept = Vec::new();
        let mut columns = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            if !names.insert(&column.key) {
                continue;
            }
            let mut fit = Fit::default();
            let cells = self.rows.iter().filter_map(|row| row.get(at)?.datum());
            cells.for_each(|value| fit.add(&value));
            columns.push(export::Column {
                name: column.key.clone(),
                of: fit.or(column.empty_type()),
                origin: column.origin.clone(),
            });
            kept.push(at);
        }
        let rows = self.rows.iter().map(move |row| {
            let cells = kept.iter().map(|at| row.get(*at));
            cells.map(|cell| cell?.datum()).collect()
        });
        Frame {
            columns,
            rows: Box::new(rows),
            query: None,
        }
    }

    /// Turns the rows into JSON objects by the columns' names for programs.
    pub(crate) fn to_json(&self) -> impl Iterator<Item = Value> {
        self.rows.iter().map(|row| {
            let keys = self.columns.iter().map(|column| column.key.clone());
            let values = row.iter().map(|cell| cell.value.clone());
            Value::Object(keys.zip(values).collect())
        })
    }
}

fn styled(cell: comfy_table::Cell, look: Look) -> comfy_table::Cell {
    match look {
        Look::Plain => cell,
        Look::Dim => cell.add_attribute(Attribute::Dim),
        Look::Bold => cell.add_attribute(Attribute::Bold),
        Look::Good => cell.fg(Color::Green),
        Look::Bad => cell.fg(Color::Red),
        Look::Warn => cell.fg(Color::Yellow),
    }
}

/// The system's own error, so that a broken pipe is known as one.
fn csv_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn csv_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '\\' | '*' | '_' | '`' | '<' | '[') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// How wide the cells of a column are, without its title.
struct Contents {
    widest: usize,
    /// Narrowest width at which names are told apart; 0 if they need not be.
    apart: usize,
}

/// Decides how wide each column is; none leaves it out.
///
/// What cannot be cut or left out keeps its width, even past the edge of the screen.
fn fit(
    columns: &[Column],
    titles: &Titles<'_>,
    contents: &[Contents],
    width: Option<usize>,
) -> Vec<Option<usize>> {
    let natural: Vec<usize> = columns
        .iter()
        .zip(contents)
        .map(|(column, content)| column.title.width().max(content.widest))
        .collect();
    let mut widths: Vec<Option<usize>> = natural.iter().copied().map(Some).collect();
    let Some(width) = width else {
        return widths;
    };
    let titles = titles.least_widths();
    let least = |at: usize| match columns[at].cut {
        Cut::End(least) => natural[at].min(least.max(titles[at])),
        Cut::Middle(least) => natural[at].min(least.max(titles[at]).max(contents[at].apart)),
        Cut::Never => contents[at].widest.max(titles[at]),
    };
    let least_total = |widths: &[Option<usize>]| {
        let kept = (0..widths.len()).filter(|at| widths[*at].is_some());
        let (count, sum) = kept.fold((0, 0), |(n, sum), at| (n + 1, sum + least(at)));
        sum + GAP * usize::saturating_sub(count, 1)
    };
    for turn in [Turn::First, Turn::Last] {
        let columns = columns.iter().enumerate().rev();
        for (at, _) in columns.filter(|(_, column)| column.optional == Some(turn)) {
            if least_total(&widths) <= width {
                break;
            }
            widths[at] = None;
        }
    }
    let mut spare = width.saturating_sub(least_total(&widths));
    // What is over after all have their least goes to the texts, from the left.
    for (at, kept) in widths.iter_mut().enumerate() {
        if let Some(kept) = kept {
            let grown = natural[at].min(least(at) + spare);
            spare -= grown - least(at);
            *kept = grown;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Table {
        let mut table = Table::new(vec![
            Column::new("id", "ID"),
            Column::new("name", "NAME").elastic(6),
            Column::new("metrics.loss", "loss").right().optional(),
            Column::new("metrics.acc", "acc").right().optional(),
        ]);
        table.push(vec![
            Cell::new("3f2a91bc", "3f2a91bc00"),
            Cell::text("a rather long name"),
            Cell::float(1.0 / 3.0),
            Cell::missing(),
        ]);
        table.push(vec![
            Cell::new("00c1", "00c1ff"),
            Cell::text("損失\x1b|"),
            Cell::float(f64::NAN),
            Cell::float(0.5).look(Look::Bold),
        ]);
        table
    }

    #[test]
    fn a_wide_screen_shows_all() {
        let want = "\
ID        NAME                    loss  acc
3f2a91bc  a rather long name  0.333333    -
00c1      損失\\x1b|                NaN  0.5
";
        assert_eq!(runs().render(None, false), (want.to_owned(), vec![]));
        assert_eq!(runs().render(Some(80), false), (want.to_owned(), vec![]));
    }

    #[test]
    fn texts_are_cut_before_columns_are_left_out() {
        let (text, hidden) = runs().render(Some(33), false);
        let want = "\
ID        NAME        loss  acc
3f2a91bc  a rathe…  0.333333    -
00c1      損失\\x1…       NaN  0.5
"
        .replace("NAME        loss", "NAME          loss");
        assert_eq!(text, want);
        assert!(hidden.is_empty());
        assert!(text.lines().all(|line| line.chars().count() <= 33));
    }

    #[test]
    fn titles_are_cut_in_the_middle_and_stay_apart() {
        let mut table = Table::new(vec![
            Column::new("id", "ID"),
            Column::new("a", "train/encoder/layer.11/loss")
                .right()
                .optional(),
            Column::new("b", "train/decoder/layer.11/loss")
                .right()
                .optional(),
            Column::new("c", "validation_accuracy").right().optional(),
        ]);
        let row = [Cell::text("3f2a91bc"), Cell::float(0.5), Cell::float(0.25)];
        table.push(row.into_iter().chain([Cell::float(0.125)]).collect());
        let (text, hidden) = table.render(Some(72), false);
        assert_eq!(
            text,
            "\
ID        train/encoder/layer.11/loss  train/dec…r.11/loss  valid…curacy
3f2a91bc                          0.5                 0.25         0.125
"
        );
        assert!(hidden.is_empty());
    }

    #[test]
    fn numbers_are_rounded_and_names_stay_apart_where_texts_are_cut() {
        let mut table = Table::new(vec![
            Column::new("field", "").elastic_names(12),
            Column::new("a", "A").elastic(8),
        ]);
        for (name, cell) in [
            ("last train/encoder/loss", Cell::float(4.22359e-5)),
            ("last train/decoder/loss", Cell::float(35_505_844_224.0)),
            ("status", Cell::text("completed")),
        ] {
            table.push(vec![Cell::text(name), cell]);
        }
        let (text, _) = table.render(Some(32), false);
        let want = format!(
            "{:24}A\nlast train…ncoder/loss  4.224e-5\nlast train…ecoder/loss  3.551e10\n\
             status                  complet…\n",
            ""
        );
        assert_eq!(text, want);
    }

    #[test]
    fn optional_columns_go_from_the_right() {
        let (text, hidden) = runs().render(Some(20), false);
        assert_eq!(hidden, ["loss", "acc"]);
        assert!(
            text.starts_with("ID        NAME\n3f2a91bc  a rather …\n"),
            "{text}"
        );
    }

    #[test]
    fn colours_are_written_only_when_asked_for() {
        assert!(!runs().render(None, false).0.contains('\x1b'));
        assert!(runs().render(None, true).0.contains("\x1b[1m"));
    }

    #[test]
    fn machine_formats_have_the_whole_value() {
        let table = runs();
        let mut csv = Vec::new();
        table.write_csv(&mut csv).unwrap();
        assert_eq!(
            String::from_utf8(csv).unwrap(),
            "id,name,metrics.loss,metrics.acc\n\
             3f2a91bc00,a rather long name,0.3333333333333333,\n\
             00c1ff,損失\x1b|,NaN,0.5\n"
        );
        let json: Vec<Value> = table.to_json().collect();
        assert_eq!(
            json[1].to_string(),
            r#"{"id":"00c1ff","name":"損失\u001b|","metrics.loss":"NaN","metrics.acc":0.5}"#
        );
    }

    #[test]
    fn markdown_keeps_its_cells_apart() {
        let mut text = Vec::new();
        runs().write_markdown(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("| ID | NAME | loss | acc |\n| --- | --- | ---: | ---: |\n"));
        assert!(
            text.ends_with("| 00c1 | 損失\\\\x1b\\| | NaN | **0.5** |\n"),
            "{text}"
        );
    }
}
