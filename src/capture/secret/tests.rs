//! What is masked and what is not, as tables of command lines, variables and texts.
//!
//! No secret here is one: they are made up, in the shapes that issuers publish.

use super::*;

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g";
const HEX40: &str = "0123456789abcdef0123456789abcdef01234567";

fn command(masker: &Masker, line: &[&str]) -> (Vec<String>, Vec<String>) {
    let line: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
    masker.command(&line)
}

/// A command line in which the arguments that hold `§` must lose it, and all else stay.
fn assert_masked(line: &[&str]) {
    for secret in [
        "hunter2",
        "S3cr3t!pass",
        "XYZ",
        "c2VjcmV0LXZhbHVl+/==",
        HEX40,
    ] {
        let given: Vec<String> = line.iter().map(|word| word.replace("§", secret)).collect();
        let want: Vec<String> = line.iter().map(|word| word.replace("§", MASK)).collect();
        let (have, names) = Masker::default().command(&given);
        assert_eq!(have, want, "{given:?}");
        assert!(!names.is_empty(), "{given:?}");
        let (again, more) = Masker::default().command(&have);
        assert_eq!(
            (again, more),
            (have, vec![]),
            "masking twice changes nothing"
        );
    }
}

#[test]
fn every_pattern_compiles() {
    assert!(shape::RULES.iter().all(|rule| rule.regex.is_some()));
}

#[test]
fn secrets_named_on_a_command_line_are_masked() {
    let lines: &[&[&str]] = &[
        &["train", "--api-key", "§", "--lr", "0.1"],
        &["train", "--api-key=§", "--lr=0.1"],
        &["train", "--api_key", "§"],
        &["train", "--apiKey", "§"],
        &["train", "--APIKEY=§"],
        &["train", "-api-key", "§"],
        &["train", "--token", "§"],
        &["train", "--hf-token=§"],
        &["train", "--hub_token", "§"],
        &["train", "--use_auth_token", "§"],
        &["train", "--token-value", "§"],
        &["train", "--wandb.key", "§"],
        &["train", "--key", "§"],
        &["train", "--wandb-key2", "§"],
        &["train", "--password", "§", "train.py"],
        &["train", "--db-passwd", "§"],
        &["train", "--pwd", "§"],
        &["train", "--dbpass=§"],
        &["train", "--client-secret", "§"],
        &["train", "--credentials", "§"],
        &["train", "--auth", "§"],
        &["train", "--private-key", "§"],
        &["train", "--secret-keys", "§", "§", "--epochs", "3"],
        &["train", "+trainer.logger.api_key=§", "++lr=1"],
        &["env", "PASSWORD=§", "python", "train.py"],
        &["env", "HFTOKEN=§", "MYSQL_PWD=§", "AWS_SECRET_ACCESS_KEY=§"],
        &[
            "docker",
            "run",
            "-eHF_TOKEN=§",
            "-e",
            "OPENAI_API_KEY=§",
            "img",
        ],
        &["java", "-Dservice.api.key=§"],
        &["aws", "configure", "set", "aws_secret_access_key", "§"],
        &["curl", "-H", "Authorization: Bearer §", "http://h/"],
        &["curl", "-H", "authorization: §"],
        &["curl", "--header=X-Api-Key: §"],
        &["curl", "Authorization:", "Bearer", "§"],
        &["sh", "-c", "PASSWORD=§ python train.py --lr 0.1"],
        &[
            "sh",
            "-c",
            "python train.py --token § --lr 0.1 && echo done",
        ],
        &["sh", "-c", "python train.py --token '§' --epochs 3"],
        &["bash", "-lc", "export API_KEY=\"§\"; python train.py"],
        &["python", "-c", "run(api_key='§', lr=0.1)"],
        &["python", "-c", "run(['--token', '§', '--lr', '1'])"],
        &["train", "--config", r#"{"api_key": "§", "lr": 0.1}"#],
        &["train", "--config", r#"{\"api_key\": \"§\", \"lr\": 0.1}"#],
        &["train", "--config", "lr=0.1,api_key=§,epochs=3"],
        &["train", "--data", "https://h/x?token=§&part=3"],
        &["train", "--data", "https://h/x?sv=2020&sig=§"],
        &[
            "train",
            "--db",
            "postgres://jane:§@db.example.org:5432/runs",
        ],
        &["train", "--db=redis://:§@cache:6379/0"],
        &[
            "train",
            "--azure",
            "AccountName=a;AccountKey=§;EndpointSuffix=x",
        ],
    ];
    for line in lines {
        assert_masked(line);
    }
    let spaced = ["env", "DB_PASSWORD=two words; and, more", "python"];
    assert_eq!(
        command(&Masker::default(), &spaced).0[1],
        "DB_PASSWORD=[masked]"
    );
    let dashed = ["train", "--password", "-x9Zpw"];
    assert_eq!(command(&Masker::default(), &dashed).0[2], MASK);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_only_sounds_like_a_secret_is_kept() {
    let lines: &[&[&str]] = &[
        &[
            "train",
            "--tokenizer",
            "bert-base-cased",
            "--tokenizer-path=/data/tok.json",
        ],
        &[
            "train",
            "--max-tokens",
            "512",
            "--num_tokens=1000",
            "--max_token",
            "77",
        ],
        &[
            "train",
            "--tokens-per-batch",
            "4096",
            "--tokens",
            "1e9",
            "--token-budget",
            "9",
        ],
        &[
            "train",
            "--pad-token-id",
            "0",
            "--eos-token",
            "</s>",
            "--bos_token=<s>",
        ],
        &[
            "train",
            "--image-token",
            "<image>",
            "--placeholder_token",
            "<cat>",
        ],
        &["train", "--initializer_token", "Dog7"],
        &["train", "--token-type", "BPE8k", "--token_drop_prob=0.1"],
        &[
            "train",
            "--key-dim",
            "64",
            "--keyframe",
            "A7",
            "--monkey",
            "See2",
            "--num-keys",
            "8",
        ],
        &[
            "train",
            "--image-key",
            "image",
            "data.prompt_key=prompt",
            "--key",
            "label",
        ],
        &[
            "train",
            "--image-key=RGB",
            "s3://bucket/key=3/x.parquet",
            "key=2024-01-01",
        ],
        &[
            "train",
            "--public-key",
            "AAAA7",
            "--sort-key",
            "Loss7",
            "--primary-key=Id2",
        ],
        &[
            "train",
            "--author",
            "R2D2",
            "--authority",
            "X9",
            "--secretary",
            "Ann4",
        ],
        &[
            "train",
            "--passes",
            "3",
            "--num-pass",
            "3X",
            "--lowpass",
            "30Hz",
            "--bypass",
            "B2",
        ],
        &["train", "--use-auth-token", "--lr", "0.1"],
        &[
            "train",
            "--use-auth-token",
            "true",
            "--password",
            "--epochs",
            "5",
        ],
        &["train", "--no-password", "Run7.py", "--private", "True"],
        &[
            "train",
            "--api-key-env",
            "MY_KEY_7",
            "--token-file",
            "/run/T0ken",
        ],
        &["train", "--password-length=12", "--token", "$HF_TOKEN"],
        &[
            "train",
            "--commit",
            HEX40,
            "--data",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        ],
        &[
            "train",
            "--checkpoint",
            "runs/2024-01-15T10:30:00/step=300-loss=0.31.pt",
        ],
        &[
            "train",
            "--name",
            "sk-learn-baseline-2024-run",
            "--model",
            "hf_distilbert_base_v2",
        ],
        &[
            "train",
            "--url",
            "http://localhost:8080/path/@user",
            "--repo",
            "git@github.com:a/b.git",
        ],
        &[
            "train",
            "--repo",
            "ssh://git@github.com/a/b",
            "--image",
            "torch:2.1.0@sha256:9f86d081",
        ],
        &[
            "train",
            "--mail",
            "mailto:jane.doe@example.org",
            "--lr",
            "3e-4",
            "-k",
            "5",
            "-p",
            "Ab3",
        ],
        &[
            "docker",
            "run",
            "-u",
            "1000:1000",
            "-e",
            "HF_TOKEN",
            "pytorch/pytorch:2.1",
        ],
        &["python", "-c", "print(sorted(x, key=len))"],
        &["python", "train.py", "secret", "Run7"],
        &["kubectl", "create", "secret", "generic", "Name7"],
        &["wandb", "sweep", HEX40],
    ];
    for line in lines {
        let (kept, names) = command(&Masker::default(), line);
        assert_eq!(&kept, line);
        assert_eq!(names, Vec::<String>::new(), "{line:?}");
    }
}

#[test]
fn tokens_are_known_by_their_shape_wherever_they_stand() {
    let random = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----";
    for token in [
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        format!("sk-{random}"),
        format!("sk-proj-{random}"),
        format!("sk-ant-api03-{random}"),
        format!("hf_{random}"),
        format!("ghp_{random}"),
        format!("gho_{random}"),
        format!("github_pat_11ABC_{random}"),
        format!("glpat-{random}"),
        "xoxb-1234567890-abcdefghij".to_owned(),
        format!("AIza{random}"),
        format!("nvapi-{random}"),
        JWT.to_owned(),
        pem.to_owned(),
    ] {
        for text in ["X", "--note=X", "https://h/X/y", "a X b", "\"X\""] {
            let (kept, names) = command(&Masker::default(), &["run", &text.replace('X', &token)]);
            assert_eq!(kept[1], text.replace('X', MASK), "{token}");
            assert_eq!(names.len(), 1);
            assert!(names[0].starts_with("argument 1 ("), "{names:?}");
        }
        assert!(looks_secret("note", &token));
    }
    let hook = mask_text("https://hooks.slack.com/services/T000/B000/XXXXXXXX");
    assert_eq!(hook.text, "https://hooks.slack.com/services/[masked]");
    let login = mask_text(&format!("pip install x; wandb login {HEX40}; python a.py"));
    assert_eq!(
        login.text,
        "pip install x; wandb login [masked]; python a.py"
    );
    assert_eq!(
        mask_text("https://a1b2c3d4e5f6a7b8c9d0e1f2@h/").text,
        "https://[masked]@h/"
    );
    assert_eq!(
        mask_text("proxy jane:S3cr3t!@proxy.example.org:3128").names,
        ["URL password"]
    );
}

#[test]
fn a_secret_variable_is_masked_wherever_its_value_stands() {
    let variables = [
        ("MY_TOKEN", "correct-Horse-7"),
        ("DB_PASSWORD", "development"),
        ("PWD", "/home/jane/Run7"),
        ("SSH_AUTH_SOCK", "/tmp/ssh-Ab12/agent.1"),
        ("PIN_TOKEN", "Ab3"),
    ];
    let masker = Masker::new(variables.into_iter());
    let line = [
        "login",
        "jane",
        "correct-Horse-7",
        "development",
        "/home/jane/Run7/x",
        "Ab3",
    ];
    let (kept, names) = command(&masker, &line);
    assert_eq!(kept[2], MASK);
    assert_eq!(kept[3..], line[3..]);
    assert_eq!(names, ["argument 2 (MY_TOKEN)"]);
    assert_eq!(
        masker
            .value("HF_ENDPOINT", "https://x/correct-Horse-7")
            .names,
        ["HF_ENDPOINT (MY_TOKEN)"]
    );
}

#[test]
fn variables_and_params_are_judged_by_name_and_value() {
    for (name, value) in [
        ("HF_TOKEN", "abc"),
        ("hf_token", "Abc1"),
        ("WANDB_API_KEY", HEX40),
        ("SLURM_JWT", "x"),
        ("PGPASSWORD", "x"),
        ("OPENAI_API_KEY_2", "x"),
        ("GITHUB_TOKEN_RO", "x"),
        ("GITHUB_PAT", "Ab1"),
        ("model.hub.apiKey", "x"),
        ("secret_id", "x"),
        ("url", "mysql://u:pw@h/db"),
    ] {
        assert!(looks_secret(name, value), "{name}={value}");
    }
    for (name, value) in [
        ("TOKENIZERS_PARALLELISM", "false"),
        ("HF_TOKEN_PATH", "/home/jane/Token"),
        ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/home/jane/Key7.json"),
        ("PYTHONHASHSEED", "0"),
        ("PWD", "/home/jane"),
        (
            "CUDA_VISIBLE_DEVICES",
            "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
        ),
        ("LD_LIBRARY_PATH", "/opt/a:/opt/b"),
        (
            "XLA_FLAGS",
            "--xla_gpu_autotune_level=4 --xla_dump_to=/tmp/x",
        ),
        ("commit", HEX40),
        ("n_keys", "12"),
        ("api_key", "none"),
        ("password", ""),
        ("key", "image"),
    ] {
        assert!(!looks_secret(name, value), "{name}={value}");
    }
    assert_eq!(mask_value("api_key", "x").names, ["api_key"]);
}

#[test]
fn no_text_makes_masking_panic_and_every_change_is_listed() {
    arbtest::arbtest(|u| {
        let pieces = [
            "--api-key",
            "=",
            ":",
            " ",
            "\"",
            "\\",
            "'",
            "@",
            "://",
            "token",
            "Bearer ",
            "ü",
            ",",
            "Authorization: ",
            "a1B2",
            "[masked]",
            "-----BEGIN PRIVATE KEY-----",
            "&",
            "-",
            "x.y",
        ];
        let mut text = String::new();
        for _ in 0..u.arbitrary_len::<u8>()?.min(24) {
            text.push_str(u.choose(&pieces)?);
        }
        let once = mask_text(&text);
        assert_eq!(
            once.text == text,
            once.names.is_empty(),
            "{text:?} {once:?}"
        );
        let _ = Masker::default().command(&[text.clone(), text]);
        Ok(())
    });
}
