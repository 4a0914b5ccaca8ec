//! Half a minute of load, with a reload and the death of an upstream in the middle.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::peers::{Nginx, program};
use crate::harness::process::Process;
use crate::harness::vallum::{HOST, get, public_route};
use crate::harness::{Vallum, wait_for, wait_until};

const CONNECTIONS: usize = 256;
const SECONDS: u64 = 30;
/// Growth of resident memory that is put down to warm caches and pools, in KiB.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

fn wrk(vallum: &Vallum, seconds: u64) -> Process {
    let mut command = program("wrk");
    command.args(["--threads", "1", "--connections", &CONNECTIONS.to_string(), "--duration", &format!("{seconds}s")]);
    command.args(["--timeout", "10s", "--header", &format!("Host: {HOST}")]);
    command.arg(format!("https://{}/", vallum.address));
    Process::start("wrk", &mut command)
}

/// The number right after `word` in the report of wrk; 0 when the word is not there.
fn after_word(report: &str, word: &str) -> u64 {
    let rest = report.split_once(word).map_or("", |(_, rest)| rest);
    rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The number right before `word`.
fn before_word(report: &str, word: &str) -> u64 {
    let head = report.split_once(word).map_or("", |(head, _)| head);
    head.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).unwrap_or(0)
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

    let (mut load, began) = (wrk(&vallum, SECONDS), Instant::now());
    let at = |second: u64| {
        let reached = || (began.elapsed().as_secs() >= second).then_some(());
        wait_for("a moment within the load", Duration::from_secs(SECONDS), reached)
    };
    at(SECONDS / 3);
    assert!(vallum.hang_up(), "a reload under load");
    at(SECONDS / 2);
    victim.kill();
    at(SECONDS * 2 / 3);
    assert!(vallum.hang_up(), "a second reload, with one upstream dead");
    assert!(load.is_running(), "the load was over before its time");
    let status = load.wait(Duration::from_secs(SECONDS + 30));
    let report = load.lines().join("\n");
    assert!(status.success(), "{report}");
    println!("{report}");

    assert!(before_word(&report, " requests in ") > 5_000, "{report}");
    // Only what was on its way to the dead upstream may fail: at most one request for each connection.
    let failed = after_word(&report, "Non-2xx or 3xx responses: ");
    let cut: u64 = ["connect ", "read ", "write ", "timeout "].iter().map(|w| after_word(&report, w)).sum();
    assert!(failed + cut <= CONNECTIONS as u64, "{failed} failed answers and {cut} cut connections:\n{report}");
    assert_eq!(vallum.panics(), [""; 0]);
    assert_eq!(vallum.scrape().value("vallum_worker_panics_total", &[]), 0.0);
    assert_eq!(vallum.connect_tls(HOST).ask(get(HOST, "/", "")).text(), "survivor");

    let after = quiet();
    println!("resident before {before} KiB, after {after} KiB");
    assert!(after < before + GROWTH_KIB_MAX, "resident memory grew from {before} to {after} KiB");
}

fn idle(vallum: &Vallum) -> bool {
    vallum.scrape().value("vallum_connections_open", &[]) == 0.0
}
