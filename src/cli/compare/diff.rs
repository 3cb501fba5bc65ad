//! What changed from one run to another, as a unified view or as one object.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tracker::model::ArtifactRef;
use tracker::model::ParamValue;
use tracker::model::Run;

use super::facts;
use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::Outcome;
use crate::cli::print::Cell;
use crate::cli::print::Column;
use crate::cli::print::Format;
use crate::cli::print::Look;
use crate::cli::print::Table;
use crate::cli::print::escape;

/// What became of one thing.
enum Change {
    Added(Value),
    Removed(Value),
    Changed(Value, Value),
    Same(Value),
}

/// What became of the things of a kind, by their names.
struct Section {
    name: &'static str,
    changes: Vec<(String, Change)>,
}

type Named = Vec<(String, Value)>;

fn sections(a: &Run, b: &Run) -> Vec<Section> {
    let params = |run: &Run| -> Named {
        let params = run.params.iter();
        params
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect()
    };
    let tags = |run: &Run| -> Named {
        let tags = run.tags.iter();
        tags.map(|(name, text)| (name.clone(), json!(text)))
            .collect()
    };
    let files = |files: &BTreeMap<String, ArtifactRef>| -> Named {
        let files = files.iter();
        files
            .map(|(path, artifact)| (path.clone(), json!(artifact.blob.to_string())))
            .collect()
    };
    [
        ("params", params(a), params(b)),
        ("tags", tags(a), tags(b)),
        ("code", facts::code(a), facts::code(b)),
        ("environment", facts::environment(a), facts::environment(b)),
        ("artifacts", files(&a.artifacts), files(&b.artifacts)),
        ("inputs", files(&a.inputs), files(&b.inputs)),
    ]
    .into_iter()
    .map(|(name, a, b)| Section {
        name,
        changes: changes(&a, &b),
    })
    .collect()
}

fn changes(a: &Named, b: &Named) -> Vec<(String, Change)> {
    let mut seen = BTreeSet::new();
    let names = a.iter().chain(b).map(|(name, _)| name);
    let names = names.filter(|name| seen.insert(name.as_str()));
    let get = |of: &Named, name: &str| {
        let found = of.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    let change = |name: &String| {
        let change = match (get(a, name), get(b, name)) {
            (Some(from), Some(to)) if from == to => Change::Same(to),
            (Some(from), Some(to)) => Change::Changed(from, to),
            (Some(from), None) => Change::Removed(from),
            (None, Some(to)) => Change::Added(to),
            (None, None) => return None,
        };
        Some((name.clone(), change))
    };
    names.filter_map(change).collect()
}

pub(super) fn show(ctx: &Ctx, runs: &[Run], all: bool) -> Outcome {
    let [a, b] = runs else {
        let have = runs.len();
        return Err(Failure::usage(format!(
            "--diff is about two runs, have {have}"
        )));
    };
    let sections = sections(a, b);
    match ctx.out.format() {
        Format::Table => unified(ctx, a, b, &sections, all)?,
        Format::Csv | Format::Md | Format::Parquet | Format::Arrow => {
            ctx.out.table(&table(&sections, all))?;
        }
        Format::Json | Format::Jsonl => ctx.out.line(to_json(a, b, &sections))?,
    }
    Ok(0)
}

fn unified(ctx: &Ctx, a: &Run, b: &Run, sections: &[Section], all: bool) -> Result<(), Failure> {
    let head = |sign: &str, run: &Run| {
        let name = escape(&run.info.name).into_owned();
        ctx.out
            .styled(Look::Bold, &format!("{sign} {} {name}", run.id.short()))
    };
    ctx.out.line(head("---", a))?;
    ctx.out.line(head("+++", b))?;
    let mut any = false;
    for Section { name, changes } in sections {
        let shown = |change: &Change| all || !matches!(change, Change::Same(_));
        let mut changes = changes
            .iter()
            .filter(|(_, change)| shown(change))
            .peekable();
        if changes.peek().is_none() {
            continue;
        }
        ctx.out
            .line(ctx.out.styled(Look::Dim, &format!("@@ {name} @@")))?;
        for (key, change) in changes {
            let line = |sign: &str, value: &Value, look| {
                let text = format!("{sign} {key} = {}", shown_value(name, value));
                ctx.out.line(ctx.out.styled(look, &escape(&text)))
            };
            any |= !matches!(change, Change::Same(_));
            match change {
                Change::Added(value) => line("+", value, Look::Good)?,
                Change::Removed(value) => line("-", value, Look::Bad)?,
                Change::Changed(from, to) => {
                    line("-", from, Look::Bad)?;
                    line("+", to, Look::Good)?;
                }
                Change::Same(value) => line(" ", value, Look::Plain)?,
            }
        }
    }
    if !any {
        ctx.out.flush()?;
        ctx.messages()
            .note("nothing differs in params, tags, code, environment, artifacts or inputs");
    }
    Ok(())
}

/// A value as people read it; a param as it is typed, for what differs must not look the same.
fn shown_value(section: &str, value: &Value) -> String {
    match value {
        Value::String(text) if section == "params" => ParamValue::Text(text.clone()).typed(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn table(sections: &[Section], all: bool) -> Table {
    let heads = ["section", "name", "change", "from", "to"];
    let mut table = Table::new(heads.map(|name| Column::new(name, name)).into());
    for Section {
        name: section,
        changes,
    } in sections
    {
        for (name, change) in changes {
            let none = Value::Null;
            let (what, from, to) = match change {
                Change::Added(to) => ("added", &none, to),
                Change::Removed(from) => ("removed", from, &none),
                Change::Changed(from, to) => ("changed", from, to),
                Change::Same(value) if all => ("same", value, value),
                Change::Same(_) => continue,
            };
            let cell = |value: &Value| match value {
                Value::Null => Cell::missing(),
                value => Cell::new(&shown_value(section, value), value.clone()),
            };
            let told = [Cell::text(section), Cell::text(name), Cell::text(what)];
            table.push(told.into_iter().chain([cell(from), cell(to)]).collect());
        }
    }
    table
}

/// `{"a": {"id", "name"}, "b": …, "params": {"added": {}, "removed": {}, "changed": {name: {"from",
/// "to"}}, "same": {}}, "tags": …, "code": …, "environment": …, "artifacts": …}`.
fn to_json(a: &Run, b: &Run, sections: &[Section]) -> Value {
    let who = |run: &Run| json!({"id": run.id.to_string(), "name": run.info.name});
    let mut object = Map::new();
    object.insert("a".to_owned(), who(a));
    object.insert("b".to_owned(), who(b));
    for Section { name, changes } in sections {
        let (mut added, mut removed) = (Map::new(), Map::new());
        let (mut changed, mut same) = (Map::new(), Map::new());
        for (name, change) in changes {
            let name = name.clone();
            match change {
                Change::Added(to) => added.insert(name, to.clone()),
                Change::Removed(from) => removed.insert(name, from.clone()),
                Change::Changed(from, to) => changed.insert(name, json!({"from": from, "to": to})),
                Change::Same(value) => same.insert(name, value.clone()),
            };
        }
        let told = json!({"added": added, "removed": removed, "changed": changed, "same": same});
        object.insert((*name).to_owned(), told);
    }
    Value::Object(object)
}
