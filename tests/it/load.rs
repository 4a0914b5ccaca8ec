//! Half a minute of load, with a reload and the death of an upstream in the middle.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::peers::{Nginx, program};
use crate::harness::process::Process;
use crate::harness::vallum::{HOST, get, public_route};
use crate::harness::{Vallum, wait_for, wait_until};

const CONNECTIONS: usize = 256;
const SECONDS: u64 = 30;
/// Growth of resident memory that is put down to warm caches and pools, in KiB.
const GROWTH_KIB_MAX: u64 = 32 * 1024;
const REQUESTS: &str = "vallum_http_requests_total";

fn wrk(vallum: &Vallum, seconds: u64) -> Process {
    let mut command = program("wrk");
    command.args(["--threads", "1", "--connections", &CONNECTIONS.to_string(), "--duration", &format!("{seconds}s")]);
    command.args(["--timeout", "10s", "--header", &format!("Host: {HOST}")]);
    command.arg(format!("https://{}/", vallum.address));
    Process::start("wrk", &mut command)
}

/// The number behind `label` in the output of wrk; 0 when there is none.
fn reported(lines: &[String], label: &str) -> u64 {
    let rest = lines.iter().find_map(|l| l.split_once(label).map(|(_, rest)| rest.trim().to_owned()));
    rest.and_then(|r| r.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().ok()).unwrap_or(0)
}

#[test]
fn a_reload_and_a_dead_upstream_under_load() {
    let (mut victim, survivor) = (Nginx::start("victim"), Nginx::start("survivor"));
    let mut route = public_route(HOST, json!([victim.url(), survivor.url()]));
    route["set_response_headers"] = json!({"X-Test": "load"});
    let vallum = Vallum::start(json!({"routes": [route], "proxy_log_level": "error"}));

    // Warm first, so that what is compared afterwards is the steady state.
    wrk(&vallum, 3).wait(Duration::from_secs(20));
    let quiet = || wait_until("all connections to end", || idle(&vallum).then(|| vallum.process.resident_kib()));
    let before = quiet();
    let served = vallum.scrape().value(REQUESTS, &[]);

    let mut load = wrk(&vallum, SECONDS);
    let at = |share: f64, what: &str| {
        // The middle of the run is found by the requests served, not by the clock: see `progress`.
        wait_for(what, Duration::from_secs(SECONDS), || (progress(&vallum, served) >= share).then_some(()))
    };
    at(5_000.0, "load");
    assert!(vallum.hang_up(), "a reload under load");
    at(10_000.0, "load after the reload");
    victim.kill();
    assert!(vallum.hang_up(), "a second reload, with one upstream dead");
    assert!(load.is_running(), "the load was over before its middle");
    let status = load.wait(Duration::from_secs(SECONDS + 30));
    let lines = load.lines();
    assert!(status.success(), "{lines:?}");

    let (sent, failed) = (reported(&lines, "requests in"), reported(&lines, "Non-2xx or 3xx responses:"));
    println!("{}", lines.join("\n"));
    let total: u64 = lines.iter().find_map(|l| l.split_once(" requests in ")?.0.trim().parse().ok()).unwrap_or(sent);
    assert!(total > 10_000, "{lines:?}");
    // Only what was on its way to the dead upstream may fail: at most one request for each connection.
    let broken = lines.iter().find(|l| l.contains("Socket errors")).cloned().unwrap_or_default();
    let cut: u64 =
        ["read ", "write ", "timeout ", "connect "].iter().map(|w| reported(std::slice::from_ref(&broken), w)).sum();
    assert!(failed + cut <= CONNECTIONS as u64, "{failed} failed answers, {broken}");
    assert_eq!(vallum.panics(), [""; 0]);
    assert_eq!(vallum.scrape().value("vallum_worker_panics_total", &[]), 0.0);
    assert_eq!(vallum.connect_tls(HOST).ask(get(HOST, "/", "")).text(), "survivor");

    let after = quiet();
    println!("resident before {before} KiB, after {after} KiB");
    assert!(after < before + GROWTH_KIB_MAX, "resident memory grew from {before} to {after} KiB");
    survivor.process.signal(Signal::TERM);
}

fn idle(vallum: &Vallum) -> bool {
    vallum.scrape().value("vallum_connections_open", &[]) == 0.0
}

/// Requests since `served`.
fn progress(vallum: &Vallum, served: f64) -> f64 {
    vallum.scrape().value(REQUESTS, &[]) - served
}
