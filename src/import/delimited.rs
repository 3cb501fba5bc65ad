//! CSV and TSV: a header of names, then a row a step.
//!
//! An empty cell is no point, and neither is `None`, `null`, `NA`, `N/A` or `-`: programs print
//! these for "not measured". `nan`, `inf` and `-inf` are values. True and false are 1 and 0. Blank
//! lines are skipped. A first line `#{…}` (as Stable-Baselines writes it) holds params. Where the
//! comma does not part the fields it may stand for the decimal point; see [`table`](super::table).
//!
//! A quote that nothing closes would take all rows after it into one field: it is an error. A last
//! row that is cut off, as by the death of its writer, is left out with a warning.
//!
//! A header with both `metric` and `value` means a row a point, as `tracker` itself exports points;
//! the other columns (`run`, `step`, `time`) mean what they mean elsewhere.

use std::collections::HashSet;
use std::io;
use std::io::BufRead;
use std::io::Read;
use std::io::Write;

use csv::ReaderBuilder;
use csv::StringRecord;
use memchr::memchr;
use memchr::memchr_iter;

use super::ImportOptions;
use super::document;
use super::flat::Scalar;
use super::log::Log;
use super::log::Tables;
use super::log::is_run_column;
use super::numeral::numeral;
use super::source::LINE_BYTES_MAX;
use super::source::Source;
use super::source::cut_off;
use super::source::too_long;
use super::table::Cell;
use super::table::Table;
use super::table::plain;
use crate::error::Result;

/// Reads all runs of a file.
pub(super) fn read(source: &mut Source<'_>, options: &ImportOptions, tabs: bool) -> Result<Log> {
    let mut log = Log::default();
    if source.peek()?.starts_with(b"#{") {
        let mut line = Vec::new();
        source.line(&mut line, LINE_BYTES_MAX)?;
        let text = String::from_utf8_lossy(&line);
        document::json(text.trim_start_matches('#'))
            .and_then(|params| document::params(&params, "", &mut log.params))
            .map_err(|why| source.invalid(&format!("line 1: {why}")))?;
    }
    let delimiter = match options.delimiter {
        Some(char) if char.is_ascii() => u8::try_from(char).unwrap_or(b','),
        Some(char) => {
            let why = format!("delimiter {char:?} is not one byte, name another");
            return Err(source.invalid(&why));
        }
        None if tabs => b'\t',
        None => sniff(source.peek()?),
    };
    let lines_before = source.lines_taken();
    let mut rows = Rows {
        csv: ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(Lines {
                bytes: source.reader(),
                last: b'\n',
                held: false,
                is_cut: false,
                record_bytes: 0,
                quotes: Quotes::new(delimiter, lines_before + 1),
            }),
        record: StringRecord::new(),
        lines_before,
        is_torn: false,
        decimal_commas: delimiter != b',',
    };
    let tables = rows.tables(options, &mut log.warnings);
    log.tables = tables.map_err(|why| source.invalid(&why))?;
    Ok(log)
}

/// The one of `,`, `;` and tab that the first line has most of, outside of quotes.
fn sniff(start: &[u8]) -> u8 {
    let mut lines = start.split(|byte| matches!(byte, b'\n' | b'\r'));
    let header = lines.find(|line| !line.is_empty()).unwrap_or(start);
    let mut in_quotes = false;
    let mut counts = [(b',', 0u32), (b';', 0), (b'\t', 0)];
    for byte in header {
        in_quotes ^= *byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += u32::from(!in_quotes && byte == delimiter);
        }
    }
    // Of as many the last: a name has a comma sooner than a tab.
    let best = counts.iter().max_by_key(|(_, count)| *count);
    best.filter(|(_, count)| *count > 0)
        .map_or(b',', |(delimiter, _)| *delimiter)
}

/// Makes every line end in one `\n`, the last one too, and looks after what the parser does not.
///
/// Only then the parser's count of lines tells where a record ended.
struct Lines<R> {
    bytes: R,
    /// The last byte seen.
    last: u8,
    /// A `\r` was held back, for the byte after it was not seen.
    held: bool,
    /// The file has ended without a line break. The parser reads no more than it needs, so the
    /// record that it reads then is the last one.
    is_cut: bool,
    /// Given to the parser since it began its record.
    record_bytes: u64,
    quotes: Quotes,
}

impl<R: BufRead> Read for Lines<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wrote = self.fill(out)?;
        self.record_bytes += wrote as u64;
        if self.record_bytes > LINE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.quotes.pass_all(out.get(..wrote).unwrap_or_default());
        Ok(wrote)
    }
}

impl<R: BufRead> Lines<R> {
    fn fill(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut wrote = 0;
        // Nothing written would mean the end, so a part that is held back only is passed over.
        while wrote == 0 && !out.is_empty() {
            let bytes = self.bytes.fill_buf()?;
            if bytes.is_empty() {
                return self.end(out);
            }
            let (mut rest, mut room) = (bytes, &mut *out);
            while !rest.is_empty() && !room.is_empty() {
                if std::mem::take(&mut self.held) && !rest.starts_with(b"\n") {
                    wrote += room.write(b"\r")?; // it did not end a line after all
                    continue;
                }
                let plain = memchr(b'\r', rest).and_then(|at| rest.get(..at));
                let copied = room.write(plain.unwrap_or(rest))?;
                wrote += copied;
                rest = rest.get(copied..).unwrap_or_default();
                if let Some(after) = rest.strip_prefix(b"\r") {
                    rest = after;
                    self.held = true;
                }
            }
            let used = bytes.len() - rest.len();
            let seen = bytes.get(..used).unwrap_or_default();
            self.last = seen.last().copied().unwrap_or(self.last);
            self.bytes.consume(used);
        }
        Ok(wrote)
    }

    fn end(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(line) = self.quotes.open_since().filter(|_| !self.is_cut) {
            // One that the last line opens may be cut off with it.
            if line < self.quotes.line || self.last == b'\n' {
                return Err(io::Error::other(format!(
                    "line {line} opens a quote that nothing closes: close it, or write a quote \
                     within a field twice, between quotes"
                )));
            }
        }
        let missing = std::mem::replace(&mut self.last, b'\n') != b'\n';
        if let (true, Some(slot)) = (missing, out.first_mut()) {
            *slot = b'\n';
            self.is_cut = true;
            return Ok(1);
        }
        Ok(0)
    }
}

/// Where the parser stands between quotes: it does not tell itself, and takes the end of the file
/// for the end of a field.
struct Quotes {
    delimiter: u8,
    place: QuotePlace,
    /// The line that comes next, from 1.
    line: u64,
    /// The line that opened the last quoted field.
    opened: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum QuotePlace {
    FieldStart,
    Bare,
    Quoted,
    /// After a quote within a quoted field, which ends it unless another follows.
    QuoteInQuoted,
}

impl Quotes {
    fn new(delimiter: u8, line: u64) -> Self {
        Self {
            delimiter,
            place: QuotePlace::FieldStart,
            line,
            opened: 0,
        }
    }

    /// Passes bytes, at once up to the first quote.
    fn pass_all(&mut self, bytes: &[u8]) {
        let is_open = self.place == QuotePlace::Quoted || self.place == QuotePlace::QuoteInQuoted;
        let plain = if is_open {
            Some(0)
        } else {
            memchr(b'"', bytes)
        };
        let (plain, rest) = bytes.split_at(plain.unwrap_or(bytes.len()));
        if let Some((last, others)) = plain.split_last() {
            self.line += memchr_iter(b'\n', others).count() as u64;
            self.pass(*last);
        }
        for byte in rest {
            self.pass(*byte);
        }
    }

    fn pass(&mut self, byte: u8) {
        self.place = match (self.place, byte) {
            (QuotePlace::FieldStart, b'"') => {
                self.opened = self.line;
                QuotePlace::Quoted
            }
            (QuotePlace::Quoted, b'"') => QuotePlace::QuoteInQuoted,
            (QuotePlace::Quoted, _) | (QuotePlace::QuoteInQuoted, b'"') => QuotePlace::Quoted,
            (_, b'\n' | b'\r') => QuotePlace::FieldStart,
            (_, byte) if byte == self.delimiter => QuotePlace::FieldStart,
            (_, _) => QuotePlace::Bare,
        };
        self.line += u64::from(byte == b'\n');
    }

    /// The line of a quote that is open here.
    fn open_since(&self) -> Option<u64> {
        (self.place == QuotePlace::Quoted).then_some(self.opened)
    }
}

struct Rows<R> {
    csv: csv::Reader<R>,
    record: StringRecord,
    lines_before: u64,
    /// The record read last is not whole: it ends with the file, in a quote or a letter.
    is_torn: bool,
    decimal_commas: bool,
}

/// What the header says.
struct Header {
    names: Vec<String>,
    run: Option<usize>,
    /// The columns of a metric's name and its value, where each row is one point.
    point: Option<(usize, usize)>,
}

impl<R: BufRead> Rows<Lines<R>> {
    /// Reads the next row that is not blank; returns its line.
    fn next(&mut self) -> Result<Option<u64>, String> {
        loop {
            self.csv.get_mut().record_bytes = 0;
            let starts = self.lines_before + self.csv.position().line();
            let read = self.csv.read_record(&mut self.record);
            let is_cut = self.csv.get_ref().is_cut;
            self.is_torn = is_cut && self.csv.get_ref().quotes.open_since().is_some();
            // The parser stands after the line end of the record; where that began it only knows
            // if no blank line came before.
            let inner = memchr_iter(b'\n', self.record.as_slice().as_bytes()).count() as u64;
            let line = (self.lines_before + self.csv.position().line()).saturating_sub(1 + inner);
            match read {
                Ok(false) => return Ok(None),
                Ok(true) if self.is_torn => return Ok(Some(self.csv.get_ref().quotes.opened)),
                Ok(true) => {
                    let blank = self.record.iter().all(|field| field.trim().is_empty());
                    if !(blank && self.record.len() == 1) {
                        return Ok(Some(line));
                    }
                }
                Err(why) if matches!(why.kind(), csv::ErrorKind::Utf8 { .. }) => {
                    if is_cut {
                        self.is_torn = true;
                        return Ok(Some(line));
                    }
                    return Err(format!("line {line} is not UTF-8: save the file as UTF-8"));
                }
                Err(why) => {
                    return Err(match why.kind() {
                        csv::ErrorKind::Io(why) if why.kind() == io::ErrorKind::FileTooLarge => {
                            too_long(starts, LINE_BYTES_MAX)
                        }
                        _ => why.to_string(),
                    });
                }
            }
        }
    }

    fn tables(
        &mut self,
        options: &ImportOptions,
        warnings: &mut Vec<String>,
    ) -> Result<Tables, String> {
        if self.next()?.is_none() {
            return Err("is empty, want a header of column names".to_owned());
        }
        if self.is_torn {
            return Err("is cut off in its header, want names of columns".to_owned());
        }
        let header = Header::new(&self.record, options, warnings)?;
        let mut tables = Tables::default();
        let mut rows = 0_u64;
        while let Some(line) = self.next()? {
            let has_fewer = self.record.len() < header.names.len();
            if self.is_torn && rows == 0 {
                return Err(format!(
                    "has one row only, cut off in its middle: line {line}"
                ));
            }
            if self.is_torn || (has_fewer && rows > 0 && self.csv.get_ref().is_cut) {
                warnings.push(cut_off(line));
                break;
            }
            rows += 1;
            if self.record.len() != header.names.len() {
                return Err(format!(
                    "line {line} has {} fields, the header has {}: mend that line, or name the \
                     delimiter",
                    self.record.len(),
                    header.names.len()
                ));
            }
            let run = header.run.and_then(|at| self.record.get(at)).unwrap_or("");
            let new =
                || Table::with_header(&header.names, header.point.is_some(), self.decimal_commas);
            if let Some(table) = tables.of(run.trim(), new) {
                header
                    .put(table, &self.record, line)
                    .map_err(|why| format!("line {line}: {why}"))?;
            }
        }
        Ok(tables)
    }
}

impl Header {
    fn new(
        record: &StringRecord,
        options: &ImportOptions,
        warnings: &mut Vec<String>,
    ) -> Result<Self, String> {
        let mut names: Vec<String> = Vec::with_capacity(record.len());
        let mut known = HashSet::with_capacity(record.len());
        for (field, number) in record.iter().zip(1..) {
            let field = field.trim();
            let mut name = field.to_owned();
            if field.is_empty() {
                name = format!("column {number}");
            }
            while !known.insert(name.clone()) {
                name = format!("{name} {number}");
            }
            if name != field {
                warnings.push(format!(
                    "column {number} of the header is {field:?}, without a name of its own: it \
                     is called {name:?}"
                ));
            }
            names.push(name);
        }
        if names
            .iter()
            .all(|name| cell(name).is_some_and(|cell| !matches!(cell, Cell::Text(_))))
        {
            return Err(format!(
                "line {} has numbers only, want a header of column names: put one before it",
                record.position().map_or(1, csv::Position::line)
            ));
        }
        let find = |want: &str| names.iter().position(|name| plain(name) == want);
        let run = names.iter().position(|name| is_run_column(name, options));
        if let (Some(wanted), None) = (&options.run_column, run) {
            return Err(format!(
                "has no run column {wanted:?}, only {}",
                names.join(", ")
            ));
        }
        Ok(Self {
            run,
            point: find("metric").zip(find("value")),
            names,
        })
    }

    fn put(&self, table: &mut Table, record: &StringRecord, line: u64) -> Result<(), String> {
        table.begin_row(line);
        for (at, field) in record.iter().enumerate() {
            let Some(cell) = cell(field).filter(|_| self.run != Some(at)) else {
                continue;
            };
            if !table.has_decimal_points && matches!(cell, Cell::Float(_)) {
                table.has_decimal_points = field.contains('.');
            }
            match self.point {
                Some((metric, _)) if at == metric => {}
                Some((metric, value)) if at == value => {
                    let name = record.get(metric).unwrap_or("");
                    let column = table.column(name)?;
                    table.put(column, cell);
                }
                Some(_) | None => table.put(at, cell),
            }
        }
        Ok(())
    }
}

/// What a field holds; none for one that holds nothing.
fn cell(field: &str) -> Option<Cell<'_>> {
    match numeral(field.as_bytes()) {
        Some((Scalar::Int(int), [])) => return Some(Cell::Int(int)),
        Some((Scalar::Float(float), [])) => return Some(Cell::Float(float)),
        _ => {} // not that plain
    }
    let field = field.trim();
    match field {
        "" | "None" | "none" | "null" | "NULL" | "NA" | "N/A" | "n/a" | "-" => None,
        "true" | "True" | "TRUE" => Some(Cell::Int(1)),
        "false" | "False" | "FALSE" => Some(Cell::Int(0)),
        _ => Some(match field.parse() {
            Ok(int) => Cell::Int(int),
            Err(_) => field.parse().map_or(Cell::Text(field), Cell::Float),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_stand_where_they_stand_byte_by_byte() {
        arbtest::arbtest(|u| {
            let (mut each, mut all) = (Quotes::new(b',', 1), Quotes::new(b',', 1));
            for _ in 0..u.int_in_range(1..=4)? {
                let mut part = Vec::new();
                for _ in 0..u.int_in_range(0..=12)? {
                    part.push(*u.choose(b"\"\",\n\rax")?);
                }
                for byte in &part {
                    each.pass(*byte);
                }
                all.pass_all(&part);
                let told = |quotes: &Quotes| (quotes.line, quotes.open_since());
                assert_eq!(told(&all), told(&each), "{}", part.escape_ascii());
                assert!(all.place == each.place);
            }
            Ok(())
        });
    }

    #[test]
    fn a_plain_number_is_the_one_that_rust_reads() {
        let pieces = [
            "0", "1", "9", "-", "+", ".", "e", "inf", "308", " ", ",", "nan",
        ];
        arbtest::arbtest(|u| {
            let mut field = String::new();
            for _ in 0..u.int_in_range(0..=22)? {
                field.push_str(u.choose(&pieces)?);
            }
            let Some(told) = cell(&field) else {
                return Ok(());
            };
            let read = field.trim();
            let want = match (read.parse::<i64>(), read.parse::<f64>()) {
                (Ok(int), _) => format!("{:?}", Cell::Int(int)),
                (_, Ok(float)) => format!("{:?}", Cell::Float(float)),
                (_, _) => format!("{:?}", Cell::Text(read)),
            };
            assert_eq!(format!("{told:?}"), want, "{field:?}");
            Ok(())
        });
    }

    #[test]
    fn every_line_ends_alike_however_it_is_cut() {
        let text = b"a\r\nb\rc\r\r\n\n\rd";
        for inner in 1..=text.len() {
            for outer in 1..=text.len() {
                let mut lines = Lines {
                    bytes: io::BufReader::with_capacity(inner, text.as_slice()),
                    last: b'\n',
                    held: false,
                    is_cut: false,
                    record_bytes: 0,
                    quotes: Quotes::new(b',', 1),
                };
                let (mut all, mut part) = (Vec::<u8>::new(), vec![0; outer]);
                loop {
                    let read = lines.read(&mut part).unwrap();
                    if read == 0 {
                        break;
                    }
                    all.extend(&part[..read]);
                }
                assert_eq!(all, b"a\nb\rc\r\n\n\rd\n", "{inner} {outer}");
            }
        }
    }
}
