//! Text of others made safe for a terminal.
//!
//! Names, notes and values come from programs and from imported files. A control character among
//! them could move the cursor, recolour the screen or type commands; a bidirectional override
//! could make a line read differently from what it is. Such characters are shown, not obeyed.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns `text` on one line, with control and direction characters written out.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if u32::from(c) < 0x80 && c.is_control() => {
                let _ = write!(safe, "\\x{:02x}", u32::from(c)); // a String takes all
            }
            c if is_unsafe(c) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// As [`escape`], but line breaks and tabs stay: for notes and messages of several lines.
pub(crate) fn escape_lines(text: &str) -> String {
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| escape(&line.trim_end_matches('\r').replace('\t', "    ")).into_owned())
        .collect();
    lines.join("\n")
}

/// Returns a command line as a shell would take it; none if it is empty.
pub(crate) fn shell_words(command: &[String]) -> Option<String> {
    let plain = |c: char| c.is_alphanumeric() || "-_=+./:,@%^".contains(c);
    let quoted: Vec<String> = command
        .iter()
        .map(|argument| {
            if argument.chars().all(plain) && !argument.is_empty() {
                argument.clone()
            } else {
                format!("'{}'", argument.replace('\'', "'\\''"))
            }
        })
        .collect();
    (!quoted.is_empty()).then(|| quoted.join(" "))
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{feff}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(escape("größe/μ 損失"), "größe/μ 損失");
        assert_eq!(escape("a\x1b[31mred\x07"), "a\\x1b[31mred\\x07");
        assert_eq!(escape("one\ntwo\tthree\r"), "one\\ntwo\\tthree\\r");
        assert_eq!(escape("\u{9b}2J \u{202e}gnp"), "\\u{9b}2J \\u{202e}gnp");
        assert_eq!(escape_lines("one\r\n\ttwo\x1b]0;"), "one\n    two\\x1b]0;");
    }

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let command = ["python", "train.py", "--name", "it's a test", ""].map(str::to_owned);
        assert_eq!(
            shell_words(&command).as_deref(),
            Some("python train.py --name 'it'\\''s a test' ''")
        );
        assert_eq!(shell_words(&[]), None);
    }
}
