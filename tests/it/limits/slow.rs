//! slowhttptest: heads, bodies and readers that never come to an end, and overlapping ranges. Another client is answered
//! all the while, and nothing that was taken is kept.

use std::process::Stdio;

use serde_json::json;

use crate::harness::peers::program;
use crate::harness::process::Process;
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Upstream, Vallum, wait_until};

/// Connections of one attack.
const CONNECTIONS: &str = "400";
/// Growth of resident memory that is put down to warm caches and pools, in KiB.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

/// Runs slowhttptest in `mode` for a few seconds, with a probe of our own beside it.
#[track_caller]
fn attack(vallum: &Vallum, mode: &[&str]) {
    let before = vallum.process.resident_kib();
    let mut command = program("slowhttptest");
    let url = format!("http://{}/bytes/200000", vallum.address);
    command.args(mode).args(["-c", CONNECTIONS, "-r", "200", "-l", "6", "-p", "5", "-u", &url]).stdin(Stdio::null());
    let mut attacker = Process::start("slowhttptest", &mut command);
    let mut probes = 0;
    while attacker.is_running() {
        assert_eq!(vallum.connect().ask(get(HOST, "/ping", "")).status, 200, "{mode:?}: probe {probes}");
        assert_eq!(vallum.connect().ask(get(HOST, "/", "")).status, 200, "{mode:?}: probe {probes} to the upstream");
        probes += 1;
    }
    let after = vallum.process.resident_kib();
    println!("{mode:?}: {probes} probes, resident {before} KiB, then {after} KiB");
    assert!(probes > 0, "{mode:?}: it was over before it was looked at");
    assert!(after < before + GROWTH_KIB_MAX, "{mode:?}: resident memory grew from {before} to {after} KiB");
    let open = || vallum.scrape().value("vallum_connections_open", &[]);
    wait_until("the attack's connections to be gone", || (open() < 5.0).then_some(()));
    assert_eq!(vallum.panics(), [""; 0]);
}

#[test]
fn slow_clients_exhaust_nothing() {
    let upstream = Upstream::echo();
    let to = json!(upstream.url());
    // It sends the address as Host.
    let routes = clear(json!([public_route(HOST, to.clone()), public_route("127.0.0.1", to)]));
    let times = json!({"timeout_head": "2s", "timeout_read": "2s", "timeout_write": "2s", "timeout_idle": "5s"});
    let vallum = Vallum::start(and(and(routes, json!({"workers": 1})), times));
    attack(&vallum, &["-H", "-i", "1"]);
    attack(&vallum, &["-B", "-i", "1", "-s", "8192"]);
    attack(&vallum, &["-R", "-a", "1", "-b", "3000"]);
    assert!(upstream.requests().iter().any(|request| request.target == "/bytes/200000" && request.has("range")));
    attack(&vallum, &["-X", "-w", "1", "-y", "10", "-n", "1", "-z", "10", "-k", "3"]);
}
