//! Text that no person would write: whatever it is, the answer is a plan or problems, never a panic.

use proptest::prelude::*;

use super::*;

/// Loads without touching the file system for the configuration itself.
fn survives(text: &str) {
    let desk = section::Desk::default();
    let fallback = check::Fallback::random();
    let built = build(Some(text), &Environment::new(), 1, &fallback, &desk);
    let failed = built.is_none() || desk.problems.has_errors();
    let problems = desk.problems.finish(Some(Path::new("f.yaml")), text);
    assert_eq!(failed, problems.errors() > 0, "{text:?}");
    let mut shown = String::new();
    render::text(&problems.list, true, &mut shown).unwrap();
    assert!(problems.list.iter().all(|p| p.place.as_ref().is_none_or(|p| p.line > 0 && p.column > 0)));
}

/// Pieces that bring random text near to a configuration.
fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "routes:",
        "policy:",
        "- from: ",
        "  to: ",
        "https://a.example",
        "http://10.0.0.1:80",
        ",10",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "|\n",
        ">\n",
        "\"",
        "'",
        "#",
        "---\n",
        "...\n",
        "set_request_headers: ",
        "X-A: b",
        "allow: ",
        "or: ",
        "jwt_claims_headers: ",
        "certificates: ",
        "cert: ",
        "idp_provider: oidc",
        "timeout: ",
        "1h",
        "true",
        "null",
        "~",
        "0x10",
        "1e999",
        ".nan",
        "\t",
        "\u{feff}",
        "*.x",
        "regex: ",
        "(a{9}){9}",
        "shared_secret: ",
        "address: ",
        ":443",
        "[::1]:0",
        "downstream_mtls: ",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => ".{0,8}", 1 => "[a-z_]{1,12}: "]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}|(?s).{0,200}") {
        survives(&text);
    }

    #[test]
    fn text_near_a_configuration_is_survived(pieces in prop::collection::vec(piece(), 0..40)) {
        survives(&pieces.concat());
    }

    #[test]
    fn any_value_of_any_key_is_survived(key in prop::sample::select(known_keys()), value in piece(), nested in any::<bool>()) {
        let value = if nested { format!("[{{{value}: {value}}}]") } else { value };
        survives(&format!("{key}: {value}"));
        survives(&format!("routes: [{{from: https://a.example, to: 'http://10.0.0.1', {key}: {value}}}]"));
        survives(&format!("routes:\n  - from: {value}\n    to: {value}\n    {key}: {value}\n"));
    }

    #[test]
    fn any_variable_is_survived(key in prop::sample::select(known_keys()), value in piece()) {
        let env = environment(&[(&key.to_ascii_uppercase().replace('.', "_"), &value)]);
        let desk = section::Desk::default();
        build(None, &env, 1, &check::Fallback::random(), &desk);
        prop_assert!(desk.problems.finish(None, "").list.iter().all(|p| p.place.is_none()));
    }
}

fn known_keys() -> Vec<&'static str> {
    catalogue::global().chain(catalogue::route()).map(|key| key.name).collect()
}

#[test]
fn deep_and_wide_texts_are_survived() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        format!("a: {}", "- ".repeat(50_000)),
        "[{\"a\": ".repeat(text::FLOW_DEPTH_MAX / 2),
        format!("routes: [{}]", "{from: x},".repeat(12_000)),
        format!("routes: {}1{}", "[".repeat(120), "]".repeat(120)),
        (0..5_000).map(|i| format!("key{i}: 1\n")).collect(),
        format!("cookie_name: {}", "x".repeat(2_000_000)),
    ] {
        survives(&text);
    }
}
