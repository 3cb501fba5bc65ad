//! What other programs read is what the JSON says, to the bit and with its type.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Seek;
use std::sync::Arc;

use arbitrary::Arbitrary;
use arrow_array::Array;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_ipc::reader::FileReader;
use arrow_schema::Schema;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::*;
use crate::export::frame::Kind;
use crate::export::run_to_json;
use crate::export::runs_frame;
use crate::export::tests::point;
use crate::export::tests::run_with;
use crate::model::ParamValue;
use crate::model::Run;
use crate::model::float_to_json;
use crate::model::time_to_text;

type Write = fn(Frame<'_>, &mut dyn std::io::Write) -> Result<()>;
const FORMS: [Write; 2] = [write_parquet, write_arrow];

/// Writes a frame and reads it as others do.
fn through_a_file(write: Write, frame: Frame<'_>) -> (Arc<Schema>, Vec<RecordBatch>) {
    let mut file = tempfile::tempfile().unwrap();
    write(frame, &mut file).unwrap();
    file.rewind().unwrap();
    let is_parquet = std::ptr::fn_addr_eq(write, FORMS[0]);
    if is_parquet {
        parquet(file)
    } else {
        arrow(file)
    }
}

fn parquet(file: File) -> (Arc<Schema>, Vec<RecordBatch>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = Arc::clone(builder.schema());
    let batches = builder.build().unwrap().map(std::result::Result::unwrap);
    (schema, batches.collect())
}

fn arrow(file: File) -> (Arc<Schema>, Vec<RecordBatch>) {
    let reader = FileReader::try_new(file, None).unwrap();
    let schema = reader.schema();
    (schema, reader.map(std::result::Result::unwrap).collect())
}

/// A value as the JSON of a run has it; what is text by its type's name.
fn value(array: &dyn Array, row: usize) -> Value {
    let any = array.as_any();
    if array.is_null(row) {
        Value::Null
    } else if let Some(values) = any.downcast_ref::<BooleanArray>() {
        values.value(row).into()
    } else if let Some(values) = any.downcast_ref::<Int64Array>() {
        values.value(row).into()
    } else if let Some(values) = any.downcast_ref::<Float64Array>() {
        float_to_json(values.value(row))
    } else if let Some(values) = any.downcast_ref::<TimestampMicrosecondArray>() {
        assert_eq!(values.timezone(), Some("UTC"));
        time_to_text(values.value(row)).into()
    } else {
        let values = any.downcast_ref::<StringArray>().unwrap();
        values.value(row).into()
    }
}

/// What the JSON of a run has in a column, as far as the column's type can say it.
fn wanted(run: &Value, field: &Field) -> Value {
    let about = |key: &str| field.metadata().get(&format!("tracker.{key}")).unwrap();
    let name = about("name").as_str();
    let value = match about("kind").as_str() {
        "attribute" => &run[name],
        "param" => &run["params"][name],
        "metric" => &run["metrics"][name][about("stat").as_str()],
        "tag" => &run["tags"][name],
        kind => panic!("no kind {kind}"),
    };
    match (about("type").as_str(), value) {
        (_, Value::Null) => Value::Null,
        ("mixed", Value::String(text)) => text.as_str().into(),
        ("mixed" | "list", value) => value.to_string().into(),
        ("float", Value::Number(number)) => float_to_json(number.as_f64().unwrap()),
        (_, value) => value.clone(),
    }
}

fn check(runs: &[Run]) {
    let json: Vec<Value> = runs.iter().map(|run| run_to_json(run, 7)).collect();
    let mut csv = Vec::new();
    crate::export::write_csv(runs_frame(runs, 7), &mut csv).unwrap();
    let mut csv = csv::Reader::from_reader(csv.as_slice());
    let header = csv.headers().unwrap().clone();
    for write in FORMS {
        let (schema, batches) = through_a_file(write, runs_frame(runs, 7));
        let names = schema.fields().iter().map(|field| field.name().as_str());
        assert!(names.eq(header.iter()), "{header:?}");
        let mut runs = json.iter();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let run = runs.next().unwrap();
                for (field, column) in schema.fields().iter().zip(batch.columns()) {
                    let (got, want) = (value(column, row), wanted(run, field));
                    // As text: 0.0 and -0.0 are equal numbers.
                    assert_eq!(got.to_string(), want.to_string(), "{}", field.name());
                }
            }
        }
        assert_eq!(runs.next(), None);
    }
}

#[derive(Arbitrary, Debug)]
enum Param {
    Bool(bool),
    Int(i64),
    Small(i8),
    Extreme(bool),
    Float(f64),
    Special(u8),
    Text(String),
    List(Vec<Param>),
}

fn param(param: Param) -> ParamValue {
    match param {
        Param::Bool(value) => ParamValue::Bool(value),
        Param::Int(value) => ParamValue::Int(value),
        Param::Small(value) => ParamValue::Int(value.into()),
        Param::Extreme(low) => ParamValue::Int(if low { i64::MIN } else { i64::MAX }),
        Param::Float(value) => ParamValue::Float(value),
        Param::Special(at) => {
            let all = [
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                -0.0,
                0.0,
                5e-324,
            ];
            ParamValue::Float(all[usize::from(at) % all.len()])
        }
        Param::Text(text) => ParamValue::Text(text),
        Param::List(items) => ParamValue::List(items.into_iter().map(self::param).collect()),
    }
}

#[test]
fn any_runs_read_back_as_their_json_says() {
    arbtest::arbtest(|u| {
        let mut runs = Vec::new();
        // A column of one kind of value is as likely as one of all kinds.
        let same: bool = u.arbitrary()?;
        for _ in 0..u.int_in_range(0..=4)? {
            let mut params = BTreeMap::new();
            for name in ["lr", "größe/μ 損失", "a.b\"c"] {
                if u.arbitrary()? {
                    let value = if same {
                        Param::Special(u.arbitrary()?)
                    } else {
                        u.arbitrary()?
                    };
                    params.insert(name.to_owned(), param(value));
                }
            }
            let mut series = BTreeMap::new();
            for metric in ["loss", "val/acc"] {
                let points: Vec<(i64, f64)> = u.arbitrary()?;
                let points = points.iter().map(|(step, value)| point(*step, 0, *value));
                series.insert(metric.to_owned(), points.collect());
            }
            let mut run = run_with(params, &series);
            run.info.start_us = u.arbitrary()?;
            run.end_us = u.arbitrary()?;
            run.info.name = u.arbitrary()?;
            run.note = u.arbitrary()?;
            run.tags = u.arbitrary()?;
            runs.push(run);
        }
        check(&runs);
        Ok(())
    });
}

#[test]
fn no_runs_are_a_table_of_typed_columns_without_rows() {
    check(&[]);
    for write in FORMS {
        let (schema, batches) = through_a_file(write, runs_frame(&[], 0));
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
        let start = schema.field_with_name("start").unwrap();
        assert_eq!(start.data_type(), &data_type(Type::Time));
    }
}

#[test]
fn ten_thousand_columns_are_written() {
    let runs: Vec<Run> = (0..3)
        .map(|run| {
            let params = (0..10_000).map(|n| {
                let value = match (n + run) % 4 {
                    0 => ParamValue::Int(n),
                    1 => ParamValue::Float(0.5),
                    2 => ParamValue::Text("x".to_owned()),
                    _ => ParamValue::Bool(true),
                };
                (format!("p{n}"), value)
            });
            run_with(
                params.skip(usize::from(run == 1)).collect(),
                &BTreeMap::new(),
            )
        })
        .collect();
    check(&runs);
}

#[test]
fn rows_of_many_batches_stay_in_order_and_the_file_says_what_was_asked() {
    let rows = i64::try_from(2 * BATCH_ROWS_MAX + 1).unwrap();
    for write in FORMS {
        let row = |n: i64| {
            vec![
                Some(Datum::Int(n)),
                (n % 3 > 0).then_some(Datum::Float(0.5)),
            ]
        };
        let column = |name: &str, of| Column {
            name: name.to_owned(),
            of,
            origin: None,
        };
        let frame = Frame {
            columns: vec![column("n", Type::Int), column("half", Type::Float)],
            rows: Box::new((0..rows).map(row)),
            query: Some("ls --sort n".to_owned()),
        };
        let (schema, batches) = through_a_file(write, frame);
        assert_eq!(
            schema.metadata().get("tracker.query").unwrap(),
            "ls --sort n"
        );
        assert!(schema.metadata().contains_key("tracker.version"));
        let mut next = 0;
        for batch in batches {
            for at in 0..batch.num_rows() {
                assert_eq!(value(batch.column(0), at), next);
                let half = if next % 3 > 0 {
                    Value::from(0.5)
                } else {
                    Value::Null
                };
                assert_eq!(value(batch.column(1), at), half);
                next += 1;
            }
        }
        assert_eq!(next, rows);
    }
}

#[test]
fn a_value_of_another_type_than_its_column_is_an_error() {
    for write in FORMS {
        let mut frame = runs_frame(&[], 0);
        frame.columns.truncate(1);
        assert_eq!(
            frame.columns[0].origin.as_ref().unwrap().kind,
            Kind::Attribute
        );
        frame.rows = Box::new(std::iter::once(vec![Some(Datum::Int(1))]));
        let failure = write(frame, &mut Vec::new()).unwrap_err();
        let want = "invalid value of a frame: is no text, in the column \"id\"";
        assert_eq!(failure.to_string(), want);
    }
}
