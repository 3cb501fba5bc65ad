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
/// Blank lines between two labels of the upright axis, and blanks between those of the flat one.
const LABEL_LINES: usize = 5;
const LABEL_GAP: usize = 4;

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
    let labels: Vec<String> = (0..rows).map(|row| y_label(row, rows, y)).collect();
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

    fn at(self, share: f64) -> f64 {
        self.from * (1.0 - share) + self.to * share
    }
}

/// The label of a line of characters: the value in its middle; most lines have none.
fn y_label(row: usize, rows: usize, y: Range) -> String {
    let from_below = rows - 1 - row;
    let labelled = from_below.is_multiple_of(LABEL_LINES) && row >= LABEL_LINES / 2 || row == 0;
    if labelled {
        number::compact(y.at(from_below as f64 / (rows - 1).max(1) as f64))
    } else {
        String::new()
    }
}

/// Steps under the flat axis, as many as fit, each where it belongs.
fn x_labels(x: Range, columns: usize) -> String {
    let text = |share: f64| number::compact(x.at(share).round());
    if x.from >= x.to {
        return text(0.0);
    }
    let widest = text(0.0).len().max(text(1.0).len());
    let count = ((columns + LABEL_GAP) / (widest + LABEL_GAP)).clamp(2, 6);
    let mut line = String::new();
    for at in 0..count {
        let share = at as f64 / (count - 1) as f64;
        let label = text(share);
        let (position, last) = ((columns - 1) * at / (count - 1), at + 1 == count);
        let start = match at {
            0 => 0,
            _ if last => (position + 1).saturating_sub(label.len()),
            _ => position.saturating_sub(label.len() / 2),
        };
        if start < line.len() + usize::from(at > 0) {
            continue; // no room between its neighbours
        }
        line.push_str(&" ".repeat(start - line.len()));
        line.push_str(&label);
    }
    line
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
        let (width, height) = (self.columns * DOTS.0 - 1, self.rows * DOTS.1 - 1);
        let mut before = None;
        for &(step, value) in points {
            if !(step.is_finite() && value.is_finite()) {
                before = None;
                continue;
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "shares are within 0 and 1, so dots are within the canvas"
            )]
            let dot = (
                (x.share(step) * width as f64).round() as usize,
                ((1.0 - y.share(value)) * height as f64).round() as usize,
            );
            if before != Some(dot) {
                self.segment(curve, before.unwrap_or(dot), dot);
            }
            before = Some(dot);
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
        let want = "
  1 ┤                 ⣀⠤⠊
    │             ⢀⡠⠔⠉
";
        assert!(
            text.starts_with("  1 ┤") || text.starts_with("1 ┤"),
            "{text}\n{want}"
        );
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
