//! Curves drawn in a terminal, with dots of braille: 2 by 4 to a character.
//!
//! Pure: points in, lines of text out. What cannot be shown (NaN, infinities, and on a logarithmic
//! axis what is not positive) breaks the line and is counted.
//!
//! Rejected: the chart of `ratatui`, the one well-kept crate that draws such. It spreads labels
//! evenly over an axis wherever they belong, knows no logarithmic axes, no gaps and no marks that
//! tell curves apart without colour, and brings two dozen crates; `textplots` has no legend.

use anstyle::AnsiColor;
use anstyle::Style;
use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

use super::axis::Axis;
use super::axis::Scale;
use super::number;

/// Dots across and down one character.
const DOTS: (usize, usize) = (2, 4);
/// Bits of a braille character by column and row of dots, as Unicode numbers them.
const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
const COLOURS: [AnsiColor; 12] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Green,
    AnsiColor::Red,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightYellow,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightGreen,
    AnsiColor::BrightRed,
    AnsiColor::BrightBlue,
];
/// Marks that tell curves apart where there is no colour, or where there are more than colours.
const MARKS: [char; Plot::CURVES_MAX] = [
    '•', '+', 'x', 'o', '*', '#', '%', '@', '=', '~', '^', '&', 'a', 'b', 'c', 'd', 'e', 'f', 'g',
    'h', 'k', 'm', 'n', 'p', 'r', 's', 't', 'u', 'v', 'w',
];
/// Lines to a label of the upright axis; blanks between those of the flat one, and most of them.
const LABEL_LINES: usize = 2;
const LABEL_GAP: usize = 4;
const X_LABELS_MAX: usize = 8;
/// A label of the legend is not cut below this.
const LEGEND_COLUMNS_MIN: usize = 12;

/// One line of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// What the legend calls it.
    pub(crate) label: String,
    /// Where its points lie, in the order in which they are joined.
    pub(crate) points: Vec<(f64, f64)>,
}

/// How curves are drawn.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Most characters of a line.
    pub(crate) width: usize,
    /// Lines without the legend.
    pub(crate) height: usize,
    pub(crate) colour: bool,
}

/// Why there is nothing to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Empty {
    NoPoint,
    NothingFinite,
    /// On the axis that this option makes logarithmic.
    NothingPositive(&'static str),
}

impl Plot {
    /// Most curves that can be told apart.
    pub(crate) const CURVES_MAX: usize = 30;

    /// Draws curves with axes and a legend.
    pub(crate) fn draw(&self, curves: &[Curve]) -> Result<String, Empty> {
        let all = || curves.iter().flat_map(|curve| &curve.points);
        let shown = || all().filter(|(x, y)| self.x.shows(*x) && self.y.shows(*y));
        let why = || self.why_empty(all());
        let x = Scale::of(&self.x, shown().map(|point| point.0)).ok_or_else(why)?;
        let y = Scale::of(&self.y, shown().map(|point| point.1)).ok_or_else(why)?;
        let y = y.with_room();
        let rows = self.height.saturating_sub(2).max(4);
        let labels = y_labels(&y, rows);
        let margin = labels.iter().map(|label| label.width()).max().unwrap_or(0);
        let columns = self.width.saturating_sub(margin + 2).max(8);

        let mut canvas = Canvas::new(columns, rows);
        for (at, curve) in curves.iter().enumerate() {
            let place = |point: &(f64, f64)| Some((x.share(point.0)?, y.share(point.1)?));
            canvas.draw(at, curve.points.iter().map(place));
        }
        let by_marks = (!self.colour && curves.len() > 1) || curves.len() > COLOURS.len();
        let mut text = String::new();
        for (row, label) in labels.iter().enumerate() {
            let axis = if label.is_empty() { '│' } else { '┤' };
            let line = canvas.line(row, self.colour, by_marks);
            text.push_str(format!("{label:>margin$} {axis}{line}").trim_end());
            text.push('\n');
        }
        let left = " ".repeat(margin + 1);
        text.push_str(&[&left, "└", &"─".repeat(columns), "\n"].concat());
        text.push_str(&[&left, " ", &x_labels(&x, columns), "\n"].concat());
        text.extend(self.axes_line());
        for (at, curve) in curves.iter().enumerate() {
            text.push_str(&self.legend(at, curve, by_marks));
        }
        Ok(text)
    }

    fn why_empty<'p>(&self, all: impl Iterator<Item = &'p (f64, f64)>) -> Empty {
        let mut why = Empty::NoPoint;
        for (x, y) in all {
            if !(x.is_finite() && y.is_finite()) {
                why = Empty::NothingFinite;
                continue;
            }
            let is_y = self.y.is_too_small(*y);
            return Empty::NothingPositive(if is_y { "--log-y" } else { "--log-x" });
        }
        why
    }

    /// What the axes show, where that is not a matter of course.
    fn axes_line(&self) -> Option<String> {
        let about = |axis: &Axis, letter: &str| {
            let log = axis.is_log.then(|| "log".to_owned());
            let name = axis
                .name
                .as_deref()
                .map(|name| super::escape(name).into_owned());
            let said: Vec<String> = name.into_iter().chain(log).collect();
            (!said.is_empty()).then(|| format!("{letter}: {}", said.join(", ")))
        };
        let said: Vec<String> = [about(&self.x, "x"), about(&self.y, "y")]
            .into_iter()
            .flatten()
            .collect();
        (!said.is_empty()).then(|| cut(&said.join("; "), self.width.max(1)) + "\n")
    }

    fn legend(&self, at: usize, curve: &Curve, by_marks: bool) -> String {
        let mark = if by_marks {
            mark(at).to_string()
        } else {
            "──".to_owned()
        };
        let label = super::escape(&curve.label);
        let room = self.width.saturating_sub(mark.width() + 1);
        let label = cut(&label, room.max(LEGEND_COLUMNS_MIN));
        let mut line = mark.width() + 1 + label.width();
        let mark = if self.colour {
            painted(at, &mark)
        } else {
            mark
        };
        let mut text = format!("{mark} {label}");
        for left_out in self.left_out(curve) {
            // On a line of its own where it finds no room behind the label.
            let gap = if line + 2 + left_out.width() <= self.width {
                "  "
            } else {
                "\n   "
            };
            line = if gap == "  " { line + 2 } else { 3 } + left_out.width();
            text.push_str(gap);
            text.push_str(&left_out);
        }
        text.push('\n');
        text
    }

    /// Says how many points of a curve are not drawn.
    fn left_out(&self, curve: &Curve) -> Vec<String> {
        let (mut not_finite, mut too_small) = (0, 0);
        for (x, y) in &curve.points {
            if !(x.is_finite() && y.is_finite()) {
                not_finite += 1;
            } else if !(self.x.shows(*x) && self.y.shows(*y)) {
                too_small += 1;
            }
        }
        let said = |count: u64, what: &str| {
            (count > 0).then(|| format!("({} {what}, not drawn)", number::count(count)))
        };
        let said = [
            said(not_finite, "NaN or infinite"),
            said(too_small, "not positive"),
        ];
        said.into_iter().flatten().collect()
    }
}

/// Cuts a text to a width, with an ellipsis in its middle: names differ at their ends.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let take = |chars: &mut dyn Iterator<Item = char>, room: usize| {
        let mut left = room;
        let fits = |c: &char| {
            let width = c.width().unwrap_or(0);
            let fits = width <= left;
            left = left.saturating_sub(width);
            fits
        };
        chars.take_while(fits).collect::<Vec<char>>()
    };
    let room = width.saturating_sub(1);
    let head = take(&mut text.chars(), room / 2);
    let tail = take(&mut text.chars().rev(), room - room / 2);
    let head: String = head.into_iter().collect();
    let tail: String = tail.into_iter().rev().collect();
    format!("{head}…{tail}")
}

/// The labels of the upright axis, one a line of characters; most are empty.
fn y_labels(y: &Scale<'_>, rows: usize) -> Vec<String> {
    let mut labels = vec![String::new(); rows];
    for (share, text) in y.ticks(rows / LABEL_LINES) {
        let row = dot(1.0 - share, rows * DOTS.1) / DOTS.1;
        if let Some(label) = labels.get_mut(row) {
            *label = text;
        }
    }
    labels
}

/// Labels under the flat axis, as many as fit, each where it belongs.
fn x_labels(x: &Scale<'_>, columns: usize) -> String {
    let most = (columns / (x.label_width() + LABEL_GAP)).min(X_LABELS_MAX);
    let mut line = String::new();
    for (share, label) in x.ticks(most) {
        let middle = dot(share, columns);
        let start = middle.saturating_sub(label.len() / 2);
        let start = start.min(columns.saturating_sub(label.len()));
        let free = if line.is_empty() { 0 } else { line.len() + 1 };
        if start >= free {
            line.push_str(&" ".repeat(start - line.len()));
            line.push_str(&label);
        }
    }
    line
}

/// The place of a share of 0 to 1 among `count` of them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is within 0 and 1, and a cast from a float saturates"
)]
fn dot(share: f64, count: usize) -> usize {
    (share * count.saturating_sub(1) as f64).round() as usize
}

fn mark(at: usize) -> char {
    MARKS[at % MARKS.len()]
}

fn painted(at: usize, text: &str) -> String {
    let style: Style = COLOURS[at % COLOURS.len()].on_default();
    super::paint(style, text)
}

/// Dots by character; a character has the colour of the curve drawn into it last.
struct Canvas {
    columns: usize,
    rows: usize,
    cells: Vec<(u8, usize)>,
}

impl Canvas {
    fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            rows,
            cells: vec![(0, 0); columns * rows],
        }
    }

    /// - `shares`: where the points of the curve lie; none breaks the line
    fn draw(&mut self, curve: usize, shares: impl Iterator<Item = Option<(f64, f64)>>) {
        let (width, height) = (self.columns * DOTS.0, self.rows * DOTS.1);
        let mut before = None;
        for share in shares {
            let Some((x, y)) = share else {
                before = None;
                continue;
            };
            let here = (dot(x, width), dot(1.0 - y, height));
            if before != Some(here) {
                self.segment(curve, before.unwrap_or(here), here);
            }
            before = Some(here);
        }
    }

    /// Sets the dots between two, as many as the longer side has.
    fn segment(&mut self, curve: usize, from: (usize, usize), to: (usize, usize)) {
        let length = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1));
        let between = |a: usize, b: usize, at: usize| {
            // Rounded to nearest; a and b are dots of one canvas, so nothing overflows.
            (2 * (a * (length - at) + b * at) + length) / (2 * length.max(1))
        };
        for at in 0..=length {
            match length {
                0 => self.set(curve, to),
                _ => self.set(
                    curve,
                    (between(from.0, to.0, at), between(from.1, to.1, at)),
                ),
            }
        }
    }

    fn set(&mut self, curve: usize, (x, y): (usize, usize)) {
        let at = y / DOTS.1 * self.columns + x / DOTS.0;
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = (cell.0 | BITS[x % DOTS.0][y % DOTS.1], curve);
        }
    }

    fn line(&self, row: usize, colour: bool, by_marks: bool) -> String {
        let mut line = String::new();
        for &(bits, curve) in &self.cells[row * self.columns..(row + 1) * self.columns] {
            let shown = match bits {
                0 => ' ',
                _ if by_marks => mark(curve),
                bits => char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' '),
            };
            if colour && bits != 0 {
                line.push_str(&painted(curve, &shown.to_string()));
            } else {
                line.push(shown);
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(curves: &[Curve], width: usize, height: usize, colour: bool) -> Option<String> {
        let (x, y) = (Axis::default(), Axis::default());
        let plot = Plot {
            x,
            y,
            width,
            height: height.saturating_sub(curves.len()),
            colour,
        };
        plot.draw(curves).ok()
    }

    fn curve(label: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Curve {
        let points = points.into_iter().collect();
        let label = label.to_owned();
        Curve { label, points }
    }

    #[test]
    fn a_line_rises_from_corner_to_corner() {
        let line = curve(
            "acc",
            (0..=100).map(|i| (f64::from(i), f64::from(i) / 100.0)),
        );
        let text = plot(&[line], 24, 9, false).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 9);
        assert!(
            lines.iter().all(|line| line.chars().count() <= 24),
            "{text}"
        );
        assert!(lines[7].trim_start().starts_with('0') && lines[7].ends_with("100"));
        assert_eq!(lines[8], "── acc");
        let drawn = |line: &str| line.chars().filter(|c| ('⠁'..='⣿').contains(c)).count();
        assert!(lines[..6].iter().all(|line| drawn(line) > 0), "{text}");
        assert!(
            lines[0].starts_with("  1 ┤") && lines[0].ends_with('⠋'),
            "{text}"
        );
        assert!(lines[5].starts_with("  0 ┤"), "{text}");
    }

    #[test]
    fn nan_and_infinity_break_the_line_and_are_counted() {
        let values = [1.0, f64::NAN, 2.0, f64::INFINITY, 3.0];
        let gaps = curve("loss", (0..5).zip(values).map(|(i, v)| (f64::from(i), v)));
        let text = plot(&[gaps], 40, 10, false).unwrap();
        let drawn = text.chars().filter(|c| ('⠁'..='⣿').contains(c)).count();
        assert_eq!(drawn, 3, "{text}");
        assert!(text.contains("2 NaN or infinite"));
        assert!(plot(&[curve("x", [(0.0, f64::NAN)])], 40, 10, false).is_none());
        assert!(plot(&[], 40, 10, false).is_none());
    }

    #[test]
    fn curves_without_colour_have_marks_of_their_own() {
        let up = curve("up", (0..9).map(|i| (f64::from(i), f64::from(i))));
        let down = curve("down", (0..9).map(|i| (f64::from(i), f64::from(9 - i))));
        let both = [up, down];
        let plain = plot(&both, 40, 12, false).unwrap();
        assert!(plain.contains("• up\n+ down\n") && !plain.contains('\x1b'));
        let coloured = plot(&both, 40, 12, true).unwrap();
        assert!(coloured.contains("\x1b[36m") && coloured.contains("\x1b[33m"));
    }

    #[test]
    fn extremes_and_tiny_screens_are_drawn_too() {
        for points in [
            vec![(0.0, 0.0)],
            vec![(3.0, 7.0), (3.0, 7.0)],
            vec![(-1e18, f64::MIN), (1e18, f64::MAX)],
            vec![(0.0, 5e-324), (1.0, 1e-323)],
        ] {
            for (width, height) in [(0, 0), (1, 1), (80, 20)] {
                assert!(plot(&[curve("x", points.clone())], width, height, false).is_some());
            }
        }
    }
}
