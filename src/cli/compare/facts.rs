//! What is known of the code and the machine of a run, as facts with names.

use serde_json::Value;
use tracker::model::Run;

/// Characters of a fact that a table shows.
const SHOWN_CHARS_MAX: usize = 48;
/// Digits of a commit that a table shows.
const COMMIT_DIGITS: usize = 12;

/// Facts of the code.
pub(super) fn code(run: &Run) -> Vec<(String, Value)> {
    let Some(git) = &run.info.environment.git else {
        return Vec::new();
    };
    let facts = [
        ("commit", git.commit.clone().map(Value::from)),
        ("branch", git.branch.clone().map(Value::from)),
        ("dirty", git.dirty.map(Value::from)),
    ];
    named(facts).collect()
}

/// Facts of the machine and of how the program was called.
pub(super) fn environment(run: &Run) -> Vec<(String, Value)> {
    let environment = &run.info.environment;
    let command = environment.command.join(" ");
    let facts = [
        ("command", (!command.is_empty()).then(|| command.into())),
        ("folder", environment.cwd.clone().map(Value::from)),
        ("host", environment.host.clone().map(Value::from)),
        ("os", environment.os.clone().map(Value::from)),
        ("cpu", environment.cpu.clone().map(Value::from)),
        ("cpus", environment.cpu_count.map(Value::from)),
    ];
    let variables = environment
        .variables
        .iter()
        .map(|(name, value)| (format!("${name}"), Value::from(value.as_str())));
    named(facts).chain(variables).collect()
}

fn named<const N: usize>(
    facts: [(&str, Option<Value>); N],
) -> impl Iterator<Item = (String, Value)> {
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

/// Names of all facts that any of the runs has: code first, each once.
pub(super) fn names(runs: &[Run]) -> Vec<String> {
    let mut names = Vec::new();
    for of in [code, environment] {
        for (name, _) in runs.iter().flat_map(of) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// A fact by its name.
pub(super) fn of(run: &Run, name: &str) -> Option<Value> {
    let mut facts = code(run).into_iter().chain(environment(run));
    facts
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

/// A fact as a table shows it: the end of a long one is where calls differ.
pub(super) fn shown(name: &str, fact: &Value) -> String {
    let text = match fact {
        Value::String(text) => text.clone(),
        fact => fact.to_string(),
    };
    if name == "commit" {
        return text.chars().take(COMMIT_DIGITS).collect();
    }
    let chars = text.chars().count();
    if chars <= SHOWN_CHARS_MAX {
        return text;
    }
    let end: String = text.chars().skip(chars + 1 - SHOWN_CHARS_MAX).collect();
    format!("…{end}")
}
