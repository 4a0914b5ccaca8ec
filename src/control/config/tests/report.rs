//! Problems as a person and a program see them.

use super::*;

#[test]
fn every_problem_is_told_in_one_run_with_its_line() {
    let text = "\
address: nowhere
cookie_expire: soon
log_level: loud
shared_secret: dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
cookie_secret: c2hvcnQ=
idp_provder: oidc
routes:
  - from: a.example
    to: 127.0.0.1:80
    regex: '('
  - from: https://b.example
    too: http://h
";
    let problems = load_text(text).unwrap_err();
    let seen: Vec<_> = problems.list.iter().map(|p| (p.severity, p.place.as_ref().map(|p| p.line))).collect();
    let at = |severity, line| (severity, Some(line));
    let mut expected: Vec<_> = [1, 2, 3, 5, 8, 9, 10, 11].map(|line| at(Severity::Error, line)).to_vec();
    expected.extend([6, 8, 11, 12].map(|line| at(Severity::Warning, line)));
    expected.push((Severity::Warning, None));
    assert_eq!(seen, expected, "{problems:#?}");
    assert_eq!(load_text(text).unwrap_err().list.len(), problems.list.len());
}

#[test]
fn a_problem_reads_like_a_compilers() {
    let folder = Folder::new();
    let text = format!(
        "{BASE}routes:\n  - from: https://a.example\n    to: http://127.0.0.1:1\n    allow_any_authenticated_usr: true\n"
    );
    let loaded = folder.load(&text, &Environment::new()).unwrap();
    let mut shown = String::new();
    render::text(&loaded.warnings[1..2], false, &mut shown).unwrap();
    let file = folder.0.path().join("c.yaml").display().to_string();
    let expected = format!(
        "\
warning: unknown config option `allow_any_authenticated_usr`; it is ignored
 --> {file}:7:5
  |
7 |     allow_any_authenticated_usr: true
  |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  :: {file}:5:5: in this route
  help: did you mean `allow_any_authenticated_user`?

"
    );
    assert_eq!(shown, expected);
    let mut coloured = String::new();
    render::text(&loaded.warnings, true, &mut coloured).unwrap();
    assert!(coloured.contains("\u{1b}[1;33mwarning\u{1b}[0m"));
}

#[test]
fn json_holds_everything() {
    let problems = problems("address: nowhere\nadress: x\n");
    let json = render::json(&problems);
    assert_eq!((json["errors"].as_u64(), json["warnings"].as_u64()), (Some(1), Some(1)));
    assert_eq!(json["problems"][0]["place"]["line"], 4);
    assert_eq!(json["problems"][0]["key"], "address");
    assert_eq!(json["problems"][1]["help"], "did you mean `address`?");
}

#[test]
fn a_long_list_is_cut_and_the_rest_counted() {
    let text: String = (0..render::PROBLEMS_SHOWN_MAX + 7).map(|i| format!("unknown_key_{i}: 1\n")).collect();
    let mut shown = String::new();
    render::text(&problems(&text), false, &mut shown).unwrap();
    assert!(shown.ends_with("… and 7 more\n\n"), "{}", &shown[shown.len() - 60..]);
}

#[test]
fn text_from_the_file_cannot_drive_the_terminal() {
    let mut shown = String::new();
    render::text(&problems("\"a\\x1b[31mdress\": 1\nlog_level: \"x\\x1by\"\n"), false, &mut shown).unwrap();
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = Folder::new();
    for (name, content, part) in [
        ("empty.yaml", &b""[..], "the file is empty"),
        ("comments.yaml", b"# nothing\n", "the file is empty"),
        ("scalar.yaml", b"no such thing", "expected keys and values, found a string"),
        ("list.yaml", b"- a", "expected keys and values, found a list"),
        ("latin1.yaml", b"a: \xe4", "not UTF-8"),
        ("config.toml", b"a = 1", "TOML"),
        ("two.yaml", b"a: 1\n---\nb: 2\n", "more than one document"),
        ("nul.yaml", b"a: \0", "control characters are not allowed"),
    ] {
        let problems = load(Some(&folder.file(name, content)), &Environment::new(), 1).unwrap_err();
        let first = &problems.list[0].message;
        assert!(first.starts_with("failed to read config: ") && first.contains(part), "{name}: {first}");
    }
    let missing = load(Some(&folder.0.path().join("missing.yaml")), &Environment::new(), 1).unwrap_err();
    assert!(missing.list[0].message.contains("missing.yaml"));
}

#[test]
fn json_and_a_byte_order_mark_are_taken() {
    let folder = Folder::new();
    let json = folder.file("c.json", "\u{feff}{\"insecure_server\": true, \"cookie_name\": \"x\"}");
    assert_eq!(&*load(Some(&json), &Environment::new(), 1).unwrap().plan.identity.cookie.name, "x");
}
