//! What cannot be understood, and how it is said.

use super::*;
use crate::limits::NESTING_MAX;

/// Filter, reason, hint; the place is between ‹ and ›.
const FAULTS: &[(&str, &str, &str)] = &[
    ("‹›", "it is empty", "write a condition: metrics.acc > 0.9"),
    ("  ‹›", "it is empty", "write a condition"),
    (
        "‹metrics.val/ac› > 0.9",
        "no run has a metric \"val/ac\"",
        "try metrics.val/acc",
    ),
    (
        "min(‹metrics.los›) > 0.9",
        "no run has a metric \"los\"",
        "try metrics.loss",
    ),
    (
        "‹metrics.lr› > 0.9",
        "no run has a metric \"lr\"",
        "try params.lr",
    ),
    (
        "‹metrics.loss.min› > 0.9",
        "no run has a metric",
        "try min(metrics.loss)",
    ),
    (
        "max(‹lss›) > 0.9",
        "no run has a metric \"lss\"",
        "try metrics.loss",
    ),
    (
        "‹tags.teem› = 'a'",
        "no run has a tag \"teem\"",
        "try tags.team",
    ),
    (
        "‹momentum› = 1",
        "no run has a param, metric or tag \"momentum\"",
        "",
    ),
    (
        "‹stauts› = 'failed'",
        "nor is it an attribute",
        "try status",
    ),
    (
        "‹size› = 1",
        "\"size\" is a param and a metric",
        "write params.size or metrics.size",
    ),
    ("‹attributes.ned› = 1", "no attribute \"ned\"", "try end"),
    (
        "‹params.› = 1",
        "want a name after \"params\" and its dot",
        "",
    ),
    (
        "‹params.\"\"› = 1",
        "want a name after \"params\" and its dot",
        "",
    ),
    (
        "‹median›(metrics.loss) = 1",
        "no function \"median\"",
        "try mean",
    ),
    (
        "min(‹params.lr›) = 1",
        "min works on metrics, params.lr is none",
        "min(metrics.loss)",
    ),
    (
        "min(metrics.loss ‹>› 1",
        "want ) after the metric, have \">\"",
        "",
    ),
    (
        "min(loss ‹where› step < 3) > 1",
        "want ) after the metric, have \"where\"",
        "",
    ),
    (
        "‹'acc'› > 0.9",
        "a text stands where a name is needed",
        "double quotes",
    ),
    (
        "‹0.9› < metrics.loss",
        "want a name, have \"0.9\"",
        "write the name first",
    ),
    (
        "‹and› = 1",
        "want a name, have \"and\"",
        "double quotes to mean a name: \"and\"",
    ),
    (
        "params.lr = ‹'›0.01",
        "this quote is never closed: '",
        "close it with '",
    ),
    (
        "params.‹\"›my param = 1",
        "this quote is never closed: \"",
        "close it with \"",
    ),
    ("params.model = ‹“›RF”", "unexpected '“'", "straight quotes"),
    ("lr = 1 ‹|› lr = 2", "unexpected '|'", "write or"),
    ("lr = 1 ‹&› lr = 2", "unexpected '&'", "write and"),
    ("‹(›lr = 1", "this ( is never closed", "close it with )"),
    ("(lr = 1‹,› lr = 2)", "want and, or, or ), have \",\"", ""),
    ("lr = 1‹)›", "no ( belongs to this )", "remove it"),
    ("lr in ‹(›1, 2", "this ( is never closed", "close it with )"),
    ("lr in (‹)›", "want a value, have \")\"", ""),
    ("lr in (1 ‹2›)", "want a comma or ), have \"2\"", ""),
    (
        "lr in ‹1›",
        "want ( after in, have \"1\"",
        "write: in ('a', 'b')",
    ),
    (
        "lr‹›",
        "want an operator after \"lr\", have the end",
        "compare: =",
    ),
    ("lr ‹!›", "want an operator after \"lr\", have \"!\"", ""),
    (
        "lr not ‹=› 1",
        "want in, like, ilike or between, have \"=\"",
        "",
    ),
    ("lr >‹›", "want a value, have the end", ""),
    ("‹0› < lr", "want a name", "write the name first"),
    (
        "lr > 0 ‹<› 1",
        "want and, or, or the end, have \"<\"",
        "x between 0 and 1",
    ),
    (
        "lr = 1 ‹lr› = 2",
        "want and, or, or the end, have \"lr\"",
        "",
    ),
    ("lr = 1 and‹›", "want a name, have the end", ""),
    (
        "status = ‹running›",
        "want a value, have \"running\"",
        "'running'",
    ),
    (
        "lr = ‹metrics.loss›",
        "want a value",
        "not with another field",
    ),
    ("lr = ‹null›", "want a value", "write: is null"),
    ("lr is ‹1›", "want null or not null, have \"1\"", "with ="),
    ("lr = ‹`a`›", "want a value", "single quotes"),
    (
        "lr between 1 ‹or› 2",
        "want and, then the upper bound, have \"or\"",
        "",
    ),
    (
        "id = ‹3fa9c2d1›",
        "\"3fa9c2d1\" is no number, duration or date",
        "text in quotes",
    ),
    (
        "id = ‹12345678›",
        "id is a run's id, 12345678 is none",
        "put it in quotes",
    ),
    (
        "id = ‹'3fa'›",
        "id is a run's id, '3fa' is none",
        "at least the first 8",
    ),
    ("‹status› < 'running'", "status has no order", "use =, !="),
    (
        "‹id› between '3fa9c2d1' and '3fa9c2d2'",
        "id has no order, so between says nothing",
        "",
    ),
    (
        "status = ‹'runing'›",
        "status is a status, 'runing' is none",
        "'running'",
    ),
    (
        "start > ‹'yesterday'›",
        "start is a time, 'yesterday' is none",
        "now - 7d",
    ),
    (
        "start > ‹'2024-02-30'›",
        "start is a time, '2024-02-30' is none",
        "",
    ),
    ("start > ‹2h›", "start is a time, 2h is none", "now - 7d"),
    (
        "start > now - ‹7›",
        "want a duration after now -, have \"7\"",
        "7d",
    ),
    ("start > ‹now - 999999w›", "not in the years 1 to 9999", ""),
    (
        "start like ‹'2024%'›",
        "start is a time, a pattern needs text",
        "between",
    ),
    (
        "duration > ‹'long'›",
        "duration is a duration, 'long' is none",
        "90s",
    ),
    (
        "metrics.loss > ‹'low'›",
        "metrics.loss is a number, 'low' is none",
        "",
    ),
    ("metrics.loss ~ ‹'1'›", "a pattern needs text", ""),
    ("params.model ~ ‹'('›", "bad pattern: unclosed group", ""),
    (
        "params.model ~ ‹'\\w{9999}'›",
        "bad pattern: the pattern is too large",
        "",
    ),
    (
        "params.model like ‹RF›",
        "want a text in quotes after like, have \"RF\"",
        "",
    ),
    ("lr = ‹1x2›", "\"1x2\" is no number, duration or date", ""),
    ("lr = 1 ‹;›", "unexpected ';'", ""),
];

#[test]
fn errors_name_the_place_the_reason_and_a_way_out() {
    for (marked, why, hint) in FAULTS {
        let text = marked.replace(['‹', '›'], "");
        let fault = fault(&text);
        assert!(fault.why.contains(why), "{text}: {}", fault.why);
        let hinted = fault.hint.clone().unwrap_or_default();
        assert!(hinted.contains(hint), "{text}: {hinted}");
        let place = marked.find('‹').zip(marked.find('›'));
        let (start, end) = place.unwrap_or_else(|| panic!("{marked}"));
        assert_eq!(fault.span, start..end - '‹'.len_utf8(), "{text}");
    }
}

#[test]
fn nesting_is_bounded_and_long_chains_are_not() {
    let nested = |depth: usize| format!("{}lr = 1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(found(&nested(NESTING_MAX)), "");
    assert_eq!(
        fault(&nested(NESTING_MAX + 1)).span,
        NESTING_MAX..NESTING_MAX + 1
    );
    assert!(fault(&nested(100_000)).why.contains("nest deeper"));
    assert!(fault(&"not ".repeat(100_000)).why.contains("nest deeper"));
    assert_eq!(
        found(&format!("{}lr = 0", "lr = 0.01 or ".repeat(50_000))),
        "ab"
    );
    assert!(Filter::parse(&" ".repeat(TEXT_BYTES_MAX + 1), NOW_US).is_err());
}

#[test]
fn the_caret_stands_below_the_place() {
    let caret = |text: &str| fault(text).caret();
    assert_eq!(
        caret("loss > 1 and los < 2"),
        "loss > 1 and los < 2\n             ^^^"
    );
    assert_eq!(caret("loss >"), "loss >\n      ^");
    assert_eq!(caret(""), "\n^");
    assert_eq!(
        caret("loss > 1\nand los < 2\nor lr = 1"),
        "and los < 2\n    ^^^"
    );
    // A wide letter takes two columns, a tab shows as one character.
    assert_eq!(
        caret("name = '損失'\tor los < 2"),
        "name = '損失'·or los < 2\n                 ^^^"
    );
    let long = format!(
        "{}los < 2 {}",
        "lr = 1 or ".repeat(20),
        "or lr = 2 ".repeat(20)
    );
    let shown = caret(&long);
    let (line, marks) = shown.split_once('\n').unwrap();
    assert_eq!(line.chars().count(), 78);
    assert!(line.starts_with('…') && line.ends_with('…'), "{line}");
    let at = marks.find('^').unwrap();
    assert_eq!(line.chars().skip(at).take(3).collect::<String>(), "los");
    assert_eq!(marks.trim_start(), "^^^");
}
