//! What is noted of a process when a run starts: command, folder, machine, code, variables, user.
//!
//! All of it is a note and none of it may fail or delay a run: what cannot be told is left out,
//! git is asked while the rest is read and is given a second at most, and every text is bounded
//! so that the note fits a record. Secrets are masked before anything leaves this module (see
//! [`mask_text`] for what is found), and [`Environment::masked`] lists what was.
//!
//! Reads the files of the system and of the user's repository, never those of a store.

mod git;
mod machine;
mod secret;
mod variables;

use std::ffi::OsString;
use std::path::PathBuf;

pub use secret::MASK;
pub use secret::Masked;
pub use secret::looks_secret;
pub use secret::mask_text;
pub use secret::mask_value;

use crate::limits::ARTIFACT_PATH_BYTES_MAX;
use crate::limits::NAME_BYTES_MAX;
use crate::limits::RECORD_BYTES_MAX;
use crate::limits::TEXT_BYTES_MAX;
use crate::model::Environment;
use secret::Masker;

/// Most entries of the list of what was masked, and the longest entry.
const MASKED_MAX: usize = 256;
const MASKED_BYTES_MAX: usize = 256;
/// What an argument costs in a record besides its bytes.
const ARGUMENT_COST_BYTES: usize = 9;

/// Tells where and how this process runs, with secrets masked.
///
/// Takes a few milliseconds the first time in a repository: what git takes to answer.
pub fn environment() -> Environment {
    environment_of(std::env::args_os())
}

/// Tells where and how a command is run by this process: as [`environment`], for a child.
///
/// - `command`: program first; text that is not UTF-8 is kept as far as it can be read
pub fn environment_of(command: impl IntoIterator<Item = OsString>) -> Environment {
    let folder = std::env::current_dir().ok();
    let code = folder.as_deref().and_then(git::Inquiry::begin); // answers while we go on
    let all: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (lossy(name), lossy(value)))
        .collect();
    let all = || {
        all.iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    };
    let masker = Masker::new(all());
    let (command, mut hidden) = command_line(command, &masker);
    let (variables, more) = variables::select(all(), &masker);
    hidden.extend(more);
    Environment {
        command,
        cwd: folder.map(|folder| bounded(lossy(folder.into_os_string()), ARTIFACT_PATH_BYTES_MAX)),
        host: machine::host(),
        os: machine::os(),
        cpu: machine::cpu(),
        cpu_count: machine::cpu_count(),
        variables,
        masked: listed(hidden),
        git: code.map(git::Inquiry::answer),
    }
}

/// Tells who starts a run: git's user, else the login.
pub fn author() -> Option<String> {
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let name = git::user_name(&folder).or_else(machine::login)?;
    let printable: String = name.chars().filter(|char| !char.is_control()).collect();
    machine::present(Some(bounded(printable, NAME_BYTES_MAX)))
}

/// Makes a readable name for a run from 16 random bytes: `brisk-otter-07`.
///
/// The same bytes give the same name. There are 20 million; a name need not be unique.
pub fn run_name(random: [u8; 16]) -> String {
    let words = petname::Petnames::small();
    let mut rest = u128::from_le_bytes(random);
    let mut draw = |below: usize| {
        let below = (below as u128).max(1);
        let drawn = rest % below;
        rest /= below;
        usize::try_from(drawn).unwrap_or_default()
    };
    let adjective = words.adjectives.get(draw(words.adjectives.len()));
    let noun = words.nouns.get(draw(words.nouns.len()));
    let number = draw(100);
    let (adjective, noun) = (adjective.unwrap_or(&"plain"), noun.unwrap_or(&"run"));
    format!("{adjective}-{noun}-{number:02}")
}

/// Masks a command line and cuts it to [`TEXT_BYTES_MAX`]; an argument `…` stands for the rest.
fn command_line(
    command: impl IntoIterator<Item = OsString>,
    masker: &Masker,
) -> (Vec<String>, Vec<String>) {
    let mut taken = Vec::new();
    let mut bytes = 0;
    for argument in command {
        if bytes > TEXT_BYTES_MAX {
            taken.push(CUT.to_owned());
            break;
        }
        let argument = lossy(argument);
        bytes += argument.len() + ARGUMENT_COST_BYTES;
        taken.push(argument);
    }
    let (shown, names) = masker.command(&taken);
    let mut kept = Vec::with_capacity(shown.len());
    let mut room = TEXT_BYTES_MAX - CUT.len() - ARGUMENT_COST_BYTES;
    for argument in shown {
        let Some(left) = room.checked_sub(argument.len() + ARGUMENT_COST_BYTES) else {
            let part = argument.len() > room && room > CUT.len();
            kept.push(if part {
                bounded(argument, room)
            } else {
                CUT.to_owned()
            });
            break;
        };
        room = left;
        kept.push(argument);
    }
    (kept, names)
}

/// Drops repeats from the list of what was masked and bounds it.
fn listed(names: Vec<String>) -> Vec<String> {
    let mut listed: Vec<String> = Vec::new();
    for name in names {
        let name = bounded(name, MASKED_BYTES_MAX);
        if listed.len() == MASKED_MAX {
            listed.push(CUT.to_owned());
            break;
        }
        if !listed.contains(&name) {
            listed.push(name);
        }
    }
    listed
}

/// Stands for what was cut off.
const CUT: &str = "…";

/// Cuts a text to `bytes_max` bytes, the last of which are then `…`. Zero is a boundary of any.
fn bounded(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let mut end = bytes_max.saturating_sub(CUT.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(CUT);
    }
    text
}

fn lossy(text: OsString) -> String {
    text.into_string()
        .unwrap_or_else(|text| text.to_string_lossy().into_owned())
}

// All of it fits a record, with as much again for the variables' bounds and what serde adds.
const _: () = assert!(
    TEXT_BYTES_MAX
        + 2 * variables::TOTAL_BYTES_MAX
        + ARTIFACT_PATH_BYTES_MAX
        + MASKED_MAX * (MASKED_BYTES_MAX + ARGUMENT_COST_BYTES)
        <= RECORD_BYTES_MAX
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_command_is_noted_without_its_secrets() {
        let environment = environment_of(words("train.py --lr 0.1 --api-key hunter2"));
        assert_eq!(
            environment.command.join(" "),
            "train.py --lr 0.1 --api-key [masked]"
        );
        assert_eq!(
            environment.masked.first().map(String::as_str),
            Some("--api-key")
        );
        assert!(environment.cpu_count.is_some_and(|count| count > 0));
        assert!(environment.os.is_some() && environment.cpu.is_some());
        assert!(
            environment
                .cwd
                .is_some_and(|cwd| PathBuf::from(cwd).is_dir())
        );
    }

    #[test]
    fn a_long_command_is_cut_and_says_so() {
        let long = "ü".repeat(TEXT_BYTES_MAX / 3);
        for line in [vec![long.clone(); 9], vec![String::new(); TEXT_BYTES_MAX]] {
            let line = line.into_iter().map(OsString::from);
            let (kept, _) = command_line(line, &Masker::default());
            let bytes: usize = kept
                .iter()
                .map(|word| word.len() + ARGUMENT_COST_BYTES)
                .sum();
            assert!(
                bytes <= TEXT_BYTES_MAX && bytes > TEXT_BYTES_MAX / 2,
                "{bytes}"
            );
            assert!(kept.last().is_some_and(|last| last.ends_with(CUT)));
        }
    }

    #[cfg(unix)]
    #[test]
    fn arguments_that_are_not_utf8_are_kept_as_far_as_they_can_be_read() {
        use std::os::unix::ffi::OsStringExt as _;
        let (kept, _) = command_line([OsString::from_vec(b"a\xffb".to_vec())], &Masker::default());
        assert_eq!(kept, ["a\u{fffd}b"]);
    }

    #[test]
    fn what_was_masked_is_listed_once_and_bounded() {
        let twice = vec!["--token".to_owned(), "--token".to_owned()];
        assert_eq!(listed(twice), ["--token"]);
        let many = (0..1_000)
            .map(|i| format!("{i}{}", "n".repeat(999)))
            .collect();
        let listed = listed(many);
        assert_eq!(listed.len(), MASKED_MAX + 1);
        assert!(listed.iter().all(|name| name.len() <= MASKED_BYTES_MAX));
    }

    #[test]
    fn names_are_readable_differ_and_follow_from_the_bytes() {
        let names: BTreeSet<String> = (0..=255u8)
            .map(|i| run_name([i.wrapping_mul(97); 16]))
            .collect();
        assert!(names.len() > 250, "{}", names.len());
        for name in &names {
            let parts: Vec<&str> = name.split('-').collect();
            assert!(matches!(parts[..], [a, n, d] if a.len() > 1 && n.len() > 1 && d.len() == 2));
        }
        assert_eq!(run_name([7; 16]), run_name([7; 16]));
    }
}
