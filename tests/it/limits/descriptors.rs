//! Descriptors run out: those who are in are served, everything else goes on, and it is over when it is over.

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::vallum::{HOST, and, clear, command, get, public_route};
use crate::harness::{Upstream, Vallum, Wire, wait_until};
use crate::http2::client::Client;

pub const DESCRIPTORS: usize = 200;

/// The binary with so few descriptors.
pub fn with_few() -> Command {
    let inner = command();
    let mut outer = Command::new("prlimit");
    outer.arg(format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}")).arg(inner.get_program());
    outer.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    outer
}

fn exhausted(vallum: &Vallum) -> bool {
    vallum.scrape().value("vallum_limits_total", &[("limit", "descriptors")]) > 0.0
}

#[test]
fn a_shortage_of_descriptors_is_survived() {
    for driver in ["io_uring", "epoll"] {
        let upstream = Upstream::echo();
        let settings = and(clear(json!([public_route(HOST, json!(upstream.url()))])), json!({"timeout_head": "60s"}));
        let mut command = with_few();
        if driver == "epoll" {
            command.env("VALLUM_DRIVER", driver);
        }
        let vallum = Vallum::start_as(command, TempDir::new().unwrap(), settings.clone());
        let limit = vallum.wait_for_log(&[("message", json!("descriptors"))]);
        assert_eq!(limit["limit"], DESCRIPTORS);

        // Half a head each: none of them is idle, none may be closed for the others.
        let mut held: Vec<Wire> = (0..2 * DESCRIPTORS).map(|_| vallum.connect()).collect();
        for wire in &mut held {
            wire.send("GET / HTTP/1.1\r\n");
        }
        wait_until("the shortage", || exhausted(&vallum).then_some(()));
        vallum.wait_for_log(&[("cause", json!("descriptors")), ("level", json!("warn"))]);

        // There is still enough for the log, the metrics, a reload and an endpoint.
        assert!(vallum.reload(settings.clone()), "{driver}: a reload during the shortage");
        held[0].send(format!("Host: {HOST}\r\n\r\n"));
        assert_eq!(held[0].answer().status, 200, "{driver}");
        let accepted = vallum.scrape().value("vallum_connections_open", &[]);
        assert!(accepted < DESCRIPTORS as f64, "{driver}: {accepted} connections");

        drop(held);
        wait_until("the end of the shortage", || {
            let answer = vallum.connect().send(get(HOST, "/", "")).try_answer("GET");
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        });
        vallum.wait_for_log(&[("message", json!("accepting goes on"))]);
        assert_eq!(vallum.panics(), [""; 0]);
    }
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let upstream = Upstream::echo();
    let settings = clear(json!([public_route(HOST, json!(upstream.url()))]));
    let vallum = Vallum::start_as(with_few(), TempDir::new().unwrap(), settings);
    let held: Vec<Wire> = (0..DESCRIPTORS + DESCRIPTORS / 4).map(|_| vallum.connect()).collect();
    wait_until("the shortage", || exhausted(&vallum).then_some(()));
    // Nobody closes anything, but a newcomer is served all the same.
    assert_eq!(vallum.connect().ask(get(HOST, "/", "")).status, 200);
    assert_eq!(held.len(), DESCRIPTORS + DESCRIPTORS / 4);
}

#[test]
fn an_endpoint_that_hangs_leaves_descriptors_for_others() {
    let hanging = Upstream::with(|served| {
        while let Some(request) = served.request()? {
            match request.target.as_str() {
                "/hang" => served.stay_silent(),
                _ => served.answer(200, "", b"ok")?,
            }
        }
        Ok(())
    });
    let other = Upstream::echo();
    let routes = json!([
        and(public_route(HOST, json!(other.url())), json!({"prefix": "/other"})),
        public_route(HOST, json!(hanging.url())),
    ]);
    let vallum = Vallum::start_as(with_few(), TempDir::new().unwrap(), json!({"routes": routes}));
    let mut greedy: Vec<Client> = (0..2).map(|_| Client::connect(vallum.address)).collect();
    for client in &mut greedy {
        // Alone they would take more than all.
        let ids: Vec<u32> = (0..90).map(|_| client.request("GET", "/hang", &[], true)).collect();
        assert_eq!(client.finish(ids[89]).status, 503);
    }
    assert_eq!(Client::connect(vallum.address).get("/other").status, 200);
    vallum.wait_for_metric("vallum_limits_total", &[("limit", "endpoint_connections")], 1.0);
    drop(greedy);
    wait_until("a place at the endpoint", || {
        (Client::connect(vallum.address).get("/free").status == 200).then_some(())
    });
}
