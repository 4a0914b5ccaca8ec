//! Upstreams that lie, break off, say too much or too little. The client gets a whole answer of ours (502, 503, 504) or
//! sees that the answer was cut; it never hangs, and the next client on the same pool of connections gets its own answer.

mod cases;
mod timing;

use std::io::{self, ErrorKind};
use std::sync::{Mutex, mpsc};

use serde_json::json;

use crate::harness::upstream::Served;
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Answer, PATIENCE, Upstream, Vallum, Wire, wait_until};
use crate::http2::client::{Client, Reply};

/// What the client must see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen {
    /// 502, 503 or 504, of ours and whole.
    Refused,
    /// The head of the upstream's answer, and a body that breaks off.
    Cut,
    /// One or the other: it depends on how far the answer came.
    RefusedOrCut,
    /// This status and body.
    Passed(u16, &'static str),
}

/// What the upstream does after its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Then {
    /// Waits for the next request, so that whatever it said too much lies in wait for the next client.
    Stays,
    Closes,
    /// Closes with a reset.
    Resets,
}

pub(crate) struct Case {
    pub name: &'static str,
    pub method: &'static str,
    pub bytes: Vec<u8>,
    pub then: Then,
    pub seen: Seen,
}

/// Answers `/case/N` with the bytes of case N and anything else with `own` and its target.
fn serve(served: &mut Served, cases: &[Case]) -> io::Result<()> {
    while let Some(request) = served.request()? {
        let number: Option<usize> = request.target.strip_prefix("/case/").and_then(|n| n.parse().ok());
        let Some(case) = number.and_then(|n| cases.get(n)) else {
            served.answer(200, "", format!("own {}", request.target).as_bytes())?;
            continue;
        };
        served.write(&case.bytes)?;
        match case.then {
            Then::Stays => {}
            Then::Closes => return Ok(()),
            Then::Resets => return served.reset(),
        }
    }
    Ok(())
}

fn request(method: &str, number: usize) -> String {
    format!("{method} /case/{number} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// What is wrong with what the client saw.
fn fault(case: &Case, answer: &io::Result<Answer>) -> Option<String> {
    let ours = |a: &Answer| matches!(a.status, 502..=504) && a.header("x-pomerium-intercepted-response") == "true";
    let is_cut = |e: &io::Error| matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
    let good = match (case.seen, answer) {
        (Seen::Refused | Seen::RefusedOrCut, Ok(answer)) => ours(answer),
        (Seen::Cut | Seen::RefusedOrCut, Err(error)) => is_cut(error),
        (Seen::Passed(status, body), Ok(answer)) => answer.status == status && answer.text() == body,
        _ => false,
    };
    let shown = answer.as_ref().map(|a| (a.status, a.text()));
    (!good).then(|| format!("{}: expected {:?}, found {shown:?}", case.name, case.seen))
}

/// The same of a client of HTTP/2.
fn fault_on_stream(case: &Case, reply: &Reply) -> Option<String> {
    let is_ours = matches!(reply.status, 502..=504) && reply.header("x-pomerium-intercepted-response") == "true";
    let good = match case.seen {
        Seen::Refused => is_ours && reply.ended,
        Seen::Cut => !reply.ended && reply.reset.is_some(),
        Seen::RefusedOrCut => is_ours && reply.ended || !reply.ended && reply.reset.is_some(),
        Seen::Passed(status, body) => reply.ended && reply.status == status && reply.body == body.as_bytes(),
    };
    (!good).then(|| format!("{} over HTTP/2: expected {:?}, found {reply:?}", case.name, case.seen))
}

/// Every case, by HTTP/1 and by HTTP/2. One worker, so that all clients share one pool; no time for anything to hang.
fn run(cases: fn() -> Vec<Case>) {
    let all = cases();
    let upstream = Upstream::with(move |served| serve(served, &all));
    let route = public_route(HOST, json!(upstream.url()));
    let settings = json!({"workers": 1, "default_upstream_timeout": "3s"});
    let plain = Vallum::start(and(clear(json!([route])), settings.clone()));
    let mut faults = try_each(
        &plain,
        &cases(),
        || plain.connect(),
        |case, number| {
            let mut wire = plain.connect();
            fault(case, &wire.send(request(case.method, number)).try_answer(case.method))
        },
    );
    let secure = Vallum::start(and(json!({"routes": [route]}), settings));
    faults.extend(try_each(
        &secure,
        &cases(),
        || secure.connect_tls(HOST),
        |case, number| {
            let mut client = Client::connect(secure.address);
            let id = client.request(case.method, &format!("/case/{number}"), &[], true);
            let fault = fault_on_stream(case, &client.finish(id));
            let survives = client.get("/ping").status == 200;
            fault.or_else(|| (!survives).then(|| format!("{}: the other streams suffer", case.name)))
        },
    ));
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), 2 * cases().len(), faults.join("\n"));
}

fn try_each(
    vallum: &Vallum,
    cases: &[Case],
    victim_connects: impl Fn() -> Wire,
    ask: impl Fn(&Case, usize) -> Option<String>,
) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        faults.extend(ask(case, number));
        for victim in 0..2 {
            let target = format!("/victim/{number}/{victim}");
            let answer = victim_connects().ask(get(HOST, &target, ""));
            if (answer.status, answer.text()) != (200, format!("own {target}")) {
                faults.push(format!("{}: the next client got {} {}", case.name, answer.status, answer.text()));
            }
        }
    }
    faults.extend(vallum.panics());
    faults
}

#[test]
fn status_lines() {
    run(cases::status_lines);
}

#[test]
fn framings() {
    run(cases::framings);
}

#[test]
fn chunks() {
    run(cases::chunks);
}

#[test]
fn heads() {
    run(cases::heads);
}

#[test]
fn bodies() {
    run(cases::bodies);
}

#[test]
fn interim_answers() {
    run(cases::interim_answers);
}

#[test]
fn what_was_refused_is_counted_and_logged_with_its_source() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab");
    let vallum = Vallum::public(&upstream);
    let answer = vallum.connect().ask(get(HOST, "/", "Accept: application/json\r\n"));
    assert_eq!(answer.status, 502);
    let id = answer.json()["request_id"].clone();
    let line = vallum.wait_for_log(&[("message", json!("http-request")), ("request-id", id)]);
    assert_eq!(
        (&line["source"], &line["response-code-details"]),
        (&json!("upstream_protocol"), &json!("upstream_protocol_error"))
    );
    vallum.wait_for_metric("vallum_http_requests_total", &[("source", "upstream_protocol")], 1.0);
}

#[test]
fn what_an_upstream_says_between_two_requests_is_for_nobody() {
    // After its answer, when the connection rests in the pool, the upstream sends another that nobody asked for.
    let (go, gate) = mpsc::channel::<()>();
    let (sender, poisoned) = mpsc::channel();
    let (gate, sender) = (Mutex::new(gate), Mutex::new(sender));
    let upstream = Upstream::with(move |served| {
        while let Some(request) = served.request()? {
            served.answer(200, "", request.target.as_bytes())?;
            gate.lock().unwrap().recv().ok();
            served.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")?;
            sender.lock().unwrap().send(()).ok();
        }
        Ok(())
    });
    let vallum = Vallum::start(and(clear(json!([public_route(HOST, json!(upstream.url()))])), json!({"workers": 1})));
    let mut wire = vallum.connect();
    for i in 0..30 {
        assert_eq!(wire.ask(get(HOST, &format!("/{i}"), "")).text(), format!("/{i}"));
        go.send(()).unwrap();
        poisoned.recv_timeout(PATIENCE).expect("the poison");
        // A round trip through the worker: by now it has seen what was sent.
        assert_eq!(wire.ask(get(HOST, "/ping", "")).status, 200);
    }
    assert_eq!(upstream.connections(), 30);
}

#[test]
fn nominated_fields_end_here() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nConnection: X-Secret, keep-alive\r\nX-Secret: yes\r\nKeep-Alive: timeout=5\r\nX-Open: yes\r\n\
         Content-Length: 2\r\n\r\nok",
    );
    let vallum = Vallum::public(&upstream);
    let answer = vallum.connect().ask(get(HOST, "/", ""));
    assert_eq!((answer.text().as_str(), answer.header("x-open")), ("ok", "yes"));
    for name in ["x-secret", "keep-alive", "connection"] {
        assert!(answer.all(name).is_empty(), "{name}: {answer:?}");
    }
}

#[test]
fn only_a_switch_to_what_was_asked_for_is_one() {
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for fields in ["", "Upgrade: h2c\r\nConnection: Upgrade\r\n", "Upgrade: websocket, h2c\r\nConnection: upgrade\r\n"]
    {
        let upstream = Upstream::answering(format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\nhello"));
        let route = and(public_route(HOST, json!(upstream.url())), json!({"allow_websockets": true}));
        let vallum = Vallum::start(clear(json!([route])));
        let answer = vallum.connect().ask(get(HOST, "/", upgrade));
        assert_eq!(answer.status, 502, "{fields:?}");
    }
}

#[test]
fn an_idle_connection_to_an_upstream_is_closed_in_the_end() {
    let (sender, closed) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let upstream = Upstream::with(move |served| {
        served.request()?;
        served.answer(200, "", b"ok")?;
        served.wait_for_close()?;
        sender.lock().unwrap().send(()).ok();
        Ok(())
    });
    let vallum = Vallum::public(&upstream);
    assert_eq!(vallum.connect().ask(get(HOST, "/", "")).status, 200);
    wait_until("an idle connection", || {
        (vallum.scrape().value("vallum_upstream_pool_connections", &[("state", "idle")]) == 1.0).then_some(())
    });
    closed.recv_timeout(std::time::Duration::from_secs(40)).expect("the idle connection is closed");
}
