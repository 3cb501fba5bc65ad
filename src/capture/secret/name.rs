//! Tells from its name whether a variable, option or param holds a secret.
//!
//! A name is cut into words at separators and capitals, so that `--monkey`, `--tokenizer` and
//! `--author` are not taken for a key, a token or a login. Some words say it all (`password`,
//! `api key`); others have a second meaning in this field (`token`, `key`), so the words around
//! them and the value decide: see [`is_harmless`].

/// What a name says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// No secret.
    None,
    /// A secret, unless the value shows otherwise.
    Weak,
    /// Likewise, but the word may also name a field (`--key loss`): a plain lower-case word, a
    /// date or a short path is no secret.
    Field,
    /// Likewise, and it says of what (`--image-key RGB`): nor is a short word with capitals.
    FieldOf,
    /// A secret, whatever the value.
    Strong,
}

/// Words that give a secret away wherever they stand, also glued to others (`DBPASSWORD`).
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "privatekey",
    "accesskey",
    "authkey",
    "apitoken",
    "authtoken",
    "accesstoken",
    "refreshtoken",
];
/// Words that give a secret away when they stand alone.
const WORDS: &[&str] = &[
    "authorization",
    "bearer",
    "cred",
    "creds",
    "jwt",
    "pgpass",
    "pwd",
];
/// `X key` and `X token` are secrets anywhere in a name.
const OWNERS: &[&str] = &[
    "access",
    "account",
    "admin",
    "anthropic",
    "api",
    "auth",
    "aws",
    "azure",
    "bearer",
    "bot",
    "clearml",
    "comet",
    "deploy",
    "encryption",
    "gcp",
    "github",
    "gitlab",
    "google",
    "hf",
    "hub",
    "huggingface",
    "license",
    "master",
    "mlflow",
    "neptune",
    "npm",
    "oauth",
    "openai",
    "personal",
    "private",
    "pypi",
    "refresh",
    "sas",
    "secret",
    "security",
    "service",
    "session",
    "shared",
    "signing",
    "slack",
    "ssh",
    "storage",
    "subscription",
    "wandb",
];
/// Glued to `key`, `token` or `pass` these make a secret too: `HFTOKEN`, `dbpass`.
const GLUED_OWNERS: &[&str] = &[
    "app", "client", "db", "ftp", "mail", "mongo", "my", "mysql", "pg", "postgres", "proxy",
    "redis", "root", "smtp", "sudo", "user",
];
/// `X token` is a token of text.
const TEXT_TOKENS: &[&str] = &[
    "audio",
    "begin",
    "bos",
    "class",
    "cls",
    "cross",
    "decoder",
    "end",
    "eos",
    "eot",
    "first",
    "image",
    "initializer",
    "label",
    "last",
    "mask",
    "max",
    "min",
    "new",
    "next",
    "num",
    "pad",
    "patch",
    "per",
    "placeholder",
    "prefix",
    "sep",
    "separator",
    "single",
    "sot",
    "special",
    "start",
    "stop",
    "suffix",
    "think",
    "tool",
    "trigger",
    "unk",
    "video",
];
/// `X key` sorts, groups, seeds or is meant to be seen.
const PLAIN_KEYS: &[&str] = &[
    "cache",
    "foreign",
    "group",
    "hot",
    "max",
    "min",
    "num",
    "partition",
    "primary",
    "prng",
    "public",
    "random",
    "rng",
    "sort",
];
/// `X pass` is one walk over something.
const PLAIN_PASSES: &[&str] = &[
    "backward", "band", "first", "forward", "high", "low", "max", "multi", "num", "one", "per",
    "second", "single", "two",
];
/// A name that ends so tells where the secret is, or something about it, and not the secret.
const ABOUT: &[&str] = &[
    "backend", "column", "count", "dim", "dims", "dir", "enabled", "endpoint", "env", "expires",
    "expiry", "field", "file", "format", "hint", "len", "length", "limit", "manager", "max",
    "method", "min", "mode", "name", "path", "policy", "prompt", "provider", "required", "size",
    "sock", "socket", "stdin", "timeout", "ttl", "type", "uri", "url", "var",
];
/// A name that begins so is a switch.
const SWITCHES: &[&str] = &[
    "ask", "disable", "has", "hide", "is", "no", "prompt", "require", "show", "skip", "without",
];
/// Words after `token` or `key` that leave it one: `GITHUB_TOKEN_RO`.
const TRAILING: &[&str] = &[
    "b64",
    "base64",
    "default",
    "dev",
    "hex",
    "main",
    "new",
    "old",
    "plain",
    "primary",
    "prod",
    "production",
    "raw",
    "readonly",
    "ro",
    "rw",
    "secondary",
    "staging",
    "str",
    "string",
    "test",
    "text",
    "value",
];

/// A longer value is never taken for a path, a number or a plain word.
const HARMLESS_BYTES_MAX: usize = 1024;

/// Tells what a name says: that of a variable (`HF_TOKEN`), option (`--api-key`), param or field.
pub(super) fn suspicion(name: &str) -> Suspicion {
    let name = name.trim_start_matches(['-', '+', '~', '/']);
    if name == "PWD" || name == "OLDPWD" {
        return Suspicion::None; // the shell's working directory
    }
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else {
        return Suspicion::None;
    };
    if SWITCHES.contains(first) || ABOUT.contains(last) {
        return Suspicion::None;
    }
    let of_key = |pair: &[&str]| matches!(pair, ["key" | "keys" | "token", "id" | "ids"]);
    if words.windows(2).any(of_key) && !words.iter().any(|word| is_strong(word)) {
        return Suspicion::None; // `pad_token_id`, `access_key_id`
    }
    let owned = |pair: &[&str]| match pair {
        [owner, "key" | "keys" | "token"] => OWNERS.contains(owner),
        ["api" | "auth" | "access" | "bearer" | "refresh", "tokens"] => true,
        _ => false,
    };
    if words.iter().any(|word| is_strong(word)) || words.windows(2).any(owned) {
        return Suspicion::Strong;
    }
    weak(&words)
}

/// Judges by the last word that counts and the one before it.
fn weak(words: &[&str]) -> Suspicion {
    let end = words.iter().rposition(|word| !TRAILING.contains(word));
    let words = end.and_then(|end| words.get(..=end)).unwrap_or(words);
    let (before, last) = match words {
        [.., before, last] => (*before, *last),
        [last] => ("", *last),
        [] => return Suspicion::None,
    };
    let secret = match last {
        "token" => !TEXT_TOKENS.contains(&before),
        "key" => !PLAIN_KEYS.contains(&before),
        "pass" => !PLAIN_PASSES.contains(&before),
        "credential" | "credentials" | "auth" | "oauth" | "cookie" | "cookies" | "pat"
        | "private" | "sas" | "sig" | "signature" => true,
        _ => ["key", "token", "pass", "auth"].iter().any(|part| {
            last.strip_suffix(part)
                .is_some_and(|owner| OWNERS.contains(&owner) || GLUED_OWNERS.contains(&owner))
        }),
    };
    if !secret {
        return Suspicion::None;
    }
    match last {
        "key" if !before.is_empty() => Suspicion::FieldOf,
        "key" | "pass" | "private" | "pat" | "sig" | "signature" => Suspicion::Field,
        _ => Suspicion::Weak,
    }
}

fn is_strong(word: &str) -> bool {
    let harmless = word.starts_with("secretar") || word.starts_with("passwordless");
    let glued = word.ends_with("pwd") && word != "oldpwd";
    !harmless && (glued || WORDS.contains(&word) || PARTS.iter().any(|part| word.contains(part)))
}

/// Tells whether several values may follow an option of this name.
pub(super) fn is_plural(name: &str) -> bool {
    let plural = ["keys", "passwords", "secrets", "tokens"];
    words(name)
        .last()
        .is_some_and(|word| plural.contains(&word.as_str()))
}

/// Tells whether a name is in small letters and says it all: `aws_secret_access_key`, `password`.
///
/// Only such a name is believed where it stands bare on a command line, before its value.
pub(super) fn is_unmistakable(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || b"_-.".contains(&byte);
    let compound = words(name).len() > 1 || name.starts_with("passw");
    name.bytes().all(plain) && compound && suspicion(name) == Suspicion::Strong
}

/// Tells whether a value under a suspicious name is plainly no secret.
pub(super) fn is_harmless(suspicion: Suspicion, value: &str) -> bool {
    if value.len() > HARMLESS_BYTES_MAX {
        return suspicion == Suspicion::None;
    }
    let lower = value.to_ascii_lowercase();
    let nothing = ["", "-", "true", "false", "none", "null", "undefined"];
    let reference = value.starts_with('$') && !value.starts_with("$2"); // not a bcrypt hash
    if nothing.contains(&lower.as_str()) || reference || is_masked(value) || is_scheme(value) {
        return true;
    }
    let field = match suspicion {
        Suspicion::None => return true,
        Suspicion::Strong => return false,
        Suspicion::Weak => false,
        Suspicion::Field => is_field(value),
        Suspicion::FieldOf => is_field(value) || is_short_word(value),
    };
    let number = value.len() <= 6 && value.parse::<f64>().is_ok();
    let word = ["yes", "no", "on", "off", "auto"].contains(&lower.as_str());
    let special = (value.starts_with('<') && value.ends_with('>'))
        || (value.starts_with('[') && value.ends_with(']'));
    let path = ["/", "./", "../", "~/"]
        .iter()
        .any(|start| value.starts_with(start));
    number || word || special || path || field
}

/// A plain word, a date or time, or a path of short names.
fn is_field(value: &str) -> bool {
    let date = value.len() <= 32
        && value
            .bytes()
            .all(|b| b.is_ascii_digit() || b"-:.".contains(&b));
    let path = value.contains('/') && value.split('/').all(|name| name.len() <= 12);
    is_plain_word(value) || date || path
}

fn is_short_word(value: &str) -> bool {
    value.len() <= 12
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

/// Tells whether a value is a word or dotted name in small letters, as no generated secret is.
pub(super) fn is_plain_word(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || b"_-./".contains(&byte);
    value.len() <= 32 && value.bytes().all(plain)
}

/// Tells whether the value was masked before.
pub(super) fn is_masked(value: &str) -> bool {
    value.starts_with(super::MASK) || (!value.is_empty() && value.bytes().all(|byte| byte == b'*'))
}

/// Tells whether a word only names the kind of credential that follows it.
pub(super) fn is_scheme(word: &str) -> bool {
    let schemes = ["bearer", "basic", "digest", "negotiate", "token", "apikey"];
    schemes.contains(&word.to_ascii_lowercase().as_str())
}

/// Cuts a name into lower-case words, without digits at their ends: `hubApiKey2` is hub, api, key.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let chars: Vec<char> = name.chars().collect();
    for (at, char) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| chars.get(before));
        let small_next = chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        let boundary = char.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase() || (before.is_uppercase() && small_next)
            });
        if boundary || !char.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| char.is_alphanumeric()) {
            word.extend(char.to_lowercase());
        }
    }
    for word in &mut words {
        if word != "b64" && word != "base64" {
            word.truncate(word.trim_end_matches(|c: char| c.is_ascii_digit()).len());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
