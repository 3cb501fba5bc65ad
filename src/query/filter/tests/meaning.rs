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
fn each_field_is_asked_for_once_by_number() {
    let filter = "metrics.loss > 1 and (min(loss) < 2 or loss = nan) and lr = 1";
    let predicate = Filter::parse(filter, NOW_US)
        .unwrap()
        .resolve(&names())
        .unwrap();
    let fields: Vec<String> = predicate.fields().iter().map(Field::to_string).collect();
    assert_eq!(fields, ["metrics.loss", "min(metrics.loss)", "params.lr"]);
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
        ("`and` not in (-0.0, TRUE)", "\"and\" not in (-0.0, true)"),
        ("max_step(\"a\"\"b\") = 1", "argmax(\"a\"\"b\") = 1"),
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
    ] {
        let key = SortKey::parse(text, &names()).unwrap();
        assert_eq!(key.to_string(), want);
        assert_eq!(SortKey::parse(want, &names()).unwrap(), key);
    }
    for (text, why) in [
        ("", "want a name, have the end"),
        ("loss down", "want asc, desc or the end, have \"down\""),
        ("-loss desc", "want the end, have \"desc\""),
        ("los", "no run has"),
    ] {
        let fault = SortKey::parse(text, &names()).unwrap_err().to_string();
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
