//! The configuration as an operator meets it: diagnostics and exit codes, reloads that are good and bad.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::process::Process;
use crate::harness::vallum::{HOST, SHARED_SECRET, and, clear, command, get, public_route};
use crate::harness::{PATIENCE, Upstream, Vallum, wait_until};

/// Runs `vallum ARGUMENTS` to its end.
fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("the binary")
}

/// `vallum validate` of a file with `text`: exit code and everything printed.
fn validate(text: &str) -> (i32, String) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, text).unwrap();
    let output = run(&["validate", file.to_str().unwrap()]);
    let printed = [output.stdout, output.stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat();
    (output.status.code().expect("an exit code"), printed)
}

const GOOD: &str = "\
address: 127.0.0.1:0
insecure_server: true
shared_secret: dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
cookie_secret: dGhlIGNvb2tpZSBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
routes:
  - from: https://app.example.com
    to: http://127.0.0.1:8080
    allow_public_unauthenticated_access: true
";

#[test]
fn a_good_file_validates() {
    let (code, printed) = validate(GOOD);
    assert_eq!(code, 0, "{printed}");
}

#[test]
fn the_example_in_config_validates() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut files = std::fs::read_dir(&folder).expect("the folder config").map(|e| e.unwrap().path());
    let file = files.find(|f| f.extension().is_some_and(|e| e == "yaml")).expect("an example");
    let output = run(&["validate", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let text = GOOD.replace("127.0.0.1:0", "nowhere").replace("http://127.0.0.1:8080", "127.0.0.1:8080")
        + "  - from: app.example.com\n    to: http://127.0.0.1:8080\n    timeout: soon\n";
    let (code, printed) = validate(&text);
    assert_eq!(code, 1, "{printed}");
    for (line, about) in [(1, "address"), (7, "to"), (9, "from"), (11, "timeout")] {
        assert!(printed.contains(&format!("config.yaml:{line}:")), "nothing about {about} in line {line}:\n{printed}");
    }
}

#[test]
fn an_unknown_key_warns_and_names_the_nearest() {
    let (code, printed) = validate(&GOOD.replace("insecure_server", "insecure_sever"));
    assert!(printed.contains("config.yaml:2:") && printed.contains("insecure_server"), "{printed}");
    assert_eq!(code, 0, "an unknown key alone is no error:\n{printed}");
}

#[test]
fn a_removed_key_is_fatal_in_routes_and_in_policy() {
    for list in ["routes", "policy"] {
        let text = GOOD.replace("routes:", &format!("{list}:")) + "    allowed_groups: [admins]\n";
        let (code, printed) = validate(&text);
        assert!(
            code == 1 && printed.contains("allowed_groups") && printed.contains("config.yaml:9:"),
            "{list}:\n{printed}"
        );
    }
}

#[test]
fn broken_yaml_is_placed_too() {
    for (text, line) in [("address: [\n", ""), ("address: 127.0.0.1:0\nroutes: {\n", ""), ("\tx: y\n", ":1:")] {
        let (code, printed) = validate(text);
        assert!(code == 1 && printed.contains(&format!("config.yaml{line}")), "{text:?}:\n{printed}");
    }
}

#[test]
fn policies_are_checked() {
    let with = |policy: &str| {
        GOOD.replace("    allow_public_unauthenticated_access: true\n", "") + "    policy:\n      - allow:\n" + policy
    };
    assert_eq!(validate(&with("          or:\n            - email: alice@example.com\n")).0, 0);
    for (policy, word) in [
        ("          xor:\n            - accept: true\n", "xor"),
        ("          or:\n            - no_such_criterion: true\n", "no_such_criterion"),
        ("          or:\n            - source_ip: not an address\n", "source_ip"),
    ] {
        let (code, printed) = validate(&with(policy));
        assert!(code == 1 && printed.contains(word), "{printed}");
    }
}

#[test]
fn secrets_are_never_printed() {
    let secret = "c2hvcnQgYW5kIHNlY3JldA==";
    let (code, printed) = validate(&GOOD.replace(SHARED_SECRET, secret));
    assert_eq!(code, 1);
    assert!(!printed.contains(secret) && !printed.contains("short and secret"), "{printed}");
}

#[test]
fn exit_codes_of_wrong_usage() {
    assert_eq!(run(&["no-such-command"]).status.code(), Some(2));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    let missing = run(&["run", "--config", "/nonexistent/vallum.yaml"]);
    assert_eq!(missing.status.code(), Some(78), "EX_CONFIG, which systemd does not restart after");
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nonexistent/vallum.yaml"), "{missing:?}");
}

#[test]
fn pomeriums_flag_and_environment_are_understood() {
    let upstream = Upstream::echo();
    let folder = TempDir::new().unwrap();
    let settings = clear(json!([public_route(HOST, json!(upstream.url()))]));
    let file = crate::harness::vallum::write_config(folder.path(), &and(settings, json!({"address": "192.0.2.1:1"})));
    // The environment wins over the file: with the file's address it could not start.
    let mut command = command();
    command.arg("-config").arg(file).env("ADDRESS", "127.0.0.1:0");
    let mut process = Process::start("vallum", &mut command);
    process.wait_for_line("the listener", |line| line.contains("\"listening\"").then_some(()));
}

#[test]
fn a_reload_changes_routes_and_a_bad_one_changes_nothing() {
    let (first, second) = (Upstream::named("first"), Upstream::named("second"));
    let to = |upstream: &Upstream| clear(json!([public_route(HOST, json!(upstream.url()))]));
    let vallum = Vallum::start(to(&first));
    let mut kept = vallum.connect();
    assert_eq!(kept.ask(get(HOST, "/", "")).json()["server"], "first");

    assert!(vallum.reload(to(&second)));
    assert_eq!(kept.ask(get(HOST, "/", "")).json()["server"], "second", "an open connection follows the new plan");
    assert_eq!(vallum.connect().ask(get(HOST, "/", "")).json()["server"], "second");

    for bad in ["routes: [", "no such thing", "routes:\n  - from: nowhere\n    to: nothing\n", ""] {
        assert!(!vallum.reload_text(bad), "{bad:?} was adopted");
        assert_eq!(vallum.connect().ask(get(HOST, "/", "")).json()["server"], "second");
    }
    assert_eq!(vallum.scrape().value("vallum_config_last_reload_successful", &[]), 0.0);
    assert!(vallum.reload(to(&first)));
    assert_eq!(kept.ask(get(HOST, "/", "")).json()["server"], "first");
    assert_eq!(vallum.scrape().value("vallum_config_last_reload_successful", &[]), 1.0);
}

#[test]
fn reloads_under_load_lose_nothing() {
    let upstream = Upstream::echo();
    let settings = clear(json!([public_route(HOST, json!(upstream.url()))]));
    let vallum = Vallum::start(settings.clone());
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|i| {
            let (mut wire, stop, served) = (vallum.connect(), stop.clone(), served.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let answer = wire.ask(get(HOST, &format!("/client/{i}"), ""));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 0..20 {
        let before = served.load(Ordering::SeqCst);
        let more = json!({"timeout_idle": format!("{}s", 100 + round)});
        assert!(vallum.reload(and(settings.clone(), more)));
        wait_until("requests after a reload", || (served.load(Ordering::SeqCst) > before + 50).then_some(()));
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().expect("no client failed");
    }
    assert_eq!(vallum.panics(), [""; 0]);
}

#[test]
fn a_running_request_outlives_sigterm() {
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let upstream = Upstream::with(move |served| {
        served.request()?;
        served.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl")?;
        gate.lock().unwrap().recv_timeout(PATIENCE).ok();
        served.write("ow")
    });
    let mut vallum = Vallum::public(&upstream);
    let mut idle = vallum.connect();
    idle.ask(get(HOST, "/ping", ""));
    let mut wire = vallum.connect();
    wire.send(get(HOST, "/slow", ""));
    upstream.wait_for_requests(1);
    vallum.process.signal(rustix::process::Signal::TERM);
    assert!(idle.drain().is_empty(), "an idle connection is closed");
    go.send(()).unwrap();
    assert_eq!(wire.answer().text(), "slow");
    assert_eq!(vallum.process.wait(PATIENCE).code(), Some(0));
}
