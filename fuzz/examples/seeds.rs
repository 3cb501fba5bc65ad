//! Writes `fuzz/seeds` anew: `cd fuzz && cargo run --example seeds`. The same bytes each time.
//!
//! Seeds are for what has a grammar: texts, records, segments, encoded numbers, footers. The first
//! byte of an input says which of a target's questions it is for.

use std::fs;
use std::path::Path;

use tracker::chunk;
use tracker::chunk::Mode;
use tracker::codec;
use tracker::journal::Event;
use tracker::journal::Role;
use tracker::journal::SegmentId;
use tracker::journal::footer::Footer;
use tracker::journal::frame;
use tracker::journal::frame::Seed;
use tracker::journal::record;
use tracker::journal::rows::Group;
use tracker::journal::rows::Rows;
use tracker::journal::sealed::Encoder;
use tracker::journal::segment;
use tracker::model::AliasTarget;
use tracker::model::ArtifactRef;
use tracker::model::BlobId;
use tracker::model::Flow;
use tracker::model::Name;
use tracker::model::ParamValue;
use tracker::model::Process;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::model::WriterId;

/// Of a sealed file: header, trailer, and in the trailer the length of the footer.
const HEADER_BYTES: usize = 64;
const TRAILER_BYTES: usize = 48;

/// As the targets have it.
const ID: SegmentId = SegmentId {
    run: RunId(1 << 80),
    writer: WriterId(2),
    seq: 3,
};

const FILTERS: [&str; 21] = [
    "metrics.loss < 0.1 and params.model = 'rf'",
    "min(metrics.val/acc) >= 9e-1 or not (tags.team != \"a\" && lr in (0.1, 1e-3, nan, -inf))",
    "start > now - 7d and duration between 90s and 1h30m",
    "start between '2024-01-15' and 2024-01-15T10:30:00Z",
    "end = '2024-01-15 10:30' or created < 1705276800000",
    "status = 'FINISHED' and id = 'abababab'",
    "name like '50\\% _x%' or experiment ilike 'A%'",
    "note ~ '^a|b$' and artifacts !~ '[.]pt$'",
    "params.`my param` is not null and x is null",
    "tags.\"my tag\" not in ('it''s', \"2\") || team not like ''",
    "params.layers = '[64, 32]' and params.flag = true",
    "-argmax(metrics.loss) desc",
    "metrics.loss - metrics.val/acc > 0.1 and -params.lr * 2 <= 16KB % 3",
    "end - start > 1h or (duration + 90s) / 60 > 5 and start + 1d < now",
    "params.lr = params.x and metrics.x in (params.x, 1.5GiB, -(2 - lr))",
    "min(metrics.loss where step < 1000) < mean(loss where step >= 100 and step < 200)",
    "at(metrics.loss, -5) > 0 or count(loss where time > now - 1h) between 1 and x",
    "auc(loss) / slope(metrics.loss, 100) > smooth(val/acc, 0.9 where step between 1 and 9)",
    "-(metrics.loss - first_nan(metrics.val/acc)) * (1 + median(loss))",
    "name, 'a' , at(loss, 3), metrics.loss / (lr + 1e-9), attributes.env.HOME",
    "((lr)) + 1 > 0 and 'x' in (name, attributes.git_branch) and lr-x > 0",
];

fn main() {
    records();
    chunks();
    sealed_files();
    imports();
    blobs();
    segments();
    for (number, text) in FILTERS.iter().enumerate() {
        write("filter", &format!("filter-{number:02}"), text.as_bytes());
    }
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    fs::create_dir_all(&folder).expect("the folder can be made");
    fs::write(folder.join(name), bytes).expect("the file can be written");
}

fn name(text: &str) -> Name {
    Name::new("name", text).expect("it is a name")
}

fn records() {
    let mut points = record::points_header(2, 1, 7, 1_000).to_vec();
    points.extend_from_slice(&0.5f64.to_le_bytes());
    points.extend_from_slice(&f64::NAN.to_le_bytes());
    let value = ParamValue::List(vec![
        ParamValue::Bool(true),
        ParamValue::Int(-1),
        ParamValue::Float(0.1),
        ParamValue::List(vec![ParamValue::Text("relu".to_owned())]),
    ]);
    let artifact = ArtifactRef {
        media_type: Some("text/plain".to_owned()),
        ..ArtifactRef::new("model.pt".to_owned(), BlobId([7; 32]), 1 << 30, -1)
    };
    let input = ArtifactRef {
        kind: Some("dataset".to_owned()),
        flow: Flow::Input,
        reference: Some("/data/train.csv".to_owned()),
        mode: Some(0o644),
        modified_ns: Some(1),
        ..artifact.clone()
    };
    let target = AliasTarget {
        flow: Flow::Output,
        path: "model.pt".to_owned(),
        blob: BlobId([7; 32]),
    };
    let events = [
        Event::WriterOpened {
            role: Role::Owner,
            process: Process::default(),
        },
        Event::RunStarted(Box::default()),
        Event::Param {
            key: name("net"),
            value,
        },
        Event::Tag {
            key: name("team"),
            value: "a".to_owned(),
        },
        Event::Note("a note".to_owned()),
        Event::Artifact(artifact),
        Event::Artifact(input),
        Event::Alias {
            name: name("model:best"),
            target: Some(target),
        },
        Event::Finished {
            status: Status::Failed,
            reason: Some("out of memory".to_owned()),
            end_us: 2_000,
        },
    ];
    let events = events.map(|event| record::event(1_000, &event).expect("events are encoded"));
    let others = [
        points,
        record::metric(0, &name("loss")),
        record::shape(1, &[0, 0]),
    ];
    let bodies: Vec<&Vec<u8>> = others.iter().chain(&events).collect();
    for (number, body) in bodies.iter().enumerate() {
        write("record", &format!("record-{number:02}"), body);
    }
    write("record", "later-kind", &[200, 1, 2, 3]);
    let mut frames = Vec::new();
    for body in [bodies[1], bodies[2], bodies[0], bodies[3]] {
        let end = frames.len() + frame::frame_bytes(body.len());
        frames.extend_from_slice(&Seed::of(&ID).header(body).encode());
        frames.extend_from_slice(body);
        frames.resize(end, 0);
    }
    write(
        "frame",
        "segment",
        &[&[0][..], &segment::header(&ID, 0), &frames].concat(),
    );
    write("frame", "frames", &[&[1][..], &frames].concat());
}

fn chunks() {
    let rows = 40;
    let of = |value: fn(f64) -> f64| -> Vec<f64> { (0..rows).map(|i| value(i.into())).collect() };
    let values = [
        of(|i| f64::from(i.sin() as f32)),
        of(|i| (i * 7.0 % 13.0) / 100.0),
        of(|i| (-i / 20.0).exp()),
        of(|i| (i * 0.7).sin() * 1e300),
        of(|_| f64::NAN),
    ];
    let rows = (u16::try_from(rows).expect("few") - 1).to_le_bytes();
    for (number, values) in values.iter().enumerate() {
        let mut bytes = [&[0][..], &rows].concat();
        Mode::choose(values)
            .encode(values, &mut bytes)
            .expect("values are encoded");
        write("chunk", &format!("values-{number}"), &bytes);
    }
    for (number, ints) in [[3; 40], std::array::from_fn(|i| (i * i) as i64)]
        .iter()
        .enumerate()
    {
        let mut bytes = [&[1][..], &rows].concat();
        chunk::encode_ints(ints, &mut bytes).expect("integers are encoded");
        write("chunk", &format!("ints-{number}"), &bytes);
    }
}

fn sealed_files() {
    let group = Group {
        metrics: vec![0, 1],
        rows: (0..20).collect(),
        steps: (0..20).map(|step| step * step).collect(),
        times_us: (0..20).map(|step| 1_000 * step).collect(),
        values: (0..40).map(|at| f64::from(at).sqrt()).collect(),
    };
    let metrics = vec![name("loss"), name("acc")];
    let rows = Rows {
        metrics,
        groups: vec![group],
        ..Rows::default()
    };
    let bytes = Encoder::default()
        .encode(&rows, &ID)
        .expect("rows are encoded")
        .to_vec();
    write("sealed", "whole", &[&[0][..], &bytes].concat());
    let trailer = bytes.len() - TRAILER_BYTES;
    let len = bytes[trailer..]
        .first_chunk()
        .map_or(0, |len| u32::from_le_bytes(*len)) as usize;
    let (parts, footer) = bytes[HEADER_BYTES..trailer].split_at(trailer - HEADER_BYTES - len);
    let decoded = Footer::decode(footer, &ID).expect("it is a footer");
    let mut first = Vec::new();
    codec::encode(&decoded, &mut first).expect("a footer can be encoded");
    let len = u16::try_from(parts.len()).expect("it is short");
    for (kind, name, footer) in [(1, "parts", &first[..]), (2, "words", footer)] {
        let input = [&[kind][..], &len.to_le_bytes(), parts, footer].concat();
        write("sealed", name, &input);
    }
}

/// Files by what the first byte says they are called; the second one gives no options.
fn imports() {
    let files: [(u8, &str, &str); 17] = [
        (0, "csv", "step,loss,note\n1,0.5,a\n2,NaN,\"b\nc\"\n"),
        (
            0,
            "csv-params",
            "#{\"lr\": 1e-3, \"net\": {\"w\": [1, 2]}}\nr,l,t\n1.5,2,0.25\n",
        ),
        (
            0,
            "csv-runs",
            "run,epoch,time,acc\na,1,1705314600,0.5\nb,1,1705314601,0.6\n",
        ),
        (
            0,
            "csv-points",
            "run,metric,step,time,value\na,loss,1,2024-01-15T10:30:00Z,0.5\n",
        ),
        (0, "csv-semicolons", "step;loss\n1;0,5\n2;0,25\n"),
        (1, "tsv", "iteration\tloss\n1\t0.5\n2\tinf\n"),
        (
            2,
            "jsonl",
            "{\"step\": 1, \"val\": {\"acc\": 0.5}}\n{\"step\": 2, \"x\": NaN}\n{\"st",
        ),
        (
            2,
            "jsonl-records",
            "{\"run_id\": \"a\", \"metrics\": {\"loss\": 1}}\n{\"run_id\": \"b\", \"params\": {\"x\": 1}}\n",
        ),
        (
            3,
            "record",
            "{\"run_id\":\"r\",\"timestamp\":\"2024-01-15T10:30:00Z\",\"parameters\":{\"lr\":1e-3},\
             \"metrics\":{\"a\":0.9,\"b\":[0.5,null],\"h\":{\"10\":1},\"s\":{\"steps\":[5],\"values\":[1],\
             \"times\":[1705314720]},\"p\":[{\"step\":7,\"value\":0.25}],\"t\":[[1,0.5]]},\
             \"artifacts\":[\"log.csv\",\"../x\"],\"tags\":[\"base\"],\"duration_s\":2}",
        ),
        (
            3,
            "exported",
            "{\"id\":\"abababababababab018bcfe56800abab\",\"name\":\"n\",\"status\":\"failed\",\
             \"params\":{\"x\":\"NaN\"},\"exact_params\":{\"x\":{\"text\":\"NaN\"}},\"record_version\":1,\
             \"environment\":{},\"series\":{\"a\":{\"steps\":[1],\"times_us\":[7],\"values\":[\"Infinity\"]}}}",
        ),
        (
            3,
            "history",
            "[{\"epoch\": 1, \"loss\": 0.5}, {\"epoch\": 2, \"loss\": 0.25}]",
        ),
        (
            4,
            "yaml",
            "run_id: r\nparams: &p {lr: 1e-3, deep: {x: .nan}}\nmore: *p\nmetrics:\n  a: [1, 2]\n",
        ),
        (
            5,
            "trainer",
            "{\"log_history\":[{\"step\":1,\"loss\":0.5},{\"step\":2,\"eval_loss\":0.4}],\
             \"max_steps\":2,\"total_flos\":1.5}",
        ),
        (6, "by-content", "wall_time,step,loss\n1705314600.5,1,0.5\n"),
        (
            7,
            "hparams",
            "lr: 0.1\nnet: {layers: [64, 32], act: relu}\n",
        ),
        (
            8,
            "lines",
            "{\"step\": 1, \"loss\": 0.5}\n{\"step\": 2, \"loss\": -1e3}\n{\"a\":{\"b\":NaN},\"time\":\
             \"2024-01-15T10:30:00Z\"}\n{\"loss\": true, \"x\": \"-Infinity\", \"none\": null}",
        ),
        (
            9,
            "table",
            "\u{1}\u{0}\u{2}\u{3}\u{1}\u{1}\u{9}abcdefghijklmnopqrstuvwxyz",
        ),
    ];
    for (kind, name, text) in files {
        write("import", name, &[&[kind, 0], text.as_bytes()].concat());
    }
    write(
        "import",
        "csv-options",
        b"\0\x03a,b,c,t\n1,2,x,1705314600\n1,3,y,1705314601\n",
    );
}

fn blobs() {
    let hash = "ab".repeat(32);
    let run = "abababababababab018bcfe56800abab";
    let texts: [(u8, &str, String); 6] = [
        (
            0,
            "listed",
            format!(
                "ab/{hash}\nab/{}\nx.tmp\nab/y\nstrange",
                hash.to_uppercase()
            ),
        ),
        (
            1,
            "exported",
            "model.pt\na/b.txt\n../out\n/etc/x\na/../../b\na\n./a".to_owned(),
        ),
        (2, "logged", "a/b/c.pt".to_owned()),
        (5, "hash", hash),
        (5, "run", run.to_owned()),
        (5, "file", format!("{run}-0123456789abcdef-00000003.sealed")),
    ];
    for (kind, name, text) in texts {
        write("blob", name, &[&[kind], text.as_bytes()].concat());
    }
    write("blob", "read", &[&[3, 4, 0, 1], &[7; 40][..]].concat());
}

/// What `arbitrary` makes of these is what counts: many records of the first kinds, then damage.
fn segments() {
    let bytes: Vec<u8> = (0..600u32).map(|at| (at * at / 7 % 251) as u8).collect();
    write("segment", "damaged", &[&[0][..], &bytes].concat());
    write("segment", "anything", &[&[1][..], &bytes].concat());
    for (number, salt) in [3u32, 11, 29].iter().enumerate() {
        let bytes: Vec<u8> = (0..300u32)
            .map(|at| (at * at * salt / 13 % 241) as u8)
            .collect();
        write("ops", &format!("ops-{number}"), &bytes);
    }
}
