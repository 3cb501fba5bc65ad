//! What filters and sort keys mean, as tables.

use std::borrow::Cow;

use super::*;

#[test]
fn params_compare_across_types_as_people_mean() {
    for (filter, want) in [
        ("params.lr = 0.01", "ab"),
        ("params.lr = '0.01'", "ab"),
        ("params.lr == 1e-2", "ab"),
        ("param.lr < 0.02 and parameters.lr > .009", "ab"),
        // Quoted, a number is compared as a number and a text as a text.
        ("params.lr = '0.010'", "a"),
        ("params.lr != 0.01", ""),
        ("params.lr <> 1", "ab"),
        ("params.lr = 'abc'", ""),
        ("params.lr < 'abc'", "ab"),
        ("not params.lr = 1", "abg"),
        ("params.lr not in (1, 2)", "ab"),
        ("params.lr in ('0.01')", "ab"),
        ("params.lr in (0.01, 'x')", "ab"),
        ("params.batch = 9007199254740993", "a"),
        ("params.batch = 9007199254740992", "b"),
        ("params.batch > 9007199254740992", "a"),
        ("params.batch > 9007199254740992.0", "a"),
        ("params.batch <= 1e300 and params.batch > -inf", "ab"),
        ("params.flag = true", "ab"),
        ("params.flag = 'true'", "a"),
        ("params.flag = 'True'", "ab"),
        ("params.flag != FALSE", "ab"),
        ("params.flag = 1", "a"),
        ("params.model = \"RF\"", "b"),
        ("params.model = 'rf'", ""),
        ("params.model = 1", ""),
        ("params.model != 1", "ab"),
        ("params.model > 1", ""),
        ("params.model like 'ResNet\\_%'", "a"),
        ("params.model like 'resnet%'", ""),
        ("params.model ilike 'RESNET___'", "a"),
        ("params.model not like '%50'", "b"),
        ("params.model ~ '^R'", "ab"),
        ("params.model =~ '[0-9]$'", "a"),
        ("params.model !~ '\\d'", "b"),
        ("params.lr like '0.0%'", "ab"),
        ("params.layers = '[64,32]'", "a"),
        ("params.layers = '[64, 32]'", "a"),
        ("params.layers in ('[64, 32]')", "a"),
        ("params.layers = 64", ""),
        ("params.layers like '[64%'", "a"),
        ("params.since < 2024-01-15", "a"),
        ("params.since = 2024-01-10 and params.since < now", "a"),
        ("params.\"my param\" = 7", "a"),
        ("params.'my param' is not null", "a"),
        ("params.`my param` > 6", "a"),
        ("params.nowhere is null", "abg"),
        ("params.nowhere IS NOT NULL", ""),
        ("params.lr is null", "g"),
    ] {
        assert_eq!(found(filter), want, "{filter}");
    }
}

#[test]
fn metrics_mean_their_last_value_or_a_statistic() {
    for (filter, want) in [
        ("metrics.val/acc > 0.8", "a"),
        ("metric.val/acc>0.8", "a"),
        ("metrics.\"val/acc\" >= 0.7", "ab"),
        ("`val/acc` > .8", "a"),
        ("\"val/acc\" > 0.8", "a"),
        ("val/acc > '0.8'", "a"),
        ("max(metrics.val/acc) = 0.95", "a"),
        ("MIN(loss) < 0.5", "a"),
        ("last(loss) = 0.4", "a"),
        ("first(metrics.loss) between 1 and 2", "ab"),
        ("first(metrics.loss) not between 1 and 1.5", "a"),
        ("mean(loss) = 1", "b"),
        ("std(loss) > 0", "a"),
        ("count(loss) = 2 and nan_count(loss) = 1", "b"),
        ("argmin(metrics.loss) = 10", "a"),
        ("argmax(loss) = 0", "ab"),
        ("max_step(loss) = 0", "ab"),
        ("first_step(loss) = 0 and last_step(loss) = 20", "a"),
        ("metrics.loss = nan", "b"),
        ("metrics.loss != nan", "a"),
        ("metrics.loss != 0.5", "ab"),
        ("metrics.loss < inf or metrics.loss >= -Infinity", "a"),
        ("metrics.loss in (0.4, nan)", "ab"),
        ("metrics.loss is null", "g"),
        ("metrics.size > 5 and params.size < 5", "a"),
        ("loss > 0.1 and not (val/acc > 0.9 or val/acc < 0.1)", "a"),
    ] {
        assert_eq!(found(filter), want, "{filter}");
    }
}

#[test]
fn attributes_and_tags_compare_by_their_kind() {
    for (filter, want) in [
        ("status = 'FINISHED'", "a"),
        ("attributes.status != 'completed'", "bg"),
        ("status in ('running', 'KILLED')", "bg"),
        ("status like 'run%'", "b"),
        ("id = '3fa9c2d1'", "a"),
        ("id = '3FA9C2D2FFFFFFFF'", "b"),
        ("run_id != '3fa9c2d1'", "bg"),
        (
            "attributes.run_id in ('3fa9c2d1', '3fa9c2d100', '00000000')",
            "ag",
        ),
        ("id in ('3fa9c2d2', '3fa9c2d200')", "b"),
        ("id like '3fa%'", "ab"),
        ("parent = '3fa9c2d1' and run.parent is not null", "b"),
        ("parent is null", "ag"),
        ("name = 'beta''s'", "b"),
        ("name = \"beta's\"", "b"),
        ("attributes.\"Run Name\" ilike 'ALP%'", "a"),
        ("name < 'b'", "a"),
        (
            "author = 'ada' and experiment = 'mnist' and user_id ~ 'a'",
            "a",
        ),
        ("note like '%100\\%%'", "a"),
        ("start = '2024-01-15'", "a"),
        ("start = 2024-01-15", "a"),
        ("start != '2024-01-15'", "bg"),
        ("start > '2024-01-15'", "b"),
        ("start >= '2024-01-15' and start <= '2024-01-15'", "a"),
        ("start between '2024-01-01' and '2024-01-15'", "a"),
        ("start = '2024-01-15 10:30'", "a"),
        ("start = '2024-01-15T12:30+02:00'", "a"),
        ("start = 2024-01-15T12:30:20+0200", "a"),
        ("start = '2024-01-15 10:30:20.500Z'", "a"),
        ("start > '2024-01-15T10:30:20Z'", "b"),
        ("start in ('1970-01-01', '2024-01-15')", "ag"),
        ("start_time = 1705314620500", "a"),
        ("created > now - 1d", "b"),
        ("start > now-1d and start < now", "b"),
        ("start < now - 2h + 1s and start > now - 2h - 1s", "b"),
        ("end is null", "bg"),
        ("end_time < now", "a"),
        ("duration > 2h", "a"),
        ("duration = 3h or duration = '7200s'", "ab"),
        ("duration >= 7200", "ab"),
        ("duration between 1h30m and 0.1d", "b"),
        ("artifacts = 'model.pt'", "a"),
        ("artifacts like 'logs/%'", "a"),
        ("artifacts in ('x', 'logs/out.txt')", "a"),
        ("artifacts != 'model.pt'", ""),
        ("artifacts not like '%.onnx'", "a"),
        ("artifacts is null", "bg"),
        ("not artifacts = 'model.pt'", "bg"),
        ("tags.team = 'audio' || tag.team ilike 'VIS%'", "ab"),
        ("team in ('audio', \"vision\") && !(lr > 1)", "ab"),
        ("tags.\"x y\" = 1", "a"),
    ] {
        assert_eq!(found(filter), want, "{filter}");
    }
}

#[test]
fn environment_stands_under_its_prefix_and_takes_no_name_from_params() {
    for (filter, want) in [
        ("attributes.host = 'gpu-7'", "a"),
        ("attributes.command like '%train.py%'", "a"),
        (
            "run.cpu_count >= 64 and attributes.cpu_count * 2 = 128",
            "a",
        ),
        (
            "attributes.git_commit ~ '^8d3' and attributes.git_dirty = true",
            "a",
        ),
        (
            "attributes.git_dirty = false or attributes.git_branch is not null",
            "",
        ),
        ("attributes.env.CUDA_VISIBLE_DEVICES = 3", "a"),
        ("attributes.variables.NOWHERE is null", "abg"),
        ("attributes.reason is null", "abg"),
    ] {
        assert_eq!(found(filter), want, "{filter}");
    }
    let bare = fault("host = 'gpu-7'");
    assert!(bare.why.contains("no run has a param, metric or tag"));
    assert_eq!(bare.hint.as_deref(), Some("try attributes.host"));
}

#[test]
fn values_are_worked_out_on_both_sides() {
    for (filter, want) in [
        ("metrics.val/acc - metrics.loss > 0.4", "a"),
        ("metrics.loss - first(metrics.loss) < -1", "a"),
        ("0.4 < metrics.val/acc - loss", "a"),
        ("max(loss) = 1", "b"),
        ("1 = max(loss)", "b"),
        ("params.lr * 100 = 1", "ab"),
        ("params.lr + params.lr = 2 * 0.01", "ab"),
        ("-params.lr < 0 and - -lr > 0", "ab"),
        ("(params.lr + 1) * 2 > 2 and (lr = 1 or lr = 0.01)", "ab"),
        ("((lr)) = ((0.01))", "ab"),
        ("params.batch % 2 = 1", "a"),
        ("params.batch - 1 = params.batch - 1", "ab"),
        ("params.batch / 0 = inf", "ab"),
        ("params.batch % 0 = nan", "ab"),
        ("2 * 3 + 4 * 5 - 6 / 2 - params.size = 22", "a"),
        ("10 - 4 - 3 - params.size = 2", "a"),
        ("10 - (4 - 3) - params.size = 8", "a"),
        (
            "16KB = params.size * 16000 and 1KiB = params.size * 1024",
            "a",
        ),
        (
            "params.size * 1.5GiB = 1610612736 and params.size < 2mb",
            "a",
        ),
        // A text that is no number is absent to arithmetic, and so is what it makes.
        ("params.model + 1 = params.model + 1", ""),
        ("params.model * 0 is null", "abg"),
        ("params.lr + metrics.size > 0", "a"),
        ("not params.lr + metrics.size > 0", "bg"),
        ("params.size != metrics.size", "a"),
        (
            "params.lr = params.lr and params.model = params.model",
            "ab",
        ),
        ("params.flag = params.flag", "ab"),
        ("metrics.loss = metrics.loss", "ab"),
        ("metrics.loss < first(metrics.loss)", "a"),
        ("tags.\"x y\" = params.size and tags.\"x y\" * 2 = 2", "a"),
        ("metrics.size in (params.size, params.size * 10)", "a"),
        ("metrics.size not in (params.size, 3)", "a"),
        ("metrics.loss not in (params.size, 3)", "a"),
        ("params.size between metrics.loss and metrics.size", "a"),
        ("5 between params.size and metrics.size", "a"),
        ("'alpha' in (name, author)", "a"),
        ("'ada' in (params.model, author)", "a"),
        ("name = author or name != experiment", "a"),
        ("'model.pt' = artifacts and artifacts = 'logs/out.txt'", "a"),
        // Times and durations.
        ("end - start > 2h", "a"),
        ("end - start = duration", "a"),
        ("duration / 60 > 170", "a"),
        ("duration / 1h > 2.5 and 1h * 3 = duration", "a"),
        ("start + 1h < now and start + duration = end", "a"),
        ("now - start < 3h", "b"),
        (
            "start - '2024-01-15' < 11h and start > 2024-01-15 + 1s",
            "a",
        ),
        ("start > now - 1d - 3h and start + 90m <= now", "b"),
        ("count(loss) / duration * 3600 = 1", "ab"),
        ("start > params.since", "a"),
        ("duration % 1h = 0", "ab"),
    ] {
        assert_eq!(found(filter), want, "{filter}");
    }
}

#[test]
fn arithmetic_keeps_types_and_whole_numbers() {
    let first = |expression: &str| {
        let [a, _, _] = values(expression);
        a
    };
    assert_eq!(first("params.batch - 1"), Value::Int(9_007_199_254_740_992));
    assert_eq!(first("-params.batch"), Value::Int(-9_007_199_254_740_993));
    assert_eq!(first("params.size / 2"), Value::Number(0.5));
    assert_eq!(first("params.size % 2"), Value::Int(1));
    let large = first("params.batch * params.batch");
    assert_eq!(large, Value::Number(9_007_199_254_740_993f64.powi(2)));
    assert_eq!(first("end - start"), Value::Duration(10_800.0));
    assert_eq!(first("duration / 1h"), Value::Number(3.0));
    assert_eq!(first("start + 1s"), Value::Time(1_705_314_621_500_000));
    assert_eq!(first("start + inf * 1s"), Value::Absent);
    assert!(matches!(first("params.size / 0 - inf"), Value::Number(x) if x.is_nan()));
    assert_eq!(first("name"), Value::Text("alpha".into()));
}

#[test]
fn functions_are_read_with_their_arguments() {
    for (text, canonical) in [
        ("AT(loss, -5) > 0", "at(metrics.loss, -5) > 0"),
        ("last(loss where step = 7) > 0", "at(metrics.loss, 7) > 0"),
        (
            "min(loss where step < 10) > 0",
            "min(metrics.loss where step <= 9) > 0",
        ),
        (
            "min(loss where step<=10.5)>0",
            "min(metrics.loss where step <= 10) > 0",
        ),
        (
            "mean(loss where step >= 100 and step < 200) = 1",
            "mean(metrics.loss where step between 100 and 199) = 1",
        ),
        (
            "Mean(loss WHERE step > 5 AND time > now - 1h) = 1",
            "mean(metrics.loss where step >= 6 and time >= 2024-01-20T11:00:00.000001Z) = 1",
        ),
        (
            "count(loss where time between '2024-01-15' and 2024-01-16) = 1",
            "count(metrics.loss where time between 2024-01-15T00:00:00.000000Z and \
             2024-01-16T23:59:59.999999Z) = 1",
        ),
        (
            "min(loss where step >= -9223372036854775808) = 1",
            "min(metrics.loss) = 1",
        ),
        (
            "max(loss where step < nan) = 1",
            "max(metrics.loss where step between \
             9223372036854775807 and -9223372036854775808) = 1",
        ),
        ("max(loss where step < inf) = 1", "max(metrics.loss) = 1"),
        (
            "median(loss) = auc(loss)",
            "median(metrics.loss) = auc(metrics.loss)",
        ),
        (
            "first_nan(metrics.\"a b\") is null",
            "first_nan(metrics.\"a b\") is null",
        ),
        (
            "slope(loss, 100) < slope(loss)",
            "slope(metrics.loss, 100) < slope(metrics.loss)",
        ),
        (
            "smooth(loss, .9 where step between 5 and 9) < 1",
            "smooth(metrics.loss, 0.9 where step between 5 and 9) < 1",
        ),
    ] {
        let filter = Filter::parse(text, NOW_US).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(filter.to_string(), canonical, "{text}");
        assert_eq!(
            Filter::parse(canonical, NOW_US).unwrap(),
            filter,
            "{canonical}"
        );
    }
}

#[test]
fn what_is_cheap_is_asked_before_what_takes_points() {
    for filter in [
        "median(loss) < 1 and lr = 2",
        "(auc(loss) > 1 or min(loss where step < 5) > 1 or note = 'x') and lr = 2",
        "not (lr != 2 or smooth(loss, 0.5) > 1) or not (lr != 2 or note = 'x')",
    ] {
        let predicate = Filter::parse(filter, NOW_US).unwrap();
        let predicate = predicate.resolve(&names()).unwrap();
        let mut asked = Vec::new();
        let matches = predicate.matches(&mut |leaf| {
            asked.push(predicate.leaves()[leaf].to_string());
            Value::Number(1.0)
        });
        assert!(
            !matches && asked.iter().all(|leaf| leaf == "params.lr"),
            "{filter}: {asked:?}"
        );
    }
}

#[test]
fn each_field_is_asked_for_once_by_number() {
    let filter = "metrics.loss > 1 and (min(loss) < 2 or loss = nan) and lr = 1";
    let predicate = Filter::parse(filter, NOW_US)
        .unwrap()
        .resolve(&names())
        .unwrap();
    let leaves: Vec<String> = predicate.leaves().iter().map(Leaf::to_string).collect();
    assert_eq!(leaves, ["metrics.loss", "min(metrics.loss)", "params.lr"]);
    let mut asked = Vec::new();
    let mut value = |field| {
        asked.push(field);
        Value::Number(0.5)
    };
    assert!(!predicate.matches(&mut value));
    assert_eq!(asked, [0], "the first false term decides");
}

#[test]
fn the_canonical_form_has_no_more_than_it_needs() {
    for (text, canonical) in [
        ("((params.lr == 1))", "params.lr = 1"),
        ("a=1 AND (b<>2 And c!=3)", "a = 1 and b != 2 and c != 3"),
        ("a=1 or b=2 and c=3", "a = 1 or b = 2 and c = 3"),
        ("(a + b) + c > 0", "a + b + c > 0"),
        ("a - (b - c) > 0 and a-b > 0", "a - (b - c) > 0 and a-b > 0"),
        ("(a * b) / (c * d) = -(-5)", "a * b / (c * d) = 5"),
        ("(a + b) * c <= - (a)", "(a + b) * c <= -a"),
        ("-(a + b) = --c", "-(a + b) = --c"),
        ("0.5 < a", "a > 0.5"),
        ("'x' != a", "a != 'x'"),
        ("a = `b c`", "a = `b c`"),
        ("a = \"b c\"", "a = 'b c'"),
        ("a = \"b c\" + 1", "a = `b c` + 1"),
        ("start > 2024-01-15 + 2d", "start > 2024-01-17"),
        (
            "start > 2024-01-15 + 2h",
            "start > 2024-01-15T02:00:00.000000Z",
        ),
        ("x = 4MiB or x = 2.5kb", "x = 4194304 or x = 2500.0"),
        ("`now-7d` = 1 and now-x = 2", "`now-7d` = 1 and now-x = 2"),
        ("(a=1 || b=2) && !c=3", "(a = 1 or b = 2) and not c = 3"),
        ("not (not (a = 1 or b = 2))", "not not (a = 1 or b = 2)"),
        (
            "LAST(metrics.`val acc`) >= +.5",
            "metrics.\"val acc\" >= 0.5",
        ),
        (
            "attr.start_time > now - 1d",
            "start > 2024-01-19T12:00:00.000000Z",
        ),
        ("start=2024-01-15t10:30-01:30", "start = 2024-01-15T12:00Z"),
        (
            "duration > 90m and x = 1500ms",
            "duration > 90m and x = 1500ms",
        ),
        ("\"name\" = \"it's\"", "name = 'it''s'"),
        ("`and` not in (-0.0, TRUE)", "`and` not in (-0.0, true)"),
        ("max_step(\"a\"\"b\") = 1", "argmax(metrics.\"a\"\"b\") = 1"),
        (
            "x not  like \"%\" and y !~ 'a'",
            "x not like '%' and y !~ 'a'",
        ),
    ] {
        assert_eq!(
            Filter::parse(text, NOW_US).unwrap().to_string(),
            canonical,
            "{text}"
        );
    }
}

#[test]
fn sort_keys_read_either_way_of_saying_down() {
    for (text, want) in [
        ("start", "start"),
        ("val/acc DESC", "-metrics.val/acc"),
        ("-metrics.loss", "-metrics.loss"),
        ("- min(metrics.loss)", "-min(metrics.loss)"),
        ("params.\"my param\" asc", "params.\"my param\""),
        ("-(loss - lr)", "-(metrics.loss - params.lr)"),
        ("loss - lr desc", "-(metrics.loss - params.lr)"),
        ("-loss * lr", "-metrics.loss * params.lr"),
        (
            "(loss + lr) / -lr",
            "(metrics.loss + params.lr) / -params.lr",
        ),
        ("-at(loss, 10)", "-at(metrics.loss, 10)"),
        ("duration asc", "duration"),
    ] {
        let key = SortKey::parse(text, NOW_US, &names()).unwrap();
        assert_eq!(key.to_string(), want);
        assert_eq!(SortKey::parse(want, NOW_US, &names()).unwrap(), key);
    }
    for (text, why) in [
        ("", "want a value, have the end"),
        ("loss down", "want asc, desc or the end, have \"down\""),
        ("-loss desc", "want the end, have \"desc\""),
        ("-loss + lr", "want the end, have \"+\""),
        ("name - 1", "name is a text, arithmetic needs"),
        ("los", "no run has"),
    ] {
        let fault = SortKey::parse(text, NOW_US, &names())
            .unwrap_err()
            .to_string();
        assert!(
            fault.starts_with("invalid sort key: ") && fault.contains(why),
            "{fault}"
        );
    }
}

#[test]
fn absent_and_nan_sort_last_either_way() {
    let text = |text: &'static str| Value::Text(Cow::Borrowed(text));
    let mut values = [
        Value::Absent,
        text("b"),
        Value::Int(9_007_199_254_740_993),
        Value::Number(f64::NAN),
        Value::Number(9_007_199_254_740_992.0),
        Value::Bool(true),
        text("a"),
        Value::Number(f64::NEG_INFINITY),
    ];
    values.sort_by(|a, b| compare_values(a, b, false));
    let (sorted, last) = values.split_at(6);
    assert_eq!(
        sorted,
        [
            Value::Bool(true),
            Value::Number(f64::NEG_INFINITY),
            Value::Number(9_007_199_254_740_992.0),
            Value::Int(9_007_199_254_740_993),
            text("a"),
            text("b"),
        ]
    );
    assert!(matches!(last, [Value::Absent, Value::Number(_)]));
    values.sort_by(|a, b| compare_values(a, b, true));
    assert_eq!(values[0], text("b"));
    assert_eq!(values[5], Value::Bool(true));
    assert!(matches!(values[6..], [Value::Absent, Value::Number(_)]));
}
