//! `tracker demo`: trains a few small models for real, so that there is something to see.

mod iris;
mod softmax;
mod training;

use tracker::model::RunId;

use super::compare;
use super::context::Ctx;
use super::fail::Outcome;
use super::print::Bar;

/// Train and compare a few small models, to see what tracker does
///
/// Softmax regression on the iris measurements (150 flowers, part of the program): a small grid of
/// learning rates, regularisation and seeds, with loss and accuracy at each step and the model as
/// an artifact. The runs go into the store like any others, under the experiment `iris-softmax`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 trained, 1 failed, 2 called wrongly

Examples:
  tracker demo
  tracker --store /tmp/try demo")]
pub(crate) struct DemoArgs {}

pub(crate) fn run(ctx: &Ctx, _args: &DemoArgs) -> Outcome {
    let store = ctx.store_or_create()?;
    let bar = Bar::items(training::RUNS);
    let runs = training::train_all(store, &mut |done| bar.item(done, "training"))?;
    drop(bar);
    let messages = ctx.messages();
    messages.say(format!(
        "trained {} runs into {}",
        runs.len(),
        store.path().display()
    ));
    let names: Vec<String> = runs.iter().map(RunId::to_string).collect();
    compare::runs(ctx, &names, training::METRIC)?;
    ctx.out.flush()?;
    let best = format!("@best:-{}", training::METRIC);
    messages.say("\nwhat to try next:");
    for (command, what) in [
        (
            format!("tracker show {best}"),
            "the best run, with exactly its params",
        ),
        (
            format!("tracker series {best} {} --plot", training::METRIC),
            "how its loss went",
        ),
        (
            "tracker query 'val/acc > 0.95 and params.l2 = 0'".to_owned(),
            "which runs were good",
        ),
        (
            format!("tracker artifact get {best} {}", training::MODEL_PATH),
            "the model itself",
        ),
        (
            "tracker run --param lr=0.1 -- python train.py".to_owned(),
            "a training of your own",
        ),
    ] {
        messages.say(format!("  {command:<52} {what}"));
    }
    Ok(0)
}
