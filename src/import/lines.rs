//! JSON lines, one object a step: what programs append to while they train.
//!
//! Looser than [`line`](super::line), for nobody is there any more to be told: text is kept or
//! named as in CSV, and steps and times are found by the rules of [`table`](super::table). A last
//! line that is cut off is left out with a warning.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::ImportOptions;
use super::flat::Flat;
use super::flat::Scalar;
use super::flat::non_finite;
use super::flat::quote_bare_non_finite;
use super::log::Log;
use super::log::Tables;
use super::log::is_run_column;
use super::source::LINE_BYTES_MAX;
use super::source::Source;
use super::source::cut_off;
use super::table::Cell;
use super::table::Table;
use crate::error::Result;

/// Reads all runs of a file.
pub(super) fn read(source: &mut Source<'_>, options: &ImportOptions) -> Result<Log> {
    let mut log = Log::default();
    let mut flat = Flat::default();
    let mut bytes = Vec::new();
    let mut rows = 0_u64;
    while let Some(number) = source.line(&mut bytes, LINE_BYTES_MAX)? {
        let put = match std::str::from_utf8(&bytes).map(str::trim) {
            Ok("") => continue,
            Ok(text) => flat
                .read(text)
                .map_err(|why| format!("is no JSON object ({why}): mend or remove that line"))
                .and_then(|()| put(&mut log.tables, &flat, number, options)),
            Err(_) => Err("is not UTF-8: save the file as UTF-8".to_owned()),
        };
        match put {
            Err(_) if rows > 0 && source.is_cut() && is_torn(&bytes) => {
                log.warnings.push(cut_off(number));
            }
            put => put.map_err(|why| source.invalid(&format!("line {number} {why}")))?,
        }
        rows += 1;
    }
    Ok(log)
}

/// Whether bytes are the start of an object and no more.
pub(super) fn is_torn(bytes: &[u8]) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim(),
        // Without a length the error is that a letter lacks its end.
        Err(why) => return why.error_len().is_none() && bytes.starts_with(b"{"),
    };
    let ended_early = || {
        let mended = quote_bare_non_finite(text);
        let parsed = serde_json::from_str::<IgnoredAny>(mended.as_deref().unwrap_or(text));
        parsed.is_err_and(|why| why.is_eof())
    };
    text.starts_with('{') && (!text.ends_with('}') || ended_early())
}

/// Reads the rows that an array of objects is.
pub(super) fn rows(values: &[Value], options: &ImportOptions) -> Result<Tables, String> {
    let mut tables = Tables::default();
    let mut flat = Flat::default();
    for (value, number) in values.iter().zip(1..) {
        flat.fill(value)
            .map_err(|why| why.to_string())
            .and_then(|()| put(&mut tables, &flat, number, options))
            .map_err(|why| format!("entry {number}: {why}"))?;
    }
    Ok(tables)
}

fn put(
    tables: &mut Tables,
    flat: &Flat,
    number: u64,
    options: &ImportOptions,
) -> Result<(), String> {
    let run = flat.iter().find(|(name, _)| is_run_column(name, options));
    let digits;
    let key = match run {
        Some((_, Scalar::Text(text))) => text,
        Some((_, Scalar::Int(int))) => {
            digits = int.to_string();
            &digits
        }
        Some(_) | None => "",
    };
    let Some(table) = tables.of(key, Table::default) else {
        return Ok(());
    };
    let run = run.filter(|_| !key.is_empty()).map(|(name, _)| name);
    table.begin_row(number);
    for (name, value) in flat.iter().filter(|(name, _)| Some(*name) != run) {
        let cell = match value {
            Scalar::Null => continue,
            Scalar::Bool(value) => Cell::Int(i64::from(value)),
            Scalar::Int(value) => Cell::Int(value),
            Scalar::Float(value) => Cell::Float(value),
            Scalar::Text(text) => non_finite(text).map_or(Cell::Text(text), Cell::Float),
            Scalar::List => Cell::Other("a list"),
        };
        let column = table.column(name)?;
        table.put(column, cell);
    }
    Ok(())
}
