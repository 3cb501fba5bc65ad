//! `trainer_state.json` of Hugging Face's Trainer: `log_history` is a list of steps.

use serde_json::Map;
use serde_json::Value;

use super::ImportOptions;
use super::document::params;
use super::lines;
use super::log::Log;
use super::record::text_of;

/// What was set before the training; the rest of the file is what came of it.
const PARAMS: [&str; 9] = [
    "eval_steps",
    "is_hyper_param_search",
    "logging_steps",
    "max_steps",
    "num_train_epochs",
    "save_steps",
    "train_batch_size",
    "trial_name",
    "trial_params",
];
const TAGS: [&str; 5] = [
    "best_global_step",
    "best_metric",
    "best_model_checkpoint",
    "num_input_tokens_seen",
    "total_flos",
];

/// Whether an object is the state of a trainer.
pub(super) fn is_state(map: &Map<String, Value>) -> bool {
    map.get("log_history").is_some_and(Value::is_array)
}

/// Reads the state of a trainer.
pub(super) fn read(map: &Map<String, Value>, options: &ImportOptions) -> Result<Log, String> {
    let history = map.get("log_history").and_then(Value::as_array);
    let history = history.ok_or("has no list log_history, which a trainer's state has")?;
    let mut log = Log {
        tables: lines::rows(history, options)?,
        ..Log::default()
    };
    let known = |keys: &[&'static str]| {
        let there = |key: &&'static str| map.get(*key).map(|value| (*key, value));
        let found: Vec<_> = keys.iter().filter_map(there).collect();
        found.into_iter().filter(|(_, value)| !value.is_null())
    };
    for (key, value) in known(&PARAMS) {
        params(value, key, &mut log.params)?;
    }
    log.tags
        .extend(known(&TAGS).map(|(key, value)| (key.to_owned(), text_of(value))));
    Ok(log)
}
