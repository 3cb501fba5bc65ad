//! One run, folded into memory: from the rows of the index, and what is not folded yet.

use std::collections::BTreeMap;

use super::Sink;
use crate::error::Result;
use crate::index::Finish;
use crate::index::NameNumber;
use crate::index::ParamRow;
use crate::index::Role;
use crate::index::RunNumber;
use crate::index::RunRow;
use crate::index::Snapshot;
use crate::index::TagRow;
use crate::model::AliasTarget;
use crate::model::ArtifactRef;
use crate::model::Files;
use crate::model::Flow;
use crate::model::ParamValue;
use crate::model::Run;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Stamp;
use crate::model::Status;
use crate::model::Summary;

/// All that is said of a run, with the stamps that decide between two who say it.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryRun {
    pub(super) row: RunRow,
    pub(super) params: BTreeMap<String, ParamRow>,
    pub(super) tags: BTreeMap<String, TagRow>,
    pub(super) files: Files,
    pub(super) series: BTreeMap<String, Summary>,
}

impl MemoryRun {
    /// Takes what the index says of a run.
    ///
    /// - `text`: the text of a name's number
    pub(crate) fn load(
        snapshot: &Snapshot,
        number: RunNumber,
        text: &mut dyn FnMut(NameNumber) -> Result<String>,
    ) -> Result<Self> {
        let mut run = Self {
            row: snapshot.run(number)?.unwrap_or_default(),
            ..Self::default()
        };
        for (name, row) in snapshot.params(number)? {
            run.params.insert(text(name)?, row);
        }
        for (name, row) in snapshot.tags(number)? {
            run.tags.insert(text(name)?, row);
        }
        for (artifact, stamp) in snapshot.artifacts(number)? {
            run.files.put(artifact, stamp);
        }
        for (name, summary) in snapshot.series(number)? {
            run.series.insert(text(name)?, summary);
        }
        Ok(run)
    }

    /// Takes what the index says of a run as a whole.
    pub(crate) fn outline(row: RunRow) -> Self {
        Self {
            row,
            ..Self::default()
        }
    }

    /// Returns when the run was last opened, ended or spoken of, by the clock of who did: what is
    /// said next must be later. Points do not count, for their times may be anybody's.
    pub(crate) fn spoken_us(&self) -> Option<i64> {
        let row = &self.row;
        let run = [
            row.opened.map(|(stamp, _)| stamp),
            row.finished.as_ref().map(|(stamp, _)| *stamp),
            row.note.as_ref().map(|(stamp, _)| *stamp),
        ];
        let tags = self.tags.values().map(|row| row.stamp);
        let aliases = row.aliases.values().map(|(stamp, _)| *stamp);
        let params = self.params.values().map(|row| row.stamp);
        let said = run.into_iter().flatten().chain(tags).chain(aliases);
        let said = said.chain(params).map(|stamp| stamp.time_us);
        said.chain(self.files.spoken_us()).max()
    }

    /// Returns how the run stands if no writer lives, and its end.
    pub(crate) fn status(&self) -> (Status, Option<i64>) {
        self.row.status()
    }

    /// Turns it into an answer.
    ///
    /// - `status`: how it stands, where that is known better than from its records
    pub(crate) fn into_run(self, id: RunId, status: Option<Status>) -> Run {
        let (told, end_us) = self.row.status();
        let status = status.unwrap_or(told);
        let end_us = match status {
            Status::Running => None,
            Status::Unknown => end_us.or(self.row.times_us.map(|(_, last)| last)),
            Status::Completed | Status::Failed => end_us,
        };
        let RunRow {
            info,
            opened,
            finished,
            note,
            times_us,
            series: _,
            aliases,
        } = self.row;
        let has_started = info.is_some();
        // Segments of a run may arrive before the one that tells its start.
        let info = info.map_or_else(
            || RunInfo {
                name: id.short(),
                start_us: times_us.map(|(first, _)| first),
                ..RunInfo::default()
            },
            |(info, _)| info,
        );
        // An end that the run was resumed after says nothing of how it stands now.
        let ended_by = finished.filter(|(at, _)| opened.is_none_or(|(opened, _)| *at > opened));
        let reason = ended_by.and_then(|(_, finish)| finish.reason);
        let mut params = BTreeMap::new();
        let mut param_conflicts = BTreeMap::new();
        for (
            key,
            ParamRow {
                value,
                stamp: _,
                conflict,
            },
        ) in self.params
        {
            if let Some((refused, _)) = conflict {
                param_conflicts.insert(key.clone(), refused);
            }
            params.insert(key, value);
        }
        let (mut artifacts, mut inputs) = (BTreeMap::new(), BTreeMap::new());
        let mut older = BTreeMap::new();
        for ((flow, path), mut versions) in self.files.into_versions() {
            let Some(newest) = versions.pop() else {
                continue;
            };
            match flow {
                Flow::Output => artifacts.insert(path.clone(), newest),
                Flow::Input => inputs.insert(path.clone(), newest),
            };
            if !versions.is_empty() {
                older.insert((flow, path), versions);
            }
        }
        let aliases = aliases.into_iter();
        Run {
            id,
            info,
            has_started,
            status,
            end_us,
            params,
            param_conflicts,
            metrics: self.series,
            tags: self
                .tags
                .into_iter()
                .map(|(key, row)| (key, row.text))
                .collect(),
            note: note.map(|(_, text)| text),
            artifacts,
            inputs,
            older,
            aliases: aliases.map(|(name, (_, target))| (name, target)).collect(),
            reason: reason.filter(|_| status == Status::Failed),
        }
    }
}

impl Sink for MemoryRun {
    fn started(&mut self, info: &RunInfo, stamp: Stamp) -> Result<()> {
        self.row.start(info, stamp);
        Ok(())
    }

    fn opened(&mut self, role: Role, stamp: Stamp) -> Result<()> {
        self.row.open(role, stamp);
        Ok(())
    }

    fn finished(&mut self, finish: &Finish, stamp: Stamp) -> Result<()> {
        self.row.finish(finish, stamp);
        Ok(())
    }

    fn note(&mut self, text: &str, stamp: Stamp) -> Result<()> {
        self.row.annotate(text, stamp);
        Ok(())
    }

    fn times(&mut self, first_us: i64, last_us: i64) -> Result<()> {
        self.row.span(first_us, last_us);
        Ok(())
    }

    fn param(&mut self, key: &str, value: &ParamValue, stamp: Stamp) -> Result<()> {
        if let Some(row) = self.params.get_mut(key) {
            row.merge(value, stamp);
        } else {
            let row = ParamRow {
                value: value.clone(),
                stamp,
                conflict: None,
            };
            self.params.insert(key.to_owned(), row);
        }
        Ok(())
    }

    fn tag(&mut self, key: &str, text: &str, stamp: Stamp) -> Result<()> {
        if self.tags.get(key).is_none_or(|old| old.stamp < stamp) {
            self.tags.insert(
                key.to_owned(),
                TagRow {
                    text: text.to_owned(),
                    stamp,
                },
            );
        }
        Ok(())
    }

    fn artifact(&mut self, artifact: &ArtifactRef, stamp: Stamp) -> Result<()> {
        self.files.put(artifact.clone(), stamp);
        Ok(())
    }

    fn alias(&mut self, name: &str, target: Option<&AliasTarget>, stamp: Stamp) -> Result<()> {
        self.row.alias(name, target, stamp);
        Ok(())
    }

    fn series(&mut self, metric: &str, part: &Summary) -> Result<()> {
        match self.series.get_mut(metric) {
            Some(summary) => summary.merge(part),
            None => _ = self.series.insert(metric.to_owned(), *part),
        }
        Ok(())
    }
}
