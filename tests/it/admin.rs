//! The admin API by the command line: the verbs against a running process.

use std::process::Output;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::certificates::{Authority, Leaf};
use crate::harness::process::Process;
use crate::harness::vallum::{HOST, SHARED_SECRET, and, clear, command, get, public_route, write_config};
use crate::harness::{PATIENCE, Upstream, Vallum, Wire, wait_until};

/// A process with an admin socket in its folder.
fn start(upstream: &Upstream) -> Vallum {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder, upstream);
    Vallum::start_in(folder, settings)
}

fn settings(folder: &TempDir, upstream: &Upstream) -> Value {
    let socket = folder.path().join("admin.sock");
    and(clear(json!([public_route(HOST, json!(upstream.url()))])), json!({"admin_socket": socket}))
}

fn ask(vallum: &Vallum, arguments: &[&str]) -> Output {
    command().arg("--socket").arg(vallum.folder().join("admin.sock")).args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

#[test]
fn a_running_process_is_asked_by_its_local_socket() {
    let upstream = Upstream::echo();
    let vallum = start(&upstream);
    let status = json_of(&ask(&vallum, &["status", "--json"]));
    assert_eq!((&status["phase"], &status["generation"]), (&json!("RUNNING"), &json!(1)));
    assert_eq!(status["address"], vallum.address.to_string());
    assert!(printed(&ask(&vallum, &["status"])).contains("generation 1, 1 routes"));
    assert!(printed(&ask(&vallum, &["routes"])).contains(&upstream.url()));
    let healthy = ask(&vallum, &["health", "-v"]);
    assert_eq!((healthy.status.code(), printed(&healthy).contains("proxy.service RUNNING")), (Some(0), true));
    let image = ask(&vallum, &["image", "status"]);
    assert_eq!(image.status.code(), Some(1));
    assert!(printed(&image).contains("not an appliance"), "{image:?}");
    for verb in [&["status", "--json"][..], &["routes", "--json"], &["logs", "-n", "5000"]] {
        assert!(!printed(&ask(&vallum, verb)).contains(SHARED_SECRET), "{verb:?}");
    }
}

#[test]
fn a_reload_says_what_came_of_it() {
    let (upstream, folder) = (Upstream::echo(), TempDir::new().unwrap());
    let good = settings(&folder, &upstream);
    let vallum = Vallum::start_in(folder, good.clone());
    let adopted = ask(&vallum, &["reload"]);
    assert_eq!(adopted.status.code(), Some(0), "{adopted:?}");
    assert!(printed(&adopted).contains("adopted: generation 2"));

    write_config(vallum.folder(), &json!({"routes": [{"from": "nowhere", "to": "http://127.0.0.1:9"}]}));
    let refused = ask(&vallum, &["reload"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let text = printed(&refused);
    assert!(text.contains("config.yaml:") && text.contains("refused: generation 2 stays in force"), "{text}");
    let status = json_of(&ask(&vallum, &["status", "--json"]));
    assert!(status["last_error"]["why"].as_str().unwrap().contains("config.yaml:"), "{status}");

    write_config(vallum.folder(), &good);
    assert_eq!(ask(&vallum, &["reload"]).status.code(), Some(0));
    assert_eq!(json_of(&ask(&vallum, &["status", "--json"]))["last_error"], Value::Null);
}

#[test]
fn a_file_is_judged_by_the_running_process() {
    let vallum = start(&Upstream::echo());
    let elsewhere = TempDir::new().unwrap();
    let judge = |settings: &Value, more: &[&str]| {
        let file = write_config(elsewhere.path(), settings);
        ask(&vallum, &[&["validate", file.to_str().unwrap()], more].concat())
    };
    let good = judge(&clear(json!([])), &[]);
    assert_eq!((good.status.code(), printed(&good).contains(": valid")), (Some(0), true), "{good:?}");
    let bad = judge(&json!({"routes": "none"}), &["--format", "json"]);
    assert_eq!((bad.status.code(), &json_of(&bad)["valid"]), (Some(1), &json!(false)));
    assert_eq!(json_of(&ask(&vallum, &["status", "--json"]))["generation"], 1);
}

#[test]
fn the_log_is_printed_and_followed() {
    let vallum = start(&Upstream::echo());
    assert!(printed(&ask(&vallum, &["logs"])).contains("\"message\":\"listening\""));
    assert_eq!(printed(&ask(&vallum, &["logs", "-n", "1"])).lines().count(), 1);
    let mut command = command();
    command.arg("--socket").arg(vallum.folder().join("admin.sock")).args(["logs", "-f"]);
    let mut follower = Process::start("vallum logs -f", &mut command);
    follower.wait_for_line("a line from before", |line| line.contains("listening").then_some(()));
    vallum.connect().ask(get(HOST, "/a-request-to-come", ""));
    follower.wait_for_line("a line to come", |line| line.contains("/a-request-to-come").then_some(()));
}

#[test]
fn health_by_the_port_and_nobody_there() {
    let mut vallum = start(&Upstream::echo());
    let port = vallum.listener("health").to_string();
    let health = |more: &[&str]| command().args(["health", "-a", &port]).args(more).output().unwrap();
    wait_until("health", || health(&[]).status.success().then_some(()));
    assert!(printed(&health(&["-v"])).contains("config.databroker.build RUNNING"));
    vallum.process.signal(Signal::TERM);
    vallum.process.wait(PATIENCE);
    for output in [health(&[]), ask(&vallum, &["status"])] {
        assert_eq!(output.status.code(), Some(4), "{output:?}");
    }
    let nowhere = command().args(["--socket", "/nonexistent/admin.sock", "status"]).output().unwrap();
    assert!(printed(&nowhere).contains("does Vallum run here?"), "{nowhere:?}");
}

#[test]
fn a_dead_process_leaves_its_socket_to_the_next() {
    let (upstream, folder) = (Upstream::echo(), TempDir::new().unwrap());
    let settings = settings(&folder, &upstream);
    let file = write_config(folder.path(), &settings);
    let run = || {
        let mut process = Process::start("vallum", command().arg("run").arg("--config").arg(&file));
        process.wait_for_line("the socket", |line| line.contains("\"listener\":\"admin socket\"").then_some(()));
        process
    };
    let mut first = run();
    let second = Process::run("vallum", command().arg("run").arg("--config").arg(&file), Duration::from_secs(30));
    assert_eq!(second.0.code(), Some(1), "{second:?}");
    assert!(second.1.iter().any(|line| line.contains("another process serves it")), "{second:?}");
    first.kill_with_children();
    drop(run());
}

#[test]
fn every_verb_works_the_same_over_mutual_tls() {
    let (upstream, folder) = (Upstream::echo(), TempDir::new().unwrap());
    let (servers, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let server = servers.issue(folder.path(), "edge", &["edge.example.com"]);
    let [mine, theirs] =
        [(&clients, "me"), (&strangers, "them")].map(|(ca, name)| ca.issue(folder.path(), name, &[name]));
    std::fs::create_dir(folder.path().join("clients")).unwrap();
    let ca = clients.write_to(&folder.path().join("clients"));
    let roots = servers.write_to(folder.path());
    let more = json!({"certificates": [server.entry()], "admin_address": "127.0.0.1:0", "admin_client_ca_file": ca});
    let vallum = Vallum::start_in(folder, and(clear(json!([public_route(HOST, json!(upstream.url()))])), more));
    let host = vallum.listener("admin").to_string();
    let ask = |leaf: &Leaf, name: &str, verb: &[&str]| {
        let mut command = command();
        command.args(["--host", &host, "--server-name", name]).arg("--ca").arg(&roots);
        command.arg("--cert").arg(&leaf.cert).arg("--key").arg(&leaf.key).args(verb).output().unwrap()
    };
    let status = json_of(&ask(&mine, "edge.example.com", &["status", "--json"]));
    assert_eq!(status["address"], vallum.address.to_string());
    for verb in [&["health"][..], &["routes"], &["logs"], &["reload"], &["status"]] {
        let output = ask(&mine, "edge.example.com", verb);
        assert_eq!(output.status.code(), Some(0), "{verb:?} {output:?}");
    }
    for (leaf, name) in [(&theirs, "edge.example.com"), (&mine, "other.example.com")] {
        let output = ask(leaf, name, &["status"]);
        assert_eq!(output.status.code(), Some(4), "{name} {output:?}");
    }
    let anybody = Wire::tls_with(vallum.listener("admin"), "edge.example.com", servers.trusting_client());
    let served = anybody.and_then(|mut wire| {
        wire.try_send(get("edge.example.com", "/v1/status", ""))?;
        wire.try_answer("GET")
    });
    assert!(served.is_err(), "without a certificate: {served:?}");
}
