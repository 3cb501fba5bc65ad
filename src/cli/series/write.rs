//! Points in the format that was asked for, written as they come: a series may have millions.

use std::io;
use std::io::Write;

use tracker::export::PointColumns;
use tracker::export::PointRow;
use tracker::export::PointTable;
use tracker::export::PointsCsv;
use tracker::model::RunId;

use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::print::Format;
use crate::cli::print::escape;
use crate::cli::print::number;

pub(super) fn table(ctx: &Ctx, table: &PointTable) -> Result<(), Failure> {
    match ctx.out.format() {
        Format::Json | Format::Jsonl => ctx.out.json(table.rows()),
        Format::Parquet | Format::Arrow => ctx.out.frame(table.frame()),
        Format::Csv => ctx.out.write_through(|out| {
            let mut csv = PointsCsv::new(out, table.columns)?;
            csv.rows(table.rows())?;
            csv.finish()
        }),
        Format::Table => ctx.out.write(|out| {
            let metrics = table.series.iter().map(|series| series.metric.as_str());
            let metric = metric_width(metrics);
            let points = || table.series.iter().flat_map(|series| &series.curve.points);
            let step = points().map(|point| digits(point.step)).max();
            // A column has a width only if another stands behind it.
            let values = points().filter(|_| table.columns.smoothed);
            let value = values.map(|point| number::compact(point.value).len()).max();
            let x = table.series.iter().flat_map(|series| &series.curve.x);
            let x = x.map(|x| number::compact(*x).len()).max();
            let widths = Widths {
                metric,
                step: step.unwrap_or(0).max("STEP".len()),
                x: x.unwrap_or(0).max("X".len()),
                value: value.unwrap_or(0).max("VALUE".len()),
            };
            let mut columns = Columns::new(table.columns, widths);
            columns.head(out)?;
            table.rows().try_for_each(|row| columns.row(out, &row))
        }),
        Format::Md => ctx.out.write(|out| {
            markdown_head(out, table.columns)?;
            table.rows().try_for_each(|row| markdown_row(out, &row))
        }),
    }
}

pub(super) fn metric_width<'a>(metrics: impl Iterator<Item = &'a str>) -> usize {
    let widths = metrics.map(|metric| escape(metric).chars().count());
    widths.max().unwrap_or(0).max("METRIC".len())
}

/// How wide the columns are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Widths {
    pub(super) metric: usize,
    pub(super) step: usize,
    pub(super) x: usize,
    pub(super) value: usize,
}

/// Aligned columns.
pub(super) struct Columns {
    there: PointColumns,
    widths: Widths,
    /// What stands before the step, as long as run and metric are the same.
    whose: Option<(RunId, String, String)>,
}

impl Columns {
    pub(super) fn new(columns: PointColumns, widths: Widths) -> Self {
        Self {
            there: columns,
            widths,
            whose: None,
        }
    }

    pub(super) fn head(&self, out: &mut dyn Write) -> io::Result<()> {
        let Widths {
            metric,
            step,
            x,
            value,
        } = self.widths;
        if self.there.whose {
            write!(out, "RUN       {:<metric$}  ", "METRIC")?;
        }
        write!(out, "{:>step$}  {:<23}  ", "STEP", "TIME (UTC)")?;
        if self.there.x {
            write!(out, "{:>x$}  ", "X")?;
        }
        if self.there.smoothed {
            writeln!(out, "{:<value$}  SMOOTHED", "VALUE")
        } else {
            writeln!(out, "VALUE")
        }
    }

    pub(super) fn row(&mut self, out: &mut dyn Write, row: &PointRow<'_>) -> io::Result<()> {
        let Widths {
            metric: metric_width,
            step,
            x: x_width,
            value: value_width,
        } = self.widths;
        if let (Some(run), Some(metric)) = (row.run, row.metric) {
            let is_same = |(last, of, _): &(RunId, String, String)| *last == run && of == metric;
            if !self.whose.as_ref().is_some_and(is_same) {
                let shown = escape(metric);
                let whose = format!("{}  {shown:<metric_width$}  ", run.short());
                self.whose = Some((run, metric.to_owned(), whose));
            }
            let whose = self.whose.as_ref().map_or("", |(_, _, whose)| whose);
            out.write_all(whose.as_bytes())?;
        }
        let time = number::exact_time(row.time_us);
        write!(out, "{:>step$}  {time:<23}  ", row.step)?;
        if let Some(x) = row.x {
            write!(out, "{:>x_width$}  ", number::compact(x))?;
        }
        let value = number::compact(row.value);
        match row.smoothed {
            None => writeln!(out, "{value}"),
            Some(smoothed) => {
                writeln!(out, "{value:<value_width$}  {}", number::compact(smoothed))
            }
        }
    }
}

fn digits(step: i64) -> usize {
    let sign = usize::from(step < 0);
    sign + step
        .unsigned_abs()
        .checked_ilog10()
        .map_or(1, |log| log as usize + 1)
}

pub(super) fn markdown_head(out: &mut dyn Write, columns: PointColumns) -> io::Result<()> {
    let names = columns.names();
    let title = |name: &&str| match *name {
        "time" => "time (UTC)".to_owned(),
        name => name.to_owned(),
    };
    let titles: Vec<String> = names.iter().map(title).collect();
    writeln!(out, "| {} |", titles.join(" | "))?;
    let rule = |name: &&str| match *name {
        "run" | "metric" | "time" => "---",
        _ => "---:",
    };
    let rules: Vec<&str> = names.iter().map(rule).collect();
    writeln!(out, "| {} |", rules.join(" | "))
}

pub(super) fn markdown_row(out: &mut dyn Write, row: &PointRow<'_>) -> io::Result<()> {
    if let (Some(run), Some(metric)) = (row.run, row.metric) {
        let metric = escape(metric).replace('|', "\\|");
        write!(out, "| {} | {metric} ", run.short())?;
    }
    write!(
        out,
        "| {} | {} |",
        row.step,
        number::exact_time(row.time_us)
    )?;
    if let Some(x) = row.x {
        write!(out, " {} |", number::compact(x))?;
    }
    write!(out, " {} |", number::compact(row.value))?;
    if let Some(smoothed) = row.smoothed {
        write!(out, " {} |", number::compact(smoothed))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_as_wide_as_they_print() {
        for step in [0, 9, 10, -1, 999, i64::MAX, i64::MIN] {
            assert_eq!(digits(step), step.to_string().len());
        }
    }
}
