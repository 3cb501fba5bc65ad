//! `tracker artifact get`: files of a run copied out of the store.

use std::collections::BTreeMap;
use std::io;
use std::io::Read;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use tracker::Store;
use tracker::model::ArtifactRef;
use tracker::model::Run;

use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::Outcome;
use crate::cli::fail::alternatives;
use crate::cli::print::Bar;
use crate::cli::print::number;

/// Most artifacts that a hint lists.
const LISTED_MAX: usize = 5;

/// Copy artifacts out of the store
///
/// The bytes are checked against their hash before a file appears. A name ending in `/`, or that
/// of a folder, means all artifacts below it. Nothing is ever written outside the target folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 copied, 1 failed, 2 called wrongly

Examples:
  tracker artifact get @best:val/acc model.pt
  tracker artifact get $RUN checkpoints/ -o /tmp/restored
  tracker artifact get $RUN config.json -o - | jq .")]
pub(super) struct GetArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,

    /// Artifacts or folders of them, as `artifact ls` shows them
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    /// File or folder to write to, or `-` for standard output; without it this folder
    #[arg(long, short, value_name = "PATH|-")]
    output: Option<PathBuf>,

    /// Replace files that are there already
    #[arg(long)]
    force: bool,
}

pub(super) fn run(ctx: &Ctx, args: &GetArgs) -> Outcome {
    let reader = ctx.reader()?;
    let run = reader.run(ctx.find_run(&reader, &args.run)?)?;
    let mut wanted: BTreeMap<&str, &ArtifactRef> = BTreeMap::new();
    for name in &args.names {
        let found = select(&run, name);
        if found.is_empty() {
            return Err(not_found(&run, name));
        }
        wanted.extend(
            found
                .iter()
                .map(|artifact| (artifact.path.as_str(), *artifact)),
        );
    }
    let wanted: Vec<&ArtifactRef> = wanted.into_values().collect();
    let store = ctx.store()?;
    match &args.output {
        Some(output) if output.as_os_str() == "-" => to_stdout(ctx, store, &wanted)?,
        output => {
            let targets = targets(&wanted, output.as_deref())?;
            to_files(store, &targets, args.force)?;
            let bytes: u64 = wanted.iter().map(|artifact| artifact.bytes).sum();
            let bytes = number::bytes(bytes);
            ctx.messages().say(match targets.as_slice() {
                [one] => format!("wrote {} ({bytes})", one.path().display()),
                all => {
                    let files = number::counted(all.len() as u64, "file");
                    format!("wrote {files} ({bytes})")
                }
            });
        }
    }
    Ok(0)
}

/// The artifact with this name, else those in the folder of this name.
fn select<'a>(run: &'a Run, name: &str) -> Vec<&'a ArtifactRef> {
    if let Some(artifact) = run.artifacts.get(name) {
        return vec![artifact];
    }
    let folder = format!("{}/", name.trim_end_matches('/'));
    let below = run.artifacts.values();
    below
        .filter(|artifact| artifact.path.starts_with(&folder))
        .collect()
}

fn not_found(run: &Run, name: &str) -> Failure {
    let last = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let paths = || run.artifacts.keys().cloned();
    let near: Vec<String> = paths()
        .filter(|path| !last.is_empty() && path.to_lowercase().contains(&last))
        .take(3)
        .collect();
    let (id, run_name) = (run.id.short(), &run.info.name);
    let failure = Failure::new(format!("run {id} {run_name} has no artifact {name:?}"));
    failure.hint(if !near.is_empty() {
        format!("did you mean {}?", alternatives(&near))
    } else if run.artifacts.is_empty() {
        "it has none".to_owned()
    } else if run.artifacts.len() <= LISTED_MAX {
        format!("it has {}", paths().collect::<Vec<_>>().join(", "))
    } else {
        format!("list those it has with `tracker artifact ls {id}`")
    })
}

/// Where an artifact goes.
struct Target<'a> {
    artifact: &'a ArtifactRef,
    /// The folder that the user named; it may be reached through links.
    folder: PathBuf,
    /// The path below it, which may not.
    inner: PathBuf,
}

impl Target<'_> {
    fn path(&self) -> PathBuf {
        self.folder.join(&self.inner)
    }

    /// Makes the folders above the file, and refuses links among them: one that lay in the target
    /// folder would lead out of it.
    fn make_folders(&self) -> Result<(), Failure> {
        let mut path = self.folder.clone();
        if !path.as_os_str().is_empty() {
            std::fs::create_dir_all(&path)
                .map_err(|error| Failure::file("make the folder", &path, &error))?;
        }
        for part in self.inner.parent().unwrap_or(Path::new("")).components() {
            path.push(part);
            let Err(error) = std::fs::create_dir(&path) else {
                continue;
            };
            match std::fs::symlink_metadata(&path) {
                Ok(there) if there.is_dir() => {}
                Ok(there) if there.is_symlink() => {
                    let (name, path) = (&self.artifact.path, path.display());
                    return Err(Failure::new(format!(
                        "refused to write the artifact {name:?} through a link: {path}"
                    ))
                    .hint("remove the link, or write elsewhere with `-o`"));
                }
                Ok(_) | Err(_) => return Err(Failure::file("make the folder", &path, &error)),
            }
        }
        Ok(())
    }
}

/// Where each artifact goes. A single one may be given a file's name.
fn targets<'a>(
    wanted: &[&'a ArtifactRef],
    output: Option<&Path>,
) -> Result<Vec<Target<'a>>, Failure> {
    if let ([artifact], Some(output)) = (wanted, output) {
        let ends_as_folder = output.as_os_str().to_string_lossy().ends_with(['/', '\\']);
        if !output.is_dir() && !ends_as_folder {
            let name = output.file_name().map_or(output, Path::new);
            return Ok(vec![Target {
                artifact,
                folder: output.parent().unwrap_or(Path::new("")).to_owned(),
                inner: name.to_owned(),
            }]);
        }
    }
    let folder = output.unwrap_or(Path::new(""));
    wanted
        .iter()
        .map(|artifact| {
            Ok(Target {
                artifact,
                folder: folder.to_owned(),
                inner: inner_path(&artifact.path)?,
            })
        })
        .collect()
}

/// The path of an artifact below a target folder.
///
/// A store may come from anybody, and so may the names in it: what could lead out of the folder,
/// on this system or another, is refused.
fn inner_path(name: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(name);
    let normal = |part: Component<'_>| matches!(part, Component::Normal(_));
    let escapes = name.is_empty()
        || !path.components().all(normal)
        || name.split(['/', '\\']).any(|part| part == "..")
        || name.starts_with('\\')
        || name.as_bytes().get(1) == Some(&b':')
        || name.contains('\0');
    if escapes {
        return Err(Failure::new(format!(
            "refused to write the artifact {name:?}: its name leads out of the target folder"
        ))
        .hint("fetch it alone and name the file: `-o FILE`"));
    }
    Ok(path.to_owned())
}

fn to_files(store: &Store, targets: &[Target<'_>], force: bool) -> Result<(), Failure> {
    if let (false, Some(path)) = (
        force,
        targets.iter().map(Target::path).find(|path| path.exists()),
    ) {
        return Err(
            Failure::new(format!("there is a file already: {}", path.display()))
                .hint("replace it with `--force`, or write elsewhere with `-o`"),
        );
    }
    targets.iter().try_for_each(Target::make_folders)?;
    let bar = Bar::items(targets.len());
    for (done, target) in targets.iter().enumerate() {
        bar.item(done, &target.artifact.path);
        store.get_artifact(target.artifact, &target.path())?;
    }
    Ok(())
}

/// Writes one artifact to standard output; its last bytes only if all are as they were stored.
fn to_stdout(ctx: &Ctx, store: &Store, wanted: &[&ArtifactRef]) -> Result<(), Failure> {
    let [artifact] = wanted else {
        return Err(Failure::usage("`-o -` takes one artifact")
            .hint("name a folder to write several to: `-o FOLDER`"));
    };
    let mut blob = store.open_blob(artifact.blob)?;
    let mut bytes = vec![0; 256 << 10];
    loop {
        let read = match blob.read(&mut bytes) {
            Ok(0) => return ctx.out.flush(),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let name = &artifact.path;
                return Err(Failure::new(format!(
                    "cannot read the artifact {name:?}: {error}"
                )));
            }
        };
        ctx.out.write(|out| out.write_all(&bytes[..read]))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracker::model::BlobId;

    fn artifact(path: &str) -> ArtifactRef {
        ArtifactRef {
            path: path.to_owned(),
            blob: BlobId([0; 32]),
            bytes: 0,
            media_type: None,
            time_us: 0,
        }
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        for good in ["model.pt", "a/b/c.txt", "..hidden", "a..b/c", "größe.png"] {
            assert_eq!(inner_path(good).unwrap(), Path::new(good));
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/..",
            "..",
            "./x",
            "\\x",
            "a\\..\\..\\x",
            "C:\\x",
            "c:x",
            "a\0b",
        ] {
            assert!(inner_path(bad).is_err(), "{bad}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_below_the_target_folder_is_not_followed_and_the_target_itself_is() {
        let dir = tempfile::tempdir().unwrap();
        let (outside, target) = (dir.path().join("outside"), dir.path().join("target"));
        std::fs::create_dir_all(dir.path().join("real/fine")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(dir.path().join("real"), &target).unwrap();
        std::os::unix::fs::symlink(&outside, target.join("a")).unwrap();
        let made = |path: &str| {
            let artifact = artifact(path);
            let targets = targets(&[&artifact], Some(&target)).unwrap();
            targets[0].make_folders()
        };
        assert!(made("fine/new/x").is_ok() && made("x").is_ok());
        assert!(dir.path().join("real/fine/new").is_dir());
        assert!(made("a/b/x").is_err() && made("a/x").is_err());
        assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
    }

    #[test]
    fn one_artifact_may_be_given_a_name_and_many_need_a_folder() {
        let (a, b) = (artifact("out/a"), artifact("b"));
        let paths = |wanted: &[&ArtifactRef], output: Option<&str>| -> Vec<PathBuf> {
            let targets = targets(wanted, output.map(Path::new)).unwrap();
            targets.iter().map(Target::path).collect()
        };
        assert_eq!(paths(&[&a], Some("x")), [Path::new("x")]);
        assert_eq!(paths(&[&a], Some("x/")), [Path::new("x/out/a")]);
        assert_eq!(paths(&[&a], None), [Path::new("out/a")]);
        assert_eq!(
            paths(&[&a, &b], Some("x")),
            [Path::new("x/out/a"), Path::new("x/b")]
        );
    }
}
