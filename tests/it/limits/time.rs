//! Too slow: handshakes, heads, bodies, readers, idle connections, and clients that go away.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{limited, told};
use crate::harness::vallum::{HOST, get, public_route};
use crate::harness::wire::connect;
use crate::harness::{PATIENCE, Upstream, Vallum, wait_until};

/// Sends `byte` again and again until the peer has had enough, `each` between two; returns what the peer said.
fn trickle(mut stream: TcpStream, byte: &'static [u8], each: Duration) -> Vec<u8> {
    let ended = Arc::new(AtomicBool::new(false));
    let (mut writer, is_over) = (stream.try_clone().unwrap(), ended.clone());
    let writing = std::thread::spawn(move || {
        while !is_over.load(Ordering::SeqCst) && writer.write_all(byte).is_ok() {
            std::thread::sleep(each);
        }
    });
    let mut said = Vec::new();
    let result = stream.read_to_end(&mut said);
    ended.store(true, Ordering::SeqCst);
    writing.join().unwrap();
    let cut = result.err().is_none_or(|e| e.kind() == io::ErrorKind::ConnectionReset);
    assert!(cut, "not cut after {} bytes", said.len());
    said
}

#[test]
fn a_head_that_drips_is_answered_408() {
    let upstream = Upstream::echo();
    let vallum = limited(&upstream, json!({"timeout_head": "1s"}));
    let mut stream = connect(vallum.address);
    write!(stream, "GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ").unwrap();
    let began = Instant::now();
    let said = trickle(stream, b"a", Duration::from_millis(100));
    assert!(began.elapsed() >= Duration::from_millis(900), "sooner than timeout_head");
    assert!(said.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&said));
    told(&vallum, "request_head_timeout");
}

#[test]
fn a_body_that_trickles_is_answered_408() {
    let upstream = Upstream::echo();
    let vallum = limited(&upstream, json!({"timeout_read": "1s"}));
    for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let mut stream = connect(vallum.address);
        write!(stream, "POST / HTTP/1.1\r\nHost: {HOST}\r\n{framing}\r\n\r\n").unwrap();
        let byte: &[u8] = if framing.starts_with('C') { b"a" } else { b"1\r\na\r\n" };
        let said = trickle(stream, byte, Duration::from_millis(100));
        assert!(said.starts_with(b"HTTP/1.1 408 "), "{framing}: {}", String::from_utf8_lossy(&said));
    }
    assert!(upstream.requests().is_empty());
    told(&vallum, "request_body_timeout");
}

#[test]
fn a_body_above_the_least_rate_may_take_its_time() {
    let upstream = Upstream::echo();
    let vallum = limited(&upstream, json!({"timeout_read": "500ms", "timeout": "500ms", "min_request_body_rate": 500}));
    let mut wire = vallum.connect();
    wire.send(format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2000\r\n\r\n"));
    for _ in 0..20 {
        // 1000 bytes a second for two seconds: twice the rate, four times the timeout.
        wire.send([b'x'; 100]);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(wire.answer().json()["body_length"], 2000);
}

#[test]
fn a_handshake_that_stops_is_cut() {
    let upstream = Upstream::echo();
    let routes = json!([public_route(HOST, json!(upstream.url()))]);
    let vallum = Vallum::start(json!({"routes": routes, "timeout_head": "500ms"}));
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut stream = connect(vallum.address);
        stream.write_all(bytes).unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
    }
    vallum.wait_for_metric("vallum_limits_total", &[("limit", "tls_handshake_timeout")], 2.0);
    vallum.wait_for_metric("vallum_tls_handshakes_total", &[("result", "timeout")], 2.0);
    vallum
        .wait_for_log(&[("message", json!("listener connection failure")), ("cause", json!("tls_handshake_timeout"))]);
}

#[test]
fn a_proxy_header_that_stops_is_cut() {
    let upstream = Upstream::echo();
    let settings = json!({
        "use_proxy_protocol": true, "proxy_protocol_trusted_cidrs": ["127.0.0.0/8"], "timeout_head": "500ms",
    });
    let vallum = limited(&upstream, settings);
    for bytes in ["", "PROXY TCP4 192.0.2.1"] {
        let mut stream = connect(vallum.address);
        stream.write_all(bytes.as_bytes()).unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
    }
    vallum.wait_for_metric("vallum_limits_total", &[("limit", "proxy_header_timeout")], 2.0);
    vallum.wait_for_log(&[("cause", json!("proxy_header_timeout"))]);
}

#[test]
fn an_idle_connection_is_closed_in_good_order() {
    let upstream = Upstream::echo();
    let vallum = limited(&upstream, json!({"timeout_idle": "500ms"}));
    let mut wire = vallum.connect();
    wire.ask(get(HOST, "/", ""));
    assert_eq!(wire.drain(), b"");
    vallum.wait_for_metric("vallum_limits_total", &[("limit", "idle_timeout")], 1.0);
}

#[test]
fn a_reader_that_sips_is_cut() {
    const TOTAL: usize = 64 * 1024 * 1024;
    let upstream = Upstream::with(|served| {
        served.request()?;
        served.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n"))?;
        let part = vec![b'x'; 64 * 1024];
        (0..TOTAL / part.len()).try_for_each(|_| served.write(&part))
    });
    let vallum = limited(&upstream, json!({"timeout_write": "1s"}));
    let mut stream = connect(vallum.address);
    write!(stream, "{}", get(HOST, "/", "")).unwrap();
    let mut byte = [0];
    let mut sipped = 0;
    // A byte now and then is no progress worth the name.
    let cut = wait_until("the cut", || {
        std::thread::sleep(Duration::from_millis(50));
        let told = vallum.scrape().value("vallum_limits_total", &[("limit", "response_write_timeout")]) > 0.0;
        sipped += stream.read(&mut byte).unwrap_or(0);
        told.then_some(sipped)
    });
    assert!(cut > 0);
    told(&vallum, "response_write_timeout");
    wait_until("the end of the connection", || {
        (vallum.scrape().value("vallum_connections_open", &[]) == 0.0).then_some(())
    });
}

/// An upstream that keeps every request waiting and says when its connection was closed.
fn slow() -> (Upstream, mpsc::Receiver<Duration>) {
    let (sender, closed) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let upstream = Upstream::with(move |served| {
        served.request()?;
        let began = Instant::now();
        served.stay_silent();
        sender.lock().unwrap().send(began.elapsed()).ok();
        Ok(())
    });
    (upstream, closed)
}

#[test]
fn an_upstream_is_let_go_when_its_client_is_gone() {
    let (upstream, closed) = slow();
    let vallum = limited(&upstream, json!({}));
    for is_abrupt in [true, false] {
        let mut stream = connect(vallum.address);
        write!(stream, "{}", get(HOST, "/", "")).unwrap();
        wait_until("the request", || (upstream.connections() > usize::from(!is_abrupt)).then_some(()));
        if is_abrupt {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(stream);
        let waited = closed.recv_timeout(PATIENCE).expect("the upstream is let go");
        assert!(waited < Duration::from_secs(14), "{waited:?}: that was the upstream's own patience");
    }
    let gone = [("message", json!("http-request")), ("response-code-details", json!("client_disconnected"))];
    vallum.wait_for_log(&gone);
    wait_until("two log lines", || {
        let lines = vallum.log();
        let gone = lines.iter().filter(|line| gone.iter().all(|(k, v)| line.get(*k) == Some(v))).count();
        (gone == 2).then_some(())
    });
}

#[test]
fn a_client_that_has_said_all_gets_its_slow_answer() {
    let upstream = Upstream::with(|served| {
        served.request()?;
        std::thread::sleep(Duration::from_millis(1500));
        served.answer(200, "", b"late")
    });
    let vallum = limited(&upstream, json!({}));
    let answer = vallum.connect().send(get(HOST, "/", "")).finish().answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "late"));
}
