//! Names that mean the same to a person, however they are written.

/// Words that say how many, at the beginning of a name: `n_layers`, `num_layers`, `layers`.
const COUNTS: [&str; 7] = ["n", "num", "nb", "nr", "number", "count", "of"];
/// Words and the one that stands for them.
const WORDS: [(&str, &str); 15] = [
    ("acc", "accuracy"),
    ("avg", "mean"),
    ("average", "mean"),
    ("dim", "size"),
    ("err", "error"),
    ("eval", "val"),
    ("opt", "optimizer"),
    ("optim", "optimizer"),
    ("optimiser", "optimizer"),
    ("ppl", "perplexity"),
    ("prob", "rate"),
    ("training", "train"),
    ("trees", "estimators"),
    ("valid", "val"),
    ("validation", "val"),
];
/// Whole names, written together, and the one that stands for them.
const NAMES: [(&str, &str); 9] = [
    ("batch", "batchsize"),
    ("bs", "batchsize"),
    ("dropoutrate", "dropout"),
    ("learnrate", "learningrate"),
    ("lr", "learningrate"),
    ("randomseed", "seed"),
    ("randomstate", "seed"),
    ("rngseed", "seed"),
    ("wd", "weightdecay"),
];

/// The words of a name in small letters: apart by signs, and by `aB`.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before: Option<char> = None;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        if !c.is_alphanumeric() {
            before = None;
            continue;
        }
        let humps = |last: char| {
            let ends_upper = last.is_uppercase() && chars.peek().is_some_and(|n| n.is_lowercase());
            c.is_uppercase() && (last.is_lowercase() || ends_upper)
        };
        if before.is_none_or(humps) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    words
}

/// What a name means: equal for names that a person would take for the same.
pub(super) fn meaning(name: &str) -> String {
    let words = words(name);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    let counted = words
        .iter()
        .take_while(|word| COUNTS.contains(word))
        .count();
    if counted < words.len() {
        words.drain(..counted);
    }
    let known = |word: &&str| WORDS.iter().find(|(other, _)| other == word);
    let words = words
        .iter()
        .map(|word| known(word).map_or(*word, |(_, to)| *to));
    let joined: String = words.collect();
    let known = NAMES.iter().find(|(other, _)| *other == joined);
    known.map_or(joined.clone(), |(_, to)| (*to).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_meaning_are_one_and_others_are_not() {
        for same in [
            &[
                "n_estimators",
                "num_estimators",
                "numTrees",
                "nEstimators",
                "number of trees",
            ][..],
            &[
                "lr",
                "learning_rate",
                "learningRate",
                "LR",
                "Learning-Rate",
                "learn_rate",
            ],
            &[
                "val/acc",
                "val_accuracy",
                "valid.acc",
                "validation accuracy",
                "eval_acc",
                "valAcc",
            ],
            &["batch_size", "BatchSize", "bs", "batch"],
            &["seed", "random_state", "RNGSeed", "rng_seed"],
            &["n", "N"],
        ] {
            let meanings: Vec<String> = same.iter().map(|name| meaning(name)).collect();
            assert!(
                meanings.iter().all(|one| *one == meanings[0]),
                "{meanings:?}"
            );
        }
        let apart = [
            "lr",
            "lr_min",
            "loss",
            "val/loss",
            "train/loss",
            "n",
            "layer1",
            "layer2",
            "",
        ];
        for (at, a) in apart.iter().enumerate() {
            for b in &apart[at + 1..] {
                assert_ne!(meaning(a), meaning(b), "{a} {b}");
            }
        }
    }
}
