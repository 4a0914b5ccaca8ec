//! What ends early, what lasts: resets, cuts, slow readers, reloads and the end of the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use rustix::process::Signal;
use serde_json::json;

use super::client::{CANCEL, Client, NO_ERROR, REFUSED_STREAM};
use super::public;
use crate::harness::vallum::{HOST, and, public_route};
use crate::harness::{PATIENCE, Upstream, Vallum, pattern, wait_until};

/// Growth of resident memory that is put down to warm caches and pools, in KiB.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

/// An upstream that answers `/slow` in two halves, the second when told to; and echoes otherwise.
fn gated() -> (Upstream, Sender<()>) {
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let upstream = Upstream::with(move |served| {
        while let Some(request) = served.request()? {
            if request.target == "/slow" {
                served.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl")?;
                gate.lock().unwrap().recv_timeout(PATIENCE).ok();
                served.write("ow")?;
            } else {
                served.answer(200, "", b"quick")?;
            }
        }
        Ok(())
    });
    (upstream, go)
}

/// An upstream that answers without an end, as far as it is read; counts connections on which it began and ended.
fn endless() -> (Upstream, Arc<[AtomicUsize; 2]>) {
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let shared = counts.clone();
    let upstream = Upstream::with(move |served| {
        while let Some(request) = served.request()? {
            if request.target != "/endless" {
                served.answer(200, "", &pattern(100_000))?;
                continue;
            }
            shared[0].fetch_add(1, Ordering::SeqCst);
            let result = flood(served);
            shared[1].fetch_add(1, Ordering::SeqCst);
            return result;
        }
        Ok(())
    });
    (upstream, counts)
}

fn flood(served: &mut crate::harness::upstream::Served) -> io::Result<()> {
    served.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1u64 << 40))?;
    let bytes = vec![b'x'; 64 * 1024];
    loop {
        served.write(&bytes)?;
    }
}

#[track_caller]
fn wait_for(counts: &[AtomicUsize; 2], at: usize, least: usize) {
    wait_until(["streams to begin", "streams to end"][at], || {
        (counts[at].load(Ordering::SeqCst) >= least).then_some(())
    });
}

#[test]
fn a_reset_frees_an_upstream_that_sends() {
    let (upstream, counts) = endless();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    for round in 1..=5 {
        let id = client.request("GET", "/endless", &[], true);
        assert_eq!(client.head(id), 200);
        client.reset(id, CANCEL);
        wait_for(&counts, 1, round);
    }
    assert_eq!(client.get("/quick").body.len(), 100_000, "the connection lives on");
}

#[test]
fn a_reset_frees_an_upstream_that_is_silent() {
    let (closed, told) = channel();
    let upstream = Upstream::with(move |served| {
        while let Some(request) = served.request()? {
            if request.target == "/silent" {
                served.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")?;
                served.stay_silent();
                closed.send(()).ok();
                return Ok(());
            }
            served.answer(200, "", b"quick")?;
        }
        Ok(())
    });
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    let id = client.request("GET", "/silent", &[], true);
    assert_eq!(client.head(id), 200);
    client.reset(id, CANCEL);
    told.recv_timeout(PATIENCE).expect("the upstream's connection is closed");
    assert_eq!(client.get("/quick").body, b"quick");
}

#[test]
fn a_client_that_goes_frees_all_its_upstreams() {
    let (upstream, counts) = endless();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    for _ in 0..10 {
        client.request("GET", "/endless", &[], true);
    }
    wait_for(&counts, 0, 10);
    drop(client);
    wait_for(&counts, 1, 10);
    assert_eq!(vallum.panics(), [""; 0]);
}

#[test]
fn slow_readers_cost_little_and_stop_nobody() {
    let (upstream, counts) = endless();
    let vallum = public(&upstream);
    let mut other = Client::connect(vallum.address);
    for _ in 0..20 {
        assert_eq!(other.get("/quick").body.len(), 100_000);
    }
    let before = vallum.process.resident_kib();
    let mut slow: Vec<Client> = (0..4).map(|_| Client::with_window(vallum.address, Some(1))).collect();
    for client in &mut slow {
        client.grants = false;
        for _ in 0..50 {
            client.request("GET", "/endless", &[], true);
        }
    }
    wait_for(&counts, 0, 200);
    for client in &mut slow {
        for id in (1..100).step_by(2) {
            assert_eq!(client.head(id), 200);
        }
    }
    for _ in 0..20 {
        assert_eq!(other.get("/quick").body.len(), 100_000, "others go on");
    }
    let after = vallum.process.resident_kib();
    println!("resident before {before} KiB, with 200 stalled streams {after} KiB");
    assert!(after < before + GROWTH_KIB_MAX, "resident memory grew from {before} to {after} KiB");

    // On the connection of a slow stream another one may have a window of its own.
    let client = &mut slow[0];
    let id = client.request("GET", "/quick", &[], true);
    client.grant(id, 200_000);
    client.grant(0, 200_000);
    assert_eq!(client.finish(id).body, pattern(100_000));
    drop(slow);
    wait_for(&counts, 1, 200);
}

#[test]
fn an_upstream_that_takes_nothing_bounds_what_is_sent() {
    let upstream = Upstream::with(|served| {
        served.head()?;
        std::thread::park_timeout(PATIENCE);
        Ok(())
    });
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    client.get("/ping");
    let before = vallum.process.resident_kib();
    let streams: Vec<u32> = (0..10).map(|_| client.request("POST", "/", &[], false)).collect();
    let sent = client.fill(&streams);
    let after = vallum.process.resident_kib();
    println!("took {sent} bytes; resident before {before} KiB, after {after} KiB");
    assert!(after < before + GROWTH_KIB_MAX, "resident memory grew from {before} to {after} KiB");
    assert_eq!(client.get("/ping").status, 200, "what has no body needs no room");
}

#[test]
fn a_cut_answer_does_not_look_whole() {
    for head in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n1f4\r\n{}", "x".repeat(500));
        let upstream = Upstream::with(move |served| {
            served.request()?;
            served.write(&answer)
        });
        let vallum = public(&upstream);
        let mut client = Client::connect(vallum.address);
        let reply = client.get("/");
        assert_eq!((reply.status, reply.ended), (200, false), "{head}");
        assert!(reply.reset.is_some_and(|code| code != NO_ERROR), "{head}: {:?}", reply.reset);
        assert_eq!(client.get("/").status, 200, "{head}: the connection lives on");
    }
}

/// When it closes an idle connection, every other one drains as well.
fn with_one_worker(upstream: &Upstream) -> Vallum {
    Vallum::start(json!({"routes": [public_route(HOST, json!(upstream.url()))], "workers": 1}))
}

#[test]
fn the_end_of_the_process_waits_for_streams() {
    let (upstream, go) = gated();
    let mut vallum = with_one_worker(&upstream);
    let mut idle = Client::connect(vallum.address);
    assert_eq!(idle.get("/quick").status, 200);
    let mut client = Client::connect(vallum.address);
    let streams = [client.request("GET", "/slow", &[], true), client.request("GET", "/slow", &[], true)];
    upstream.wait_for_requests(3);
    vallum.process.signal(Signal::TERM);
    idle.drain();
    go.send(()).unwrap();
    let first = streams.map(|id| client.head(id));
    assert_eq!(first, [200, 200]);
    go.send(()).unwrap();
    for id in streams {
        let reply = client.finish(id);
        assert_eq!((reply.ended, reply.body.as_slice()), (true, &b"slow"[..]), "stream {id}: {:?}", reply.reset);
    }
    assert_eq!(client.drain(), Some(NO_ERROR), "the client was told to go");
    drop(client);
    assert_eq!(vallum.process.wait(PATIENCE).code(), Some(0));
}

#[test]
fn the_end_of_the_process_waits_for_slow_readers() {
    let upstream = Upstream::echo();
    let mut vallum = with_one_worker(&upstream);
    let mut idle = Client::connect(vallum.address);
    assert_eq!(idle.get("/ping").status, 200);
    let mut client = Client::with_window(vallum.address, Some(30_000));
    client.grants = false;
    let id = client.request("GET", "/bytes/60000", &[], true);
    assert_eq!(client.head(id), 200);
    vallum.process.signal(Signal::TERM);
    idle.drain();
    client.grant(id, 30_000);
    let reply = client.finish(id);
    assert!(reply.ended && reply.body == pattern(60_000), "{} bytes, {:?}", reply.body.len(), reply.reset);
    assert_eq!(client.drain(), Some(NO_ERROR));
    assert_eq!(vallum.process.wait(PATIENCE).code(), Some(0));
}

#[test]
fn idle_clients_are_told_to_go() {
    let upstream = Upstream::echo();
    let mut vallum = with_one_worker(&upstream);
    let mut polite = Client::connect(vallum.address);
    assert_eq!(polite.get("/").status, 200);
    let mut deaf = Client::connect(vallum.address);
    deaf.answers_pings = false;
    for _ in 0..3 {
        assert_eq!(deaf.get("/").status, 200);
    }
    vallum.process.signal(Signal::TERM);
    assert_eq!(polite.drain(), Some(NO_ERROR));
    assert_eq!(polite.last_streams, [0x7fff_ffff, 1], "in two steps (RFC 9113 section 6.8)");
    assert_eq!(deaf.drain(), Some(NO_ERROR));
    assert_eq!(deaf.last_streams, [0x7fff_ffff, 5], "also when the PING between them is not answered");
    assert_eq!(vallum.process.wait(PATIENCE).code(), Some(0));
}

#[test]
fn requests_that_cross_the_first_goodbye_are_served() {
    let (upstream, go) = gated();
    let mut vallum = with_one_worker(&upstream);
    let mut client = Client::connect(vallum.address);
    client.answers_pings = false;
    let slow = client.request("GET", "/slow", &[], true);
    assert_eq!(client.head(slow), 200);
    vallum.process.signal(Signal::TERM);
    while client.last_streams.is_empty() && client.step() {}
    let late = client.request("GET", "/quick", &[], true);
    assert_eq!(client.finish(late).body, b"quick");
    while client.last_streams.len() < 2 && client.step() {}
    let refused = client.request("GET", "/quick", &[], true);
    assert_eq!(client.finish(refused).reset, Some(REFUSED_STREAM));
    go.send(()).unwrap();
    assert_eq!(client.finish(slow).body, b"slow");
    assert_eq!((client.drain(), client.last_streams.as_slice()), (Some(NO_ERROR), &[0x7fff_ffff, late][..]));
    assert_eq!(vallum.process.wait(PATIENCE).code(), Some(0));
}

#[test]
fn streams_that_do_not_end_are_cut_in_the_end() {
    let (upstream, _go) = gated();
    let mut vallum = with_one_worker(&upstream);
    let mut client = Client::connect(vallum.address);
    let slow = client.request("GET", "/slow", &[], true);
    assert_eq!(client.head(slow), 200);
    vallum.process.signal(Signal::TERM);
    let reply = client.finish(slow);
    assert!(!reply.ended, "{reply:?}");
    assert_eq!(vallum.process.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_reload_leaves_streams_alone() {
    let (upstream, go) = gated();
    let route = public_route(HOST, json!(upstream.url()));
    let vallum = Vallum::start(json!({"routes": [route.clone()]}));
    let mut client = Client::connect(vallum.address);
    let slow = client.request("GET", "/slow", &[], true);
    assert_eq!(client.head(slow), 200);
    assert!(vallum.reload(json!({"routes": [and(route, json!({"set_response_headers": {"X-Plan": "new"}}))]})));
    let quick = client.get("/quick");
    assert_eq!(
        (quick.body.as_slice(), quick.header("x-plan")),
        (&b"quick"[..], "new"),
        "the next stream has the new plan"
    );
    go.send(()).unwrap();
    let reply = client.finish(slow);
    assert_eq!((reply.ended, reply.body.as_slice(), reply.header("x-plan")), (true, &b"slow"[..], ""));
}
