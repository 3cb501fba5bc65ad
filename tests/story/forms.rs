//! Answers as files: in the form that the name says, whole or not at all.

use std::fs;

use snapbox::str;

use crate::harness::Dir;
use crate::harness::Mount;

/// A store with two runs, whose params and values are of many kinds.
fn store() -> Dir {
    let dir = Dir::new();
    for (name, lr) in [("one", "0.1"), ("two", "1")] {
        let lr = format!("lr={lr}");
        let id = dir.start(&["--name", name, "--param", &lr, "--tag", "team=größe"]);
        dir.ok(&["log", &id, "--step", "1", "loss=0.5", "acc=nan"]);
        dir.ok(&["finish", &id]);
    }
    let id = dir.start(&[
        "--name",
        "three",
        "--param",
        "layers=[1,2]",
        "--param",
        "deep=true",
    ]);
    dir.write("model.txt", "weights");
    dir.ok(&["artifact", "add", &id, "model.txt"]);
    dir.ok(&["finish", &id]);
    dir
}

#[test]
fn a_file_is_written_in_the_form_of_its_ending() {
    let dir = store();
    for (ending, format) in [
        ("csv", "csv"),
        ("json", "json"),
        ("jsonl", "jsonl"),
        ("NDJSON", "jsonl"),
        ("md", "md"),
        ("txt", "table"),
    ] {
        for command in [
            &["ls"][..],
            &["query", "loss < 1", "--columns", "name,lr"],
            &["show", "one"],
            &["best", "loss", "--min"],
            &["compare", "one", "two"],
            &["series", "one", "loss"],
        ] {
            let want = dir.call(command).args(&["--format", format]).ok();
            let file = format!("answer.{ending}");
            let (out, err) = dir.call(command).args(&["-o", &file]).said();
            assert_eq!(out, "");
            assert!(err.contains(&format!("wrote {file} (")), "{err}");
            assert_eq!(
                fs::read_to_string(dir.path(&file)).unwrap(),
                want,
                "{command:?}"
            );
            let to_stdout = ["--output", "-", "--format", format];
            assert_eq!(dir.call(command).args(&to_stdout).ok(), want, "{command:?}");
        }
    }
    // What follows has no end, and a file appears at the end.
    dir.call(&["series", "one", "loss", "--follow", "-o", "x.jsonl"])
        .fails(
            2,
            str![[r#"
error: --follow has no end, and a file appears at the end
hint: leave out --output, and redirect what is printed: `> FILE`

"#]],
        );
    // What is asked for wins over what the name says.
    dir.ok(&["ls", "--format", "jsonl", "--output", "answer.csv"]);
    let jsonl = dir.ok(&["ls", "--format", "jsonl"]);
    assert_eq!(fs::read_to_string(dir.path("answer.csv")).unwrap(), jsonl);
    dir.ok(&["export", "one", "two", "-o", "exported.csv"]);
    let csv = dir.ok(&["compare", "one", "two", "--format", "csv"]);
    assert_eq!(fs::read_to_string(dir.path("exported.csv")).unwrap(), csv);
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_done() {
    let dir = store();
    let fails = |code: i32, path: &str, want: &str| {
        let files = dir.files(".");
        let want = want.to_owned() + "\n";
        dir.call(&["ls", "--output", path]).fails(code, want);
        assert_eq!(dir.files("."), files, "{path}");
    };
    let endings = ".csv .json .jsonl .ndjson .md .parquet .arrow .feather .txt";
    for path in ["runs.xls", "runs", "runs.csv.gz"] {
        let want = format!(
            "error: no form follows from the name {path}\n\
             hint: say it with `--format`, or end it with {endings}"
        );
        fails(2, path, &want);
    }
    fs::create_dir(dir.path("folder.csv")).unwrap();
    let folder = "error: cannot write folder.csv: it is a folder\nhint: name a file in it";
    fails(1, "folder.csv", folder);
    fails(
        1,
        "nowhere/x.csv",
        "error: cannot write nowhere/x.csv: No such file or directory (os error 2)\n\
         hint: the folder must be there before",
    );
    let inside = format!(
        "error: cannot write .tracker/x.csv: it is inside the store {}\nhint: name a file elsewhere",
        fs::canonicalize(dir.path(".tracker")).unwrap().display()
    );
    fails(1, ".tracker/x.csv", &inside);
    let mut rights = fs::metadata(dir.path("folder.csv")).unwrap().permissions();
    rights.set_readonly(true);
    dir.write("kept.csv", "old");
    fs::set_permissions(dir.path("kept.csv"), rights).unwrap();
    let kept = "error: cannot write kept.csv: it is read-only\nhint: name another file";
    fails(1, "kept.csv", kept);
    dir.call(&["ls", "--format", "csv", "--output", ""]).fails(
        2,
        str![[r#"
error: a value is required for '--output <FILE|->' but none was supplied

For more information, try '--help'.

"#]],
    );
}

#[test]
fn a_failed_answer_leaves_the_old_file() {
    let dir = store();
    dir.write("runs.csv", "old");
    let no_run = "error: no run \"nobody\"\n[..]\n";
    dir.call(&["show", "nobody", "-o", "runs.csv"])
        .fails(1, no_run);
    assert_eq!(fs::read_to_string(dir.path("runs.csv")).unwrap(), "old");
    // A record that is compared is not what the comparison is written over.
    dir.ok(&["export", "one", "-o", "record.json"]);
    let record = fs::read(dir.path("record.json")).unwrap();
    dir.call(&["compare", "./record.json", "two", "-o", "record.json"])
        .fails(
            2,
            str![[r#"
error: --output would replace ./record.json, which is compared
hint: name another file

"#]],
        );
    assert_eq!(fs::read(dir.path("record.json")).unwrap(), record);
    let names = |dir: &Dir| -> Vec<_> {
        let entries = fs::read_dir(dir.path(".")).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    let beside = names(&dir);
    let is_hidden = |name: &&std::ffi::OsString| name.to_string_lossy().ends_with(".tmp");
    assert_eq!(beside.iter().find(is_hidden), None);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_file() {
    let dir = store();
    let full = |code, path: &str| {
        let args = ["ls", "--format", "json", "--output", path];
        let want = format!(
            "error: cannot write {path}: No space left on device (os error 28)\n\
             hint: make room on the disk, or write elsewhere\n"
        );
        dir.call(&args).fails(code, want);
    };
    full(1, "/dev/full");
    let at = dir.path("small");
    fs::create_dir(&at).unwrap();
    let Some(_mount) = Mount::try_new(&["-t", "tmpfs", "-o", "size=16k", "tmpfs"], &at) else {
        return;
    };
    dir.write("small/runs.json", "old");
    dir.write("small/rest", [0; 8 << 10]);
    for n in 0..20 {
        let id = dir.start(&["--name", &format!("more-{n}")]);
        dir.ok(&["finish", &id]);
    }
    full(1, "small/runs.json");
    assert_eq!(
        fs::read_to_string(dir.path("small/runs.json")).unwrap(),
        "old"
    );
    assert_eq!(fs::read_dir(&at).unwrap().count(), 2);
}

#[cfg(unix)]
#[test]
fn a_link_stays_one_and_a_file_keeps_its_rights() {
    use std::os::unix::fs::PermissionsExt;
    let dir = store();
    dir.write("real.csv", "old");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(dir.path("real.csv"), private).unwrap();
    std::os::unix::fs::symlink("real.csv", dir.path("link.csv")).unwrap();
    dir.ok(&["ls", "-o", "link.csv"]);
    let csv = dir.ok(&["ls", "--format", "csv"]);
    assert_eq!(fs::read_to_string(dir.path("real.csv")).unwrap(), csv);
    assert!(
        fs::symlink_metadata(dir.path("link.csv"))
            .unwrap()
            .is_symlink()
    );
    let mode = fs::metadata(dir.path("real.csv"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[cfg(not(feature = "arrow"))]
#[test]
fn a_program_without_parquet_says_how_to_get_one_with_it() {
    let dir = store();
    dir.call(&["ls", "-o", "runs.parquet"]).fails(
        2,
        str![[r#"
error: this tracker was built without parquet
hint: build it whole: `cargo install --path .`

"#]],
    );
}

#[cfg(feature = "arrow")]
mod typed {
    use std::collections::HashMap;
    use std::fs::File;
    use std::path::Path;

    use arrow_array::RecordBatch;
    use arrow_ipc::reader::FileReader;
    use arrow_schema::Schema;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn read(path: &Path) -> (Schema, Vec<RecordBatch>) {
        let file = File::open(path).unwrap();
        if path.extension().unwrap() == "parquet" {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            let schema = builder.schema().as_ref().clone();
            (
                schema,
                builder.build().unwrap().map(Result::unwrap).collect(),
            )
        } else {
            let reader = FileReader::try_new(file, None).unwrap();
            let schema = reader.schema().as_ref().clone();
            (schema, reader.map(Result::unwrap).collect())
        }
    }

    /// Name and type of each column, and its metadata as `key=value`.
    fn columns(schema: &Schema) -> Vec<String> {
        let fields = schema.fields().iter();
        let told = fields.map(|field| {
            let about: HashMap<_, _> = field.metadata().iter().collect();
            let about = |key: &str| about.get(&format!("tracker.{key}")).map_or("-", |it| it);
            let (kind, name, stat) = (about("kind"), about("name"), about("stat"));
            let (title, of) = (field.name(), field.data_type());
            format!("{title} {of} {} {kind} {name} {stat}", about("type"))
        });
        told.collect()
    }

    #[test]
    fn columns_have_types_and_say_what_they_are() {
        let dir = store();
        for file in ["runs.parquet", "runs.arrow", "runs.feather"] {
            dir.ok(&["query", "name is not null", "--sort", "name", "-o", file]);
            let (schema, batches) = read(&dir.path(file));
            assert_eq!(
                columns(&schema),
                [
                    "id Utf8 text attribute id -",
                    "name Utf8 text attribute name -",
                    "experiment Utf8 text attribute experiment -",
                    "author Utf8 text attribute author -",
                    "status Utf8 text attribute status -",
                    "start Timestamp(µs, \"UTC\") time attribute start -",
                    "end Timestamp(µs, \"UTC\") time attribute end -",
                    "duration_s Float64 float attribute duration_s -",
                    "note Utf8 text attribute note -",
                    "params.deep Boolean bool param deep -",
                    "params.layers Utf8 list param layers -",
                    "params.lr Float64 float param lr -",
                    "metrics.acc Float64 float metric acc last",
                    "metrics.loss Float64 float metric loss last",
                    "tags.team Utf8 text tag team -",
                ]
            );
            assert_eq!(
                schema.metadata().get("tracker.query").unwrap(),
                &format!("query 'name is not null' --sort name -o {file}")
            );
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
        }
    }

    /// A command, and its columns.
    type Case<'c> = (&'c [&'c str], &'c [&'c str]);

    /// What a command writes to a pipe.
    fn piped(dir: &Dir, command: &[&str]) -> (Schema, Vec<RecordBatch>) {
        let output = dir.call(command).args(&["--format", "arrow"]).output();
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        dir.write("piped.arrow", output.stdout);
        read(&dir.path("piped.arrow"))
    }

    #[test]
    fn lists_have_typed_forms() {
        let dir = store();
        let cases: [Case; 2] = [
            (
                &[
                    "query",
                    "lr > 0",
                    "--columns",
                    "name,start,lr,lr,min(metrics.loss),note",
                ],
                &[
                    "id Utf8 text attribute id -",
                    "name Utf8 text attribute name -",
                    "start Timestamp(µs, \"UTC\") time attribute start -",
                    "params.lr Float64 float param lr -",
                    "min(metrics.loss) Float64 float metric loss min",
                    "note Utf8 text attribute note -",
                ],
            ),
            (
                &["artifact", "ls", "three"],
                &[
                    "path Utf8 text - - -",
                    "version Int64 int - - -",
                    "direction Utf8 text - - -",
                    "type Utf8 text - - -",
                    "bytes Int64 int - - -",
                    "hash Utf8 text - - -",
                    "aliases Utf8 list - - -",
                    "reference Utf8 text - - -",
                    "media_type Utf8 text - - -",
                    "time Timestamp(µs, \"UTC\") time - - -",
                ],
            ),
        ];
        for (command, want) in cases {
            let (schema, _) = piped(&dir, command);
            assert_eq!(columns(&schema), want, "{command:?}");
        }
    }

    #[test]
    fn groups_have_typed_forms() {
        let dir = store();
        let cases: [Case; 2] = [
            (
                &["ls", "--group-by", "tags.team,lr"],
                &[
                    "tags.team Utf8 text tag team -",
                    "params.lr Float64 float param lr -",
                    "n Int64 int - - -",
                    "metrics.acc.n Int64 int metric acc n(last)",
                    "metrics.acc.nan_count Int64 int metric acc nan_count(last)",
                    "metrics.acc.mean Float64 float metric acc mean(last)",
                    "metrics.acc.std Float64 float metric acc std(last)",
                    "metrics.acc.sem Float64 float metric acc sem(last)",
                    "metrics.acc.min Float64 float metric acc min(last)",
                    "metrics.acc.max Float64 float metric acc max(last)",
                    "metrics.acc.median Float64 float metric acc median(last)",
                    "metrics.loss.n Int64 int metric loss n(last)",
                    "metrics.loss.nan_count Int64 int metric loss nan_count(last)",
                    "metrics.loss.mean Float64 float metric loss mean(last)",
                    "metrics.loss.std Float64 float metric loss std(last)",
                    "metrics.loss.sem Float64 float metric loss sem(last)",
                    "metrics.loss.min Float64 float metric loss min(last)",
                    "metrics.loss.max Float64 float metric loss max(last)",
                    "metrics.loss.median Float64 float metric loss median(last)",
                ],
            ),
            (
                &[
                    "series",
                    "--runs",
                    "lr > 0",
                    "loss",
                    "--group-by",
                    "tags.team",
                ],
                &[
                    "tags.team Utf8 text tag team -",
                    "metric Utf8 text - - -",
                    "step Int64 int - - -",
                    "n Int64 int - - -",
                    "nan_count Int64 int - - -",
                    "mean Float64 float - - -",
                    "std Float64 float - - -",
                    "min Float64 float - - -",
                    "max Float64 float - - -",
                ],
            ),
        ];
        for (command, want) in cases {
            let (schema, _) = piped(&dir, command);
            assert_eq!(columns(&schema), want, "{command:?}");
        }
    }

    #[test]
    fn series_have_typed_forms() {
        let dir = store();
        let cases: [Case; 2] = [
            (
                &[
                    "series", "two", "loss", "acc", "--smooth", "0.5", "--x", "time",
                ],
                &[
                    "run Utf8 text attribute id -",
                    "metric Utf8 text - - -",
                    "step Int64 int - - -",
                    "time Timestamp(µs, \"UTC\") time - - -",
                    "x Float64 float - - -",
                    "value Float64 float - - -",
                    "smoothed Float64 float - - -",
                ],
            ),
            (
                &["series", "one", "loss"],
                &[
                    "step Int64 int - - -",
                    "time Timestamp(µs, \"UTC\") time - - -",
                    "value Float64 float metric loss -",
                ],
            ),
        ];
        for (command, want) in cases {
            let (schema, _) = piped(&dir, command);
            assert_eq!(columns(&schema), want, "{command:?}");
        }
    }

    #[test]
    fn a_run_has_the_columns_of_its_csv() {
        let dir = store();
        for command in [&["show", "three"][..], &["export", "one", "three"]] {
            let (schema, batches) = piped(&dir, command);
            let csv = dir.call(command).args(&["--format", "csv"]).ok();
            let names = schema.fields().iter().map(|field| field.name().as_str());
            assert!(names.eq(csv.lines().next().unwrap().split(',')), "{csv}");
            assert_eq!(batches[0].num_rows(), csv.lines().count() - 1);
        }
    }
}
