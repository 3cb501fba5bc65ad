//! Names, files and folders that mean harm, or were left in the way: they are refused or shown as
//! they are, and nothing else suffers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

use serde_json::Value;
use tracker::RunOptions;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::model::ArtifactRef;
use tracker::model::BlobId;
use tracker::model::Environment;
use tracker::model::ParamValue;
use tracker::model::Status;

use crate::harness::Dir;
use crate::harness::text;

/// Clears the screen, sets a title, moves up, rings, and turns a line around.
const EVIL: &str = "\x1b[2J\x1b]0;title\x07\x1b[1A\u{9b}31m\u{202e}txt.exe\r\nroot# ";

/// Whether a terminal would do anything but print it.
fn is_obeyed(text: &str) -> bool {
    let is_unsafe =
        |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    text.chars().any(is_unsafe)
}

/// What a program may say of its run through the library; names cannot have these characters.
fn evil_run(dir: &Dir) -> Store {
    let store = Store::open_or_create(&dir.path(".tracker")).unwrap();
    let environment = Environment {
        command: vec!["sh".to_owned(), EVIL.to_owned()],
        cwd: Some(EVIL.to_owned()),
        host: Some(EVIL.to_owned()),
        variables: [(EVIL.to_owned(), EVIL.to_owned())].into(),
        masked: vec![EVIL.to_owned()],
        ..Environment::default()
    };
    let evil = RunOptions {
        name: Some("evil \u{202e}eman".to_owned()),
        environment: Some(environment),
        ..RunOptions::default()
    };
    let run = store.start_run(evil).unwrap();
    run.param("text", ParamValue::Text(EVIL.to_owned()))
        .unwrap();
    run.tag("tag", EVIL).unwrap();
    run.note(EVIL).unwrap();
    run.log(1, &[("loss \u{202e}ssol", 0.5)]).unwrap();
    run.artifact_bytes("a \u{202e}gpj.exe", b"x").unwrap();
    run.finish(Status::Failed, Some(EVIL), None).unwrap();
    store
}

#[test]
fn what_a_terminal_would_obey_is_shown_and_kept() {
    let dir = Dir::new();
    let store = evil_run(&dir);
    let id = store.reader().unwrap().run_ids().unwrap()[0].to_string();
    for command in [
        &["ls"][..],
        &["ls", "--columns", "name,params.text,tags.tag,status"],
        &["show", &id],
        &[
            "query",
            "params.text is not null",
            "--columns",
            "name,params.text",
        ],
        &["compare", &id, &id],
        &["best", "loss \u{202e}ssol", "--min"],
        &["series", &id, "loss \u{202e}ssol"],
        &["series", &id, "loss \u{202e}ssol", "--plot"],
        &["artifact", "ls", &id],
        &["artifact", "get", &id, EVIL],
        &["artifact", "get", &id, "a \u{202e}gpj.exe"],
        &["artifact", "verify", &id],
        &["artifact", "add", &id, "evil-\u{1b}[2J-file"],
        &["artifact", "add", &id, "gone-\u{1b}[2J-file"],
        &["show", EVIL],
        &["series", &id, EVIL],
        &["query", EVIL],
        &["ls", "--sort", EVIL],
        &["tag", &id, "a\x1b[2J=b"],
        &["param", &id, "text=\x1b[2J"],
        &["log", &id, "loss\x1b[2J=1"],
        &["log", &id, "loss=\x1b[2J"],
        &["import", "evil-\u{1b}[2J-file"],
        &["stat", "--store", "evil-\u{1b}[2J-file"],
        &["stat"],
        &["check"],
    ] {
        dir.write("evil-\u{1b}[2J-file", "no \x1b[2J table");
        for format in [&[][..], &["--format", "md"]] {
            let output = dir.call(command).args(format).output();
            let (out, err) = (text(output.stdout), text(output.stderr));
            assert!(!is_obeyed(&out), "{command:?}: {out:?}");
            assert!(!is_obeyed(&err), "{command:?}: {err:?}");
        }
    }
    // To programs it is said as it was.
    let run = dir.run(&id);
    assert_eq!(run["params"]["text"], EVIL);
    assert_eq!(run["tags"]["tag"], EVIL);
    assert_eq!(run["note"], EVIL);
    assert_eq!(run["reason"], EVIL);
    let json = dir.ok(&["show", &id, "--format", "json"]);
    let is_raw = |c: char| c.is_control() && c != '\n' && u32::from(c) < 0x80;
    assert!(!json.chars().any(is_raw), "as JSON escapes");
}

#[test]
fn names_with_control_characters_or_ways_out_are_refused() {
    let dir = Dir::new();
    let store = Store::open_or_create(&dir.path(".tracker")).unwrap();
    let run = store.start_run(RunOptions::default()).unwrap();
    run.log(0, &[("good", 1.0)]).unwrap();
    dir.write("file", "x");
    let long = "n".repeat(5_000);
    for bad in ["", "a\0b", "a\nb", "a\x1b[2J", "\u{9b}2J", "a\x7f", &long] {
        assert!(run.log(1, &[("good", 1.0), (bad, 1.0)]).is_err(), "{bad:?}");
        assert!(
            run.metric(bad).is_err() && run.tag(bad, "x").is_err(),
            "{bad:?}"
        );
        assert!(run.param(bad, ParamValue::Int(1)).is_err(), "{bad:?}");
        assert!(run.artifact_bytes(bad, b"x").is_err(), "{bad:?}");
        let named = RunOptions {
            name: Some(bad.to_owned()),
            ..RunOptions::default()
        };
        assert!(store.start_run(named).is_err(), "{bad:?}");
    }
    for bad in [
        "..",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "./a",
        "a/",
        "a/./b",
    ] {
        assert!(run.artifact_bytes(bad, b"x").is_err(), "{bad:?}");
        assert!(
            run.artifact(&dir.path("file"), Some(bad)).is_err(),
            "{bad:?}"
        );
    }
    // Names of metrics name no file: these are as good as any.
    for good in ["..", "/", "../../x", "con", "a b", "💥"] {
        run.log(1, &[(good, 1.0)]).unwrap();
    }
    let id = run.id();
    run.finish(Status::Completed, None, None).unwrap();
    let reader = store.reader().unwrap();
    let all = SeriesQuery::default();
    assert_eq!(
        reader.series(id, "good", &all).unwrap().len(),
        1,
        "whole or not at all"
    );
    assert_eq!(reader.run(id).unwrap().metrics.len(), 7);
    assert!(reader.run(id).unwrap().artifacts.is_empty());
    assert_eq!(reader.run_ids().unwrap().len(), 1);
}

/// A store may come from anybody: one is written here by hand that a writer would refuse.
#[test]
fn artifacts_of_a_store_from_elsewhere_stay_inside_the_target() {
    use tracker::journal::Event;
    use tracker::journal::Folders;
    use tracker::journal::Role;
    use tracker::journal::segment::Append;
    use tracker::journal::writer;
    use tracker::sys::RealSys;
    use tracker::sys::Sys;

    let dir = Dir::new();
    let store = Store::open_or_create(&dir.path(".tracker")).unwrap();
    let run = store.start_run(RunOptions::default()).unwrap();
    let id = run.id();
    let blob: BlobId = run.artifact_bytes("good", b"payload").unwrap().blob;
    let folders = Folders::new(std::sync::Arc::new(RealSys), store.path());
    let by_hand = writer::Options {
        role: Role::Member,
        append: Append::Written,
        sync_interval: std::time::Duration::from_secs(1),
        process: RealSys.process(),
        not_before_us: i64::MIN,
    };
    let mut writer = writer::Writer::open(&folders, id, by_hand).unwrap();
    let names = [
        "../out",
        "/tmp/out",
        "a/../../out",
        "link/out",
        "..",
        "a\x1b[2J",
        "",
    ];
    for path in names {
        let artifact = ArtifactRef::new(path.to_owned(), blob, 7, 1);
        writer.event(1, &Event::Artifact(artifact)).unwrap();
    }
    writer.close_for_good().unwrap();
    run.finish(Status::Completed, None, None).unwrap();
    fs::create_dir_all(dir.path("below/target")).unwrap();
    fs::create_dir(dir.path("below/outside")).unwrap();
    symlink("../outside", dir.path("below/target/link")).unwrap();
    let id = id.to_string();
    for name in names {
        let get = ["artifact", "get", &id, name, "-o", "below/target/"];
        let output = dir.call(&get).output();
        let err = text(output.stderr);
        assert!(!is_obeyed(&err), "{name:?}: {err:?}");
        assert!(
            output.status.code() == Some(1) || name == "a\x1b[2J",
            "{name:?}: {err}"
        );
    }
    let export = dir.call(&["export", &id, "-o", "below/target/"]).output();
    assert!(!is_obeyed(&text(export.stderr)));
    let outside: Vec<_> = dir
        .files("below")
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    let inside = dir.path("below/target");
    assert!(
        outside.iter().all(|path| path.starts_with(&inside)),
        "{outside:?}"
    );
    assert_eq!(fs::read_dir(dir.path("below/outside")).unwrap().count(), 0);
    assert!(!dir.path("out").exists());
}

#[test]
fn foreign_files_and_folders_in_a_store_are_passed_over() {
    let dir = Dir::new();
    let id = dir.start(&["--name", "mine"]);
    dir.ok(&["log", &id, "--step", "1", "x=1"]);
    dir.write("model.pt", "weights");
    dir.ok(&["artifact", "add", &id, "model.pt"]);
    // Nothing is settled yet: the folder where its segment will stay is a link.
    let other = "00112233445566778899aabbccddeeff-0011223344556677-00000000";
    let script = format!(
        "cd .tracker && mkfifo live/{other}.seg live/{other}.sealed live/pipe journal/pipe && mkdir -p \
         journal/00/{other}.sealed journal/zz live/folder live/{}.sealed && mkfifo journal/00/pipe \
         && ln -s /dev/zero live/{}.seg && mkdir elsewhere && ln -s ../elsewhere journal/$FOLDER \
         && ln -s nowhere live/link && ln -s loop blobs/loop && mkfifo blobs/pipe && touch .DS_Store live/.nfs0001 journal/00/x.tmp",
        other.replace("-0011", "-1111"),
        other.replace("-0011", "-2211"),
    );
    dir.shell(&script).env("FOLDER", &id[..2]).ok();
    dir.ok(&["finish", &id]);
    dir.ok(&["ls"]);
    assert_eq!(
        fs::read_dir(dir.path(".tracker/elsewhere"))
            .unwrap()
            .count(),
        1
    );
    let sound = |dir: &Dir| {
        let run = dir.run("mine");
        assert_eq!(run["metrics"]["x"]["last"], 1.0);
        assert_eq!(dir.json(&["ls"]).as_array().map(Vec::len), Some(1));
    };
    sound(&dir);
    let next = dir.start(&["--name", "next"]);
    dir.ok(&["finish", &next]);
    // Two have names of segments: they are told, and left out.
    let output = dir.call(&["rebuild"]).output();
    let said = text(output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("left out file").count(), 2, "{said}");
    assert_eq!(dir.json(&["ls"]).as_array().map(Vec::len), Some(2));
    assert_eq!(dir.run("mine")["metrics"]["x"]["last"], 1.0);
    let output = dir.call(&["check"]).output();
    let said = text(output.stdout) + &text(output.stderr);
    assert!(said.contains(other), "{said}");
    // In the places of the files that are derived, too.
    let (index, lock) = (
        dir.path(".tracker/index.redb"),
        dir.path(".tracker/fold.lock"),
    );
    for script in ["mkfifo", "mkdir"] {
        for path in [&index, &lock] {
            fs::remove_file(path).or_else(|_| fs::remove_dir(path)).ok();
            dir.shell(&format!("{script} {}", path.display())).ok();
            let runs: Value = dir.json(&["ls"]);
            assert_eq!(
                runs.as_array().map(Vec::len),
                Some(2),
                "{script} {}",
                path.display()
            );
            let writes = dir.call(&["log", "mine", "x=1"]).output();
            assert_eq!(writes.status.code(), Some(1), "it has ended");
            fs::remove_file(path).or_else(|_| fs::remove_dir(path)).ok();
        }
    }
}

#[test]
fn what_cannot_be_read_hides_nothing_else() {
    let dir = Dir::new();
    for name in ["first", "second"] {
        let id = dir.start(&["--name", name]);
        dir.ok(&["log", &id, "--step", "1", "x=1"]);
        dir.ok(&["finish", &id]);
    }
    dir.ok(&["rebuild"]);
    // As root rights do not bind: somebody else asks then, for a store that is theirs.
    let script =
        "first=$(tracker show first --format json | sed 's/.*\"id\":\"\\([0-9a-f]*\\)\".*/\\1/')
        rm .tracker/index.redb
        if [ $(id -u) = 0 ]; then
            chown -R 65534:65534 . && echo setpriv --reuid=65534 --regid=65534 --clear-groups --
        fi
        chmod 000 .tracker/live/$first* .tracker/journal/*/$first* 2>/dev/null; true";
    let other = dir.shell(script).ok();
    let call = |command: &str| {
        dir.shell(&format!("{} tracker {command}", other.trim_end()))
            .output()
    };
    let output = call("ls --format json");
    let (out, err) = (text(output.stdout), text(output.stderr));
    if err.contains("setpriv") {
        return eprintln!("skipped: cannot become another user here: {err}");
    }
    let runs: Value = serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out} {err}"));
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "{runs} {err}");
    assert_eq!(runs[0]["name"], "second");
    assert!(err.contains("Permission denied"), "{err}");
    let output = call("check");
    let said = text(output.stdout) + &text(output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    dir.shell("chmod -R u+rw .tracker").ok();
    assert_eq!(call("ls --format json").status.code(), Some(0));
}

#[test]
fn a_folder_or_an_index_that_cannot_be_read_hides_nothing_else() {
    let dir = Dir::new();
    let folder_of = |name: &str| {
        dir.ok(&["run", "--name", name, "--", "true"]);
        let shown = dir.ok(&["show", "@last", "--format", "json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let runs = shown.as_array().map_or(&shown, |runs| &runs[0]);
        runs["id"].as_str().unwrap()[..2].to_owned()
    };
    let hidden = folder_of("hidden");
    let others = (0..4).filter(|_| folder_of("other") != hidden).count();
    dir.ok(&["rebuild"]);
    // As root rights do not bind: somebody else asks then, for a store that is theirs.
    let script = format!(
        "if [ $(id -u) = 0 ]; then
            chown -R 65534:65534 . && echo setpriv --reuid=65534 --regid=65534 --clear-groups --
        fi
        chmod 000 .tracker/journal/{hidden} .tracker/index.redb"
    );
    let other = dir.shell(&script).ok();
    let call = |command: &str| {
        let command = format!("{} tracker {command}", other.trim_end());
        let output = dir.shell(&command).output();
        (text(output.stdout), text(output.stderr))
    };
    let (out, err) = call("query 'name = \"other\"' --format json");
    if err.contains("setpriv") {
        return eprintln!("skipped: cannot become another user here: {err}");
    }
    let runs: Value = serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out} {err}"));
    assert_eq!(runs.as_array().map(Vec::len), Some(others), "{runs} {err}");
    assert!(err.contains(&format!("journal/{hidden}")), "{err}");
    let (out, err) = call("check --format csv");
    for part in [&format!("journal/{hidden}"), "index.redb"] {
        let mut lines = out.lines();
        let is_told = lines.any(|line| line.contains(part) && line.contains("Permission denied"));
        assert!(is_told, "{part}: {out} {err}");
    }
    dir.shell(&format!(
        "chmod 755 .tracker/journal/{hidden}; chmod 644 .tracker/index.redb"
    ))
    .ok();
    assert!(call("check").1.contains("all is as it was written"));
}

#[test]
fn no_file_is_wider_than_the_umask() {
    let dir = Dir::new();
    let script = "umask 077
        tracker start --name private > id && tracker log private --step 1 x=1
        printf weights > model.pt && tracker artifact add private model.pt
        printf '{\"x\": 2}\\n' | tracker log private -
        tracker finish private && tracker ls && tracker rebuild && tracker run -- true
        tracker artifact get private model.pt -o copy.pt && tracker export private -o out/
        tracker export private -o run.json && tracker series private x --format csv > x.csv";
    dir.shell(script).ok();
    let mut folders = vec![dir.path(".")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{mode:o} {}", path.display());
            seen += 1;
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(seen > 15, "{seen}");
}
