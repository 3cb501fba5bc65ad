//! Files of runs: which there are, whose they are, and what aliases stand for.
//!
//! What a run has is told by its own records alone. Which runs have some bytes is a range of the
//! index, and a look at the runs that are not folded; so it is answered at once, however many runs
//! there are. Of an alias any run may have spoken: the latest to do so counts.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::reader::Query;
use super::reader::Reader;
use super::reader::near;
use super::select;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::journal::Event;
use crate::model::AliasTarget;
use crate::model::BlobId;
use crate::model::Files;
use crate::model::Flow;
use crate::model::Run;
use crate::model::RunId;
use crate::model::Stamp;
use crate::model::Version;
use crate::model::named;

/// A version of a file, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFile {
    /// The run.
    pub run: RunId,
    /// The file.
    pub version: Version,
}

/// A name that stands for a version of a file of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// The run that has the file.
    pub run: RunId,
    /// When the alias was set, in microseconds since 1970.
    pub time_us: i64,
    /// The file. None if the run has no such version: its record is damaged or has not arrived.
    pub version: Option<Version>,
}

/// What was last said of an alias: in which run, when, and what.
type Said = (RunId, Stamp, Option<AliasTarget>);

impl Reader {
    /// Returns all versions of all files of a run: outputs before inputs, by path, the oldest
    /// first.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`], [`Error::Io`].
    pub fn versions(&self, run: RunId) -> Result<Vec<Version>> {
        self.ask(|reader| {
            if reader.number(run)?.is_none() && !reader.unfolded().contains(run) {
                return Err(Error::not_found("run", run.to_string()));
            }
            Ok(reader.files(run)?.into_list())
        })
    }

    /// Returns the ids of the runs that a query asks for: all that is needed to look at their
    /// files, one run after the other, as far as one wants.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn ids(&self, query: &Query) -> Result<Vec<RunId>> {
        self.ask(|reader| select::matching(reader, query))
    }

    /// Finds the file that `name` names in a run: `PATH` is the newest version of that path and
    /// `PATH@vN` another; of a path that was made and read what was made.
    ///
    /// # Errors
    /// [`Error::NotFound`] (with near names); [`Error::Corrupt`], [`Error::Io`].
    pub fn artifact(&self, run: RunId, name: &str) -> Result<Version> {
        let versions = self.versions(run)?;
        if let Some(version) = named(&versions, name) {
            return Ok(version.clone());
        }
        let path = path_of(name);
        let of_path = versions
            .iter()
            .filter(|version| version.artifact.path == path);
        let mut there: Vec<String> = of_path.map(Version::name).collect();
        if there.is_empty() {
            let paths = versions.into_iter().map(|version| version.artifact.path);
            there = near(path, paths);
        }
        there.reverse(); // the newest first
        Err(Error::NotFound {
            what: "artifact",
            name: name.to_owned(),
            near: there,
        })
    }

    /// Returns the files that have these bytes: of runs by id, then as [`Self::versions`].
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn who(&self, blob: BlobId) -> Result<Vec<RunFile>> {
        self.ask(|reader| Places::of(reader).files(blob))
    }

    /// Returns the runs that made each of some blobs, by id: the first started first.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn makers(&self, blobs: &[BlobId]) -> Result<Vec<Vec<RunId>>> {
        self.ask(|reader| {
            let places = Places::of(reader);
            let makers = |blob: &BlobId| {
                let places = places.of_blob(*blob)?.into_iter();
                let made = places.filter(|(_, flow, _)| *flow == Flow::Output);
                let mut runs: Vec<RunId> = made.map(|(run, ..)| run).collect();
                runs.dedup(); // one after the other, for they are sorted
                Ok(runs)
            };
            blobs.iter().map(makers).collect()
        })
    }

    /// Returns the blobs whose hash begins with these hex digits, sorted.
    ///
    /// # Errors
    /// [`Error::Invalid`] for other characters; [`Error::Corrupt`], [`Error::Io`].
    pub fn blobs_with_prefix(&self, prefix: &str) -> Result<Vec<BlobId>> {
        let prefix = prefix.to_ascii_lowercase();
        let first = format!("{prefix:0<64}").parse()?;
        let last = format!("{prefix:f<64}").parse()?;
        self.ask(|reader| {
            let mut blobs = BTreeSet::new();
            if let Some(snapshot) = reader.snapshot() {
                let uses = snapshot.uses(first..=last)?;
                blobs.extend(uses.into_iter().map(|used| used.blob));
            }
            for run in reader.unfolded().runs() {
                reader.unfolded().events(run, |event, _| {
                    if let Event::Artifact(artifact) = event
                        && (first..=last).contains(&artifact.blob)
                    {
                        blobs.insert(artifact.blob);
                    }
                });
            }
            Ok(blobs.into_iter().collect())
        })
    }

    /// Returns all aliases, by name.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn aliases(&self) -> Result<Vec<Alias>> {
        self.ask(|reader| {
            let mut aliases = Vec::new();
            for (name, (run, stamp, target)) in reader.said_of_aliases(None)? {
                if let Some(target) = target {
                    aliases.push(reader.alias_of(name, run, stamp, &target)?);
                }
            }
            Ok(aliases)
        })
    }

    /// Returns what an alias stands for.
    ///
    /// # Errors
    /// [`Error::NotFound`] (with near names); [`Error::Corrupt`], [`Error::Io`].
    pub fn find_alias(&self, name: &str) -> Result<Alias> {
        self.ask(|reader| {
            let said = reader.said_of_aliases(Some(name))?.remove(name);
            if let Some((run, stamp, Some(target))) = said {
                return reader.alias_of(name.to_owned(), run, stamp, &target);
            }
            let set = reader.said_of_aliases(None)?.into_iter();
            let set = set.filter(|(_, (_, _, target))| target.is_some());
            Err(Error::NotFound {
                what: "alias",
                name: name.to_owned(),
                near: near(name, set.map(|(name, _)| name)),
            })
        })
    }

    /// Returns where and when something was last said of an alias, be it that it is removed.
    pub(crate) fn alias_said(&self, name: &str) -> Result<Option<(RunId, Stamp)>> {
        self.ask(|reader| {
            let said = reader.said_of_aliases(Some(name))?.remove(name);
            Ok(said.map(|(run, stamp, _)| (run, stamp)))
        })
    }

    /// Returns runs with the heads of what is said of them: none of their params, metrics and tags,
    /// and of folded ones no files.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`], [`Error::Io`].
    pub fn head(&self, run: RunId) -> Result<Run> {
        self.ask(|reader| match reader.number(run)? {
            Some(number) if !reader.unfolded().contains(run) => reader.outline(run, number),
            _ => reader.run(run),
        })
    }

    /// Takes together what index and journal say of the files of a run.
    pub(super) fn files(&self, run: RunId) -> Result<Files> {
        let mut files = Files::default();
        if let (Some(snapshot), Some(number)) = (self.snapshot(), self.number(run)?) {
            for (artifact, stamp) in snapshot.artifacts(number)? {
                files.put(artifact, stamp);
            }
        }
        self.unfolded().events(run, |event, stamp| {
            if let Event::Artifact(artifact) = event {
                files.put(artifact.clone(), stamp);
            }
        });
        Ok(files)
    }

    /// Takes together what index and journal say of one path of a run.
    fn files_at(&self, run: RunId, flow: Flow, path: &str) -> Result<Files> {
        let mut files = Files::default();
        if let (Some(snapshot), Some(number)) = (self.snapshot(), self.number(run)?) {
            for (artifact, stamp) in snapshot.artifacts_at(number, flow, path)? {
                files.put(artifact, stamp);
            }
        }
        self.unfolded().events(run, |event, stamp| {
            if let Event::Artifact(artifact) = event
                && (artifact.flow, artifact.path.as_str()) == (flow, path)
            {
                files.put(artifact.clone(), stamp);
            }
        });
        Ok(files)
    }

    /// Returns what was last said of each alias, or of one.
    fn said_of_aliases(&self, name: Option<&str>) -> Result<BTreeMap<String, Said>> {
        let mut said: BTreeMap<String, Said> = BTreeMap::new();
        let mut hear = |name: &str, run: RunId, stamp: Stamp, target: &Option<AliasTarget>| {
            if said.get(name).is_none_or(|(_, before, _)| *before < stamp) {
                said.insert(name.to_owned(), (run, stamp, target.clone()));
            }
        };
        if let Some(snapshot) = self.snapshot() {
            let ids = snapshot.run_ids()?;
            for (name, number) in snapshot.aliases(name)? {
                let row = snapshot.run(number)?.unwrap_or_default();
                let id = ids.get(number.0 as usize);
                let (Some(id), Some((stamp, target))) = (id, row.aliases.get(&name)) else {
                    let why = format!("{number:?} says nothing of the alias {name:?}");
                    return Err(Damage::new(snapshot.path(), 0, "index", why).into());
                };
                hear(&name, *id, *stamp, target);
            }
        }
        for run in self.unfolded().runs() {
            self.unfolded().events(run, |event, stamp| match event {
                Event::Alias {
                    name: alias,
                    target,
                } if name.is_none_or(|name| name == alias.as_str()) => {
                    hear(alias.as_str(), run, stamp, target);
                }
                _ => {}
            });
        }
        Ok(said)
    }

    /// Finds the version that an alias was set to: the newest of its path with those bytes.
    fn alias_of(
        &self,
        name: String,
        run: RunId,
        stamp: Stamp,
        target: &AliasTarget,
    ) -> Result<Alias> {
        let AliasTarget { flow, path, blob } = target;
        let is_it = |version: &Version| {
            let file = &version.artifact;
            (file.flow, &file.path, &file.blob) == (*flow, path, blob)
        };
        let versions = self.files(run)?.into_list().into_iter();
        Ok(Alias {
            name,
            run,
            time_us: stamp.time_us,
            version: versions.rev().find(is_it),
        })
    }
}

/// Returns the path of `PATH@vN`; a name without a version is one.
fn path_of(name: &str) -> &str {
    match name.rsplit_once("@v") {
        Some((path, digits)) if digits.parse::<u32>().is_ok() => path,
        _ => name,
    }
}

/// Where some bytes were logged.
type Place = (RunId, Flow, String);

/// Where bytes were logged, for many questions: what is not folded is looked through once.
pub(super) struct Places<'a> {
    reader: &'a Reader,
    unfolded: BTreeMap<BlobId, BTreeSet<Place>>,
}

impl<'a> Places<'a> {
    pub(super) fn of(reader: &'a Reader) -> Self {
        let mut unfolded: BTreeMap<BlobId, BTreeSet<Place>> = BTreeMap::new();
        for run in reader.unfolded().runs() {
            reader.unfolded().events(run, |event, _| {
                if let Event::Artifact(artifact) = event {
                    let place = (run, artifact.flow, artifact.path.clone());
                    unfolded.entry(artifact.blob).or_default().insert(place);
                }
            });
        }
        Self { reader, unfolded }
    }

    fn of_blob(&self, blob: BlobId) -> Result<BTreeSet<Place>> {
        let mut places = self.unfolded.get(&blob).cloned().unwrap_or_default();
        if let Some(snapshot) = self.reader.snapshot() {
            let ids = snapshot.run_ids()?;
            for used in snapshot.uses(blob..=blob)? {
                if let Some(run) = ids.get(used.run.0 as usize) {
                    places.insert((*run, used.flow, used.path));
                }
            }
        }
        Ok(places)
    }

    /// Returns the files that have these bytes, by run, flow, path and version.
    pub(super) fn files(&self, blob: BlobId) -> Result<Vec<RunFile>> {
        let mut found = Vec::new();
        for (run, flow, path) in self.of_blob(blob)? {
            let versions = self.reader.files_at(run, flow, &path)?.into_list();
            let same = versions.into_iter();
            let same = same.filter(|version| version.artifact.blob == blob);
            found.extend(same.map(|version| RunFile { run, version }));
        }
        Ok(found)
    }
}
