//! Files of tests that are wrong, cases that come out otherwise, and what no case exercises.

use super::*;
use crate::control::config::{self, Environment, Loaded, cases, render};

const CONFIGURATION: &str = "\
insecure_server: true
shared_secret: dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
cookie_secret: dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
routes:
  - name: wiki
    from: https://wiki.example.com
    to: http://127.0.0.1:1
    policy: [{ allow: { or: [{ claim/groups: staff }] }, deny: { or: [{ email: x@example.com }] } }]
  - name: other
    from: https://other.example.com
    to: http://127.0.0.1:1
    allow_any_authenticated_user: true
";

fn folder(tests: &str) -> (tempfile::TempDir, Loaded) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    std::fs::write(&file, CONFIGURATION).unwrap();
    std::fs::write(folder.path().join("t.yaml"), tests).unwrap();
    let loaded = config::load(Some(&file), &Environment::new(), 1).unwrap();
    (folder, loaded)
}

#[test]
fn what_differs_and_what_is_missing_is_told() {
    let tests = "\
cases:
  - name: staff reads
    who: { email: a@example.com, groups: [staff] }
    route: wiki
    expect: allow
  - name: guests read
    who: { email: b@example.com }
    route: wiki
    expect: allow
    reasons: [claim-ok]
";
    let (folder, loaded) = folder(tests);
    let file = cases::read(&folder.path().join("t.yaml")).unwrap();
    let report = run("t.yaml".into(), file.cases, &loaded.plan, &loaded.places, 0).unwrap();
    assert_eq!(report.failed(), 1);
    let mut text = String::new();
    super::text(&report, false, &mut text).unwrap();
    let text = text.replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(
        text,
        "\
t.yaml
  ✓ staff reads
  ✗ guests read t.yaml:8:12
      - expected allow: claim-ok
      + got      deny 403: claim-unauthorized
        allow: ✗ claim/groups has \"staff\" → claim-unauthorized c.yaml:8:32
        to pass: be in the group \"staff\" (claim/groups)
covered: 1 of 2 routes, 1 of 3 rules
  · in no case holds deny.or of the route wiki c.yaml:8:66
  · no case asks for the route other c.yaml:9:5
1 passed, 1 failed
"
    );
    let json = super::json(&report);
    assert_eq!((&json["failed"], &json["cases"][1]["why"]["verdict"]), (&1.into(), &"deny".into()));
    assert_eq!(json["coverage"]["missing"][0]["rule"], "deny.or");
    let mut xml = String::new();
    super::junit(&[report], &mut xml).unwrap();
    assert!(xml.contains("<testsuite name=\"t.yaml\" tests=\"2\" failures=\"1\">"), "{xml}");
    assert!(xml.contains("claim/groups has &quot;staff&quot;"), "{xml}");
}

#[test]
fn every_problem_of_a_file_is_told_with_its_place() {
    let tests = "\
peple: {}
people:
  nobody: { email: a@b.example }
  alice: { emial: a@b.example }
cases:
  - { who: alcie, route: wiki, expect: allow }
  - { who: a@b.example, route: wiki, expect: alow }
  - { route: wiki, url: \"https://a.example\", expect: deny, status: 999 }
  - { expect: deny }
  - { route: wiki, reasons: [claim-unautorized], ip: 10.0.0.0/8, time: noon }
  - text
";
    let (folder, _) = folder(tests);
    let problems = cases::read(&folder.path().join("t.yaml")).unwrap_err();
    let mut text = String::new();
    render::text(&problems.list, false, &mut text).unwrap();
    for (line, message, help) in [
        (1, "unknown key `peple`", "did you mean `people`?"),
        (3, "`nobody` stands for whoever is not signed in", "choose another name"),
        (4, "unknown key `emial`", "did you mean `email`?"),
        (6, "\"alcie\" is nobody under `people`", "did you mean `alice`?"),
        (7, "\"a@b.example\" is nobody under `people`", "write `who: { email: a@b.example }`"),
        (7, "\"alow\" is nothing that can be expected", "did you mean `allow`?"),
        (8, "`url` cannot stand beside `route`", ""),
        (8, "expected a whole number from 100 to 599", ""),
        (9, "the case names no route", "add `route: NAME`"),
        (10, "there is no reason \"claim-unautorized\"", "did you mean `claim-unauthorized`?"),
        (10, "\"10.0.0.0/8\" is no IP address", "write one address"),
        (10, "\"noon\" is no date and time", "write it like"),
        (10, "the case expects nothing", "add `expect: allow`"),
        (11, "expected a case (a map), found a string", "write `cases:"),
    ] {
        let found = problems.list.iter().find(|p| {
            p.message.contains(message)
                && p.place.as_ref().is_some_and(|place| place.line == line)
                && p.help.as_deref().unwrap_or_default().contains(help)
        });
        assert!(found.is_some(), "{line}: {message}\n{text}");
    }
}

#[test]
fn a_route_that_does_not_exist_is_no_refusal() {
    let (folder, loaded) = folder("cases: [{ route: wki, expect: deny }, { url: 'https://x.example/', expect: deny }]");
    let file = cases::read(&folder.path().join("t.yaml")).unwrap();
    let wrong = run("t.yaml".into(), file.cases, &loaded.plan, &loaded.places, 0).unwrap_err();
    let [wrong] = wrong.as_slice() else { panic!("{wrong:?}") };
    assert_eq!(wrong.message, "no route is called \"wki\"; did you mean \"wiki\"?");
}
