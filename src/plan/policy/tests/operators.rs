//! How operators combine values and reasons.

use super::*;

/// `M` holds (http-method-ok), `P` holds (http-path-ok), `m` and `p` do not.
fn spell(list: &str) -> String {
    let criterion = |letter| match letter {
        'M' => "{http_method: GET}",
        'm' => "{http_method: POST}",
        'P' => "{http_path: /}",
        'p' => "{http_path: /other}",
        _ => panic!("{letter}"),
    };
    list.chars().map(criterion).collect::<Vec<_>>().join(", ")
}

fn allow_of(yaml: &str) -> (bool, Reasons) {
    let outcome = policy(yaml).decide(&request(None)).allow;
    (outcome.value, outcome.reasons)
}

#[test]
fn one_operator() {
    let (ok, no) = ("http-method-ok", "http-method-unauthorized");
    let (path_ok, path_no) = ("http-path-ok", "http-path-unauthorized");
    let cases: [(&str, &str, bool, &[&str]); 20] = [
        ("and", "M", true, &[ok]),
        ("and", "MP", true, &[ok, path_ok]),
        ("and", "Mp", false, &[path_no]),
        ("and", "mP", false, &[no]),
        ("and", "mp", false, &[no, path_no]),
        ("or", "MP", true, &[ok, path_ok]),
        ("or", "Mp", true, &[ok]),
        ("or", "mP", true, &[path_ok]),
        ("or", "mp", false, &[no, path_no]),
        ("or", "m", false, &[no]),
        ("not", "MP", false, &[ok, path_ok]),
        ("not", "Mp", false, &[ok]),
        ("not", "mP", false, &[path_ok]),
        ("not", "mp", true, &[no, path_no]),
        ("not", "m", true, &[no]),
        ("nor", "MP", false, &[ok, path_ok]),
        ("nor", "Mp", true, &[path_no]),
        ("nor", "mP", true, &[no]),
        ("nor", "mp", true, &[no, path_no]),
        ("nor", "M", false, &[ok]),
    ];
    for (operator, list, value, expected) in cases {
        let yaml = format!("{{allow: {{{operator}: [{}]}}}}", spell(list));
        assert_eq!(allow_of(&yaml), (value, reasons(expected)), "{operator} {list}");
    }
}

#[test]
fn same_criterion_twice_with_both_results() {
    let both = spell("Mm");
    for (operator, value, expected) in [
        ("and", false, "http-method-unauthorized"),
        ("or", true, "http-method-ok"),
        ("not", false, "http-method-ok"),
        ("nor", true, "http-method-unauthorized"),
    ] {
        let yaml = format!("{{allow: {{{operator}: [{both}]}}}}");
        assert_eq!(allow_of(&yaml), (value, reasons(&[expected])), "{operator}");
    }
}

#[test]
fn operators_rules_and_lists_are_alternatives() {
    let cases: [(&str, bool, &[&str]); 6] = [
        ("{allow: {and: [http_method: GET], or: [http_path: /x]}}", true, &["http-method-ok"]),
        ("{allow: {and: [http_method: POST], not: [http_path: /x]}}", true, &["http-path-unauthorized"]),
        (
            "[{allow: {and: [http_method: POST]}}, {allow: {nor: [http_path: /]}}]",
            false,
            &["http-method-unauthorized", "http-path-ok"],
        ),
        (
            "[{allow: {and: [http_method: GET]}}, {allow: {and: [http_path: /]}}]",
            true,
            &["http-method-ok", "http-path-ok"],
        ),
        ("[{allow: {or: [reject: 1]}}, {deny: {or: [accept: 1]}}]", false, &["reject"]),
        ("[{}, {allow: {}}, {allow: {action: x, or: [accept: 1]}}]", true, &["accept"]),
    ];
    for (yaml, value, expected) in cases {
        assert_eq!(allow_of(yaml), (value, reasons(expected)), "{yaml}");
    }
}

#[test]
fn allow_and_deny_do_not_mix() {
    let decision = policy("{deny: {or: [http_method: GET]}, allow: {or: [http_path: /]}}").decide(&request(None));
    assert_eq!((decision.allow.value, decision.allow.reasons), (true, reasons(&["http-path-ok"])));
    assert_eq!((decision.deny.value, decision.deny.reasons), (true, reasons(&["http-method-ok"])));
}

#[test]
fn nothing_is_not_vacuously_true() {
    for yaml in [
        "{}",
        "[]",
        "[{}]",
        "{allow: {}}",
        "{allow: {and: []}}",
        "{allow: {or: []}}",
        "{allow: {not: []}}",
        "{allow: {nor: []}}",
        "{allow: {and: [], or: [], not: [], nor: [], action: allow}}",
    ] {
        assert_eq!(allow_of(yaml), (false, Reasons::NONE), "{yaml}");
    }
    assert_eq!(policy("{deny: {and: []}}").decide(&request(None)).deny, Default::default());
}
