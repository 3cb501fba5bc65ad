//! `tracker tag`: what people say of a run, to be changed at will.

use super::arguments;
use super::arguments::Tag;
use super::context::Ctx;
use super::fail::Outcome;

/// Set or replace tags of a run
///
/// Tags are text and may be changed at any time, after the end of the run too, unlike params.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 set, 1 failed, 2 called wrongly

Examples:
  tracker tag @last stage=candidate reviewed=yes")]
pub(crate) struct TagArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,

    /// Tags with their texts
    #[arg(required = true, value_name = "K=V", value_parser = arguments::tag)]
    tags: Vec<Tag>,
}

pub(crate) fn run(ctx: &Ctx, args: &TagArgs) -> Outcome {
    let writer = ctx.join_briefly(&args.run)?;
    let set = args.tags.iter().try_for_each(|tag| {
        if tag.is_masked {
            arguments::tell_masked(ctx.messages(), &tag.key);
        }
        writer.tag(&tag.key, &tag.value)
    });
    let closed = writer.close();
    set?;
    closed?;
    Ok(0)
}
