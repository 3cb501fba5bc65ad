//! What is new in a series since it was last looked at.
//!
//! A series is told by its rows in the journal, not by steps or times: these may go back. Of each
//! segment is known up to which row it was read, so a point is told once, whether it is met in the
//! rows of its writer, in the sealed file or, folded, in the index.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::sections;
use super::sections::Loose;
use crate::error::Result;
use crate::fold::ALL_ROWS;
use crate::fold::Seen;
use crate::model::Point;
use crate::model::RunId;
use crate::model::WriterId;

/// How far a series was read. The default is before its first point.
#[derive(Clone, Debug, Default)]
pub struct Cursor(Seen);

impl Reader {
    /// Returns the cursor behind all points that a series has now, if it has any.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt), [`Error::Io`](crate::Error::Io).
    pub fn series_end(&self, run: RunId, metric: &str) -> Result<Cursor> {
        self.ask(|reader| {
            let mut seen = Seen::new();
            for segment in folded(reader, run)? {
                seen.insert(segment, ALL_ROWS);
            }
            reader.unfolded().mark_seen(run, metric, &mut seen);
            Ok(Cursor(seen))
        })
    }

    /// Returns the points of a series behind a cursor, in reading order, and moves it behind them.
    /// A series that is not there has none yet.
    ///
    /// - `cursor`: of the same series
    ///
    /// # Errors
    /// As [`Self::series_end`]; the cursor is then where it was.
    pub fn series_after(
        &self,
        run: RunId,
        metric: &str,
        cursor: &mut Cursor,
    ) -> Result<Vec<Point>> {
        let (news, seen) = self.ask(|reader| {
            let mut seen = cursor.0.clone();
            let mut news = Vec::new();
            // Segments that were folded since, and maybe read in part before that.
            let mut unread: BTreeMap<(WriterId, u32), u32> = BTreeMap::new();
            for segment in folded(reader, run)? {
                match seen.insert(segment, ALL_ROWS) {
                    Some(ALL_ROWS) => {}
                    before => _ = unread.insert(segment, before.unwrap_or(0)),
                }
            }
            if !unread.is_empty()
                && let (Some(snapshot), Some(number)) = (reader.snapshot(), reader.number(run)?)
                && let Some(name) = snapshot.name_number(metric)?
                && let Some(tables) = snapshot.chunk_tables(number, name)?
            {
                sections::read_rows(&tables, &unread, &mut news)?;
            }
            let mut damage = Vec::new();
            reader
                .unfolded()
                .news_of(run, metric, &mut seen, &mut news, &mut damage)?;
            reader.warn_of(&damage);
            Ok((news, seen))
        })?;
        cursor.0 = seen;
        let mut news: Vec<Loose> = news;
        sections::sort_loose(&mut news);
        Ok(news.into_iter().map(|(point, _)| point).collect())
    }
}

/// Returns the segments of a run that are in the index.
fn folded(reader: &Reader, run: RunId) -> Result<Vec<(WriterId, u32)>> {
    let (Some(snapshot), Some(number)) = (reader.snapshot(), reader.number(run)?) else {
        return Ok(Vec::new());
    };
    let segments = snapshot.segments(number.0..=number.0)?;
    Ok(segments
        .into_iter()
        .map(|folded| (folded.writer, folded.seq))
        .collect())
}
