//! What Prometheus gets: text that its own tool accepts, and counts that are right.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::harness::peers::program;
use crate::harness::vallum::{HOST, clear, get, public_route};
use crate::harness::{Upstream, Vallum, Wire};

/// `promtool check metrics` of `text`: what it complains about, empty when it is content.
fn promtool(text: &str) -> String {
    let mut command = program("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat();
    if output.status.success() && said.trim().is_empty() { String::new() } else { format!("{}: {said}", output.status) }
}

#[test]
fn a_scrape_passes_promtool_before_and_after_traffic() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(json!({"routes": [public_route(HOST, json!(upstream.url()))]}));
    assert_eq!(promtool(&vallum.metrics()), "");
    let mut wire = vallum.connect_tls(HOST);
    for request in
        [get(HOST, "/", ""), get("nowhere.test", "/", ""), get(HOST, "/\"quoted\\path\"", ""), "x\r\n\r\n".into()]
    {
        wire.send(request).try_answer("GET").ok();
    }
    vallum.wait_for_metric("vallum_http_requests_total", &[], 2.0);
    assert_eq!(promtool(&vallum.metrics()), "");
    assert_ne!(promtool("no metric at all {\n"), "", "promtool itself works");
}

#[test]
fn requests_are_counted_by_class_and_source() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    for _ in 0..7 {
        wire.ask(get(HOST, "/", ""));
    }
    for _ in 0..3 {
        wire.ask(get(HOST, "/status/500", ""));
        wire.ask(get("nowhere.test", "/", ""));
    }
    let requests = "vallum_http_requests_total";
    let scrape = vallum.wait_for_metric(requests, &[("source", "no_route")], 3.0);
    let count = |class, source| scrape.value(requests, &[("code_class", class), ("source", source)]);
    assert_eq!((count("2xx", "upstream"), count("5xx", "upstream"), count("4xx", "no_route")), (7.0, 3.0, 3.0));
    assert!(scrape.value("vallum_http_request_duration_seconds_count", &[]) >= 10.0);
    assert_eq!(scrape.value("vallum_authz_decisions_total", &[("result", "allow")]), 10.0);
}

#[test]
fn gauges_rise_and_fall() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let open = |vallum: &Vallum| vallum.scrape().value("vallum_connections_open", &[]);
    let reaches = |count: f64| crate::harness::wait_until("a gauge", || (open(&vallum) == count).then_some(()));
    reaches(0.0);
    let mut wires: Vec<Wire> = (0..5).map(|_| vallum.connect()).collect();
    for wire in &mut wires {
        wire.ask(get(HOST, "/", ""));
    }
    reaches(5.0);
    drop(wires);
    reaches(0.0);
    let scrape = vallum.scrape();
    assert_eq!(scrape.value("vallum_connections_opened_total", &[]), 5.0);
    assert_eq!(scrape.value("vallum_upstream_endpoints", &[("state", "up")]), 1.0);
    assert_eq!(scrape.value("vallum_build_info", &[]), 1.0);
    assert!(scrape.has("vallum_worker_busy_ratio"));
}

#[test]
fn strangers_do_not_make_series() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    vallum.connect().ask(get("warm-up.test", "/", ""));
    vallum.connect().ask(get(HOST, "/", ""));
    let before = vallum.wait_for_metric("vallum_http_requests_total", &[], 2.0).len();
    let mut wire = vallum.connect();
    for i in 0..300 {
        wire.ask(get(&format!("host-{i}.test"), &format!("/{i}"), ""));
        wire.ask(get(HOST, &format!("/{i}"), &format!("User-Agent: {i}\r\n")));
    }
    let after = vallum.wait_for_metric("vallum_http_requests_total", &[], 602.0).len();
    assert_eq!(before, after);
}

#[test]
fn metrics_are_on_their_own_address_alone() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(clear(json!([public_route(HOST, json!(upstream.url()))])));
    let answer = vallum.connect().ask(get("127.0.0.1", "/metrics", ""));
    assert_eq!(answer.status, 404);
    let elsewhere = Wire::clear(vallum.metrics_address()).ask(get("x", "/", "Connection: close\r\n"));
    assert!(!elsewhere.text().contains("vallum_http_requests_total"));
}
