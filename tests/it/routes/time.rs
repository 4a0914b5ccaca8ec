//! Time limits: each cuts what it is for, and nothing else.
//!
//! That something is not cut is shown against a witness: a later request that is cut by the same limit.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::route;
use crate::harness::upstream::Served;
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Answer, PATIENCE, Upstream, Vallum, Wire, wait_for};

/// What an upstream waits for before it goes on; opened by the test.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn wait(&self) {
        wait_for("the gate", 2 * PATIENCE, || self.0.load(Ordering::SeqCst).then_some(()));
    }
}

/// By path: `/silent` answers nothing; `/stalled` sends half a body; `/events` an event, and another when the gate opens;
/// `/poll` answers when the gate opens; `/late` sends half a body, and the rest when the gate opens.
fn slow(gate: &Gate) -> Upstream {
    let gate = gate.clone();
    Upstream::with(move |served| {
        while let Some(request) = served.request()? {
            match request.target.as_str() {
                "/silent" => served.stay_silent(),
                "/stalled" => {
                    served.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")?;
                    served.stay_silent();
                }
                "/late" => {
                    served.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")?;
                    gate.wait();
                    served.write("whole")?;
                }
                "/events" => events(served, &gate)?,
                "/poll" => {
                    gate.wait();
                    served.answer(200, "", b"at last")?;
                }
                _ => served.answer(200, "", b"at once")?,
            }
        }
        Ok(())
    })
}

fn events(served: &mut Served, gate: &Gate) -> io::Result<()> {
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    served.write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    served.write(chunk("data: 1\n\n"))?;
    gate.wait();
    served.write(chunk("data: 2\n\n"))?;
    served.write("0\r\n\r\n")
}

fn start(upstream: &Upstream, top: Value, more: Value) -> Vallum {
    Vallum::start(and(clear(json!([route(upstream, more)])), top))
}

/// Waits until a request that begins now is cut by the timeout of its route.
fn outlast(vallum: &Vallum) {
    assert_eq!(vallum.connect().ask(get(HOST, "/silent", "")).status, 504);
}

fn try_get(vallum: &Vallum, path: &str) -> io::Result<Answer> {
    vallum.connect().send(get(HOST, path, "")).try_answer("GET")
}

#[test]
fn the_timeout_of_a_route_cuts_silence_and_stalled_bodies() {
    let upstream = slow(&Gate::default());
    for (top, more) in [
        (json!({}), json!({"timeout": "500ms"})),
        (json!({"default_upstream_timeout": "500ms"}), json!({})),
        (json!({"default_upstream_timeout": "1h"}), json!({"timeout": "500ms"})),
        (json!({}), json!({"timeout": 0, "idle_timeout": "500ms"})),
        (json!({}), json!({"allow_websockets": true, "idle_timeout": "500ms"})),
    ] {
        let vallum = start(&upstream, top.clone(), more.clone());
        assert_eq!(try_get(&vallum, "/silent").unwrap().status, 504, "{top} {more}");
        assert!(try_get(&vallum, "/stalled").is_err(), "a cut body must not look whole: {top} {more}");
        vallum.wait_for_log(&[("response-code-details", json!("upstream_body_timeout"))]);
        assert_eq!(try_get(&vallum, "/").unwrap().text(), "at once");
    }
}

#[test]
fn event_streams_are_not_cut_by_the_timeout_of_all_routes() {
    let gate = Gate::default();
    let upstream = slow(&gate);
    let vallum = start(&upstream, json!({"default_upstream_timeout": "500ms"}), json!({}));
    let mut stream = vallum.connect();
    stream.send(get(HOST, "/events", ""));
    upstream.wait_for_requests(1);
    outlast(&vallum);
    gate.open();
    assert_eq!(stream.answer().text(), "data: 1\n\ndata: 2\n\n");
}

#[test]
fn event_streams_are_cut_by_a_timeout_of_their_own() {
    let upstream = slow(&Gate::default());
    for more in [json!({"timeout": "500ms"}), json!({"timeout": 0, "idle_timeout": "500ms"})] {
        let vallum = start(&upstream, json!({}), more.clone());
        assert!(try_get(&vallum, "/events").is_err(), "{more}");
    }
}

#[test]
fn a_route_without_timeout_waits_for_its_answer() {
    let gate = Gate::default();
    let upstream = slow(&gate);
    let routes = json!([
        and(public_route("poll.test", json!(upstream.url())), json!({"timeout": 0})),
        route(&upstream, json!({})),
    ]);
    let vallum = Vallum::start(and(clear(routes), json!({"default_upstream_timeout": "500ms"})));
    let (mut poll, mut late) = (vallum.connect(), vallum.connect());
    poll.send(get("poll.test", "/poll", ""));
    late.send(get("poll.test", "/late", ""));
    upstream.wait_for_requests(2);
    outlast(&vallum);
    gate.open();
    assert_eq!((poll.answer().text().as_str(), late.answer().text().as_str()), ("at last", "half whole"));
}

#[test]
fn the_time_of_the_upload_is_not_that_of_the_answer() {
    let upstream = slow(&Gate::default());
    let vallum = start(&upstream, json!({}), json!({"timeout": "500ms", "idle_timeout": "500ms"}));
    let mut wire = vallum.connect();
    wire.send(format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\n\r\nab"));
    outlast(&vallum);
    wire.send("cd");
    let answer = wire.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "at once"));
}

#[test]
fn a_client_that_stops_within_its_body_is_told_so() {
    let upstream = slow(&Gate::default());
    let vallum = start(&upstream, json!({"timeout_read": "300ms"}), json!({}));
    let mut wire = vallum.connect();
    let answer = wire.ask(format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\n\r\nab"));
    assert_eq!(answer.status, 408);
    assert_eq!(wire.drain(), b"");
}

#[test]
fn a_client_that_takes_nothing_is_left() {
    const LARGE: usize = 64 * 1024 * 1024;
    let upstream = Upstream::echo();
    let vallum = start(&upstream, json!({"timeout_write": "300ms"}), json!({}));
    let mut wire = vallum.connect();
    wire.send(get(HOST, &format!("/bytes/{LARGE}"), ""));
    vallum.wait_for_log(&[("response-code-details", json!("response_write_timeout"))]);
    assert!(wire.try_answer("GET").is_err(), "what came is not whole");
}

#[test]
fn a_connection_between_two_requests_is_closed() {
    let upstream = slow(&Gate::default());
    let vallum = start(&upstream, json!({"timeout_idle": "300ms"}), json!({}));
    let mut used: Wire = vallum.connect();
    assert_eq!(used.ask(get(HOST, "/", "")).status, 200);
    assert_eq!((used.drain(), vallum.connect().drain()), (vec![], vec![]));
}
