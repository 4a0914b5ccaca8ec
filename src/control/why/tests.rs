//! Verdicts, changes and texts.

use super::*;
use crate::control::config::{self, Environment, Loaded};
use crate::plan::policy::Verdict;

fn load(routes: &str) -> (tempfile::TempDir, Loaded) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    let secret = "dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=";
    let text = format!("insecure_server: true\nshared_secret: {secret}\ncookie_secret: {secret}\nroutes:\n{routes}");
    std::fs::write(&file, text).unwrap();
    let loaded = config::load(Some(&file), &Environment::new(), 1).unwrap_or_else(|problems| panic!("{problems:#?}"));
    (folder, loaded)
}

fn with_policy(policy: &str) -> (tempfile::TempDir, Loaded) {
    load(&format!("  - {{ name: app, from: https://app.example.com, to: http://127.0.0.1:1, policy: {policy} }}\n"))
}

fn alice() -> Who {
    Who { email: Some("alice@example.com".into()), groups: vec!["staff".into()], ..Who::default() }
}

/// The changes that let `who` pass, as told.
fn changes(policy: &str, who: &Who) -> Vec<String> {
    let (_folder, loaded) = with_policy(policy);
    let found = route(&loaded.plan, "app", None).unwrap();
    let case = Case { session: who.session(0), ..Case::default() };
    let answer = Answer::new(&found, case, &loaded.places);
    answer.changes.iter().map(Change::words).collect()
}

#[test]
fn the_smallest_changes_are_told() {
    let nobody = Who::default();
    for (policy, who, expected) in [
        ("[{allow: {or: [{claim/groups: admins}]}}]", &alice(), &["be in the group \"admins\" (claim/groups)"][..]),
        ("[{allow: {or: [{groups: admins}]}}]", &alice(), &["be in the group \"admins\""]),
        ("[{allow: {or: [{authenticated_user: true}]}}]", &nobody, &["sign in"]),
        ("[{allow: {or: [{domain: example.com}]}}]", &nobody, &["sign in, and have an e-mail address of example.com"]),
        (
            "[{allow: {and: [{authenticated_user: true}, {source_ip: 10.0.0.0/8}]}}]",
            &alice(),
            &["come from 10.0.0.0/8"],
        ),
        (
            "[{allow: {and: [{claim/groups: admins}, {source_ip: [192.0.2.7]}]}}]",
            &alice(),
            &["be in the group \"admins\" (claim/groups), and come from 192.0.2.7"],
        ),
        (
            "[{allow: {or: [{authenticated_user: true}]}, deny: {or: [{email: alice@example.com}]}}]",
            &alice(),
            &["be somebody else"],
        ),
        (
            "[{allow: {or: [{authenticated_user: true}]}, deny: {or: [{claim/groups: staff}]}}]",
            &alice(),
            &["have the claim groups without \"staff\""],
        ),
        ("[{allow: {and: [{http_method: POST}]}}]", &alice(), &["use the method POST"]),
        (
            "[{allow: {and: [{http_path: {starts_with: /docs}}]}}]",
            &alice(),
            &["ask for a path that starts with \"/docs\""],
        ),
        (
            "[{allow: {or: [{email: {in: [a@x.example, b@x.example]}}]}}]",
            &alice(),
            &["be a@x.example", "be b@x.example"],
        ),
        ("[{deny: {or: [{email: x@example.com}]}}]", &alice(), &[]),
        ("[{allow: {or: [{accept: true}]}, deny: {or: [{accept: true}]}}]", &alice(), &[]),
        ("[{allow: {or: [{accept: true}]}}]", &alice(), &[]),
    ] {
        assert_eq!(changes(policy, who), expected, "{policy}");
    }
}

#[test]
fn many_conditions_are_told_together() {
    let policy = "[{allow: {and: [{domain: example.org}, {claim/groups: a}, {claim/groups: b}, {http_method: PUT}, \
                  {source_ip: 10.0.0.0/8}]}}]";
    let told = changes(policy, &Who::default());
    assert_eq!(
        told,
        [
            "sign in, and have an e-mail address of example.org, and be in the group \"a\" (claim/groups), and be in the group \
         \"b\" (claim/groups), and use the method PUT, and come from 10.0.0.0/8"
        ]
    );
}

#[test]
fn the_text_shows_every_criterion_with_its_place() {
    let (folder, loaded) = load(
        "  - name: admin\n    from: https://admin.example.com\n    to: http://127.0.0.1:1\n    policy:\n      - allow:\n          \
         and:\n            - domain: example.com\n            - claim/groups: admins\n        deny:\n          or:\n            - \
         email: x@example.com\n",
    );
    let found = route(&loaded.plan, "https://admin.example.com/a%20b?q", None).unwrap();
    let case = Case { session: alice().session(0), path: found.path.clone(), ..Case::default() };
    let answer = Answer::new(&found, case, &loaded.places);
    let mut text = String::new();
    answer_text(&answer, false, &mut text).unwrap();
    let text = text.replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(
        text,
        "\
DENY 403: alice@example.com asks for GET /a b
route admin c.yaml:5:5
reasons claim-unauthorized

allow
  ✗ and: all of these                                c.yaml:10:11
    ✓ domain is \"example.com\"    domain-ok           c.yaml:11:15
    ✗ claim/groups has \"admins\"  claim-unauthorized  c.yaml:12:15

deny
  ✗ or: any of these                                 c.yaml:14:11
    ✗ email is \"x@example.com\"   email-unauthorized  c.yaml:15:15

to pass: be in the group \"admins\" (claim/groups)
"
    );
    let mut coloured = String::new();
    answer_text(&answer, true, &mut coloured).unwrap();
    assert!(coloured.contains("\u{1b}[1;31mDENY\u{1b}[0m"));
    let json = answer_json(&answer);
    assert_eq!(json["verdict"], "deny");
    assert_eq!(json["status"], 403);
    assert_eq!(json["allow"]["rules"][0]["criteria"][1]["place"]["line"], 12);
    assert_eq!(json["changes"][0][0], "be in the group \"admins\" (claim/groups)");
}

#[test]
fn routes_are_found_as_requests_are() {
    let (_folder, loaded) = load(
        "  - { name: admin, from: https://a.example, prefix: /admin, to: http://127.0.0.1:1, allow_any_authenticated_user: true }\n  \
         - { name: rest, from: https://a.example, to: http://127.0.0.1:1, allow_any_authenticated_user: true }\n",
    );
    let name = |text: &str| route(&loaded.plan, text, None).map(|found| found.route.name.to_string());
    for (text, expected) in [
        ("admin", "admin"),
        ("1", "rest"),
        ("routes[0]", "admin"),
        ("https://a.example/admin/x", "admin"),
        ("https://A.example./x/../admin", "admin"),
        ("https://a.example", "rest"),
    ] {
        assert_eq!(name(text).as_deref(), Ok(expected), "{text}");
    }
    let id = loaded.plan.routes.at(1).unwrap().id.to_string();
    assert_eq!(name(&id).as_deref(), Ok("rest"));
    for (text, error) in [
        ("admn", "no route is called \"admn\"; did you mean \"admin\"?"),
        ("ftp://a.example/", "\"ftp://a.example/\" is no URL: the scheme is \"ftp\", expected https or http"),
        ("https://b.example/", "no route serves the host b.example (the answer is 404 before any policy is asked)"),
        ("https://a.example/.pomerium/", "https://a.example/.pomerium/ is a page of Vallum's own: no policy is asked"),
        (
            "https://a.example/a%2fb",
            "the path \"/a%2fb\" is refused before any policy is asked: the path holds an escaped slash or backslash",
        ),
    ] {
        assert_eq!(name(text).unwrap_err().to_string(), error);
    }
    let found = route(&loaded.plan, "rest", Some("/admin/x")).unwrap();
    assert_eq!(found.shadowed_by.map(|route| &*route.name), Some("admin"));
    assert!(route(&loaded.plan, "admin", Some("/x")).unwrap().outside);
}

#[test]
fn a_logged_decision_is_explained_as_far_as_its_line_goes() {
    let (_folder, loaded) =
        with_policy("[{allow: {and: [{domain: example.com}, {claim/groups: admins}, {claim/level: 5}]}}]");
    let line = |id: &str, reasons: &str| {
        format!(
            "{{\"message\":\"authorize check\",\"request-id\":\"{id}\",\"method\":\"GET\",\"path\":\"/\",\"host\":\"app.example.com\",\
             \"ip\":\"10.0.0.1\",\"session-id\":\"s\",\"user\":\"u\",\"email\":\"alice@example.com\",\"route-id\":\"1\",\
             \"allow\":false,\"allow-why-false\":{reasons},\"deny\":false,\"deny-why-false\":[]}}\n"
        )
    };
    let log = format!(
        "not json r-1\n{}{}{{\"message\":\"http-request\",\"request-id\":\"r-1\"}}\n",
        line("r-0", "[]"),
        line("r-1", "[\"claim-unauthorized\"]")
    );
    let found = find(&mut log.as_bytes(), "r-1").unwrap();
    let logged = Logged::new(found, Some((&loaded.plan, &loaded.places)));
    assert_eq!(logged.decision.verdict, Verdict::Deny(403));
    let mut text = String::new();
    logged_text(&logged, false, &mut text).unwrap();
    assert!(text.starts_with("DENY 403: alice@example.com asked for GET / on app.example.com\n"), "{text}");
    assert!(text.contains("✓ domain is \"example.com\"") && text.contains("? claim/groups has \"admins\""), "{text}");
    assert!(text.contains("the log line does not hold what decides about claim:"), "{text}");
    assert!(find(&mut log.as_bytes(), "r-2").unwrap_err().to_string().contains("no `authorize check` line"));
}

#[test]
fn lines_of_any_length_are_survived() {
    let mut log = vec![b'x'; LINE_BYTES_MAX * 2 + 7];
    log.extend_from_slice(b"r-1\n\xff\xfe r-1\n");
    assert!(find(&mut log.as_slice(), "r-1").is_err());
}
