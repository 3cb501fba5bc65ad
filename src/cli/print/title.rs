//! Titles of columns on a narrow screen: cut in the middle, and still told apart.
//!
//! Metrics are named as paths, whose beginning and end tell most: `train/…/loss`. Where that would
//! be the same for two columns, characters go instead of names, and no more than leave them apart.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

/// Narrowest width that a title is cut to.
const WIDTH_MIN: usize = 12;

/// The titles of a table.
pub(crate) struct Titles<'a>(Vec<Title<'a>>);

struct Title<'a> {
    text: &'a str,
    /// Whether the first and the last name of the path are those of no other title.
    ends_tell: bool,
}

impl<'a> Titles<'a> {
    pub(crate) fn new(texts: impl Iterator<Item = &'a str>) -> Self {
        let texts: Vec<&str> = texts.collect();
        let mut by_ends: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for text in &texts {
            by_ends.entry(ends(text)).or_default().insert(text);
        }
        let titles = texts.into_iter().map(|text| {
            let ends_tell = by_ends.get(&ends(text)).is_none_or(|same| same.len() < 2);
            Title { text, ends_tell }
        });
        Self(titles.collect())
    }

    /// Cuts each title to its width; those that are left out stay whole.
    pub(crate) fn cut(&self, widths: &[Option<usize>]) -> Vec<String> {
        let titles = self.0.iter().zip(widths);
        titles
            .map(|(title, width)| title.cut(width.unwrap_or(usize::MAX)))
            .collect()
    }

    /// Tells how narrow each title may be to be known from the others of its width.
    pub(crate) fn least_widths(&self) -> Vec<usize> {
        let is_clear = |title: &Title<'_>, width: usize| {
            let cut = title.cut(width);
            !self
                .0
                .iter()
                .any(|other| other.text != title.text && other.cut(width) == cut)
        };
        let least = |title: &Title<'_>| {
            let whole = title.text.width();
            (WIDTH_MIN.min(whole)..whole)
                .find(|width| is_clear(title, *width))
                .unwrap_or(whole)
        };
        self.0.iter().map(least).collect()
    }

    /// Tells how narrow all of them may be to be known from each other.
    pub(crate) fn least_width(&self) -> usize {
        let whole = self.0.iter().map(|title| title.text.width()).max();
        let whole = whole.unwrap_or(0);
        let texts: BTreeSet<&str> = self.0.iter().map(|title| title.text).collect();
        let are_clear = |width: &usize| {
            let cut: BTreeSet<String> = self.0.iter().map(|title| title.cut(*width)).collect();
            cut.len() == texts.len()
        };
        (WIDTH_MIN.min(whole)..whole)
            .find(are_clear)
            .unwrap_or(whole)
    }
}

impl Title<'_> {
    fn cut(&self, width: usize) -> String {
        let Self { text, ends_tell } = *self;
        if text.width() <= width {
            return text.to_owned();
        }
        if let (true, Some((first, rest))) = (ends_tell, text.split_once('/')) {
            let ends = rest.match_indices('/').map(|(at, _)| &rest[at..]);
            let mut paths = ends.map(|end| format!("{first}/…{end}"));
            if let Some(path) = paths.find(|path| path.width() <= width) {
                return path;
            }
        }
        let room = width.saturating_sub(1);
        let head = taken(text.chars(), room / 2);
        let tail = taken(text.chars().rev(), room - head.width());
        let tail: String = tail.chars().rev().collect();
        format!("{head}…{tail}")
    }
}

/// The first and the last name of a path.
fn ends(text: &str) -> (&str, &str) {
    let first = text.split_once('/').map_or(text, |(first, _)| first);
    let last = text.rsplit_once('/').map_or(text, |(_, last)| last);
    (first, last)
}

/// As many characters as find room.
fn taken(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_whole_names_where_there_is_room() {
        let cut = |text, width| {
            Titles::new([text].into_iter())
                .cut(&[Some(width)])
                .remove(0)
        };
        assert_eq!(cut("train/encoder/loss", 18), "train/encoder/loss");
        assert_eq!(cut("train/encoder/loss", 17), "train/…/loss");
        assert_eq!(cut("train/encoder/loss", 11), "train…/loss");
        assert_eq!(cut("a/very/deep/path", 14), "a/…/deep/path");
        assert_eq!(cut("損失損失損失", 7), "損…損失");
        assert_eq!(cut("loss", 1), "…");
    }

    #[test]
    fn titles_stay_apart() {
        let titles = [
            "train/encoder/block/loss",
            "train/decoder/block/loss",
            "acc",
        ];
        let titles = Titles::new(titles.into_iter());
        let least = titles.least_widths();
        let cut = titles.cut(&least.into_iter().map(Some).collect::<Vec<_>>());
        assert_eq!(cut, ["train/e…ck/loss", "train/d…ck/loss", "acc"]);
    }
}
