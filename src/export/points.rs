//! Points of several series as one table of typed columns: what every form of `series` writes.
//!
//! | column     | type               | there                                            |
//! |------------|--------------------|--------------------------------------------------|
//! | `run`      | id                 | where several series are asked for               |
//! | `metric`   | text               | likewise                                         |
//! | `step`     | `i64`              | always                                           |
//! | `time`     | microseconds, UTC  | always                                           |
//! | `x`        | `f64`              | where the curve is drawn over another than steps |
//! | `value`    | `f64`              | always                                           |
//! | `smoothed` | `f64`              | where it was smoothed                            |
//!
//! A row serializes as the JSON of a point: times RFC 3339 in UTC, numbers that JSON cannot write
//! as the strings `NaN`, `Infinity` and `-Infinity`.

use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeStruct;

use super::frame::Column;
use super::frame::Datum;
use super::frame::Frame;
use super::frame::Kind;
use super::frame::Origin;
use super::frame::Row;
use super::frame::Type;
use crate::model::Point;
use crate::model::RunId;
use crate::model::time_to_text;
use crate::query::Curve;

/// Which columns a table of points has besides `step`, `time` and `value`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointColumns {
    /// `run` and `metric`.
    pub whose: bool,
    /// `x`.
    pub x: bool,
    /// `smoothed`.
    pub smoothed: bool,
}

impl PointColumns {
    /// Returns the names of all columns, in their order.
    pub fn names(self) -> Vec<&'static str> {
        let columns = [
            ("run", self.whose),
            ("metric", self.whose),
            ("step", true),
            ("time", true),
            ("x", self.x),
            ("value", true),
            ("smoothed", self.smoothed),
        ];
        let there = columns.into_iter().filter(|(_, there)| *there);
        there.map(|(name, _)| name).collect()
    }
}

/// The points of one series.
#[derive(Clone, Debug)]
pub struct PointSeries {
    /// Whose they are.
    pub run: RunId,
    /// Of which metric.
    pub metric: String,
    /// As they are drawn.
    pub curve: Curve,
}

/// Points of several series, one series after the other.
#[derive(Clone, Debug, Default)]
pub struct PointTable {
    /// Which columns it has.
    pub columns: PointColumns,
    /// Its rows by series.
    pub series: Vec<PointSeries>,
}

/// One row; a column that the table lacks is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointRow<'a> {
    /// Whose it is.
    pub run: Option<RunId>,
    /// Of which metric.
    pub metric: Option<&'a str>,
    /// Its step.
    pub step: i64,
    /// Its time in microseconds since 1970.
    pub time_us: i64,
    /// Where it is drawn, if not over its step.
    pub x: Option<f64>,
    /// Its value as it was logged.
    pub value: f64,
    /// Its value smoothed.
    pub smoothed: Option<f64>,
}

impl PointTable {
    /// Returns all rows.
    pub fn rows(&self) -> impl Iterator<Item = PointRow<'_>> {
        self.series
            .iter()
            .flat_map(|series| series.rows(self.columns))
    }
}

impl PointTable {
    /// Returns it as a frame. The values say of which metric they are, if they all are of one.
    pub fn frame(&self) -> Frame<'_> {
        let mut metrics = self.series.iter().map(|series| series.metric.as_str());
        let first = metrics.next();
        let metric = first.filter(|first| metrics.all(|metric| metric == *first));
        let origin = |kind, name: &str| Origin {
            kind,
            name: name.to_owned(),
            stat: None,
        };
        let column = |name: &'static str| Column {
            name: name.to_owned(),
            of: match name {
                "run" | "metric" => Type::Text,
                "step" => Type::Int,
                "time" => Type::Time,
                _ => Type::Float,
            },
            origin: match name {
                "run" => Some(origin(Kind::Attribute, "id")),
                "value" | "smoothed" => metric.map(|metric| origin(Kind::Metric, metric)),
                _ => None,
            },
        };
        Frame {
            columns: self.columns.names().into_iter().map(column).collect(),
            rows: Box::new(self.rows().map(|row| row.data(self.columns))),
            query: None,
        }
    }
}

impl<'a> PointRow<'a> {
    /// Returns its values in a table with these columns.
    fn data(self, columns: PointColumns) -> Row<'a> {
        let mut row = Vec::with_capacity(7);
        if columns.whose {
            row.push(self.run.map(|run| Datum::Text(run.to_string().into())));
            row.push(self.metric.map(Datum::text));
        }
        row.push(Some(Datum::Int(self.step)));
        row.push(Some(Datum::Time(self.time_us)));
        if columns.x {
            row.push(self.x.map(Datum::Float));
        }
        row.push(Some(Datum::Float(self.value)));
        if columns.smoothed {
            row.push(self.smoothed.map(Datum::Float));
        }
        row
    }
}

impl PointSeries {
    /// Returns its rows in a table with these columns.
    pub fn rows(&self, columns: PointColumns) -> impl Iterator<Item = PointRow<'_>> {
        let Curve {
            points,
            x,
            smoothed,
            total: _,
            without_x: _,
        } = &self.curve;
        let row = move |(at, point): (usize, &Point)| PointRow {
            run: columns.whose.then_some(self.run),
            metric: columns.whose.then_some(self.metric.as_str()),
            step: point.step,
            time_us: point.time_us,
            x: x.get(at).copied().filter(|_| columns.x),
            value: point.value,
            smoothed: smoothed.get(at).copied().filter(|_| columns.smoothed),
        };
        points.iter().enumerate().map(row)
    }
}

impl Serialize for PointRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            run,
            metric,
            step,
            time_us,
            x,
            value,
            smoothed,
        } = self;
        let absent = [
            run.is_none(),
            metric.is_none(),
            x.is_none(),
            smoothed.is_none(),
        ];
        let fields = 7 - absent.iter().filter(|absent| **absent).count();
        let mut row = serializer.serialize_struct("Point", fields)?;
        if let Some(run) = run {
            row.serialize_field("run", &run.to_string())?;
        }
        if let Some(metric) = metric {
            row.serialize_field("metric", metric)?;
        }
        row.serialize_field("step", step)?;
        row.serialize_field("time", &time_to_text(*time_us))?;
        if let Some(x) = x {
            row.serialize_field("x", &Number(*x))?;
        }
        row.serialize_field("value", &Number(*value))?;
        if let Some(smoothed) = smoothed {
            row.serialize_field("smoothed", &Number(*smoothed))?;
        }
        row.end()
    }
}

/// JSON has no word for numbers that are not finite.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f64(value),
            value if value.is_nan() => serializer.serialize_str("NaN"),
            value if value > 0.0 => serializer.serialize_str("Infinity"),
            _ => serializer.serialize_str("-Infinity"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_as_json_keeps_every_digit_and_names_what_is_not_finite() {
        let row = |value: f64| {
            let row = PointRow {
                run: None,
                metric: None,
                step: -3,
                time_us: 1_705_307_400_000_000,
                x: None,
                value,
                smoothed: None,
            };
            serde_json::to_string(&row).unwrap()
        };
        assert_eq!(
            row(0.1 + 0.2),
            r#"{"step":-3,"time":"2024-01-15T08:30:00Z","value":0.30000000000000004}"#
        );
        assert!(row(f64::NEG_INFINITY).ends_with(r#""value":"-Infinity"}"#));
        assert!(row(f64::NAN).ends_with(r#""value":"NaN"}"#));
    }

    #[test]
    fn rows_have_the_columns_of_their_table_in_one_order() {
        let point = Point {
            step: 1,
            time_us: 0,
            value: 2.0,
        };
        let series = PointSeries {
            run: RunId(7),
            metric: "loss".to_owned(),
            curve: Curve {
                points: vec![point],
                x: vec![0.5],
                smoothed: vec![f64::INFINITY],
                ..Curve::default()
            },
        };
        for bits in 0..8 {
            let [whose, x, smoothed] = [1, 2, 4].map(|bit| bits & bit != 0);
            let columns = PointColumns { whose, x, smoothed };
            let series = vec![series.clone()];
            let table = PointTable { columns, series };
            let row = serde_json::to_value(table.rows().next().unwrap()).unwrap();
            let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
            assert_eq!(keys, columns.names());
        }
    }
}
