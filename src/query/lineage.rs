//! Lineage: which runs and files something came from, and what came from it.
//!
//! A run is tied to a file by having read or made it, and a file to other runs by its bytes: who
//! logged them as an output made it, whoever logged them as an input read it. So nobody has to say
//! which run a file is from, and a file that went through a copy, a stick or another store is the
//! same. All versions count. Empty files tie nothing together: they are the same everywhere.
//!
//! The answer is a tree as a list, each link after that which it follows from; it may be deeper
//! than a stack. What is met again is named and not followed again, so that cycles end (a run that
//! goes on from its own checkpoint) and a file read by thousands is followed once.

use std::collections::BTreeSet;

use super::artifacts::Places;
use super::artifacts::RunFile;
use super::reader::Reader;
use crate::error::Error;
use crate::error::Result;
use crate::limits::LINEAGE_LINKS_MAX;
use crate::model::BlobId;
use crate::model::Flow;
use crate::model::RunId;
use crate::model::Version;

/// Where a lineage begins, or what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// A run.
    Run(RunId),
    /// A file, whoever has it.
    File(BlobId),
}

/// Which way it is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// To what a run read, and to the runs that made it.
    Up,
    /// To what a run made, and to the runs that read it.
    Down,
}

/// One place of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What stands there.
    pub node: Node,
    /// Place in the list of that which it follows from; none for the first.
    pub parent: Option<usize>,
    /// Which way it was met; none for the first.
    pub toward: Option<Toward>,
    /// The file as the run has it: of a file the run above, of a run that itself.
    pub version: Option<Version>,
    /// Whether it was met before, so that what follows from it stands there.
    pub is_again: bool,
}

/// What a lineage is to tell.
#[derive(Clone, Copy, Debug)]
pub struct LineageQuery {
    /// Whether what it came from.
    pub up: bool,
    /// Whether what came from it.
    pub down: bool,
    /// So many runs away at most; none is all.
    pub depth: Option<usize>,
}

/// A tree as a list.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    /// The places, each after that which it follows from.
    pub links: Vec<Link>,
    /// Whether there are more than are told.
    pub is_cut: bool,
}

/// A place that is to be looked at.
struct Next {
    link: Link,
    /// Runs between it and the first.
    runs_away: usize,
}

/// A place whose links are to be followed.
#[derive(Clone, Copy)]
struct Step {
    node: Node,
    /// That which it follows from: a run is not tied to itself.
    above: Option<Node>,
    toward: Toward,
    /// Its place in the list.
    at: usize,
    runs_away: usize,
}

impl Reader {
    /// Follows a run or a file to what it came from and to what came from it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a run that is not there; [`Error::Corrupt`], [`Error::Io`].
    pub fn lineage(&self, from: Node, query: &LineageQuery) -> Result<Lineage> {
        self.ask(|reader| reader.follow_links(from, query))
    }

    fn follow_links(&self, from: Node, query: &LineageQuery) -> Result<Lineage> {
        if let Node::Run(run) = from
            && self.number(run)?.is_none()
            && !self.unfolded().contains(run)
        {
            return Err(Error::not_found("run", run.to_string()));
        }
        let places = Places::of(self);
        let mut lineage = Lineage::default();
        lineage.links.push(Link {
            node: from,
            parent: None,
            toward: None,
            version: None,
            is_again: false,
        });
        let mut pending = Vec::new();
        for (toward, is_asked) in [(Toward::Down, query.down), (Toward::Up, query.up)] {
            if is_asked {
                let first = Step {
                    node: from,
                    above: None,
                    toward,
                    at: 0,
                    runs_away: 0,
                };
                pending.extend(self.follow(first, query, &places)?);
            }
        }
        let mut met = BTreeSet::from([from]);
        while let Some(Next { link, runs_away }) = pending.pop() {
            if lineage.links.len() >= LINEAGE_LINKS_MAX {
                lineage.is_cut = true;
                break;
            }
            let is_empty = |version: &Version| version.artifact.bytes == 0;
            let ties = matches!(link.node, Node::Run(_)) || !link.version.iter().any(is_empty);
            let is_again = ties && !met.insert(link.node);
            let (node, at) = (link.node, lineage.links.len());
            let above = link.parent.and_then(|parent| lineage.links.get(parent));
            let above = above.map(|above| above.node);
            if let (Some(toward), true) = (link.toward, ties && !is_again) {
                let step = Step {
                    node,
                    above,
                    toward,
                    at,
                    runs_away,
                };
                pending.extend(self.follow(step, query, &places)?);
            }
            lineage.links.push(Link { is_again, ..link });
        }
        Ok(lineage)
    }

    /// Returns what follows from a place, the last first.
    fn follow(&self, step: Step, query: &LineageQuery, places: &Places<'_>) -> Result<Vec<Next>> {
        let Step {
            node,
            above,
            toward,
            at,
            runs_away,
        } = step;
        let runs_away = match node {
            Node::Run(_) if query.depth.is_some_and(|depth| runs_away >= depth) => {
                return Ok(Vec::new());
            }
            Node::Run(_) => runs_away,
            Node::File(_) => runs_away + 1,
        };
        let link = |node, version| Link {
            node,
            parent: Some(at),
            toward: Some(toward),
            version: Some(version),
            is_again: false,
        };
        let mut links = Vec::new();
        match node {
            Node::Run(run) => {
                let wanted = match toward {
                    Toward::Up => Flow::Input,
                    Toward::Down => Flow::Output,
                };
                let mut blobs = BTreeSet::new();
                for version in self.files(run)?.into_list() {
                    let blob = version.artifact.blob;
                    if version.artifact.flow == wanted && blobs.insert(blob) {
                        links.push(link(Node::File(blob), version));
                    }
                }
            }
            Node::File(blob) => {
                let wanted = match toward {
                    Toward::Up => Flow::Output,
                    Toward::Down => Flow::Input,
                };
                // Once for each run, by the first name that it has for them.
                let mut last = None;
                for RunFile { run, version } in places.files(blob)? {
                    let node = Node::Run(run);
                    let is_new = last != Some(node) && above != Some(node);
                    if version.artifact.flow == wanted && is_new {
                        last = Some(node);
                        links.push(link(node, version));
                    }
                }
            }
        }
        let links = links.into_iter().rev();
        Ok(links.map(|link| Next { link, runs_away }).collect())
    }
}
