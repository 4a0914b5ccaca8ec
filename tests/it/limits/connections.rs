//! Caps on connections: of all clients, and of one source.

use std::net::IpAddr;

use serde_json::json;

use super::limited;
use crate::harness::vallum::{HOST, get};
use crate::harness::{Upstream, Vallum, Wire, wait_until};

fn works(wire: &mut Wire) -> bool {
    wire.send(get(HOST, "/", "")).try_answer("GET").is_ok_and(|answer| answer.status == 200)
}

/// Opens connections, each with a request answered, until `open` of them work; the next one must not.
#[track_caller]
fn fill(open: usize, mut connect: impl FnMut() -> Wire) -> Vec<Wire> {
    let mut wires: Vec<Wire> = (0..open).map(|_| connect()).collect();
    assert!(wires.iter_mut().all(works), "one of the first {open}");
    assert!(!works(&mut connect()), "one more than {open}");
    wires
}

#[track_caller]
fn told(vallum: &Vallum, limit: &str) {
    vallum.wait_for_metric("vallum_connections_rejected_total", &[("cause", limit)], 1.0);
    vallum.wait_for_metric("vallum_limits_total", &[("limit", limit)], 1.0);
    vallum.wait_for_log(&[("message", json!("connection refused")), ("cause", json!(limit))]);
}

#[test]
fn one_source_has_so_many_and_no_more() {
    let upstream = Upstream::echo();
    // Two workers: the count is of the process, however the kernel spreads connections.
    let vallum = limited(&upstream, json!({"max_connections_per_source": 5, "workers": 2}));
    let from = |last: u8| Wire::clear_from(IpAddr::from([127, 0, 0, last]), vallum.address);
    let mut wires = fill(5, || from(2));
    let others = fill(5, || from(3));
    told(&vallum, "max_connections_per_source");
    assert!(works(&mut wires[0]), "those who are in stay in");
    wires.pop();
    let mut again = wait_until("room for the source", || Some(from(2)).filter_map_works());
    assert!(works(&mut again) && works(&mut wires[0]));
    drop(others);
}

#[test]
fn all_together_have_so_many_and_no_more() {
    let upstream = Upstream::echo();
    let vallum = limited(&upstream, json!({"max_connections": 6, "workers": 2}));
    let mut last = 1;
    let wires = fill(6, || {
        last += 1;
        Wire::clear_from(IpAddr::from([127, 0, 0, last]), vallum.address)
    });
    told(&vallum, "max_connections");
    drop(wires);
    wait_until("room", || Some(vallum.connect()).filter_map_works());
}

#[test]
fn behind_a_balancer_the_address_in_the_header_counts() {
    let upstream = Upstream::echo();
    let settings = json!({
        "use_proxy_protocol": true, "proxy_protocol_trusted_cidrs": ["127.0.0.0/8"], "max_connections_per_source": 3,
    });
    let vallum = limited(&upstream, settings);
    let from = |source: &str| {
        let mut wire = vallum.connect();
        wire.send(format!("PROXY TCP4 {source} 192.0.2.9 1000 443\r\n"));
        wire
    };
    let first = fill(3, || from("192.0.2.1"));
    let second = fill(3, || from("192.0.2.2"));
    told(&vallum, "max_connections_per_source");
    drop((first, second));
}

#[test]
fn a_flood_of_refusals_is_no_flood_of_log_lines() {
    let upstream = Upstream::echo();
    let vallum = limited(&upstream, json!({"max_connections_per_source": 1}));
    let mut inside = vallum.connect();
    assert!(works(&mut inside));
    for _ in 0..300 {
        drop(vallum.connect());
    }
    vallum.wait_for_metric("vallum_limits_total", &[("limit", "max_connections_per_source")], 300.0);
    let lines = vallum.log().iter().filter(|line| line["message"] == "connection refused").count();
    assert!((1..=30).contains(&lines), "{lines} lines");
    assert!(works(&mut inside));
}

trait Try {
    fn filter_map_works(self) -> Option<Wire>;
}

impl Try for Option<Wire> {
    /// The connection, if a request over it is answered.
    fn filter_map_works(self) -> Option<Wire> {
        self.and_then(|mut wire| works(&mut wire).then_some(wire))
    }
}
