//! The health port: what it says in each phase of the process's life.

use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{PATIENCE, Upstream, Vallum, Wire, wait_until};

fn probe(port: SocketAddr, path: &str) -> (u16, Value) {
    let answer = Wire::clear(port).ask(get("health", path, "Connection: close\r\n"));
    (answer.status, answer.json())
}

#[test]
fn a_serving_process_is_started_ready_and_live() {
    let vallum = Vallum::start(clear(json!([public_route(HOST, json!("http://127.0.0.1:9"))])));
    let port = vallum.listener("health");
    for path in ["/startupz", "/readyz", "/healthz", "/status", "/startup", "/ready", "/livez", "/live"] {
        let (status, document) = wait_until(path, || Some(probe(port, path)).filter(|(status, _)| *status == 200));
        assert_eq!(document["statuses"]["proxy.service"], json!({"status": "RUNNING"}), "{path} {status}");
    }
    let bad = json!({"routes": "none"});
    assert!(!vallum.reload(bad));
    let (status, document) = probe(port, "/readyz");
    assert_eq!(status, 200, "the old configuration serves");
    let refused = document["statuses"]["config.databroker.build"]["attributes"]["refused"].as_str().unwrap();
    assert!(refused.contains("config.yaml:"), "{refused}");
    assert_eq!(Wire::clear(port).ask(get("health", "/metrics", "")).status, 404);
}

#[test]
fn readiness_goes_before_the_listener_does() {
    let upstream = Upstream::echo();
    let settings = clear(json!([public_route(HOST, json!(upstream.url()))]));
    let mut vallum = Vallum::start(and(settings, json!({"drain_notice": "1h"})));
    let port = vallum.listener("health");
    wait_until("readiness", || (probe(port, "/readyz").0 == 200).then_some(()));
    vallum.process.signal(Signal::TERM);
    wait_until("the end of readiness", || (probe(port, "/readyz").0 == 503).then_some(()));
    assert_eq!(probe(port, "/healthz").0, 200, "it need not be killed");
    assert_eq!(vallum.connect().ask(get(HOST, "/", "")).status, 200, "clients are still served");
    vallum.process.signal(Signal::TERM);
    assert_eq!(vallum.process.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_named_port_must_be_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::TempDir::new().unwrap();
    let settings = and(clear(json!([])), json!({"health_check_addr": address}));
    let file = crate::harness::vallum::write_config(folder.path(), &settings);
    let output = crate::harness::vallum::command().arg("run").arg("--config").arg(file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(printed.contains(&format!("cannot listen on health_check_addr {address}")), "{printed}");
}
