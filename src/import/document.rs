//! A JSON or YAML file as one tree of values, and params out of such a tree.
//!
//! Bounded: nesting by [`NESTING_MAX`]; of YAML also what aliases multiply to. `NaN` and
//! infinities, which JSON cannot write, are the strings `NaN`, `Infinity`, `-Infinity` in the tree.

use std::path::Path;

use serde_json::Map;
use serde_json::Value;
use serde_saphyr::DuplicateKeyPolicy;

use super::flat::quote_bare_non_finite;
use super::source::Source;
use crate::error::Result;
use crate::limits::NAME_BYTES_MAX;
use crate::limits::NESTING_MAX;
use crate::model::ParamValue;

/// Reads a small file by its extension.
pub(super) fn read(path: &Path) -> Result<Value> {
    let mut ignore = |_, _| {};
    let mut source = Source::open(path, &mut ignore)?;
    let text = source.text()?;
    let value = if is_yaml(path) {
        yaml(&text).map(|mut documents| {
            // Of several documents only the first can be meant.
            if documents.is_empty() {
                Value::Null
            } else {
                documents.swap_remove(0)
            }
        })
    } else {
        json(&text)
    };
    value.map_err(|why| source.invalid(&why))
}

pub(super) fn is_yaml(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(
        extension.map(str::to_ascii_lowercase).as_deref(),
        Some("yaml" | "yml")
    )
}

/// Reads one JSON document.
pub(super) fn json(text: &str) -> Result<Value, String> {
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(why) => match quote_bare_non_finite(text) {
            Some(mended) => serde_json::from_str(&mended).map_err(|why| why.to_string())?,
            None => return Err(why.to_string()),
        },
    };
    check_depth(&value, 0)?;
    Ok(value)
}

/// Reads the documents of a YAML text.
pub(super) fn yaml(text: &str) -> Result<Vec<Value>, String> {
    // Each event that is written out takes a byte at least; aliases may add this many to those.
    let events_max = text.len().saturating_add(250_000);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: NESTING_MAX,
            max_events: events_max,
            max_nodes: events_max,
            max_total_scalar_bytes: events_max,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    let mut documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|why| why.to_string().replace('\n', " "))?;
    for document in &mut documents {
        check_depth(document, 0)?;
        rename_non_finite(document);
    }
    Ok(documents)
}

fn check_depth(value: &Value, depth: usize) -> Result<(), String> {
    if depth > NESTING_MAX {
        return Err(format!("nests deeper than {NESTING_MAX}"));
    }
    match value {
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| check_depth(item, depth + 1)),
        Value::Object(map) => map
            .values()
            .try_for_each(|item| check_depth(item, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn rename_non_finite(value: &mut Value) {
    match value {
        Value::String(text) => {
            let word = match text.as_str() {
                ".nan" => "NaN",
                ".inf" => "Infinity",
                "-.inf" => "-Infinity",
                _ => return,
            };
            word.clone_into(text);
        }
        Value::Array(items) => items.iter_mut().for_each(rename_non_finite),
        Value::Object(map) => map.values_mut().for_each(rename_non_finite),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Adds the params that a tree holds: nested names join with `.`.
pub(super) fn params(
    value: &Value,
    prefix: &str,
    out: &mut Vec<(String, ParamValue)>,
) -> Result<(), String> {
    check_prefix(prefix)?;
    match value {
        Value::Object(map) if !map.is_empty() || prefix.is_empty() => {
            for (key, value) in map {
                params(value, &join(prefix, key, '.'), out)?;
            }
        }
        _ if prefix.is_empty() => {}
        _ => out.push((prefix.to_owned(), ParamValue::from_json(value))),
    }
    Ok(())
}

/// Refuses a name that is too long before others are made of it: a key of megabytes above as many
/// others would else be copied for each of them.
pub(super) fn check_prefix(prefix: &str) -> Result<(), String> {
    if prefix.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    let (len, start) = (prefix.len(), prefix.chars().take(24).collect::<String>());
    Err(format!(
        "a name has {len} bytes, at most {NAME_BYTES_MAX}: {start:?}…"
    ))
}

/// The name of something nested.
pub(super) fn join(prefix: &str, key: &str, separator: char) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}{separator}{key}")
    }
}

/// The first of several entries that is there and not null.
pub(super) fn first<'a>(map: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a Value> {
    keys.iter()
        .find_map(|key| map.get(*key))
        .filter(|value| !value.is_null())
}
