//! The metrics of a hand-kept record: every shape that people write them in.
//!
//! | written | read as |
//! |---|---|
//! | `0.93` | one point at step 0 |
//! | `[0.5, 0.4]` | steps 0, 1, … |
//! | `{"steps": [..], "values": [..], "times": [..]}` | points; steps and times may be left out |
//! | `[{"step": 1, "value": 0.5, "time": ..}, ..]` | points |
//! | `[[1, 0.5], ..]`, `[[time, 1, 0.5], ..]` | step and value; as `TensorBoard` downloads them |
//! | `{"10": 0.5, "20": 0.4}` | value by step |
//! | `{"last": 0.4, "last_step": 20, "count": ..}` | the last point: a line of `tracker ls` |
//! | any other object | metrics of their own; names join with `/` |
//!
//! Null is no point. `NaN`, `inf` and numbers in quotes are numbers. Other text is left out with a
//! warning; lists that do not fit each other, or a step that is not whole, are errors.

use std::collections::HashMap;

use serde_json::Map;
use serde_json::Value;

use super::document::check_prefix;
use super::document::first;
use super::document::join;
use super::flat::non_finite;
use super::line::whole;
use super::table::shorten;
use crate::model::Point;
use crate::model::parse_time;
use crate::model::time_from_unix;
use crate::model::time_from_unix_integer;

/// Values that are no numbers are told one by one up to this many.
const LEFT_OUT_MAX: u64 = 100;
const TIME_KEYS: [&str; 5] = ["time", "timestamp", "times", "timestamps", "wall_time"];

/// Series as they are found.
pub(super) struct Metrics {
    series: Vec<(String, Vec<Point>)>,
    by_name: HashMap<String, usize>,
    /// Of points that do not tell theirs.
    time_us: i64,
    warnings: Vec<String>,
    /// Values that are no numbers.
    left_out: u64,
}

impl Metrics {
    pub(super) fn new(time_us: i64) -> Self {
        Self {
            series: Vec::new(),
            by_name: HashMap::new(),
            time_us,
            warnings: Vec::new(),
            left_out: 0,
        }
    }

    /// Takes what the user should know.
    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        if self.left_out > LEFT_OUT_MAX {
            let more = self.left_out - LEFT_OUT_MAX;
            let what = "more values are no numbers and left out";
            self.warnings.push(format!("{more} {what}"));
        }
        std::mem::take(&mut self.warnings)
    }

    pub(super) fn into_series(self) -> Vec<(String, Vec<Point>)> {
        self.series
    }

    /// Takes the entry `metrics` of a record.
    pub(super) fn add_all(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Object(map) => map
                .iter()
                .try_for_each(|(name, value)| self.add(name, value)),
            // As MLflow's API gives them: a list of named points.
            Value::Array(items) => items.iter().try_for_each(|item| {
                let map = item.as_object();
                let name = map.and_then(|map| first(map, &["key", "name", "metric"]));
                match (map, name.and_then(Value::as_str)) {
                    (Some(map), Some(name)) => self.add_point(name, map),
                    _ => Err("metrics are a list of things without a name".to_owned()),
                }
            }),
            _ => Err(format!(
                "metrics are {}, want an object",
                shorten(&value.to_string())
            )),
        }
    }

    /// Takes one metric by its full name.
    pub(super) fn add(&mut self, name: &str, value: &Value) -> Result<(), String> {
        check_prefix(name)?;
        match value {
            Value::Object(map) => self.add_object(name, map),
            Value::Array(items) => self.add_list(name, items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.push(name, 0, None, value);
                Ok(())
            }
        }
    }

    fn add_object(&mut self, name: &str, map: &Map<String, Value>) -> Result<(), String> {
        let values = first(map, &["values", "value"]);
        if let Some(Value::Array(values)) = values {
            return self.add_columns(name, map, values);
        }
        if let Some(Value::Object(_)) = map.get("values") {
            return self.add(name, map.get("values").unwrap_or(&Value::Null));
        }
        if map.contains_key("value") && map.contains_key("step") {
            return self.add_point(name, map);
        }
        if let (Some(last), Some(step), Some(_)) =
            (map.get("last"), map.get("last_step"), map.get("count"))
        {
            self.warnings.push(format!(
                "only the last point of {name:?} is told: `tracker export` writes them all"
            ));
            self.push(name, step_of(name, step)?, None, last);
            return Ok(());
        }
        let by_step = map.keys().map(|key| key.parse::<i64>().ok());
        if let Some(steps) = by_step.collect::<Option<Vec<i64>>>() {
            for (step, value) in steps.into_iter().zip(map.values()) {
                self.push(name, step, None, value);
            }
            return Ok(());
        }
        map.iter()
            .try_for_each(|(key, value)| self.add(&join(name, key, '/'), value))
    }

    fn add_list(&mut self, name: &str, items: &[Value]) -> Result<(), String> {
        for (item, index) in items.iter().zip(0..) {
            match item {
                Value::Object(map) if map.contains_key("value") => {
                    self.add_point_at(name, index, map)?;
                }
                Value::Array(parts) => match parts.as_slice() {
                    [step, value] => self.push(name, step_of(name, step)?, None, value),
                    [time, step, value] => {
                        let time_us = time_of(name, time)?;
                        self.push(name, step_of(name, step)?, Some(time_us), value);
                    }
                    _ => {
                        let len = parts.len();
                        return Err(format!(
                            "metric {name:?} has a list of {len}, want [step, value]"
                        ));
                    }
                },
                _ => self.push(name, index, None, item),
            }
        }
        Ok(())
    }

    fn add_point(&mut self, name: &str, map: &Map<String, Value>) -> Result<(), String> {
        self.add_point_at(name, 0, map)
    }

    fn add_point_at(
        &mut self,
        name: &str,
        step: i64,
        map: &Map<String, Value>,
    ) -> Result<(), String> {
        let told = first(map, &["step", "iteration", "epoch"]);
        let step = told.map_or(Ok(step), |told| step_of(name, told))?;
        let time_us = match (
            map.get("time_us").and_then(Value::as_i64),
            first(map, &TIME_KEYS),
        ) {
            (Some(time_us), _) => Some(time_us),
            (None, Some(time)) => Some(time_of(name, time)?),
            (None, None) => None,
        };
        self.push(
            name,
            step,
            time_us,
            map.get("value").unwrap_or(&Value::Null),
        );
        Ok(())
    }

    /// Lists of values, steps and times side by side.
    fn add_columns(
        &mut self,
        name: &str,
        map: &Map<String, Value>,
        values: &[Value],
    ) -> Result<(), String> {
        let column = |keys: &[&str]| match first(map, keys) {
            None => Ok(None),
            Some(Value::Array(items)) if items.len() == values.len() => Ok(Some(items)),
            Some(Value::Array(items)) => Err(format!(
                "metric {name:?} has {} values and {} {}",
                values.len(),
                items.len(),
                keys.first().unwrap_or(&"")
            )),
            Some(_) => Err(format!("metric {name:?}: {keys:?} is no list")),
        };
        let steps = column(&["steps", "step"])?;
        let texts = column(&TIME_KEYS)?;
        let micros = column(&["times_us"])?;
        for ((value, at), index) in values.iter().zip(0..).zip(0i64..) {
            let step = steps.and_then(|steps| steps.get(at));
            let step = step.map_or(Ok(index), |step| step_of(name, step))?;
            let time_us = match (micros.and_then(|times| times.get(at)), texts) {
                (Some(time), _) => Some(time.as_i64().ok_or_else(|| {
                    format!("metric {name:?} has the time {time}, want microseconds")
                })?),
                (None, Some(texts)) => texts.get(at).map(|time| time_of(name, time)).transpose()?,
                (None, None) => None,
            };
            self.push(name, step, time_us, value);
        }
        Ok(())
    }

    fn push(&mut self, name: &str, step: i64, time_us: Option<i64>, value: &Value) {
        let number = match value {
            Value::Null => return,
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            Value::Number(number) => number.as_f64(),
            Value::String(text) => non_finite(text).or_else(|| text.trim().parse().ok()),
            Value::Array(_) | Value::Object(_) => None,
        };
        let Some(value) = number else {
            self.left_out += 1;
            if self.left_out <= LEFT_OUT_MAX {
                let text = shorten(&value.to_string());
                self.warnings.push(format!(
                    "metric {name:?} is no number at step {step}, left out: {text}"
                ));
            }
            return;
        };
        let point = Point {
            step,
            time_us: time_us.unwrap_or(self.time_us),
            value,
        };
        let at = self.by_name.get(name).copied().unwrap_or_else(|| {
            self.by_name.insert(name.to_owned(), self.series.len());
            self.series.push((name.to_owned(), Vec::new()));
            self.series.len() - 1
        });
        if let Some((_, points)) = self.series.get_mut(at) {
            points.push(point);
        }
    }
}

fn step_of(name: &str, value: &Value) -> Result<i64, String> {
    let float = || value.as_f64().and_then(whole);
    value
        .as_i64()
        .or_else(float)
        .ok_or_else(|| format!("metric {name:?} has the step {value}, want a whole number"))
}

fn time_of(name: &str, value: &Value) -> Result<i64, String> {
    time(value).ok_or_else(|| {
        format!("metric {name:?} has the time {value}, want RFC 3339 or Unix seconds")
    })
}

/// Reads a time in text, or a number of Unix seconds (or, from its size, a part of a second).
pub(super) fn time(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => parse_time(text),
        Value::Number(number) => {
            let integer = number.as_i64().map(time_from_unix_integer);
            integer.unwrap_or_else(|| time_from_unix(number.as_f64()?))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
