//! Masks secrets in what is noted of a run, before it reaches the disk.
//!
//! A command line and the environment are kept with the run for good, and stores are copied and
//! shared. So whatever looks like a key, token or password is replaced by [`MASK`], and the run
//! lists what was masked. Found are values by the name before them (`--api-key X`, `PASSWORD=X`,
//! JSON, URL queries, headers), passwords in URLs, tokens by their issuer's shape, and any value
//! of a secret variable of the environment wherever it stands (`--login $MY_TOKEN`).
//!
//! What cannot be known is not masked: a secret given by its place alone (`login.py hunter2`) or
//! behind one letter (`-p hunter2`). In doubt a value is masked: a lost option can be read in the
//! code, a leaked key must be replaced.

mod name;
mod shape;
#[cfg(test)]
mod tests;

use name::Suspicion;
use name::is_harmless;
use name::is_plain_word;
use name::is_plural;
use name::is_scheme;
use name::is_unmistakable;
use name::suspicion;

/// What stands in place of a secret.
pub const MASK: &str = "[masked]";

/// Shorter values of secret variables are not looked for in other text: they may be plain words.
const KNOWN_BYTES_MIN: usize = 8;

/// Text without its secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// The text, each secret replaced by [`MASK`].
    pub text: String,
    /// What was masked, by option, variable or kind; empty if nothing was.
    pub names: Vec<String>,
}

/// Tells whether a value given under a name is a secret or has one in it.
///
/// - `name`: of a param, variable or option, as typed
pub fn looks_secret(name: &str, value: &str) -> bool {
    looks_named(name, value) || !mask_text(value).names.is_empty()
}

/// Masks a value given under a name: all of it if the name says so, else what is secret in it.
pub fn mask_value(name: &str, value: &str) -> Masked {
    Masker::default().value(name, value)
}

/// Masks what is secret in a text of any kind: a shell script, JSON, a note.
pub fn mask_text(text: &str) -> Masked {
    Masker::default().text(text)
}

/// Tells whether the name alone makes the value a secret.
fn looks_named(name: &str, value: &str) -> bool {
    let suspicion = suspicion(name);
    suspicion != Suspicion::None && !is_harmless(suspicion, value)
}

/// Masks with the secrets of this environment in mind.
#[derive(Debug, Default)]
pub(super) struct Masker {
    /// Values to be masked wherever they stand, longest first, with their variables' names.
    known: Vec<(String, String)>,
}

impl Masker {
    /// Notes the values of variables whose names say that they are secret.
    pub(super) fn new<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut known: Vec<(String, String)> = variables
            .filter(|(name, value)| {
                let telling = value.len() >= KNOWN_BYTES_MIN && !is_plain_word(value);
                telling && !value.starts_with('/') && looks_named(name, value)
            })
            .map(|(name, value)| (value.to_owned(), name.to_owned()))
            .collect();
        known.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then(a.cmp(b)));
        Self { known }
    }

    /// Masks a variable or param.
    pub(super) fn value(&self, name: &str, value: &str) -> Masked {
        if looks_named(name, value) {
            return masked_whole(name);
        }
        let mut masked = self.text(value);
        for found in &mut masked.names {
            *found = format!("{name} ({found})");
        }
        masked
    }

    /// Masks a text of any kind.
    pub(super) fn text(&self, text: &str) -> Masked {
        let mut masked = Masked {
            text: text.to_owned(),
            names: Vec::new(),
        };
        for (value, variable) in &self.known {
            if masked.text.contains(value.as_str()) {
                masked.text = masked.text.replace(value.as_str(), MASK);
                masked.names.push(variable.clone());
            }
        }
        for rule in &shape::RULES {
            let mut kept = String::new();
            let mut from = 0;
            while let Some(find) = rule.find(&masked.text, from) {
                kept.push_str(masked.text.get(from..find.place.start).unwrap_or_default());
                kept.push_str(MASK);
                from = find.place.end;
                masked.names.push(find.name);
            }
            if from > 0 {
                kept.push_str(masked.text.get(from..).unwrap_or_default());
                masked.text = kept;
            }
        }
        masked
    }

    /// Masks a command line, argument by argument.
    ///
    /// - returns: as many arguments, and what was masked in them
    pub(super) fn command(&self, arguments: &[String]) -> (Vec<String>, Vec<String>) {
        let mut names = Vec::new();
        let mut awaited: Option<Awaited> = None;
        let mut previous = "";
        let mut kept = Vec::with_capacity(arguments.len());
        for (place, argument) in arguments.iter().enumerate() {
            let masked = match awaited.take().map(|awaited| awaited.meet(argument)) {
                Some((Some(masked), again)) => {
                    awaited = again;
                    masked
                }
                Some((None, Some(again))) => {
                    awaited = Some(again);
                    self.argument(place, previous, argument)
                }
                Some((None, None)) | None => {
                    awaited = Awaited::after(previous, argument);
                    self.argument(place, previous, argument)
                }
            };
            names.extend(masked.names);
            kept.push(masked.text);
            previous = argument;
        }
        (kept, names)
    }

    /// Masks one argument: the whole value of `NAME=VALUE`, else what is secret in its text.
    fn argument(&self, place: usize, previous: &str, argument: &str) -> Masked {
        // After `sh -c` it is a program, of which `NAME=VALUE` is only the beginning.
        let program = previous.starts_with('-') && previous.ends_with('c') && is_option(previous);
        if let Some((name, value)) = argument.split_once('=').filter(|_| !program) {
            let bare = name.trim_start_matches(['-', '+', '~', '/']);
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
            if bare.bytes().all(plain) && looks_named(name, value) {
                return Masked {
                    text: format!("{name}={MASK}"),
                    names: vec![name.to_owned()],
                };
            }
        }
        let mut masked = self.text(argument);
        for found in &mut masked.names {
            *found = format!("argument {place} ({found})");
        }
        masked
    }
}

fn masked_whole(name: &str) -> Masked {
    Masked {
        text: MASK.to_owned(),
        names: vec![name.to_owned()],
    }
}

/// What the arguments so far say about the next one.
#[derive(Debug)]
struct Awaited {
    name: String,
    /// Several values may follow.
    many: bool,
    /// The name was no option, so that a plain word after it is not taken for a secret.
    bare: bool,
}

impl Awaited {
    /// Tells what to expect after an argument.
    fn after(previous: &str, argument: &str) -> Option<Self> {
        let awaited = |name: &str, bare| {
            Some(Self {
                name: name.to_owned(),
                many: is_plural(name),
                bare,
            })
        };
        let header = argument.trim_end_matches(':').to_ascii_lowercase();
        if ["authorization", "proxy-authorization", "bearer"].contains(&header.as_str()) {
            return awaited("authorization", false);
        }
        if argument == "login" && previous.rsplit(['/', '\\']).next() == Some("wandb") {
            return awaited("wandb login key", false);
        }
        let name = argument.trim_start_matches('-');
        if is_option(argument) && !argument.contains('=') && suspicion(name) != Suspicion::None {
            return awaited(argument, false);
        }
        is_unmistakable(argument)
            .then(|| awaited(argument, true))
            .flatten()
    }

    /// Masks the argument if it is what was awaited; tells whether to await more.
    fn meet(self, argument: &str) -> (Option<Masked>, Option<Self>) {
        if is_option(argument) {
            return (None, None);
        }
        if self.name == "authorization" && is_scheme(argument) {
            return (None, Some(self));
        }
        if (self.bare && is_plain_word(argument)) || !looks_named(&self.name, argument) {
            return (None, self.many.then_some(self));
        }
        (Some(masked_whole(&self.name)), self.many.then_some(self))
    }
}

/// Tells whether an argument is an option and not a value that begins with a dash.
fn is_option(argument: &str) -> bool {
    let name = argument.split_once('=').map_or(argument, |(name, _)| name);
    let letters = |text: &str, more: &[u8]| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || more.contains(&byte))
    };
    match (name.strip_prefix("--"), name.strip_prefix('-')) {
        (Some(long), _) => long
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)),
        (None, Some(short)) => short.len() == 1 || (!short.is_empty() && letters(short, b"_-.")),
        (None, None) => false,
    }
}
