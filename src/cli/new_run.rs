//! What a new run is told on the command line, for `run` and `start` alike.

use tracker::RunOptions;
use tracker::RunWriter;
use tracker::capture::mask_text;

use super::arguments;
use super::arguments::Param;
use super::arguments::Tag;
use super::context::Ctx;
use super::fail::Failure;

/// Options of a new run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NewRun {
    /// Name of the run; without it a readable one is made up
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Experiment the run belongs to
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,

    /// Set a param (can be repeated)
    ///
    /// `true`, `false`, numbers and JSON lists are taken as such, anything else as text; put text
    /// that looks like a number in double quotes: --param 'version="1.0"'.
    #[arg(long = "param", value_name = "K=V", value_parser = arguments::param)]
    params: Vec<Param>,

    /// Set a tag (can be repeated)
    #[arg(long = "tag", value_name = "K=V", value_parser = arguments::tag)]
    tags: Vec<Tag>,

    /// Write a note
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    /// Make it a part of another run
    #[arg(long, value_name = "RUN")]
    parent: Option<String>,
}

impl NewRun {
    /// Returns what the run starts with; the caller adds the rest.
    pub(crate) fn options(&self, ctx: &Ctx) -> Result<RunOptions, Failure> {
        let parent = match &self.parent {
            Some(parent) => Some(ctx.run_id(parent)?),
            None => None,
        };
        Ok(RunOptions {
            name: self.name.clone(),
            experiment: self.experiment.clone(),
            parent,
            params: self
                .params
                .iter()
                .map(|param| (param.key.clone(), param.value.clone()))
                .collect(),
            ..RunOptions::default()
        })
    }

    /// Whether the caller named it, and so can find it without its id.
    pub(crate) fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Writes tags and note into the run, and says what the rules of the store have to say.
    pub(crate) fn describe(&self, ctx: &Ctx, run: &RunWriter) -> tracker::Result<()> {
        for warning in run.warnings() {
            ctx.messages().warning(warning);
        }
        for param in self.params.iter().filter(|param| param.is_masked) {
            arguments::tell_masked(ctx.messages(), &param.key);
        }
        for Tag {
            key,
            value,
            is_masked,
        } in &self.tags
        {
            if *is_masked {
                arguments::tell_masked(ctx.messages(), key);
            }
            run.tag(key, value)?;
        }
        self.note
            .as_deref()
            .map_or(Ok(()), |note| run.note(&mask_text(note).text))
    }
}
