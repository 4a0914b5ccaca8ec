//! Upstreams that take their time to do harm.

use std::io;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::upstream::Served;
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Answer, Upstream, Vallum};

/// Between two bytes that drip.
const EACH: Duration = Duration::from_millis(50);

/// Asks an upstream of this kind on a route that gives it a second; how it ended, and that it ended in time.
fn ask(handler: impl Fn(&mut Served) -> io::Result<()> + Send + Sync + 'static) -> (io::Result<Answer>, Vallum) {
    let upstream = Upstream::with(move |served| {
        served.request()?;
        handler(served)
    });
    let route = and(public_route(HOST, json!(upstream.url())), json!({"timeout": "1s"}));
    let vallum = Vallum::start(clear(json!([route])));
    let began = Instant::now();
    let answer = vallum.connect().send(get(HOST, "/", "")).try_answer("GET");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    (answer, vallum)
}

/// Writes a byte now and then until the other side has had enough.
fn drip(served: &mut Served, bytes: impl Iterator<Item = u8>) -> io::Result<()> {
    for byte in bytes {
        served.write([byte])?;
        std::thread::sleep(EACH);
    }
    Ok(())
}

#[test]
fn silence_is_504() {
    let (answer, vallum) = ask(|served| {
        served.stay_silent();
        Ok(())
    });
    assert_eq!(answer.unwrap().status, 504);
    vallum.wait_for_log(&[
        ("source", json!("upstream_timeout")),
        ("response-code-details", json!("upstream_response_timeout")),
    ]);
}

#[test]
fn silence_after_an_interim_answer_is_504() {
    let (answer, _) = ask(|served| {
        served.write("HTTP/1.1 100 Continue\r\n\r\n")?;
        served.stay_silent();
        Ok(())
    });
    assert_eq!(answer.unwrap().status, 504);
}

#[test]
fn a_head_that_drips_is_504() {
    let (answer, _) = ask(|served| {
        served.write("HTTP/1.1 200 OK\r\nX-Slow: ")?;
        drip(served, std::iter::repeat(b'a'))
    });
    assert_eq!(answer.unwrap().status, 504);
}

#[test]
fn interim_answers_that_drip_are_504() {
    let (answer, _) = ask(|served| drip(served, b"HTTP/1.1 103 Early Hints\r\n\r\n".iter().copied().cycle()));
    assert_eq!(answer.unwrap().status, 504);
}

#[test]
fn a_body_that_drips_is_cut() {
    for head in ["Content-Length: 1000000\r\n\r\n", "Connection: close\r\n\r\n"] {
        let (answer, vallum) = ask(move |served| {
            served.write(format!("HTTP/1.1 200 OK\r\n{head}"))?;
            drip(served, std::iter::repeat(b'a'))
        });
        let error = answer.expect_err("an incomplete answer");
        assert!(!matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
        vallum.wait_for_log(&[("response-code-details", json!("upstream_body_timeout"))]);
    }
}

#[test]
fn an_upstream_that_reads_nothing_does_not_hold_its_client_for_ever() {
    let upstream = Upstream::with(|served| {
        served.head()?;
        std::thread::sleep(Duration::from_secs(8));
        Ok(())
    });
    let settings = json!({"timeout_write": "1s", "timeout_read": "20s"});
    let route = and(public_route(HOST, json!(upstream.url())), json!({"timeout": "1s"}));
    let vallum = Vallum::start(and(clear(json!([route])), settings));
    let mut wire = vallum.connect();
    wire.send(format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000000000\r\n\r\n"));
    let began = Instant::now();
    let part = vec![b'x'; 64 * 1024];
    while wire.try_send(&part).is_ok() {}
    // The answer may be lost among the bytes that were still on their way; what counts is the end.
    let answer = wire.try_answer("GET");
    assert!(answer.as_ref().map_or(true, |a| a.status == 504), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    vallum.wait_for_log(&[("response-code", json!(504))]);
}
