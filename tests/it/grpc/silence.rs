//! Upstreams of HTTP/2 that fall silent: asked by a PING whether they live, and given up when they do not say.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::raw::{self, Peer, url};
use super::{OK, Server, client, report};
use crate::harness::vallum::{HOST, and, public_route};
use crate::harness::{PATIENCE, Upstream, Vallum};
use crate::http2::client::Client;

/// A route that waits for as long as it takes.
fn patient(host: &str, to: &str) -> Value {
    and(public_route(host, json!(to)), json!({"timeout": "0s"}))
}

fn vallum(upstream: &Upstream, timeout_ping: &str) -> Vallum {
    Vallum::start(json!({"workers": 1, "timeout_ping": timeout_ping, "routes": [patient(HOST, &url(upstream))]}))
}

/// Answers no request, and no PING either.
fn fall_silent(peer: &mut Peer<'_>) -> std::io::Result<()> {
    peer.wait_for_close()
}

/// An upstream whose first connection goes on as `first` does after its first request, and whose others answer `second`.
fn upstream(first: impl Fn(&mut Peer<'_>, u32) -> std::io::Result<()> + Send + Sync + 'static) -> Upstream {
    raw::upstream(move |peer| {
        while let Some(id) = peer.request()? {
            match peer.number {
                0 => first(peer, id)?,
                _ => peer.answer(id, "second")?,
            }
        }
        Ok(())
    })
}

#[test]
fn a_request_that_a_dead_upstream_has_ends_and_the_next_goes_elsewhere() {
    let upstream = upstream(|peer, _| fall_silent(peer));
    let vallum = vallum(&upstream, "300ms");
    let mut client = Client::connect(vallum.address);
    // One that may have been done already.
    let id = client.request("POST", "/", &[("content-length", "2")], false);
    client.body(id, b"hi");
    assert_eq!(client.finish(id).status, 504);
    vallum.wait_for_log(&[("response-code-details", json!("upstream_response_timeout"))]);
    vallum.wait_for_metric("vallum_limits_total", &[("limit", "upstream_ping_timeout")], 1.0);
    assert_eq!(client.get("/").body, b"second");
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn what_may_be_sent_again_is() {
    let asked = Mutex::new(0);
    let upstream = upstream(move |peer, id| {
        *asked.lock().unwrap() += 1;
        if *asked.lock().unwrap() == 1 { peer.answer(id, "first") } else { fall_silent(peer) }
    });
    let vallum = vallum(&upstream, "300ms");
    let mut client = Client::connect(vallum.address);
    assert_eq!(client.get("/").body, b"first");
    assert_eq!(client.get("/").body, b"second");
    vallum.wait_for_metric("vallum_upstream_retries_total", &[], 1.0);
}

#[test]
fn an_answer_that_stops_half_way_is_cut() {
    let upstream = upstream(|peer, id| {
        peer.fields(id, &[(":status", "200")], false)?;
        peer.data(id, b"begun", false)?;
        fall_silent(peer)
    });
    let vallum = vallum(&upstream, "300ms");
    let reply = Client::connect(vallum.address).get("/");
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"begun"[..]));
    assert!(reply.reset.is_some(), "{reply:?}");
    vallum.wait_for_log(&[("response-code-details", json!("upstream_body_timeout"))]);
}

#[test]
fn who_answers_pings_may_take_as_long_as_he_likes() {
    let (asked, told) = channel();
    let (go, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let upstream = upstream(move |peer, id| {
        peer.ping()?;
        asked.send(()).ok();
        gate.lock().unwrap().recv_timeout(PATIENCE).ok();
        peer.answer(id, "at last")
    });
    let silent = raw::upstream(fall_silent);
    let vallum = Vallum::start(json!({"workers": 1, "timeout_ping": "1s", "routes": [
        patient(HOST, &url(&upstream)),
        and(public_route("silent.example.com", json!(url(&silent))), json!({"timeout": "1500ms"})),
    ]}));
    let mut client = Client::connect(vallum.address);
    let id = client.request("GET", "/", &[], true);
    told.recv_timeout(PATIENCE).expect("a PING");
    // Once this route's time is over, so is that of a PING that is not answered.
    let other = client.open(&crate::http2::client::line("GET", "silent.example.com", "/"), true);
    assert_eq!(client.finish(other).status, 504);
    go.send(()).unwrap();
    assert_eq!(client.finish(id).body, b"at last");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_server_that_is_stopped_keeps_no_call_waiting() {
    let server = Server::start();
    let vallum = Vallum::start(json!({"timeout_ping": "2s", "routes": [patient(HOST, &server.url())]}));
    let mut running = client(&vallum, HOST, "across", json!({}));
    running.wait_for_line("a stream that runs", |line| line.contains("\"begun\":true").then_some(()));
    server.process.signal(Signal::STOP);
    let report = report(running);
    assert!(report["code"] != OK && report["text"] == "one", "{report}");
    vallum.wait_for_metric("vallum_limits_total", &[("limit", "upstream_ping_timeout")], 1.0);
    server.process.signal(Signal::CONT);
    assert_eq!(super::call(&vallum, "unary")["code"], OK);
}
