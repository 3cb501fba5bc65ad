//! Frames as Parquet and Arrow files; the door to both.
//!
//! | [`Type`]               | Arrow                  |
//! |------------------------|------------------------|
//! | bool                   | `Boolean`              |
//! | int                    | `Int64`                |
//! | float                  | `Float64`              |
//! | time                   | `Timestamp(µs, "UTC")` |
//! | text, list, mixed      | `Utf8`                 |
//!
//! Every column may have nulls: what is absent. Its metadata says `tracker.type`, and where one
//! thing of a run stands in it, `tracker.kind` (attribute, param, metric, tag), `tracker.name` and
//! of a metric `tracker.stat`; that of the schema says `tracker.version` and `tracker.query`.
//!
//! Rows are written in batches, so memory holds one of them and what Parquet gathers for a row
//! group. Parquet is compressed, and Arrow is not: it is there to be mapped.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::builder::BooleanBuilder;
use arrow_array::builder::Float64Builder;
use arrow_array::builder::Int64Builder;
use arrow_array::builder::StringBuilder;
use arrow_array::builder::TimestampMicrosecondBuilder;
use arrow_ipc::writer::FileWriter;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::cannot_write;
use super::frame::Column;
use super::frame::Datum;
use super::frame::Frame;
use super::frame::Row;
use super::frame::Type;
use super::frame::exact;
use crate::error::Error;
use crate::error::Result;

/// A batch has about so many values, and so many rows at least and at most.
const BATCH_VALUES: usize = 1 << 20;
const BATCH_ROWS_MIN: usize = 256;
const BATCH_ROWS_MAX: usize = 1 << 16;
/// A batch ends behind the row that brings its texts to so many bytes: an array of texts holds less
/// than 2 GiB, and a text at most [`TEXT_BYTES_MAX`](crate::limits::TEXT_BYTES_MAX).
const BATCH_TEXT_BYTES: usize = 64 << 20;

/// Columns and the batches of their rows.
pub type Batches = (SchemaRef, Vec<RecordBatch>);

/// Returns a frame as Arrow's own, for who hands it on in memory.
///
/// # Errors
/// [`Error::Invalid`] for a value of another type than its column's.
pub fn arrow_batches(frame: Frame<'_>) -> Result<Batches> {
    let schema = schema(&frame);
    let mut batches = Vec::new();
    Filling::new(frame, Arc::clone(&schema)).each(|batch| {
        batches.push(batch);
        Ok(())
    })?;
    Ok((schema, batches))
}

/// Writes a frame as an Arrow IPC file, which is also Feather version 2.
///
/// # Errors
/// [`Error::Io`] if `out` fails; [`Error::Invalid`] for a value of another type than its column's.
pub fn write_arrow(frame: Frame<'_>, out: &mut dyn Write) -> Result<()> {
    let schema = schema(&frame);
    let mut writer = FileWriter::try_new(Vec::new(), &schema).map_err(arrow_failed)?;
    Filling::new(frame, schema).each(|batch| {
        writer.write(&batch).map_err(arrow_failed)?;
        hand_on(writer.get_mut(), out)
    })?;
    writer.finish().map_err(arrow_failed)?;
    hand_on(writer.get_mut(), out)
}

/// Writes a frame as a Parquet file.
///
/// # Errors
/// As [`write_arrow`].
pub fn write_parquet(frame: Frame<'_>, out: &mut dyn Write) -> Result<()> {
    let schema = schema(&frame);
    let about = schema.metadata().iter();
    let about = about.map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(about.collect()))
        .build();
    let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties));
    let mut writer = writer.map_err(parquet_failed)?;
    Filling::new(frame, schema).each(|batch| {
        writer.write(&batch).map_err(parquet_failed)?;
        hand_on(writer.inner_mut(), out)
    })?;
    let mut rest = writer.into_inner().map_err(parquet_failed)?;
    hand_on(&mut rest, out)
}

/// Passes on what was written so far. The writers count bytes by themselves, and want an output
/// that may go to another thread, which standard output may not.
fn hand_on(written: &mut Vec<u8>, out: &mut dyn Write) -> Result<()> {
    out.write_all(written).map_err(cannot_write)?;
    written.clear();
    Ok(())
}

fn schema(frame: &Frame<'_>) -> SchemaRef {
    let fields: Vec<Field> = frame.columns.iter().map(field).collect();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut about = HashMap::from([("tracker.version".to_owned(), version)]);
    let query = frame.query.clone();
    about.extend(query.map(|query| ("tracker.query".to_owned(), query)));
    Arc::new(Schema::new_with_metadata(fields, about))
}

fn field(column: &Column) -> Field {
    let mut about = vec![("type", column.of.name())];
    if let Some(origin) = &column.origin {
        about.extend([("kind", origin.kind.name()), ("name", origin.name.as_str())]);
        about.extend(origin.stat.as_deref().map(|stat| ("stat", stat)));
    }
    let about = about.into_iter();
    let about = about.map(|(key, value)| (format!("tracker.{key}"), value.to_owned()));
    Field::new(&column.name, data_type(column.of), true)
        .with_metadata(about.collect::<HashMap<_, _>>())
}

fn data_type(of: Type) -> DataType {
    match of {
        Type::Bool => DataType::Boolean,
        Type::Int => DataType::Int64,
        Type::Float => DataType::Float64,
        Type::Time => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        Type::Text | Type::List | Type::Mixed => DataType::Utf8,
    }
}

const UTC: &str = "UTC";

/// The rows of a frame by and by.
struct Filling<'a> {
    frame: Frame<'a>,
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows_max: usize,
}

impl<'a> Filling<'a> {
    fn new(frame: Frame<'a>, schema: SchemaRef) -> Self {
        let builders: Vec<Builder> = frame.columns.iter().map(Builder::new).collect();
        let rows = BATCH_VALUES / builders.len().max(1);
        Self {
            frame,
            schema,
            builders,
            rows_max: rows.clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX),
        }
    }

    /// Makes one batch after the other.
    fn each(mut self, mut take: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let (mut rows, mut bytes) = (0, 0);
        while let Some(row) = self.frame.rows.next() {
            bytes += self.push(&row)?;
            rows += 1;
            if rows == self.rows_max || bytes >= BATCH_TEXT_BYTES {
                take(self.batch()?)?;
                (rows, bytes) = (0, 0);
            }
        }
        if rows > 0 {
            take(self.batch()?)?;
        }
        Ok(())
    }

    /// Adds a row and returns the bytes of its texts.
    fn push(&mut self, row: &Row<'_>) -> Result<usize> {
        let columns = &self.frame.columns;
        if row.len() != columns.len() {
            let why = format!("has {} values, wants {}", row.len(), columns.len());
            return Err(Error::invalid("row of a frame", why));
        }
        let mut bytes = 0;
        for ((value, builder), column) in row.iter().zip(&mut self.builders).zip(columns) {
            bytes += builder.push(value.as_ref()).ok_or_else(|| {
                let of = column.of.name();
                let why = format!("is no {of}, in the column {:?}", column.name);
                Error::invalid("value of a frame", why)
            })?;
        }
        Ok(bytes)
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(arrow_failed)
    }
}

/// A column of a batch that grows.
enum Builder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Time(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    Mixed(StringBuilder),
}

impl Builder {
    fn new(column: &Column) -> Self {
        match column.of {
            Type::Bool => Self::Bool(BooleanBuilder::new()),
            Type::Int => Self::Int(Int64Builder::new()),
            Type::Float => Self::Float(Float64Builder::new()),
            Type::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
            Type::Text | Type::List => Self::Text(StringBuilder::new()),
            Type::Mixed => Self::Mixed(StringBuilder::new()),
        }
    }

    /// Adds a value and returns the bytes of its text; none if it has another type.
    fn push(&mut self, value: Option<&Datum<'_>>) -> Option<usize> {
        match (&mut *self, value) {
            (Self::Bool(values), None) => values.append_null(),
            (Self::Int(values), None) => values.append_null(),
            (Self::Float(values), None) => values.append_null(),
            (Self::Time(values), None) => values.append_null(),
            (Self::Text(values) | Self::Mixed(values), None) => values.append_null(),
            (Self::Bool(values), Some(Datum::Bool(value))) => values.append_value(*value),
            (Self::Int(values), Some(Datum::Int(value))) => values.append_value(*value),
            (Self::Float(values), Some(Datum::Float(value))) => values.append_value(*value),
            (Self::Float(values), Some(Datum::Int(value))) => values.append_value(exact(*value)?),
            (Self::Time(values), Some(Datum::Time(us))) => values.append_value(*us),
            (Self::Text(values), Some(Datum::Text(text) | Datum::List(text))) => {
                values.append_value(text);
                return Some(text.len());
            }
            (Self::Mixed(values), Some(value)) => {
                let text = value.to_text();
                values.append_value(&text);
                return Some(text.len());
            }
            _ => return None,
        }
        Some(0)
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(values) => Arc::new(values.finish()),
            Self::Int(values) => Arc::new(values.finish()),
            Self::Float(values) => Arc::new(values.finish()),
            Self::Time(values) => Arc::new(values.finish()),
            Self::Text(values) | Self::Mixed(values) => Arc::new(values.finish()),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn arrow_failed(why: ArrowError) -> Error {
    Error::invalid("frame", why.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn parquet_failed(why: ParquetError) -> Error {
    Error::invalid("frame", why.to_string())
}

#[cfg(test)]
mod tests;
