//! Bytes that two readers of HTTP might read differently. Each is refused, or goes on in one canonical form.
//!
//! A vector hides a request for `/smuggled`. The upstream takes only canonical HTTP, keeps count, and shares its
//! connections among all clients, so that whatever is left over on one of them would be seen by the next. Every vector is
//! sent clear and over TLS.

mod obfuscations;
mod pipelines;
mod vectors;

use std::sync::{Mutex, mpsc};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{PATIENCE, Upstream, Vallum, Wire};

/// Requests as (target, body).
type Seen = &'static [(&'static str, &'static str)];

/// What must become of a vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// The first answer is an error of the client's and nothing reaches the upstream.
    Refused,
    /// The first answer may be anything that is no success, or the connection is just closed; nothing reaches upstream.
    Dropped,
    /// These requests, as (target, body), reach the upstream and nothing else does.
    Forwarded(Seen),
    /// Refused, or forwarded as this or as the other.
    EitherOf(Seen, Seen),
    /// Refused, or forwarded as this.
    Either(Seen),
}

/// One attack.
pub(crate) struct Vector {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub fate: Fate,
}

/// A vallum with one worker, so that one pool of upstream connections serves all.
fn with_one_pool(upstream: &Upstream) -> Vallum {
    Vallum::start(and(clear(json!([route(upstream)])), json!({"workers": 1})))
}

fn route(upstream: &Upstream) -> Value {
    and(public_route(HOST, json!(upstream.url())), json!({"allow_websockets": true}))
}

/// The status codes of the answers in `bytes`; reading stops at the first that is incomplete.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Ok(answer) = crate::harness::Answer::read(&mut rest, "GET") {
        found.push(answer.status);
        if rest.is_empty() {
            break;
        }
    }
    found
}

fn check(vector: &Vector, upstream: &Upstream, wire: &mut Wire) -> Result<(), String> {
    let before = upstream.requests().len();
    let complaints = upstream.complaints().len();
    wire.send(&vector.bytes);
    if vector.fate != Fate::Refused {
        wire.finish();
    }
    // What is refused is closed by the edge itself, whatever may still follow.
    let answers = statuses(&wire.drain());
    let requests = upstream.requests()[before..].to_vec();
    let seen: Vec<(String, String)> =
        requests.iter().map(|r| (r.target.clone(), String::from_utf8_lossy(&r.body).into_owned())).collect();
    let forwarded_as = |expected: &[(&str, &str)]| {
        seen.len() == expected.len() && seen.iter().zip(expected).all(|(s, e)| s.0 == e.0 && s.1 == e.1)
    };
    let refused = seen.is_empty() && answers.first().is_some_and(|s| matches!(s, 400..=499 | 501 | 505));
    let dropped = seen.is_empty() && answers.first().is_none_or(|s| *s >= 300);
    let good = match vector.fate {
        Fate::Refused => refused,
        Fate::Dropped => dropped,
        Fate::Forwarded(expected) => forwarded_as(expected),
        Fate::EitherOf(one, other) => dropped || forwarded_as(one) || forwarded_as(other),
        Fate::Either(expected) => dropped || forwarded_as(expected),
    };
    let complained = upstream.complaints()[complaints..].to_vec();
    let smuggled = seen.iter().any(|s| s.0.contains("smuggled"));
    if good && !smuggled && complained.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}: expected {:?}; answers {answers:?}; upstream saw {seen:?} {complained:?}",
        vector.name, vector.fate
    ))
}

fn run(vectors: Vec<Vector>) {
    let upstream = Upstream::echo();
    let plain = with_one_pool(&upstream);
    run_on(&vectors, &upstream, &plain, || plain.connect());
    let secure = Vallum::start(json!({"routes": [route(&upstream)], "workers": 1}));
    run_on(&vectors, &upstream, &secure, || secure.connect_tls(HOST));
}

fn run_on(vectors: &[Vector], upstream: &Upstream, vallum: &Vallum, connect: impl Fn() -> Wire) {
    let mut failures = Vec::new();
    for vector in vectors {
        failures.extend(check(vector, upstream, &mut connect()).err());
        let victim = connect().ask(get(HOST, "/victim", ""));
        if victim.status != 200 || victim.json()["target"] != "/victim" {
            failures.push(format!("{}: the next client got {} {}", vector.name, victim.status, victim.text()));
        }
    }
    failures.extend(vallum.panics());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), vectors.len(), failures.join("\n"));
}

#[test]
fn two_framings() {
    run(vectors::two_framings());
}

#[test]
fn lengths() {
    run(vectors::lengths());
}

#[test]
fn codings() {
    run(vectors::codings());
}

#[test]
fn chunks() {
    run(vectors::chunks());
}

#[test]
fn lines_and_fields() {
    run(vectors::lines_and_fields());
}

#[test]
fn targets_and_hosts() {
    run(vectors::targets_and_hosts());
}

#[test]
fn upgrades() {
    run(vectors::upgrades());
}

#[test]
fn obfuscated_codings() {
    run(obfuscations::codings());
}

#[test]
fn obfuscated_lengths() {
    run(obfuscations::lengths());
}

#[test]
fn obfuscated_chunks() {
    run(obfuscations::chunks());
}

#[test]
fn odd_lines() {
    run(obfuscations::lines());
}

#[test]
fn pipelines() {
    run(pipelines::requests());
}

#[test]
fn expectations() {
    run(pipelines::expectations());
}

#[test]
fn methods() {
    run(pipelines::methods());
}

#[test]
fn bytes_after_an_upgrade_wait_for_its_acceptance() {
    // The client speaks on at once; the upstream refuses the upgrade. What was said must not become a request.
    let upstream = Upstream::echo();
    let vallum = with_one_pool(&upstream);
    let mut wire = vallum.connect();
    wire.send(get(
        HOST,
        "/no-websocket-here",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ));
    wire.send([0x81, 0x85, 1, 2, 3, 4, 0, 0, 0, 0, 0]);
    wire.send(get(HOST, "/smuggled", "")).finish().drain();
    let targets: Vec<String> = upstream.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(targets, ["/no-websocket-here"]);
    assert_eq!(upstream.complaints(), [""; 0]);
}

#[test]
fn what_is_left_of_a_body_that_the_upstream_does_not_take_is_no_request() {
    // The upstream answers and breaks off while the edge stands still amid a body: the edge learns of the answer and that nobody
    // takes the rest at the same time, and whichever it looks at first, the rest stays a body.
    let (begun, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let (done, is_done) = mpsc::channel();
    let goes = Mutex::new(goes);
    let upstream = Upstream::with(move |served| {
        served.head()?;
        served.take(1024 * 1024)?;
        begun.send(()).ok();
        goes.lock().unwrap().recv().ok();
        served.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")?;
        let reset = served.reset();
        done.send(()).ok();
        reset
    });
    let vallum = with_one_pool(&upstream);
    let body = get(HOST, "/smuggled", "").repeat(300_000);
    for attempt in 0..10 {
        let mut wire = vallum.connect();
        wire.send(format!("POST /a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n", body.len()));
        let answers = std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                // The edge ends the connection before all is sent.
                wire.try_send(&body).ok();
                statuses(&wire.finish().drain())
            });
            begins.recv_timeout(PATIENCE).expect("a body");
            vallum.process.signal(Signal::STOP);
            go.send(()).unwrap();
            is_done.recv_timeout(PATIENCE).expect("an answer");
            vallum.process.signal(Signal::CONT);
            client.join().unwrap()
        });
        assert!(answers.len() <= 1, "attempt {attempt}: {answers:?}");
    }
    assert_eq!(upstream.connections(), 10, "nothing but what was asked for");
}
