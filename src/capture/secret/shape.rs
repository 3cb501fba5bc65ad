//! Finds secrets in text by their shape, and by the names that stand before them in it.
//!
//! There is no rule for "looks random": hashes of data and of commits look so too, and they are
//! what makes a run reproducible.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Captures;
use regex::Regex;

use super::looks_named;
use super::name::Suspicion;
use super::name::is_masked;
use super::name::is_plain_word;
use super::name::suspicion;

/// A piece of text to mask, and what it is to be called in the list of what was masked.
pub(super) struct Find {
    pub(super) place: Range<usize>,
    pub(super) name: String,
}

/// A way to find secrets: the next match from an offset on, and what in it is one.
pub(super) struct Rule {
    pub(super) regex: LazyLock<Option<Regex>>,
    /// Returns the secret of a match, or where to go on looking.
    judge: fn(&str, &Captures<'_>) -> Result<Find, usize>,
}

impl Rule {
    /// Finds the next secret from `from` on.
    pub(super) fn find(&self, text: &str, mut from: usize) -> Option<Find> {
        loop {
            let captures = self.regex.as_ref()?.captures_at(text, from)?;
            match (self.judge)(text, &captures) {
                Ok(find) => return Some(find),
                Err(next) => from = next,
            }
        }
    }
}

/// All rules, in the order they are tried: those that name what they find come first.
pub(super) static RULES: [Rule; 6] = [
    Rule {
        regex: LazyLock::new(|| regex(HEADER)),
        judge: judge_header,
    },
    Rule {
        regex: LazyLock::new(|| regex(BEARER)),
        judge: judge_bearer,
    },
    Rule {
        regex: LazyLock::new(|| regex(URL)),
        judge: judge_url,
    },
    Rule {
        regex: LazyLock::new(|| regex(OPTION)),
        judge: judge_named,
    },
    Rule {
        regex: LazyLock::new(|| regex(ASSIGNMENT)),
        judge: judge_named,
    },
    Rule {
        regex: LazyLock::new(|| regex(&shapes())),
        judge: judge_shape,
    },
];

/// `Authorization: Bearer …` up to the end of the quotes or line around it.
const HEADER: &str = concat!(
    r#"(?i)(?P<name>(?:proxy-)?authorization|(?:set-)?cookie)\\?["']?\s*:\s*\\?["']?"#,
    r#"(?:(?:bearer|basic|token|digest|negotiate|apikey)\s+)?(?P<value>[^\s"'\\][^"'\r\n\\]*)"#
);
const BEARER: &str = r"(?i)\bbearer\s+(?P<value>[A-Za-z0-9._~+/=-]{6,})";
/// What stands between `scheme://` and `@`; without a scheme only before what must be a host.
const URL: &str = concat!(
    r#"[A-Za-z][A-Za-z0-9+.-]*://(?P<user>[^\s/:@?\#"'<>]*)(?::(?P<value>[^\s"'<>]*))?@"#,
    r#"|\b[A-Za-z0-9_.-]+:(?P<bare>[^\s/:@"'<>]{6,})@"#,
    r"(?:localhost|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?:[A-Za-z0-9-]+\.)+[a-z]{2,})(?:[:/\s]|$)"
);
/// `--token abc` inside a text, also as the items of a list: `'--token', 'abc'`. The value is
/// read by [`value_at`], and only for a suspicious name, so that the time stays linear.
const OPTION: &str =
    r#"(?:^|[\s"'(\[,;&|=])(?P<name>--?[A-Za-z][A-Za-z0-9_.-]*)(?:\s+|["']\s*,\s*)"#;
/// `api_key=abc`, `"api_key": "abc"`, `?token=abc&…`, `AccountKey=abc;…`, up to the value.
const ASSIGNMENT: &str = r#"(?P<name>-{0,2}[A-Za-z_][A-Za-z0-9_.-]*)\\?["']?\s*(?::=|=>|=|:)\s*"#;

/// Keys and tokens as their issuers make them, so that they can be found.
fn shapes() -> String {
    [
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END[^-]*-----|\z)",
        r"AGE-SECRET-KEY-1[A-Z0-9]{20,}",
        r"(?:AKIA|ASIA)[0-9A-Z]{16}",
        r"AIza[0-9A-Za-z_-]{30,}",
        r"GOCSPX-[0-9A-Za-z_-]{20,}",
        r"ya29\.[0-9A-Za-z_-]{20,}",
        r"\beyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]*",
        r"(?P<random>\b(?:sk-|hf_)[0-9A-Za-z_-]{16,})",
        r"\b(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{10,}",
        r"\b(?:gsk_|xai-|pplx-|nvapi-|tvly-|lsv2_|wandb_v1_)[0-9A-Za-z_-]{20,}",
        r"\br8_[0-9A-Za-z]{30,}",
        r"\bhvs\.[0-9A-Za-z_-]{20,}",
        r"\bSG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}",
        r"gh[pousr]_[0-9A-Za-z]{16,}",
        r"github_pat_[0-9A-Za-z_]{16,}",
        r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[0-9A-Za-z_.-]{16,}",
        r"(?:xox[a-z]|xapp)-[0-9A-Za-z-]{10,}",
        r"\bnpm_[0-9A-Za-z]{30,}",
        r"pypi-[0-9A-Za-z_-]{40,}",
        r"dckr_pat_[0-9A-Za-z_-]{20,}",
        r"\bdapi[0-9a-f]{32}",
        r"dop_v1_[0-9a-f]{64}",
        // 40 hex digits, which anywhere else are a commit
        r"\bwandb\s+login\s+(?:--[a-z-]+\s+)*(?P<login>[0-9a-f]{40})\b",
        r"hooks\.slack\.com/services/(?P<slack>[0-9A-Za-z_/-]{10,})",
        r"discord(?:app)?\.com/api/webhooks/(?P<discord>[0-9A-Za-z_/-]{10,})",
    ]
    .join("|")
}

/// Compiles a fixed pattern; that none is refused, a test shows.
fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

fn judge_header(_: &str, captures: &Captures<'_>) -> Result<Find, usize> {
    let (name, value, end) = parts(captures);
    if is_masked(value.0) {
        return Err(end);
    }
    Ok(found(value.1, name))
}

fn judge_bearer(_: &str, captures: &Captures<'_>) -> Result<Find, usize> {
    let (_, value, end) = parts(captures);
    if is_plain_word(value.0) {
        return Err(end);
    }
    Ok(found(value.1, "bearer token"))
}

fn judge_url(_: &str, captures: &Captures<'_>) -> Result<Find, usize> {
    let end = captures.get(0).map_or(0, |whole| whole.end());
    let group = |name| captures.name(name);
    if let Some(password) = group("value").or(group("bare")) {
        // `host:8080/path@3` is a port and a path.
        let digits = password
            .as_str()
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let rest = password.as_str().get(digits..).unwrap_or_default();
        let port = digits > 0 && rest.starts_with('/');
        // `mailto:name@host.org` is an address.
        let whole = captures.get(0).map_or("", |whole| whole.as_str());
        let before = whole.split(':').next().unwrap_or_default();
        let address = group("bare").is_some() && before.to_ascii_lowercase().contains("mail");
        if port || address || password.is_empty() || is_masked(password.as_str()) {
            return Err(end);
        }
        return Ok(found(password.range(), "URL password"));
    }
    match group("user") {
        // A long user name with digits and no password is a token: `https://TOKEN@host`.
        Some(user)
            if user.len() >= 20 && user.as_str().bytes().any(|byte| byte.is_ascii_digit()) =>
        {
            Ok(found(user.range(), "URL password"))
        }
        _ => Err(end),
    }
}

fn judge_named(text: &str, captures: &Captures<'_>) -> Result<Find, usize> {
    let (name, _, start) = parts(captures);
    let go_on = captures.name("name").map_or(start, |name| name.end());
    if suspicion(name) == Suspicion::None {
        return Err(go_on);
    }
    let place = value_at(text, start);
    let value = text.get(place.clone()).unwrap_or_default();
    let option_follows = name.starts_with('-') && super::is_option(value);
    if option_follows || !looks_named(name, value) {
        return Err(go_on);
    }
    Ok(found(place, name))
}

fn judge_shape(_: &str, captures: &Captures<'_>) -> Result<Find, usize> {
    let Some(whole) = captures.get(0) else {
        return Err(usize::MAX);
    };
    if captures
        .name("random")
        .is_some_and(|body| !is_random(body.as_str()))
    {
        return Err(whole.end());
    }
    let hook = captures.name("slack").or(captures.name("discord"));
    let secret = hook.or(captures.name("login"));
    let name = match hook {
        Some(_) => "webhook",
        None if whole.as_str().starts_with("-----") => "private key",
        None => "token",
    };
    Ok(found(secret.unwrap_or(whole).range(), name))
}

fn found(place: Range<usize>, name: &str) -> Find {
    Find {
        place,
        name: name.to_owned(),
    }
}

/// The name, the value with its place, and the end of a match.
fn parts<'t>(captures: &Captures<'t>) -> (&'t str, (&'t str, Range<usize>), usize) {
    let end = captures.get(0).map_or(0, |whole| whole.end());
    let name = captures.name("name").map_or("", |name| name.as_str());
    let value = captures
        .name("value")
        .map_or(("", end..end), |value| (value.as_str(), value.range()));
    (name, value, end)
}

/// Finds the value that begins at `start`: without its quotes, and an unclosed one to the end.
fn value_at(text: &str, start: usize) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    for (quote, ends) in [("\\\"", "\\\""), ("\"", "\""), ("'", "'")] {
        if let Some(inner) = rest.strip_prefix(quote) {
            let mut escaped = false;
            let end = inner.find(|char| {
                let end = !escaped && ends.contains(char);
                escaped = !escaped && char == '\\';
                end
            });
            let start = start + quote.len();
            return start..start + end.unwrap_or(inner.len());
        }
    }
    let ends = |char: char| char.is_whitespace() || "\"'&;".contains(char);
    let end = rest.find(ends).unwrap_or(rest.len());
    start..start + bare_value(rest.get(..end).unwrap_or_default()).len()
}

/// Ends an unquoted value before the next assignment of a list, and before closing brackets.
fn bare_value(value: &str) -> &str {
    static NEXT: LazyLock<Option<Regex>> =
        LazyLock::new(|| regex(r"[,|][A-Za-z_][A-Za-z0-9_.-]*(?:=|:)|[,})\]]+$"));
    match NEXT.as_ref().and_then(|next| next.find(value)) {
        Some(next) if !is_masked(value) => value.get(..next.start()).unwrap_or(value),
        _ => value,
    }
}

/// Tells `sk-` and `hf_` with random characters from names such as `sk-learn-baseline-2024`.
fn is_random(token: &str) -> bool {
    let body = token.get(3..).unwrap_or_default();
    let has = |wanted: fn(&u8) -> bool| body.bytes().any(|byte| wanted(&byte));
    let long = body
        .split(|char: char| !char.is_ascii_alphanumeric())
        .any(|run| run.len() >= 12);
    long && (has(u8::is_ascii_digit)
        || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)))
}
