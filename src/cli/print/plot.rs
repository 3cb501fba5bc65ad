//! Curves drawn in a terminal, with dots of braille: 2 by 4 to a character.
//!
//! Pure: points in, lines of text out. NaN and infinities are left out and break the line.

use anstyle::AnsiColor;
use anstyle::Style;

use super::number;

/// Dots across and down one character.
const DOTS: (usize, usize) = (2, 4);
/// Bits of a braille character by column and row of dots, as Unicode numbers them.
const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Green,
    AnsiColor::Red,
    AnsiColor::Blue,
];
/// Marks that tell curves apart where there is no colour.
const MARKS: [char; 6] = ['•', '+', 'x', 'o', '*', '#'];
/// Lines to a label of the upright axis; blanks between those of the flat one, and most of them.
const LABEL_LINES: usize = 2;
const LABEL_GAP: usize = 4;
const X_LABELS_MAX: usize = 8;

/// One line of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// What the legend calls it.
    pub(crate) label: String,
    /// Step and value, by step.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws the curves into at most `width` by `height` characters, legend and axes included.
///
/// Returns none if there is not one finite point.
pub(crate) fn plot(curves: &[Curve], width: usize, height: usize, colour: bool) -> Option<String> {
    let finite = || {
        let points = curves.iter().flat_map(|curve| &curve.points);
        points.filter(|(x, y)| x.is_finite() && y.is_finite())
    };
    let x = Range::of(finite().map(|point| point.0))?;
    let y = Range::of(finite().map(|point| point.1))?.with_room();
    let rows = height.saturating_sub(curves.len() + 2).max(4);
    let labels = y_labels(y, rows);
    let margin = labels.iter().map(|label| label.chars().count()).max()?;
    let columns = width.saturating_sub(margin + 2).max(8);

    let mut canvas = Canvas::new(columns, rows);
    for (at, curve) in curves.iter().enumerate() {
        canvas.draw(at, &curve.points, x, y);
    }
    let plain_marks = !colour && curves.len() > 1;
    let mut text = String::new();
    for (row, label) in labels.iter().enumerate() {
        let axis = if label.is_empty() { '│' } else { '┤' };
        let line = canvas.line(row, colour, plain_marks);
        text.push_str(format!("{label:>margin$} {axis}{line}").trim_end());
        text.push('\n');
    }
    let left = " ".repeat(margin + 1);
    text.push_str(&[&left, "└", &"─".repeat(columns), "\n"].concat());
    text.push_str(&[&left, " ", &x_labels(x, columns), "\n"].concat());
    for (at, curve) in curves.iter().enumerate() {
        text.push_str(&legend(at, curve, colour, plain_marks));
    }
    Some(text)
}

#[derive(Clone, Copy, Debug)]
struct Range {
    from: f64,
    to: f64,
}

impl Range {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        values.fold(None, |range: Option<Self>, value| {
            Some(match range {
                None => Self {
                    from: value,
                    to: value,
                },
                Some(Self { from, to }) => Self {
                    from: from.min(value),
                    to: to.max(value),
                },
            })
        })
    }

    /// Widens a range of one value, so that a flat curve lies in the middle.
    fn with_room(self) -> Self {
        if self.from < self.to {
            return self;
        }
        let room = (self.from.abs() * 0.1).max(f64::MIN_POSITIVE);
        let room = if self.from == 0.0 { 1.0 } else { room };
        Self {
            from: self.from - room,
            to: self.to + room,
        }
    }

    /// Where `value` lies, 0 at the start and 1 at the end.
    fn share(self, value: f64) -> f64 {
        // Halved first: the width of a range may overflow where its ends do not.
        let width = self.to / 2.0 - self.from / 2.0;
        if width > 0.0 {
            ((value / 2.0 - self.from / 2.0) / width).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

/// Round values within a range, at most about `most`, a step of `least` apart or more.
fn ticks(range: Range, most: usize, least: f64) -> Vec<f64> {
    let most = most.max(2);
    // Divided first: the width of a range may overflow where its ends do not.
    let raw = (range.to / most as f64 - range.from / most as f64).max(least);
    let magnitude = 10_f64.powf(raw.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * magnitude);
    let Some(step) = round
        .into_iter()
        .find(|step| *step >= raw && step.is_normal())
    else {
        return vec![range.from, range.to];
    };
    // A little beyond the ends: 0.3 / 0.1 is less than 3.
    let (first, end) = (range.from / step - 1e-9, range.to / step + 1e-9);
    let (first, end) = (first.ceil(), end.floor());
    let multiples = (0..=most).map(|at| first + at as f64);
    multiples
        .take_while(|multiple| *multiple <= end)
        .map(|multiple| (multiple * step + 0.0).clamp(range.from, range.to)) // no -0
        .collect()
}

/// The labels of the upright axis, one a line of characters; most are empty.
fn y_labels(y: Range, rows: usize) -> Vec<String> {
    let mut labels = vec![String::new(); rows];
    for value in ticks(y, rows / LABEL_LINES, 0.0) {
        let row = dot(1.0 - y.share(value), rows * DOTS.1) / DOTS.1;
        if let Some(label) = labels.get_mut(row) {
            *label = number::compact(value);
        }
    }
    labels
}

/// Steps under the flat axis, as many as fit, each where it belongs.
fn x_labels(x: Range, columns: usize) -> String {
    let widest = number::compact(x.from)
        .len()
        .max(number::compact(x.to).len());
    let most = (columns / (widest + LABEL_GAP)).min(X_LABELS_MAX);
    let mut line = String::new();
    for value in ticks(x, most, 1.0) {
        let label = number::compact(value);
        let middle = dot(x.share(value), columns);
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

fn legend(at: usize, curve: &Curve, colour: bool, plain_marks: bool) -> String {
    let mark = if plain_marks {
        MARKS[at % MARKS.len()].to_string()
    } else {
        "──".to_owned()
    };
    let mark = if colour { painted(at, &mark) } else { mark };
    let left_out = curve
        .points
        .iter()
        .filter(|point| !point.1.is_finite())
        .count();
    let left_out = match left_out {
        0 => String::new(),
        count => format!("  ({count} NaN or infinite, not drawn)"),
    };
    format!("{mark} {}{left_out}\n", super::escape(&curve.label))
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

    fn draw(&mut self, curve: usize, points: &[(f64, f64)], x: Range, y: Range) {
        let (width, height) = (self.columns * DOTS.0, self.rows * DOTS.1);
        let mut before = None;
        for &(step, value) in points {
            if !(step.is_finite() && value.is_finite()) {
                before = None;
                continue;
            }
            let here = (dot(x.share(step), width), dot(1.0 - y.share(value), height));
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

    fn line(&self, row: usize, colour: bool, plain_marks: bool) -> String {
        let mut line = String::new();
        for &(bits, curve) in &self.cells[row * self.columns..(row + 1) * self.columns] {
            let shown = match bits {
                0 => ' ',
                _ if plain_marks => MARKS[curve % MARKS.len()],
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
    fn labels_are_round_and_within_their_range() {
        let range = |from, to| Range { from, to };
        assert_eq!(ticks(range(-0.04, 1.03), 5, 0.0), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(range(0.0, 0.3), 3, 0.0).last(), Some(&0.3));
        assert_eq!(ticks(range(0.0, 999.0), 8, 1.0)[..3], [0.0, 200.0, 400.0]);
        assert_eq!(ticks(range(3.0, 5.0), 8, 1.0), [3.0, 4.0, 5.0]);
        for range in [
            range(1e18, 1e18 + 512.0),
            range(f64::MIN, f64::MAX),
            range(0.0, 5e-324),
        ] {
            let ticks = ticks(range, 4, 0.0);
            assert!(ticks.len() <= 5, "{ticks:?}");
            assert!(
                ticks.iter().all(|at| (range.from..=range.to).contains(at)),
                "{ticks:?}"
            );
        }
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
