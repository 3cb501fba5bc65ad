//! `tracker param`: inputs of a run, set once.

use super::arguments;
use super::arguments::Param;
use super::context::Ctx;
use super::fail::Outcome;

/// Set params of a run
///
/// A param is set once: the same value again is fine, another is an error that shows both. Values
/// are `true`, `false`, numbers, JSON lists, and else text; text that looks like a number goes in
/// double quotes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 set, 1 failed, 2 called wrongly

Examples:
  tracker param $RUN lr=0.1 model=resnet18 'widths=[64, 128]'
  tracker param $RUN 'version=\"1.10\"'")]
pub(crate) struct ParamArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,

    /// Params with their values
    #[arg(required = true, value_name = "K=V", value_parser = arguments::param)]
    params: Vec<Param>,
}

pub(crate) fn run(ctx: &Ctx, args: &ParamArgs) -> Outcome {
    let writer = ctx.join_briefly(&args.run)?;
    let set = args.params.iter().try_for_each(|param| {
        if param.is_masked {
            arguments::tell_masked(ctx.messages(), &param.key);
        }
        writer.param(&param.key, param.value.clone())
    });
    let closed = writer.close(); // those set before a refused one are kept
    set?;
    closed?;
    if let Ok(settings) = ctx.store()?.settings() {
        let complaints = args
            .params
            .iter()
            .filter_map(|param| settings.complaint(&param.key));
        complaints.for_each(|complaint| ctx.messages().warning(complaint.text));
    }
    Ok(0)
}
