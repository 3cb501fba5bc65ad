//! `tracker artifact get`: files of a run copied out of the store.

use std::collections::BTreeMap;
use std::io;
use std::io::Read;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use tracker::Error;
use tracker::Reader;
use tracker::Store;
use tracker::model::ArtifactRef;
use tracker::model::Run;
use tracker::store::ReferenceState;

use super::named;
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
/// The bytes are checked against their hash before a file appears, with the mode and time that it
/// had. A name ending in `/`, or that of a folder, means all artifacts below it; `PATH@vN` means a
/// version, an alias the file that it stands for. Nothing is ever written outside the target
/// folder. What was left where it was is copied from there, if it has not changed since.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 copied, 1 failed, 2 called wrongly

Examples:
  tracker artifact get @best:val/acc model.pt
  tracker artifact get $RUN model.pt@v2
  tracker artifact get model:best -o model.pt
  tracker artifact get $RUN checkpoints/ -o /tmp/restored
  tracker artifact get $RUN config.json -o - | jq .")]
pub(super) struct GetArgs {
    /// Run, as everywhere; or, alone, a file: an alias or RUN:PATH[@vN]
    #[arg(value_name = "RUN|FILE")]
    run: String,

    /// Artifacts or folders of them, as `artifact ls` shows them
    #[arg(value_name = "NAME")]
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
    let found = if args.names.is_empty() {
        vec![alone(ctx, &reader, &args.run)?]
    } else {
        of_run(ctx, &reader, args)?
    };
    let wanted: Vec<&ArtifactRef> = found.iter().collect();
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

/// The file that one word names.
fn alone(ctx: &Ctx, reader: &Reader, text: &str) -> Result<ArtifactRef, Failure> {
    if let Some(file) = named::run_file(ctx, reader, text)? {
        return Ok(file.version.artifact);
    }
    let run = match ctx.find_run(reader, text) {
        Ok(run) => reader.head(run)?,
        Err(_) if text.contains(':') => return Err(named::unknown(reader, text, Vec::new())),
        Err(failure) => return Err(failure),
    };
    let (id, name) = (run.id.short(), run.info.name);
    Err(
        Failure::usage(format!("which artifact of run {id} {name}? none is named"))
            .hint(format!("list those it has with `tracker artifact ls {id}`")),
    )
}

/// The files that names after a run name, each path once.
fn of_run(ctx: &Ctx, reader: &Reader, args: &GetArgs) -> Result<Vec<ArtifactRef>, Failure> {
    let run = reader.run(ctx.find_run(reader, &args.run)?)?;
    let mut wanted: BTreeMap<String, ArtifactRef> = BTreeMap::new();
    for name in &args.names {
        let found = select(reader, &run, name)?;
        if found.is_empty() {
            return Err(not_found(&run, name));
        }
        for file in found {
            let (path, blob) = (file.path.clone(), file.blob);
            if let Some(other) = wanted.insert(path, file)
                && other.blob != blob
            {
                let why = format!("two versions of {:?} cannot go to one place", other.path);
                return Err(Failure::usage(why)
                    .hint("get one after the other, each with a name of its own: `-o FILE`"));
            }
        }
    }
    Ok(wanted.into_values().collect())
}

/// The artifact with this name, else those in the folder of this name; what the run made before
/// what it read.
fn select(reader: &Reader, run: &Run, name: &str) -> Result<Vec<ArtifactRef>, Failure> {
    match reader.artifact(run.id, name) {
        Ok(version) => return Ok(vec![version.artifact]),
        Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let folder = format!("{}/", name.trim_end_matches('/'));
    for files in [&run.artifacts, &run.inputs] {
        let below = files.values().filter(|file| file.path.starts_with(&folder));
        let below: Vec<ArtifactRef> = below.cloned().collect();
        if !below.is_empty() {
            return Ok(below);
        }
    }
    Ok(Vec::new())
}

/// Says that a run has no such file, and which it has.
pub(super) fn not_found(run: &Run, name: &str) -> Failure {
    let (path, version) = name.rsplit_once("@v").unwrap_or((name, ""));
    if version.parse::<u32>().is_ok()
        && let Some(newest) = run.files().find(|file| file.path == path)
    {
        let (id, last) = (run.id.short(), run.version(newest));
        let why = format!("run {id} {} has no {name:?}", run.info.name);
        return Failure::new(why).hint(match last {
            0 => format!("its only version is {path}@v0"),
            last => format!("its versions are v0 to v{last}"),
        });
    }
    let last = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let paths = || run.files().map(|file| file.path.clone());
    let near: Vec<String> = paths()
        .filter(|path| !last.is_empty() && path.to_lowercase().contains(&last))
        .take(3)
        .collect();
    let (id, run_name) = (run.id.short(), &run.info.name);
    let failure = Failure::new(format!("run {id} {run_name} has no artifact {name:?}"));
    failure.hint(if !near.is_empty() {
        format!("did you mean {}?", alternatives(&near))
    } else if run.files().next().is_none() {
        "it has none".to_owned()
    } else if run.files().count() <= LISTED_MAX {
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
        let got = store.get_artifact(target.artifact, &target.path());
        got.map_err(|error| lost(target.artifact, error))?;
    }
    Ok(())
}

/// Opens the file of a reference, if it is what it was.
fn open_reference(
    store: &Store,
    artifact: &ArtifactRef,
    at: &Path,
) -> Result<Box<dyn Read>, Failure> {
    let changed = |why: String| {
        let error = format!(
            "{:?} cannot be had from {}: {why}",
            artifact.path,
            at.display()
        );
        Err(Failure::new(error).hint(STAYED))
    };
    match store.verify_reference(artifact, true)? {
        ReferenceState::Same => {}
        ReferenceState::Changed(why) => return changed(why),
        ReferenceState::Missing => return changed("it is gone".to_owned()),
    }
    let file = std::fs::File::open(at).map_err(|error| Failure::file("read", at, &error))?;
    Ok(Box::new(file))
}

/// Says what can be done about a file that was left where it was and is there no more.
fn lost(artifact: &ArtifactRef, error: Error) -> Failure {
    match error {
        Error::Invalid {
            what: "reference", ..
        }
        | Error::NotFound { .. }
            if artifact.reference.is_some() =>
        {
            Failure::new(error.to_string()).hint(STAYED)
        }
        error => error.into(),
    }
}

/// Why a file may be lost that the store knows of.
const STAYED: &str = "its bytes were left where they were; look for another copy with \
    `tracker artifact who`, or bring the file back";

/// Writes one artifact to standard output; its last bytes only if all are as they were stored.
fn to_stdout(ctx: &Ctx, store: &Store, wanted: &[&ArtifactRef]) -> Result<(), Failure> {
    let [artifact] = wanted else {
        return Err(Failure::usage("`-o -` takes one artifact")
            .hint("name a folder to write several to: `-o FOLDER`"));
    };
    let mut blob: Box<dyn Read> = match (store.open_blob(artifact.blob), &artifact.reference) {
        (Err(Error::NotFound { .. }), Some(at)) => open_reference(store, artifact, Path::new(at))?,
        (blob, _) => Box::new(blob?),
    };
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
        ArtifactRef::new(path.to_owned(), BlobId([0; 32]), 0, 0)
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
