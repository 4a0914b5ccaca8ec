//! Bodies of every framing and size, both ways, with back-pressure.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::vallum::{HOST, clear, command, get, public_route};
use crate::harness::{PATIENCE, Upstream, Vallum, pattern};

const SIZES: [usize; 7] = [0, 1, 100, 16 * 1024 - 1, 16 * 1024 + 1, 100_000, 5 * 1024 * 1024];

fn post(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

#[test]
fn request_bodies_with_a_length() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    for size in SIZES {
        wire.send(post("/up", &format!("Content-Length: {size}\r\n"))).send(pattern(size));
        assert_eq!(wire.answer().json()["body_length"], size);
    }
    for (request, size) in upstream.requests().iter().zip(SIZES) {
        assert!(request.body == pattern(size), "a body of {size} bytes arrived otherwise");
    }
}

#[test]
fn chunked_request_bodies() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    for (size, chunk) in [(1, 1), (1000, 7), (100_000, 1024), (3_000_000, 65_536)] {
        wire.send(post("/up", "Transfer-Encoding: chunked\r\n"));
        for part in pattern(size).chunks(chunk) {
            wire.send([format!("{:X}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
        }
        wire.send("0\r\n\r\n");
        assert_eq!(wire.answer().json()["body_length"], size);
        assert!(upstream.requests().last().unwrap().body == pattern(size), "{size} in chunks of {chunk}");
    }
    assert_eq!(upstream.complaints(), [""; 0]);
}

#[test]
fn chunks_may_be_cut_anywhere() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    wire.send(post("/up", "Transfer-Encoding: chunked\r\n"));
    for byte in "4\r\nabcd\r\n6\r\nefghij\r\n0\r\nX-Trailer: yes\r\n\r\n".bytes() {
        wire.send([byte]);
    }
    assert_eq!(wire.answer().json()["body_length"], 10);
    let request = upstream.only_request();
    assert_eq!(request.body, b"abcdefghij");
}

#[test]
fn response_bodies_of_every_framing() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    for size in SIZES {
        assert!(wire.ask(get(HOST, &format!("/bytes/{size}"), "")).body == pattern(size), "/bytes/{size}");
    }
    for (count, size) in [(1, 1), (1000, 3), (50, 40_000)] {
        let answer = wire.ask(get(HOST, &format!("/chunks/{count}/{size}"), ""));
        assert!(answer.chunked && answer.body == pattern(count * size), "/chunks/{count}/{size}");
    }
    for size in [1, 300_000] {
        let answer = vallum.connect().ask(get(HOST, &format!("/until-close/{size}"), ""));
        assert!(answer.body == pattern(size), "/until-close/{size}");
    }
}

#[test]
fn both_drivers_carry_bodies() {
    for driver in ["io_uring", "epoll"] {
        let upstream = Upstream::echo();
        let mut command = command();
        if driver == "epoll" {
            command.env("VALLUM_DRIVER", driver);
        }
        let settings = clear(json!([public_route(HOST, json!(upstream.url()))]));
        let vallum = Vallum::start_as(command, TempDir::new().expect("a folder"), settings);
        let line = vallum.wait_for_log(&[("message", json!("listening")), ("listener", json!("main"))]);
        assert!(driver == "io_uring" || line["driver"] == driver, "{line}");
        let mut wire = vallum.connect();
        wire.send(post("/up", "Content-Length: 1000000\r\n")).send(pattern(1_000_000));
        assert_eq!(wire.answer().json()["body_length"], 1_000_000);
        assert!(wire.ask(get(HOST, "/chunks/100/10000", "")).body == pattern(1_000_000), "{driver}");
    }
}

#[test]
fn expect_continue_is_answered_before_the_body() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    wire.send(post("/up", "Content-Length: 5\r\nExpect: 100-continue\r\n"));
    assert_eq!(wire.take(25).expect("an interim answer"), b"HTTP/1.1 100 Continue\r\n\r\n");
    let answer = wire.ask("hello");
    assert_eq!((answer.status, answer.json()["body_length"].as_u64()), (200, Some(5)));
    assert_eq!(wire.ask(get(HOST, "/after", "")).json()["target"], "/after");
}

#[test]
fn an_unknown_expectation_is_not_passed_off_as_met() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let answer = vallum.connect().ask(post("/up", "Content-Length: 0\r\nExpect: wonders\r\n"));
    assert_eq!((answer.status, upstream.requests().len()), (417, 0));
}

#[test]
fn a_slow_upstream_stops_the_client() {
    // The upstream reads nothing until it is told to; what the client can get rid of meanwhile is bounded.
    const TOTAL: usize = 64 * 1024 * 1024;
    let (go, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let upstream = Upstream::with(move |served| {
        let Some(head) = served.head()? else { return Ok(()) };
        gate.lock().unwrap().recv_timeout(PATIENCE).ok();
        let request = served.body(head)?;
        served.answer(200, "", request.body.len().to_string().as_bytes())
    });
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    wire.send(post("/up", &format!("Content-Length: {TOTAL}\r\n")));
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let client = std::thread::spawn(move || {
        let part = vec![b'x'; 64 * 1024];
        for _ in 0..TOTAL / part.len() {
            wire.try_send(&part).expect("room in the end");
            counter.fetch_add(part.len(), Ordering::SeqCst);
        }
        wire.answer().text()
    });
    let stalled = stall_of(|| sent.load(Ordering::SeqCst));
    assert!(stalled < TOTAL / 2, "{stalled} bytes of {TOTAL} were taken in though nobody read them");
    let resident = vallum.process.resident_kib();
    assert!(resident < 200 * 1024, "{resident} KiB are held while an upstream stalls");
    go.send(()).unwrap();
    assert_eq!(client.join().unwrap(), TOTAL.to_string());
}

#[test]
fn a_slow_client_stops_the_upstream() {
    const TOTAL: usize = 64 * 1024 * 1024;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let upstream = Upstream::with(move |served| {
        served.request()?;
        served.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n"))?;
        let part = vec![b'x'; 64 * 1024];
        for _ in 0..TOTAL / part.len() {
            served.write(&part)?;
            counter.fetch_add(part.len(), Ordering::SeqCst);
        }
        Ok(())
    });
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    wire.send(get(HOST, "/", ""));
    let stalled = stall_of(|| sent.load(Ordering::SeqCst));
    assert!(stalled < TOTAL / 2, "{stalled} bytes of {TOTAL} were taken in though nobody read them");
    assert_eq!(wire.answer().body.len(), TOTAL);
}

/// The value at which `count` stands still for 40 looks in a row after it has begun to grow.
fn stall_of(count: impl Fn() -> usize) -> usize {
    let (mut last, mut looks) = (0, 0);
    crate::harness::wait_until("a stall", || {
        let now = count();
        looks = if now == last && now > 0 { looks + 1 } else { 0 };
        last = now;
        (looks >= 40).then_some(now)
    })
}
