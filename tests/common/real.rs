//! The store under test, driven beside the model.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use tracker::Error;
use tracker::RunOptions;
use tracker::RunWriter;
use tracker::Store;
use tracker::model::Environment;
use tracker::model::Flow;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::Run;
use tracker::model::RunId;
use tracker::model::RunInfo;
use tracker::model::Status;
use tracker::model::Sum;
use tracker::store::EndedRun;

use super::model::Model;
use super::model::ModelFinish;
use super::model::ModelPoint;
use super::model::ModelRun;
use super::op;
use super::op::Metrics;
use super::op::Number;
use super::op::Op;
use super::op::Param;
use super::op::RUNS;
use super::op::Saying;
use super::op::Step;
use super::op::Time;

/// Writers open at once, at most.
const WRITERS_MAX: usize = 4;
/// More than a first segment takes.
const MANY_POINTS: i64 = 7_000;

/// A writer that is open.
struct Open {
    /// Whether the run had ended when it was joined.
    has_ended: bool,
    writer: RunWriter,
    run: RunId,
    id: u64,
    is_owner: bool,
    /// Params that it knows of.
    params: BTreeMap<String, ParamValue>,
}

/// A store, the writers that this process has open, and the model of both.
pub(crate) struct Real {
    pub(crate) store: Store,
    pub(crate) model: Model,
    dir: tempfile::TempDir,
    writers: Vec<Open>,
    known: BTreeSet<u64>,
    /// Writers whose segments short commands left.
    commands: BTreeSet<u64>,
    merged: Store,
    logged: u64,
}

pub(crate) fn run_id(number: u8) -> RunId {
    let number = number % RUNS;
    RunId::new(
        1_700_000_000_000 + i64::from(number),
        [number.wrapping_mul(37); 16],
    )
}

impl Real {
    pub(crate) fn new() -> Self {
        let dir = memory_dir();
        let store = Store::open_or_create(&dir.path().join("store")).unwrap();
        let merged = Store::open_or_create(&dir.path().join("merged")).unwrap();
        Self {
            store,
            model: Model::default(),
            dir,
            writers: Vec::new(),
            known: BTreeSet::new(),
            commands: BTreeSet::new(),
            merged,
            logged: 0,
        }
    }

    /// Does one thing.
    pub(crate) fn apply(&mut self, op: &Op) {
        // The order of what several writers say is that of their clocks, which begin at theirs.
        std::thread::sleep(Duration::from_micros(60));
        match op {
            Op::Start { run, detached } => self.start(run_id(*run), *detached),
            Op::Join { run } => self.join(run_id(*run), false),
            Op::Resume { run } => self.join(run_id(*run), true),
            Op::Log {
                writer,
                step,
                metrics,
            } => {
                self.with(*writer, |real, open| real.log(open, *step, *metrics));
            }
            Op::LogAt {
                writer,
                step,
                time,
                metrics,
                values,
            } => {
                self.with(*writer, |real, open| {
                    real.log_at(open, *step, *time, *metrics, *values);
                });
            }
            Op::LogPoints {
                writer,
                metric,
                step,
                time,
                value,
                many,
            } => {
                let points = many_points(*step, *time, *value, *many);
                self.with(*writer, |real, open| {
                    real.log_points(open, op::metric(*metric), &points);
                });
            }
            Op::Handle {
                writer,
                first,
                second,
            } => {
                self.with(*writer, |real, open| {
                    real.log_by_handle(open, *first, *second);
                });
            }
            Op::Say { writer, what } => self.with(*writer, |real, open| real.say(open, what)),
            Op::Sync { writer } => self.with(*writer, |_, open| open.writer.sync().unwrap()),
            Op::Finish {
                writer,
                failed,
                reason,
                end,
            } => {
                let reason = reason.then_some("why");
                let end_us = end.map(Time::value_us);
                if let Some(open) = self.take(*writer) {
                    self.finish(open, *failed, reason, end_us);
                }
            }
            Op::Close { writer } => {
                if let Some(open) = self.take(*writer) {
                    self.let_go(open.run);
                    open.writer.close().unwrap();
                }
            }
            Op::Drop { writer } => {
                if let Some(open) = self.take(*writer) {
                    self.let_go(open.run);
                }
            }
            Op::Command {
                run,
                step,
                metrics,
                what,
            } => {
                self.command(run_id(*run), *step, *metrics, what.as_ref());
            }
            Op::CommandFinish { run, failed } => self.command_finish(run_id(*run), *failed),
            Op::Add {
                run,
                points,
                metrics,
                failed,
            } => {
                self.add(run_id(*run), points, *metrics, *failed);
            }
            Op::Alias { name, run, which } => self.alias(op::alias(*name), run_id(*run), *which),
            Op::Unalias { name } => self.unalias(op::alias(*name)),
            Op::Reopen => self.store = Store::open(self.store.path()).unwrap(),
            Op::Fold => _ = self.store.fold(None).unwrap(),
            Op::Rebuild => self.rebuild(),
            Op::Copy => self.read_a_copy(),
            Op::Merge => self.merge(),
            Op::Check => self.check(),
        }
    }

    /// Compares the store with the model.
    pub(crate) fn check(&mut self) {
        self.model.check(&self.store.reader().unwrap());
    }

    /// Ends all writers and compares all ways to read what was logged.
    pub(crate) fn end(mut self) {
        self.check();
        for open in std::mem::take(&mut self.writers) {
            self.let_go(open.run);
        }
        self.check();
        self.store.fold(None).unwrap();
        self.check();
        let before = self.answers();
        self.rebuild();
        self.check();
        for (before, after) in before.iter().zip(self.answers()) {
            assert_eq!(*before, after, "a rebuild changed an answer");
        }
        let check = self.store.check(&mut |_, _| {}).unwrap();
        assert!(check.is_sound(), "{check:?}");
        let live = fs::read_dir(self.store.path().join("live"))
            .unwrap()
            .flatten();
        let live: Vec<_> = live.map(|entry| entry.file_name()).collect();
        assert!(
            live.iter()
                .all(|name| self.is_of_command(&name.to_string_lossy())),
            "left in live: {live:?}"
        );
        // Segments of short commands wait a minute for the next one; settle them by hand.
        for entry in fs::read_dir(self.store.path().join("live"))
            .unwrap()
            .flatten()
        {
            fs::copy(
                entry.path(),
                self.merged.path().join("live").join(entry.file_name()),
            )
            .unwrap();
        }
        self.merge();
        self.model.check(&self.merged.reader().unwrap());
        self.merged.fold(None).unwrap();
        self.model.check(&self.merged.reader().unwrap());
    }

    fn is_of_command(&self, name: &str) -> bool {
        self.commands
            .iter()
            .any(|id| name.contains(&format!("-{id:016x}-")))
    }

    /// All that is told of all runs but mean and deviation: how sums round depends on the order of
    /// folding, and `Model::check` holds them to their bounds.
    fn answers(&self) -> Vec<String> {
        let reader = self.store.reader().unwrap();
        let runs = self.model.runs.keys().map(|id| reader.run(*id).unwrap());
        let told = |mut run: Run| {
            for summary in run.metrics.values_mut() {
                (summary.sum, summary.sum_of_squares) = (Sum::default(), Sum::default());
            }
            format!("{run:?}")
        };
        runs.map(told).collect()
    }

    fn rebuild(&mut self) {
        self.store.rebuild(&mut |_, _| {}).unwrap();
    }

    fn read_a_copy(&mut self) {
        let copy = self.dir.path().join("copy");
        for part in ["live", "journal", "blobs"] {
            copy_folder(&self.store.path().join(part), &copy.join(part));
        }
        fs::copy(self.store.path().join("format"), copy.join("format")).unwrap();
        let store = Store::open(&copy).unwrap();
        self.model.check(&store.reader().unwrap());
        store.fold(None).unwrap();
        self.model.check(&store.reader().unwrap());
        fs::remove_dir_all(&copy).unwrap();
    }

    fn merge(&mut self) {
        for part in ["journal", "blobs"] {
            copy_folder(
                &self.store.path().join(part),
                &self.merged.path().join(part),
            );
        }
        self.merged
            .reader()
            .unwrap()
            .runs(&tracker::Query::default())
            .unwrap();
        self.merged.fold(None).unwrap();
    }

    fn with(&mut self, writer: u8, call: impl FnOnce(&mut Self, &mut Open)) {
        if self.writers.is_empty() {
            return;
        }
        let at = usize::from(writer) % self.writers.len();
        let mut open = self.writers.swap_remove(at);
        call(self, &mut open);
        self.writers.push(open);
    }

    fn take(&mut self, writer: u8) -> Option<Open> {
        let at = usize::from(writer).checked_rem(self.writers.len())?;
        Some(self.writers.swap_remove(at))
    }

    fn run(&mut self, id: RunId) -> &mut ModelRun {
        self.model.runs.get_mut(&id).unwrap()
    }

    fn let_go(&mut self, run: RunId) {
        self.run(run).alive -= 1;
    }

    /// Finds the id of the writer that was just opened, by its file.
    fn learn_writer(&mut self, run: RunId) -> Option<u64> {
        let mut found = None;
        for entry in fs::read_dir(self.store.path().join("live"))
            .unwrap()
            .flatten()
        {
            let name = entry.file_name().into_string().unwrap();
            let mut parts = name.split(['-', '.']);
            if parts.next() == Some(&run.to_string()) {
                let id = u64::from_str_radix(parts.next().unwrap(), 16).unwrap();
                if self.known.insert(id) {
                    assert!(found.is_none(), "two new writers of {run}");
                    found = Some(id);
                }
            }
        }
        found
    }

    fn learn_command(&mut self, run: RunId) -> u64 {
        if let Some(id) = self.learn_writer(run) {
            self.commands.insert(id);
            return id;
        }
        // It goes on in one of those that are there: in the one that it has locked.
        let live = fs::read_dir(self.store.path().join("live"))
            .unwrap()
            .flatten();
        let mut held = live.filter(|entry| {
            let name = entry.file_name().into_string().unwrap();
            name.starts_with(&run.to_string())
                && self.is_of_command(&name)
                && fs::File::open(entry.path()).unwrap().try_lock().is_err()
        });
        let name = held.next().unwrap().file_name().into_string().unwrap();
        u64::from_str_radix(name.split('-').nth(1).unwrap(), 16).unwrap()
    }

    fn start(&mut self, id: RunId, detached: bool) {
        if self.model.runs.contains_key(&id) || self.writers.len() >= WRITERS_MAX {
            return;
        }
        let name = format!("run {}", id.short());
        let options = RunOptions {
            id: Some(id),
            name: Some(name.clone()),
            detached,
            environment: Some(Environment::default()),
            ..RunOptions::default()
        };
        let writer = self.store.start_run(options).unwrap();
        let order = self.model.next();
        let opened = (!detached).then_some(order);
        let run = ModelRun {
            name,
            detached,
            opened,
            ..ModelRun::default()
        };
        self.model.runs.insert(id, run);
        if detached {
            self.learn_command(id);
            return writer.close().unwrap();
        }
        self.push(id, writer, true, BTreeMap::new());
    }

    fn push(
        &mut self,
        run: RunId,
        writer: RunWriter,
        is_owner: bool,
        params: BTreeMap<String, ParamValue>,
    ) {
        let id = self.learn_writer(run).unwrap();
        self.run(run).alive += 1;
        self.writers.push(Open {
            has_ended: false,
            writer,
            run,
            id,
            is_owner,
            params,
        });
    }

    fn join(&mut self, id: RunId, is_owner: bool) {
        if self.writers.len() >= WRITERS_MAX {
            return;
        }
        let joined = if is_owner {
            self.store.resume_run(id)
        } else {
            self.store.join_run(id)
        };
        let Some(run) = self.model.runs.get(&id) else {
            assert!(matches!(joined, Err(Error::NotFound { .. })));
            return;
        };
        let has_ended = !is_owner && run.status() != Status::Running;
        let writer = joined.unwrap();
        let params = run
            .params
            .iter()
            .map(|(key, values)| (key.clone(), values[0].clone()));
        let params = params.collect();
        let order = self.model.next();
        if is_owner {
            self.run(id).opened = Some(order);
        }
        self.push(id, writer, is_owner, params);
        if let Some(open) = self.writers.last_mut() {
            open.has_ended = has_ended;
        }
    }

    /// Whether a run took what only one that has not ended takes.
    fn took<T>(&self, open: &Open, result: Result<T, Error>) -> bool {
        match result {
            Err(Error::Ended(_)) => {
                let blurred = self
                    .model
                    .runs
                    .get(&open.run)
                    .is_some_and(|run| run.blurred);
                assert!(open.has_ended || blurred);
                false
            }
            result => {
                result.map(drop).unwrap();
                true
            }
        }
    }

    fn add_point(
        &mut self,
        open: &Open,
        metric: &str,
        step: i64,
        time_us: Option<i64>,
        value: f64,
    ) {
        let order = self.model.next();
        let point = ModelPoint {
            step,
            time_us,
            value,
            writer: open.id,
            order,
        };
        self.run(open.run)
            .series
            .entry(metric.to_owned())
            .or_default()
            .push(point);
    }

    fn log(&mut self, open: &mut Open, step: Step, metrics: Metrics) {
        let mut values = Vec::new();
        for name in metrics.names() {
            self.logged += 1;
            values.push((name, self.logged as f64 + 0.5)); // half: none of the others
        }
        let step = step.value();
        if !self.took(open, open.writer.log(step, &values)) {
            return;
        }
        for (name, value) in values {
            self.add_point(open, name, step, None, value);
        }
    }

    fn log_at(
        &mut self,
        open: &mut Open,
        step: Step,
        time: Time,
        metrics: Metrics,
        values: [Number; 5],
    ) {
        let values = values.into_iter().map(Number::value);
        let values: Vec<(&str, f64)> = metrics.names().zip(values).collect();
        let (step, time_us) = (step.value(), time.value_us());
        if !self.took(open, open.writer.log_at(step, time_us, &values)) {
            return;
        }
        for (name, value) in values {
            self.add_point(open, name, step, Some(time_us), value);
        }
    }

    fn log_points(&mut self, open: &mut Open, metric: &str, points: &[Point]) {
        if !self.took(open, open.writer.log_points(metric, points)) {
            return;
        }
        for point in points {
            self.add_point(open, metric, point.step, Some(point.time_us), point.value);
        }
        let run = self.run(open.run);
        run.blurred |= points.len() > 100 && open.is_owner && run.finished.is_some();
    }

    /// Takes both handles before either is used.
    fn log_by_handle(&mut self, open: &mut Open, first: u8, second: u8) {
        let (first, second) = (op::metric(first), op::metric(second));
        if !self.took(open, open.writer.metric(first)) {
            return;
        }
        let handles = [first, second].map(|name| (name, open.writer.metric(name).unwrap()));
        for (name, handle) in handles.iter().rev() {
            self.logged += 1;
            let value = self.logged as f64 + 0.5;
            handle.log(1, value).unwrap();
            self.add_point(open, name, 1, None, value);
        }
    }

    fn say(&mut self, open: &mut Open, what: &Saying) {
        self.model.next();
        match what {
            Saying::Param { key, value } => self.say_param(open, op::key(*key), value),
            Saying::Tag { key, text } => {
                let (key, text) = (op::key(*key), op::text(*text));
                open.writer.tag(key, &text).unwrap();
                self.run(open.run).tags.insert(key.to_owned(), text);
            }
            Saying::Note { text } => {
                let text = op::text(*text);
                open.writer.note(&text).unwrap();
                self.run(open.run).note = Some(text);
            }
            Saying::Artifact { path, bytes } => {
                let (path, bytes) = (op::path(*path), op::bytes(*bytes));
                open.writer.artifact_bytes(path, &bytes).unwrap();
                self.run(open.run).log_file(Flow::Output, path, bytes);
            }
            Saying::Input { path, bytes } => {
                let (path, bytes) = (op::path(*path), op::bytes(*bytes));
                let file = self.dir.path().join("read");
                fs::write(&file, &bytes).unwrap();
                open.writer.input(&file, Some(path)).unwrap();
                self.run(open.run).log_file(Flow::Input, path, bytes);
            }
        }
    }

    fn say_param(&mut self, open: &mut Open, key: &str, value: &Param) {
        let value = param_value(value);
        let set = open.writer.param(key, value.clone());
        match open.params.get(key) {
            Some(old) if *old == value => set.unwrap(),
            Some(_) => assert!(matches!(set, Err(Error::ParamConflict { .. }))),
            None => {
                set.unwrap();
                open.params.insert(key.to_owned(), value.clone());
                let key = key.to_owned();
                self.run(open.run)
                    .params
                    .entry(key)
                    .or_default()
                    .push(value);
            }
        }
    }

    fn finish(&mut self, open: Open, failed: bool, reason: Option<&str>, end_us: Option<i64>) {
        let status = if failed {
            Status::Failed
        } else {
            Status::Completed
        };
        let has_ended = open.has_ended;
        let (run, finished) = (open.run, open.writer.finish(status, reason, end_us));
        self.let_go(run);
        if let Err(Error::Ended(_)) = finished {
            let blurred = self.model.runs.get(&run).is_some_and(|run| run.blurred);
            return assert!(has_ended || blurred);
        }
        finished.unwrap();
        self.finished(run, status, reason, end_us);
    }

    fn finished(&mut self, run: RunId, status: Status, reason: Option<&str>, end_us: Option<i64>) {
        let order = self.model.next();
        let reason = reason.map(str::to_owned);
        self.run(run).finished = Some(ModelFinish {
            order,
            status,
            reason,
            end_us,
        });
    }

    /// Opens a short command, if the run takes one.
    fn open_command(&mut self, id: RunId) -> Option<Open> {
        let joined = self.store.join_run_briefly(id);
        let run = self.model.runs.get(&id)?;
        let has_ended = run.status() != Status::Running;
        let params = run
            .params
            .iter()
            .map(|(key, values)| (key.clone(), values[0].clone()));
        let params = params.collect();
        let writer = joined.ok()?;
        let writer_id = self.learn_command(id);
        Some(Open {
            has_ended,
            writer,
            run: id,
            id: writer_id,
            is_owner: false,
            params,
        })
    }

    fn command(&mut self, id: RunId, step: Step, metrics: Metrics, what: Option<&Saying>) {
        let Some(mut open) = self.open_command(id) else {
            return;
        };
        self.log(&mut open, step, metrics);
        if let Some(what) = what {
            self.say(&mut open, what);
        }
        if step.value() % 3 == 0 {
            let numbers: Vec<&str> = metrics.names().collect();
            let at = |name| {
                let at = op::METRICS.iter().position(|other| *other == name);
                u8::try_from(at.unwrap()).unwrap()
            };
            self.log_by_handle(
                &mut open,
                at(numbers[0]),
                at(numbers[numbers.len() - 1]) + 1,
            );
        }
        open.writer.close().unwrap();
    }

    fn command_finish(&mut self, id: RunId, failed: bool) {
        let Some(open) = self.open_command(id) else {
            return;
        };
        let status = if failed {
            Status::Failed
        } else {
            Status::Completed
        };
        let has_ended = open.has_ended;
        match open.writer.finish(status, Some("by hand"), None) {
            Err(Error::Ended(_)) => {
                let blurred = self.model.runs.get(&id).is_some_and(|run| run.blurred);
                return assert!(has_ended || blurred);
            }
            finished => finished.unwrap(),
        }
        self.finished(id, status, Some("by hand"), None);
    }

    fn alias(&mut self, name: &str, id: RunId, which: u8) {
        let Some(run) = self.model.runs.get(&id) else {
            return;
        };
        let Some(at) = usize::from(which).checked_rem(run.files.len()) else {
            return;
        };
        let (flow, path) = run.files.keys().nth(at).unwrap();
        let told = self.store.reader().unwrap().run(id).unwrap();
        let file = match flow {
            Flow::Output => &told.artifacts[path],
            Flow::Input => &told.inputs[path],
        };
        self.store.set_alias(name, id, file).unwrap();
        let stands_for = (id, *flow, path.clone(), file.blob);
        self.model.aliases.insert(name.to_owned(), stands_for);
        let command = self.learn_writer(id); // none goes on where another left off
        self.commands.extend(command);
    }

    fn unalias(&mut self, name: &str) {
        let removed = self.store.remove_alias(name);
        let Some((run, ..)) = self.model.aliases.remove(name) else {
            assert!(matches!(removed, Err(Error::NotFound { .. })));
            return;
        };
        removed.unwrap();
        let command = self.learn_writer(run);
        self.commands.extend(command);
    }

    /// Adds a run; tells whether it was new.
    fn add_ended(&self, id: RunId, run: &EndedRun) -> bool {
        let reader = self.store.reader().unwrap();
        self.store.add_run(&reader, id, run).unwrap().is_some()
    }

    fn add(&mut self, id: RunId, points: &[(Step, Time, Number)], metrics: Metrics, failed: bool) {
        let known = self.model.runs.get(&id).cloned();
        let name = format!("run {}", id.short());
        let status = if failed {
            Status::Failed
        } else {
            Status::Completed
        };
        let info = RunInfo {
            name: name.clone(),
            start_us: Some(7),
            ..RunInfo::default()
        };
        let points: Vec<Point> = points
            .iter()
            .map(|(step, time, value)| Point {
                step: step.value(),
                time_us: time.value_us(),
                value: value.value(),
            })
            .collect();
        let names: BTreeSet<&str> = metrics.names().collect();
        // Axes that are shared and axes that are not.
        let series = |(at, name): (usize, &&str)| {
            (
                name.to_string(),
                points[at.min(points.len()) / 2..].to_vec(),
            )
        };
        let ended = EndedRun {
            info,
            status: Some(status),
            reason: Some("elsewhere".to_owned()),
            end_us: Some(9),
            params: vec![("lr".to_owned(), ParamValue::Int(1))],
            tags: vec![("model".to_owned(), "x".to_owned())],
            note: Some("note".to_owned()),
            series: names.iter().enumerate().map(series).collect(),
            artifacts: Vec::new(),
            ..EndedRun::default()
        };
        if let Some(known) = known {
            if !known.blurred {
                assert!(!self.add_ended(id, &ended));
            }
            return;
        }
        assert!(self.add_ended(id, &ended));
        let writer = self.learn_writer(id).unwrap();
        assert!(!self.add_ended(id, &ended));
        let mut run = ModelRun {
            name,
            note: ended.note,
            ..ModelRun::default()
        };
        run.params.insert("lr".to_owned(), vec![ParamValue::Int(1)]);
        run.tags.insert("model".to_owned(), "x".to_owned());
        for (name, points) in ended.series.iter().filter(|(_, points)| !points.is_empty()) {
            let points = points.iter().map(|point| ModelPoint {
                step: point.step,
                time_us: Some(point.time_us),
                value: point.value,
                writer,
                order: self.model.next(),
            });
            run.series.insert(name.clone(), points.collect());
        }
        self.model.runs.insert(id, run);
        self.finished(id, status, Some("elsewhere"), Some(9));
    }
}

/// A folder that is in memory where there is such a thing: power cuts are no matter here.
pub(crate) fn memory_dir() -> tempfile::TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.or_else(|_| tempfile::tempdir()).unwrap()
}

fn many_points(step: Step, time: Time, value: Number, many: bool) -> Vec<Point> {
    let count = if many { MANY_POINTS } else { 20 };
    let at = |n: i64| Point {
        step: step.value().wrapping_add(n / 3),
        time_us: time.value_us().wrapping_add(n % 2),
        value: value.value() + (n % 11) as f64,
    };
    (0..count).map(at).collect()
}

fn param_value(value: &Param) -> ParamValue {
    match value {
        Param::Int(value) => ParamValue::Int(i64::from(value % 3)),
        Param::LargeInt(odd) => ParamValue::Int((1 << 60) + i64::from(*odd)),
        Param::Float(value) => ParamValue::Float(value.value()),
        Param::Text(text) => ParamValue::Text(op::text(*text)),
        Param::Bool(value) => ParamValue::Bool(*value),
        Param::List => ParamValue::List(vec![ParamValue::Int(1), ParamValue::Text("x".into())]),
    }
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else if !to.exists() {
            match fs::copy(entry.path(), &to) {
                // Sealed since the listing, under another name.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    fs::remove_file(&to).ok();
                    return copy_folder(from, to.parent().unwrap());
                }
                copied => _ = copied.unwrap(),
            }
        }
    }
}
