//! Policies asked about requests that are made up: verdicts, exit codes, and what CI reads.

use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::vallum::{HOST, clear, command, get};
use crate::harness::{Upstream, Vallum, wait_until};

/// Runs `vallum ARGUMENTS` in the repository.
fn run(arguments: &[&str]) -> Output {
    let mut command = command();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().expect("the binary")
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn the_example_of_policy_tests_passes() {
    let output = run(&["test", "config/policy-tests.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(printed(&output).contains("\ncovered: "), "{}", printed(&output));
    let junit = run(&["test", "config/policy-tests.yaml", "--format", "junit"]);
    assert!(printed(&junit).starts_with("<?xml"), "{}", printed(&junit));
}

#[test]
fn exit_codes_say_what_came_of_it() {
    let why = |more: &[&str]| run(&[&["why", "-c", "config/vallum.yaml"][..], more].concat());
    for (arguments, code) in [
        (&["--route", "wiki", "--email", "a@example.com"][..], 0),
        (&["--route", "wiki", "--email", "a@example.org"], 1),
        (&["--route", "wiki"], 1),
        (&["--route", "https://status.example.com/"], 0),
        (&["--route", "wikki"], 2),
        (&["--route", "wiki", "--ip", "nowhere"], 2),
        (&["--claim", "x"], 2),
    ] {
        let output = why(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", printed(&output));
    }
    let json = why(&["--route", "wiki", "--format", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["verdict"], "sign_in");
    assert_eq!(run(&["explain", "never-true"]).status.code(), Some(0));
    assert_eq!(run(&["explain", "nevr-true"]).status.code(), Some(2));
    let folder = TempDir::new().unwrap();
    let tests = folder.path().join("t.yaml");
    let configuration = concat!(env!("CARGO_MANIFEST_DIR"), "/config/vallum.yaml");
    for (cases, code) in [
        ("cases: [{ route: wiki, expect: sign-in }]", 0),
        ("cases: [{ route: wiki, expect: allow }]", 1),
        ("cases: [{ route: wiki, expect: maybe }]", 2),
        ("cases: [{ route: wikki, expect: allow }]", 2),
    ] {
        std::fs::write(&tests, cases).unwrap();
        let output = run(&["test", tests.to_str().unwrap(), "-c", configuration]);
        assert_eq!(output.status.code(), Some(code), "{cases}\n{}", printed(&output));
    }
}

/// The same reasons in the answer, in the log, in the metric, and in what `why` makes of the log.
#[test]
fn a_refusal_has_the_same_reasons_everywhere() {
    let upstream = Upstream::echo();
    let route = |details: bool| {
        serde_json::json!({
            "name": "app", "from": format!("https://{HOST}"), "to": upstream.url(), "show_error_details": details,
            "policy": [{"allow": {"and": [{"http_path": "/open"}]}}],
        })
    };
    let vallum = Vallum::start(clear(serde_json::json!([route(true)])));
    let fields = "Accept: application/json\r\nX-Request-Id: why-test-1\r\nConnection: close\r\n";
    let answer = vallum.connect().ask(get(HOST, "/closed", fields));
    assert_eq!(answer.status, 403);
    let text = answer.text();
    assert!(text.contains("http_path is \\\"/open\\\" → http-path-unauthorized"), "{text}");
    let line = vallum.wait_for_log(&[("message", "authorize check".into())]);
    assert_eq!(line["allow-why-false"], serde_json::json!(["http-path-unauthorized"]));
    let labels = [("route", "app"), ("result", "deny"), ("reason", "http-path-unauthorized")];
    vallum.wait_for_metric("vallum_authz_decisions_total", &labels, 1.0);
    let log = vallum.folder().join("log");
    std::fs::write(&log, format!("{line}\n")).unwrap();
    let id = line["request-id"].as_str().unwrap();
    let configuration = vallum.folder().join("config.yaml");
    let explained =
        run(&["why", "--request-id", id, "--log", log.to_str().unwrap(), "-c", configuration.to_str().unwrap()]);
    assert_eq!(explained.status.code(), Some(1), "{}", printed(&explained));
    assert!(printed(&explained).contains("✗ http_path is \"/open\""), "{}", printed(&explained));
    assert!(vallum.reload(clear(serde_json::json!([route(false)]))));
    let silent = wait_until("the new configuration", || {
        let text = vallum.connect().ask(get(HOST, "/closed", fields)).text();
        (!text.contains("http_path")).then_some(text)
    });
    assert!(silent.contains("request_id") && !silent.contains("unauthorized"), "{silent}");
}
