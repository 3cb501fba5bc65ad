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
        "‹meen›(metrics.loss) = 1",
        "no function \"meen\"",
        "try mean",
    ),
    (
        "min(‹params.lr›) = 1",
        "min works on metrics, params.lr is none",
        "min(metrics.loss)",
    ),
    (
        "min(metrics.loss ‹>› 1",
        "want where or ) after the metric, have \">\"",
        "write: min(metrics.loss)",
    ),
    (
        "‹'acc'› > 0.9",
        "a text stands where a name is needed",
        "double quotes",
    ),
    (
        "‹0.9› < 1",
        "no side of this names anything of a run",
        "metrics.acc > 0.9",
    ),
    (
        "‹and› = 1",
        "want a value, have \"and\"",
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
    ("(lr‹,› 1) = 2", "want an operator or ), have \",\"", ""),
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
    ("lr = 1 and‹›", "want a value, have the end", ""),
    ("lr ‹and› lr = 1", "want an operator after \"lr\"", ""),
    (
        "status = ‹running›",
        "no run has a param, metric or tag \"running\"",
        "put text in quotes: 'running'",
    ),
    ("lr = ‹null›", "want a value", "write: is null"),
    ("lr is ‹1›", "want null or not null, have \"1\"", "with ="),
    ("lr = ‹`a`›", "no run has a param, metric or tag \"a\"", ""),
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
        "cannot subtract a number from a time",
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
    // Arithmetic and types.
    (
        "‹name› - 1 > 0",
        "name is a text, arithmetic needs a number",
        "",
    ),
    (
        "lr + ‹'2'› > 0",
        "'2' is a text, arithmetic needs",
        "without quotes: 2",
    ),
    (
        "lr * ‹'loss'› > 0",
        "'loss' is a text, arithmetic needs",
        "name bare",
    ),
    (
        "‹status› + 1 > 0",
        "status is a status, arithmetic needs",
        "",
    ),
    (
        "loss - ‹true› > 0",
        "true is true or false, arithmetic needs",
        "",
    ),
    ("-‹id› = 1", "id is a run's id, arithmetic needs", ""),
    ("‹-start› > 1", "a time has no opposite", ""),
    ("start + ‹end› > 1", "cannot add a time to a time", ""),
    ("start * ‹2› > 1", "cannot multiply a time by a number", ""),
    (
        "duration - ‹start› > 1",
        "cannot subtract a time from a duration",
        "",
    ),
    (
        "duration * ‹duration› > 1",
        "cannot multiply a duration by a duration",
        "",
    ),
    (
        "start + ‹lr› > now",
        "cannot add a number to a time",
        "params.x * 1s",
    ),
    (
        "name > ‹metrics.loss›",
        "name is a text, metrics.loss is a number",
        "alike",
    ),
    (
        "metrics.loss = ‹name›",
        "metrics.loss is a number, name is a text",
        "",
    ),
    (
        "end - start > ‹'long'›",
        "end - start is a duration, 'long' is none",
        "90s",
    ),
    ("loss - lr > ‹'low'›", "is a number, 'low' is none", ""),
    ("loss - lr ~ ‹'1'›", "is a number, a pattern needs text", ""),
    ("‹1 + 2› > 2", "no side of this names anything of a run", ""),
    ("‹1› is null", "no side of this names anything of a run", ""),
    (
        "‹(lr = 1)› + 2 > 0",
        "a condition stands where a value is needed",
        "",
    ),
    (
        "2 * ‹(lr = 1 or lr = 2)› > 0",
        "a condition stands where a value is needed",
        "",
    ),
    ("lr +‹›", "want a value, have the end", ""),
    ("lr * ‹/› 2 > 0", "want a value, have \"/\"", ""),
    (
        "‹(›(lr + 1) * 2 > 0",
        "this ( is never closed",
        "close it with )",
    ),
    ("lr > +‹size›", "want a number after +", ""),
    // Arithmetic without blanks.
    (
        "‹loss-lr› > 0",
        "no run has a param, metric or tag \"loss-lr\"",
        "put blanks around the minus: loss - lr",
    ),
    (
        "‹end-start› > 1h",
        "",
        "put blanks around the minus: end - start",
    ),
    (
        "‹duration/60› > 5",
        "",
        "put blanks around the slash: duration / 60",
    ),
    (
        "‹val/acc-loss› > 0",
        "",
        "put blanks around the minus: val/acc - loss",
    ),
    (
        "‹metrics.val/acc-metrics.loss› > 0",
        "no run has a metric",
        "put blanks around the minus: metrics.val/acc - metrics.loss",
    ),
    (
        "‹metrics.loss/2› > 0",
        "",
        "put blanks around the slash: metrics.loss / 2",
    ),
    (
        "lr > ‹3-2›",
        "\"3-2\" is no number",
        "put blanks around the minus: 3 - 2",
    ),
    // Functions.
    (
        "at(‹loss›) > 0",
        "at takes a metric and a step",
        "write: at(metrics.loss, 1000)",
    ),
    (
        "at(loss, 1, ‹2›) > 0",
        "at takes a metric and a step, nothing more",
        "",
    ),
    (
        "at(loss, ‹1.5›) > 0",
        "at takes a whole number for a step",
        "",
    ),
    ("at(loss, ‹lr›) > 0", "want a number, have \"lr\"", ""),
    ("at(loss, ‹'5'›) > 0", "want a number, have \"'5'\"", ""),
    (
        "min(loss, ‹5›) > 0",
        "min takes a metric and nothing more",
        "write: min(metrics.loss)",
    ),
    (
        "min(‹)› > 0",
        "want a metric after min(",
        "write: min(metrics.loss)",
    ),
    (
        "slope(loss, ‹1›) > 0",
        "at least 2",
        "slope(metrics.loss, 100)",
    ),
    (
        "smooth(‹loss›) > 0",
        "smooth takes a metric and a weight",
        "smooth(metrics.loss, 0.9)",
    ),
    ("smooth(loss, ‹1›) > 0", "a weight from 0 to below 1", ""),
    ("smooth(loss, ‹nan›) > 0", "a weight from 0 to below 1", ""),
    (
        "min(loss where ‹lr› < 5) > 0",
        "want step or time, have \"lr\"",
        "where step",
    ),
    (
        "min(loss where step ‹!=› 5) > 0",
        "want < <= > >= = or between",
        "",
    ),
    (
        "min(loss where step < ‹'low'›) > 0",
        "a step is a number, 'low' is none",
        "",
    ),
    (
        "min(loss where step < ‹lr›) > 0",
        "a step is a number, lr is none",
        "",
    ),
    (
        "min(loss where time > ‹5›) > 0",
        "a time is a date, 5 is none",
        "now - 1h",
    ),
    (
        "min(loss where step < 5 ‹or› step > 9) > 0",
        "want and or ), have \"or\"",
        "where step between 0 and 99",
    ),
    ("min‹(›loss where step < 5", "this ( is never closed", ""),
    (
        "median(‹los›) > 0",
        "no run has a metric \"los\"",
        "try metrics.loss",
    ),
    (
        "‹smoth›(loss, 0.9) > 0",
        "no function \"smoth\"",
        "try smooth",
    ),
    (
        "‹f›(loss) > 0",
        "no function \"f\"",
        "use one of last, first",
    ),
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
    assert!(
        fault(&format!("lr = {}1", "- ".repeat(100_000)))
            .why
            .contains("nest deeper")
    );
    let chain = "lr + ".repeat(100_000);
    assert_eq!(found(&format!("{chain}lr > 1")), "ab");
    assert_eq!(
        found(&format!(
            "(({chain}lr) * {}lr) >= 0",
            "lr / ".repeat(50_000)
        )),
        "ab"
    );
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
