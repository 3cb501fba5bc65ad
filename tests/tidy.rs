//! The architecture as two tables, held against every file of the tree.

use std::fs;
use std::path::Path;

use regex::Regex;

/// Modules by rank: an import points to a line above its own, or to the first.
const RANKS: &str = "limits error model
    codec sys
    chunk
    journal index blob capture liveness reference settings
    run fold
    query
    fault stat
    check lint
    salvage
    store
    import export";
/// What only some paths below `src/` may name.
const DOORS: [(&str, &[&str]); 15] = [
    (
        r"\bstd::fs\b",
        &["sys/", "capture/", "cli/", "import/", "export/folder.rs"],
    ),
    (
        r"\b(SystemTime|Instant|Utc::now|Local::now)\b",
        &["sys/", "capture/"],
    ),
    (r"\b(memmap2|getrandom)::", &["sys/"]),
    (r"\bunsafe\b", &["sys/raw.rs"]),
    (r"\bredb::", &["index/"]),
    (r"\bpco::", &["chunk"]),
    (r"\bbincode::", &["codec.rs"]),
    (r"\btoml_edit::", &["settings.rs"]),
    (r"\bfastcdc::", &["blob/cut.rs"]),
    (r"\bzstd(_safe)?::", &["blob/squeeze.rs"]),
    (r"\b(arrow_\w+|parquet)::", &["export/arrow.rs"]),
    (r"\bcrc32c::", &["journal/", "index/checksum.rs"]),
    (
        r"\bblake3::",
        &[
            "blob/",
            "model/id.rs",
            "reference.rs",
            "import/",
            "journal/sealed.rs",
            "journal/whole.rs",
        ],
    ),
    (
        r"\be?print(ln)?!|\b(clap|comfy_table|indicatif|anstream|textplots)::",
        &["cli/"],
    ),
    (
        r"#!?\[allow\(|\b(dbg|todo|unimplemented)!|\b(std|crate)::\{|super::super::",
        &["nowhere"],
    ),
];
/// Marks of one machine; in two parts, or they would stand here.
const MARKS: [&str; 2] = [concat!("/wo", "rk/"), concat!("../sha", "red")];
const LINES_MAX: usize = 900;
const COLUMNS_MAX: usize = 100;

/// Numbered lines without comments and without what is compiled for tests alone.
fn code(text: &str) -> Vec<(usize, &str)> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_test = Regex::new(r"^\s*#\[cfg\((all\()?test\b").unwrap();
    let (mut lines, mut kept) = ((1..).zip(text.lines()), Vec::new());
    while let Some((number, line)) = lines.next() {
        if is_test.is_match(line) {
            lines.find(|(_, next)| indent(next) == indent(line) && next.ends_with([';', '}']));
        } else {
            kept.push((number, line.split("//").next().unwrap_or_default()));
        }
    }
    kept
}

/// What is wrong with the code of a file below `src/`.
fn misplaced(path: &str, text: &str) -> Vec<(usize, String)> {
    let has = |line: &str, module| line.split_whitespace().any(|name| name == module);
    let rank = |module| RANKS.lines().position(|line| has(line, module));
    let module = path.split(['/', '.']).next().unwrap_or_default();
    let mut found = Vec::new();
    if rank(module).is_none() && !["lib", "main", "cli"].contains(&module) {
        found.push((1, format!("{module:?} has no rank in tests/tidy.rs")));
    }
    let doors = DOORS.map(|(names, at)| (Regex::new(names).unwrap(), at));
    let import = Regex::new(r"\b(crate|tracker)::(\w+)").unwrap();
    for (number, line) in code(text) {
        for (names, at) in doors
            .iter()
            .filter(|door| !door.1.iter().any(|at| path.starts_with(at)))
        {
            let names = names
                .find(line)
                .map(|name| format!("{:?} may only stand in {at:?}", name.as_str()));
            found.extend(names.map(|why| (number, why)));
        }
        for (_, [root, name]) in import.captures_iter(line).map(|found| found.extract()) {
            let hidden = format!("#[doc(hidden)]\npub mod {name};");
            let is_wrong = match root {
                "crate" => {
                    rank(name).is_none_or(|rank_of| rank_of > 0 && Some(rank_of) >= rank(module))
                }
                _ => include_str!("../src/lib.rs").contains(&hidden),
            };
            if is_wrong && name != module && module != "lib" {
                found.push((number, format!("{module:?} must not import {name:?}")));
            }
        }
    }
    found
}

/// All that is wrong with a file, as `path:line: why`.
fn complaints(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let marks = MARKS.iter().filter(|mark| line.contains(*mark));
        found.extend(marks.map(|mark| (number, format!("has {mark}"))));
        let is_rust = Path::new(path).extension().is_some_and(|kind| kind == "rs");
        // What stands in a transcript is as long as it is.
        let is_text = line.contains('"') || line.contains("://") || line.starts_with("hint: ");
        if is_rust && !is_text && line.chars().count() > COLUMNS_MAX {
            found.push((number, format!("has more than {COLUMNS_MAX} columns")));
        }
        if is_rust && number > LINES_MAX {
            found.push((number, format!("is past line {LINES_MAX}: split the file")));
        }
    }
    match path.strip_prefix("src/") {
        Some(inner) if !(inner.ends_with("tests.rs") || inner.contains("/tests/")) => {
            found.extend(misplaced(inner, text));
        }
        _ => {}
    }
    let full = |(number, why)| format!("{path}:{number}: {why}");
    found.into_iter().map(full).collect()
}

fn visit(root: &Path, name: &str, found: &mut Vec<String>) {
    let path = root.join(name);
    if let Ok(entries) = fs::read_dir(&path) {
        for entry in entries.map(|entry| entry.unwrap().file_name()) {
            visit(root, &format!("{name}/{}", entry.display()), found);
        }
    } else if let Ok(text) = fs::read_to_string(&path) {
        found.extend(complaints(name, &text)); // what is no text has no lines to complain of
    }
}

#[test]
fn every_file_keeps_ranks_doors_and_sizes() {
    let mut found = Vec::new();
    for top in "src tests benches fuzz/fuzz_targets tools .ci README.md Cargo.toml".split(' ') {
        visit(Path::new(env!("CARGO_MANIFEST_DIR")), top, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_rule_catches_what_breaks_it_and_nothing_else() {
    let (wide, long) = ("x".repeat(COLUMNS_MAX + 1), "\n".repeat(LINES_MAX + 1));
    let bad = "src/blob/mod.rs: use crate::journal::Cursor;
        src/blob/put.rs: pub use crate::store::Store;
        src/blob/put.rs: use super::super::store::Store;
        src/codec.rs: use crate::{error, limits};
        src/codec.rs: use crate::Error;
        src/newcomer.rs: use crate::error::Error;
        src/cli/ls.rs: use tracker::sys::RealSys;
        src/cli/ls.rs: use crate::store::Store;
        src/query/mod.rs: let file = std::fs::File::open(path);
        src/query/mod.rs: use std::{fs, io};
        src/run.rs: let start = Instant::now();
        src/run.rs: #[cfg(test)]\nmod tests {\n    use redb::X;\n}\nuse redb::X;
        src/sys/real.rs: unsafe { close(fd) }
        src/model/run.rs: let hash = blake3::hash(bytes);
        src/store.rs: #[allow(dead_code)]
        src/store.rs: eprintln!(\"{error}\");";
    let good = "src/run.rs: use crate::blob::Blobs; // not crate::store
        src/error.rs: Ended(crate::model::RunId),
        src/blob/read.rs: use super::BUFFER_BYTES;
        src/blob/mod.rs: #[cfg(test)]\nmod tests;\nuse crate::sys::File;
        src/cli/ls.rs: use tracker::Store;
        src/lib.rs: pub use crate::store::Store;
        src/store.rs: let instantly = unsafe_code; writeln!(out)";
    let cases = |list: &'static str| {
        list.split("\n        ")
            .map(|case| case.split_once(": ").unwrap())
    };
    let more = [
        ("tests/crash.rs", &*wide),
        ("benches/fold.rs", &*long),
        ("README.md", MARKS[0]),
    ];
    for (path, text) in cases(bad).chain(more) {
        assert_eq!(complaints(path, text).len(), 1, "{path}: {text}");
    }
    for (path, text) in cases(good) {
        assert_eq!(complaints(path, text), [""; 0], "{path}: {text}");
    }
}
