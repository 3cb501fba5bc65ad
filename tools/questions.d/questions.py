"""What is asked: each question as a command and, where SQL can say it, as a query.

The tables are those that the makers of the stores write: `runs` with a row a run, its params, and
of each metric the last and the least value; `points` with a row a point. Rows of the answers are
compared in order, so a question whose answer has no order sorts it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question, the arguments of the command, and the query that should say the same.

    The command's rows are its columns named in `columns`, in that order.
    """

    text: str
    command: list[str]
    columns: list[str]
    sql: str | None = None


def query(
    text: str, filter: str, columns: str, sql: str | None = None, *more: str
) -> Question:
    """A question of the runs that a filter lets through."""
    names = [name for name in columns.split(" | ") if name]
    command = ["query", filter, "--columns", ",".join(names), *more]
    return Question(text, command, names, sql)


NAME = "SELECT name FROM runs "
QUESTIONS = [
    Question(
        "which run has the best accuracy?",
        ["best", "val/acc", "--max"],
        ["name"],
        NAME + 'ORDER BY "val/acc" DESC LIMIT 1',
    ),
    Question(
        "and which reached the lowest loss at any step?",
        ["best", "val/loss", "--min", "--at", "best"],
        ["name"],
        NAME + 'ORDER BY "min val/loss" LIMIT 1',
    ),
    Question(
        "what ran last?",
        ["ls", "-n", "20"],
        ["name"],
        NAME + "ORDER BY start DESC LIMIT 20",
    ),
    query(
        "the 20 best transformers above 80 %",
        "params.model.name = 'vit-b16' and metrics.val/acc > 0.8",
        "name | val/acc",
        'SELECT name, "val/acc" FROM runs WHERE "model.name" = \'vit-b16\' '
        'AND "val/acc" > 0.8 ORDER BY "val/acc" DESC LIMIT 20',
        "--sort", "-val/acc", "-n", "20",
    ),
    query(
        "what failed with a small rate?",
        "status = 'failed' and params.lr < 0.001",
        "name",
        NAME + "WHERE status = 'failed' AND lr < 0.001 ORDER BY name",
        "--sort", "name",
    ),
    query(
        "adamw or lion, but not the small batches",
        "params.optimizer in ('adamw', 'lion') and not params.batch_size <= 64",
        "name",
        NAME + "WHERE optimizer IN ('adamw', 'lion') AND NOT batch_size <= 64 "
        "ORDER BY name LIMIT 50",
        "--sort", "name", "-n", "50",
    ),
    query(
        "rates within a range, with dropout",
        "params.lr between 0.0003 and 0.003 and params.dropout > 0.45",
        "name | dropout",
        "SELECT name, dropout FROM runs WHERE lr BETWEEN 0.0003 AND 0.003 AND dropout > 0.45 "
        "ORDER BY dropout DESC, name LIMIT 30",
        "--sort", "-dropout", "--sort", "name", "-n", "30",
    ),
    query(
        "names like resnet50-9…",
        "name like 'resnet50-9%' and val/acc > 0.85",
        "name",
        NAME + "WHERE name LIKE 'resnet50-9%' AND \"val/acc\" > 0.85 ORDER BY name",
        "--sort", "name",
    ),
    query(
        "who overfits: val above train by more than 0.12",
        "metrics.val/loss - metrics.train/loss > 0.12",
        "name",
        NAME + 'WHERE "val/loss" - "train/loss" > 0.12 ORDER BY name LIMIT 100',
        "--sort", "name", "-n", "100",
    ),
    query(
        "the largest gap between the two",
        "experiment = 'exp-7'",
        "name",
        NAME + "WHERE experiment = 'exp-7' ORDER BY \"val/loss\" - \"train/loss\" DESC LIMIT 10",
        "--sort", "-(metrics.val/loss - metrics.train/loss)", "-n", "10",
    ),
    query(
        "accuracy a million tokens a second",
        "metrics.val/acc / metrics.tokens_per_s * 1000000 > 17",
        "name",
        NAME + 'WHERE "val/acc" / tokens_per_s * 1000000 > 17 ORDER BY name LIMIT 100',
        "--sort", "name", "-n", "100",
    ),
    query(
        "what ran in a week",
        "start >= '2024-02-01' and start < '2024-02-08' and params.amp = true",
        "name",
        NAME + "WHERE start >= 1706745600000000 AND start < 1707350400000000 AND amp = 'true' "
        "ORDER BY start LIMIT 100",
        "--sort", "start", "-n", "100",
    ),
    query(
        "best of one experiment, one data set, one version",
        "experiment = 'exp-42' and params.dataset = 'svhn' and params.data.version = 'v2'",
        "name",
        NAME + "WHERE experiment = 'exp-42' AND dataset = 'svhn' AND \"data.version\" = 'v2' "
        'ORDER BY "val/f1" DESC LIMIT 5',
        "--sort", "-val/f1", "-n", "5",
    ),
    query(
        "all of a team, worst first",
        "params.team = 'speech' or params.team = 'vision' and params.seed = 3",
        "name",
        NAME + "WHERE team = 'speech' OR team = 'vision' AND seed = 3 "
        'ORDER BY "val/acc" LIMIT 20',
        "--sort", "val/acc", "-n", "20",
    ),
    query(
        "the loss at step 5",
        "experiment = 'exp-3' and params.seed = 0",
        "name | at(metrics.val/loss, 5)",
        "SELECT r.name, p.value FROM runs r JOIN points p ON p.run = r.run AND "
        "p.metric = 'val/loss' AND p.step = 5 WHERE r.experiment = 'exp-3' AND r.seed = 0 "
        "ORDER BY r.name",
        "--sort", "name",
    ),
    query(
        "the mean of the second half",
        "experiment = 'exp-3' and params.seed = 1",
        "name | mean(metrics.val/loss where step >= 5)",
        "SELECT r.name, avg(p.value) FROM runs r JOIN points p ON p.run = r.run AND "
        "p.metric = 'val/loss' AND p.step >= 5 WHERE r.experiment = 'exp-3' AND r.seed = 1 "
        "GROUP BY r.name ORDER BY r.name",
        "--sort", "name",
    ),
    query(
        "who was better before the last step",
        "max(metrics.val/acc where step < 9) > metrics.val/acc and experiment = 'exp-9'",
        "name",
        "SELECT r.name FROM runs r WHERE r.experiment = 'exp-9' AND "
        "(SELECT max(value) FROM points p WHERE p.run = r.run AND p.metric = 'val/acc' "
        "AND p.step < 9) > r.\"val/acc\" ORDER BY r.name",
        "--sort", "name",
    ),
    Question(
        "mean accuracy by rate, over all runs",
        ["query", "status is not null", "--group-by", "params.lr", "--columns", "val/acc",
         "--sort", "lr"],
        ["params.lr", "n", "val/acc.mean"],
        'SELECT lr, count(*), avg("val/acc") FROM runs GROUP BY lr ORDER BY lr',
    ),
    Question(
        "by model and optimizer, the best mean first",
        ["query", "status is not null", "--group-by", "params.model.name,params.optimizer",
         "--columns", "val/acc", "--sort", "-val/acc"],
        ["params.model.name", "params.optimizer", "n", "val/acc.mean"],
        'SELECT "model.name", optimizer, count(*), avg("val/acc") FROM runs '
        'GROUP BY "model.name", optimizer ORDER BY avg("val/acc") DESC',
    ),
    Question(
        "the best setting over its seeds",
        ["best", "val/acc", "--max", "--over", "seed", "-n", "3"],
        ["n", "val/acc.mean"],
        'SELECT count(*), avg("val/acc") FROM runs GROUP BY experiment, "model.name", '
        '"model.depth", "model.width", optimizer, lr, batch_size, weight_decay, warmup, dropout, '
        'label_smoothing, dataset, "data.version", augment, amp, epochs, clip, scheduler, workers, '
        'team ORDER BY avg("val/acc") DESC LIMIT 3',
    ),
    query(
        "seeds that end in 7, by a regular expression",
        "name ~ '^vit-.*7$' and params.seed = 7 and metrics.val/f1 >= 0.8",
        "name",
        NAME + "WHERE name LIKE 'vit-%7' AND seed = 7 AND \"val/f1\" >= 0.8 ORDER BY name",
        "--sort", "name",
    ),
    query(
        "two params that are the same",
        "params.batch_size = params.model.width and params.epochs > params.workers * 6",
        "name",
        NAME + 'WHERE batch_size = "model.width" AND epochs > workers * 6 ORDER BY name LIMIT 50',
        "--sort", "name", "-n", "50",
    ),
    query(
        "whatever the case, and not that model",
        "params.team ilike 'SPEECH' and params.model.name != 'mlp' and val/acc between 0.7 and 0.71",
        "name",
        NAME + "WHERE team = 'speech' AND \"model.name\" <> 'mlp' "
        'AND "val/acc" BETWEEN 0.7 AND 0.71 ORDER BY name LIMIT 50',
        "--sort", "name", "-n", "50",
    ),
    Question(
        "how many failed in each experiment?",
        ["query", "status = 'failed'", "--group-by", "experiment", "--sort", "experiment",
         "--columns", "val/acc"],
        ["experiment", "n"],
        "SELECT experiment, count(*) FROM runs WHERE status = 'failed' "
        "GROUP BY experiment ORDER BY experiment",
    ),
    Question(
        "median accuracy of each model",
        ["query", "status is not null", "--group-by", "params.model.name", "--columns", "val/acc",
         "--sort", "params.model.name"],
        ["params.model.name", "val/acc.median"],
        'SELECT name, avg(value) FROM (SELECT "model.name" AS name, "val/acc" AS value, '
        'row_number() OVER (PARTITION BY "model.name" ORDER BY "val/acc") AS place, '
        'count(*) OVER (PARTITION BY "model.name") AS runs FROM runs) AS placed '
        "WHERE 2 * place BETWEEN runs AND runs + 2 GROUP BY name ORDER BY name",
    ),
    Question(
        "mean, deviation and standard error over seeds",
        ["query", "experiment = 'exp-42'", "--over", "seed", "--columns", "val/acc",
         "--sort", "-val/acc"],
        ["n", "val/acc.mean", "val/acc.std", "val/acc.sem", "val/acc.min", "val/acc.max"],
        "SELECT n, mean, sqrt(var), sqrt(var / n), low, high FROM (SELECT count(*) AS n, "
        'avg(a) AS mean, (sum(a * a) - avg(a) * sum(a)) / (count(*) - 1) AS var, '
        'min(a) AS low, max(a) AS high FROM (SELECT "val/acc" AS a, lr, dropout, warmup, '
        'weight_decay, label_smoothing FROM runs WHERE experiment = \'exp-42\') AS those '
        "GROUP BY lr, dropout, warmup, weight_decay, label_smoothing) AS seeds ORDER BY mean DESC",
    ),
    query(
        "at which step was each at its best?",
        "experiment = 'exp-5' and params.seed = 2",
        "name | argmax(metrics.val/acc)",
        "SELECT r.name, (SELECT p.step FROM points p WHERE p.run = r.run AND "
        "p.metric = 'val/acc' ORDER BY p.value DESC, p.step LIMIT 1) FROM runs r "
        "WHERE r.experiment = 'exp-5' AND r.seed = 2 ORDER BY r.name",
        "--sort", "name",
    ),
    query(
        "area below the curve",
        "experiment = 'exp-5' and params.seed = 3",
        "name | auc(metrics.val/loss)",
        "SELECT name, sum(strip) FROM (SELECT r.name, (p.value + lead(p.value) OVER "
        "(PARTITION BY r.run ORDER BY p.step)) / 2 AS strip FROM runs r JOIN points p "
        "ON p.run = r.run AND p.metric = 'val/loss' WHERE r.experiment = 'exp-5' "
        "AND r.seed = 3) AS strips GROUP BY name ORDER BY name",
        "--sort", "name",
    ),
    query(
        "whose loss still falls: slope of the last five",
        "experiment = 'exp-5' and params.seed = 4",
        "name | slope(metrics.val/loss, 5)",
        "SELECT r.name, (5 * sum(p.step * p.value) - 35 * sum(p.value)) / 50 FROM runs r "
        "JOIN points p ON p.run = r.run AND p.metric = 'val/loss' AND p.step >= 5 "
        "WHERE r.experiment = 'exp-5' AND r.seed = 4 GROUP BY r.name ORDER BY r.name",
        "--sort", "name",
    ),
    Question(
        "one curve",
        ["series", "resnet18-0", "val/loss"],
        ["step", "value"],
        "SELECT step, value FROM points WHERE run = 0 AND metric = 'val/loss' ORDER BY step",
    ),
    Question(
        "mean curve of each rate, over all runs of an experiment",
        ["series", "--runs", "experiment = 'exp-9'", "val/loss", "--group-by", "lr"],
        ["lr", "step", "n", "mean", "min", "max"],
        "SELECT r.lr, p.step, count(*), avg(p.value), min(p.value), max(p.value) FROM runs r "
        "JOIN points p ON p.run = r.run AND p.metric = 'val/loss' WHERE r.experiment = 'exp-9' "
        "GROUP BY r.lr, p.step ORDER BY r.lr, p.step",
    ),
]  # fmt: skip
