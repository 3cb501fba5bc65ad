//! Arguments that several commands share, as typed and as meant.

use std::path::PathBuf;

use tracker::capture::mask_value;
use tracker::model::ParamValue;

use super::print::Messages;

/// Where an answer goes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct OutputFile {
    /// Write to a file; without `--format` its ending tells the form
    ///
    /// Endings are .csv, .json, .jsonl, .ndjson, .md, .parquet, .arrow, .feather and .txt. A file
    /// that is there is replaced when all is written. `-` is standard output.
    #[arg(id = "output", long, short, value_name = "FILE|-")]
    pub(crate) file: Option<PathBuf>,
}

/// A param as typed: `lr=0.1`.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) key: String,
    pub(crate) value: ParamValue,
    /// Whether the value looked like a secret and was masked.
    pub(crate) is_masked: bool,
}

/// A tag as typed: `team=vision`.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
    /// Whether the text looked like a secret and was masked.
    pub(crate) is_masked: bool,
}

/// A value of a metric as typed: `loss=0.31`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    pub(crate) metric: String,
    pub(crate) value: f64,
}

/// Says that what looked like a secret did not reach the disk.
pub(crate) fn tell_masked(messages: Messages, key: &str) {
    messages.note(format!(
        "masked the value of {key:?}: it looks like a secret"
    ));
}

pub(crate) fn param(text: &str) -> Result<Param, String> {
    let (key, value) = assignment(text)?;
    let masked = mask_value(key, value);
    Ok(Param {
        key: key.to_owned(),
        value: ParamValue::parse(&masked.text),
        is_masked: !masked.names.is_empty(),
    })
}

pub(crate) fn tag(text: &str) -> Result<Tag, String> {
    let (key, value) = assignment(text)?;
    let masked = mask_value(key, value);
    Ok(Tag {
        key: key.to_owned(),
        value: masked.text,
        is_masked: !masked.names.is_empty(),
    })
}

pub(crate) fn value(text: &str) -> Result<Value, String> {
    let (metric, value) = assignment(text)?;
    let value = match value {
        "true" => 1.0,
        "false" => 0.0,
        _ => value.parse().map_err(|_not_a_float| {
            format!("the value is no number: {value:?}; text belongs in a param or a tag")
        })?,
    };
    let metric = metric.to_owned();
    Ok(Value { metric, value })
}

pub(crate) fn step(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_not_whole| "want a whole number of 64 bits".to_owned())
}

/// Splits at the first `=`, so that a value may have more of them.
fn assignment(text: &str) -> Result<(&str, &str), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("there is no name before the `=`".to_owned()),
        Some((key, value)) => Ok((key.trim(), value)),
        None => Err("want NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_split_at_the_first_equals_sign() {
        let tag = tag("cmd=a=b").unwrap();
        assert_eq!((tag.key.as_str(), tag.value.as_str()), ("cmd", "a=b"));
        assert_eq!(param("lr=1e-3").unwrap().value, ParamValue::Float(1e-3));
        assert_eq!(
            param("note=").unwrap().value,
            ParamValue::Text(String::new())
        );
        assert!(tag_error("novalue").contains("NAME=VALUE"));
        assert!(tag_error("=3").contains("no name"));
    }

    fn tag_error(text: &str) -> String {
        tag(text).unwrap_err()
    }

    #[test]
    fn values_are_numbers_or_truths() {
        let read = |text: &str| value(text).map(|value| value.value);
        assert_eq!(read("loss=-0.25"), Ok(-0.25));
        assert_eq!(read("ok=true"), Ok(1.0));
        assert!(read("loss=NaN").unwrap().is_nan());
        assert_eq!(read("grad=-inf"), Ok(f64::NEG_INFINITY));
        assert!(read("loss=low").unwrap_err().contains("no number"));
    }
}
