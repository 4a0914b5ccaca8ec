//! RFC 9113 and RFC 7541, section by section, against the real binary: over TLS and in clear text. Each case has a
//! connection of its own and is named by the section that it tries.

mod frames;
mod hpack;
mod messages;
mod streams;

use serde_json::json;

use super::client::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    frame, line,
};
use super::fields;
use crate::harness::certificates::accept_any;
use crate::harness::vallum::{HOST, and, public_route};
use crate::harness::{Upstream, Vallum, Wire};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;
/// The PING that shows that everything before it was read.
const MARK: &[u8; 8] = b"the mark";

const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const REFUSED: u32 = 7;
const COMPRESSION: u32 = 9;

enum Step {
    Send(Vec<u8>),
    /// Until a stream was answered whole.
    Answered(u32),
    /// Until so many bytes of bodies have come.
    Bytes(usize),
}

enum Expected {
    /// GOAWAY with this code, and the end of the connection.
    Connection(u32),
    /// RST_STREAM with this code; the connection goes on.
    Stream(u32, u32),
    /// The stream is answered with this status; the connection goes on.
    Answer(u32, u16),
    /// The upstream got this text in the request of the stream.
    Forwards(u32, &'static str),
    /// This very frame comes.
    Frame(Vec<u8>),
    /// DATA frames of these sizes come, and no others.
    Sizes(&'static [usize]),
    /// The connection goes on, and no stream is reset.
    Nothing,
}

use Expected::{Answer, Connection, Forwards, Frame, Nothing, Sizes, Stream};
use Step::{Answered, Bytes, Send};

struct Case {
    name: &'static str,
    /// The connection begins as it should, with the preface and SETTINGS.
    greets: bool,
    steps: Vec<Step>,
    expected: Expected,
}

/// A case in which the client sends something and waits for nothing.
fn case(name: &'static str, bytes: impl Into<Vec<u8>>, expected: Expected) -> Case {
    steps(name, vec![Send(bytes.into())], expected)
}

fn steps(name: &'static str, steps: Vec<Step>, expected: Expected) -> Case {
    Case { name, greets: true, steps, expected }
}

/// The block of a GET of `path`.
fn block(path: &str) -> Vec<u8> {
    fields::encode(&line("GET", HOST, path))
}

/// A GET of `path` on a stream.
fn get(id: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, id, &block(path))
}

/// A GET that nobody answers.
fn held(id: u32) -> Vec<u8> {
    get(id, "/hold")
}

/// A POST whose body is still to come.
fn post(id: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, id, &fields::encode(&line("POST", HOST, "/")))
}

fn data(id: u32, payload: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, id, payload)
}

fn grant(id: u32, count: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, id, &count.to_be_bytes())
}

/// SETTINGS with one parameter.
fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

/// The payload of a priority: the stream depended on, and a weight.
fn priority(on: u32, weight: u8) -> Vec<u8> {
    [&on.to_be_bytes()[..], &[weight]].concat()
}

struct Received {
    kind: u8,
    flags: u8,
    id: u32,
    payload: Vec<u8>,
}

/// One connection: everything that came is kept.
struct Talk {
    wire: Wire,
    received: Vec<Received>,
}

impl Talk {
    /// Reads until `found`; false when the server ends the connection before.
    fn read_until(&mut self, found: impl Fn(&[Received]) -> bool) -> bool {
        while !found(&self.received) {
            let Ok(head) = self.wire.take(9) else { return false };
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let Ok(payload) = self.wire.take(length) else { return false };
            if head[3] == SETTINGS && head[4] & ACK == 0 {
                self.wire.send(frame(SETTINGS, ACK, 0, b""));
            }
            self.received.push(Received { kind: head[3], flags: head[4], id, payload });
        }
        true
    }

    fn answered(&mut self, id: u32) -> bool {
        self.read_until(|all| all.iter().any(|f| f.id == id && is_end(f)))
    }

    /// What went wrong with the case, if anything did.
    fn judge(&mut self, expected: &Expected) -> Result<(), String> {
        if let Connection(code) = expected {
            self.read_until(|_| false);
            let last = self.received.last().filter(|f| f.kind == GOAWAY).map(|f| number(&f.payload[4..]));
            return (last == Some(*code)).then_some(()).ok_or(format!("GOAWAY {code}, but it was {last:?}"));
        }
        let seen = match expected {
            Stream(id, code) => self.read_until(|all| {
                all.iter().any(|f| (f.kind, f.id) == (RST_STREAM, *id) && number(&f.payload) == *code)
            }),
            Answer(id, _) | Forwards(id, _) => self.answered(*id),
            Sizes(sizes) => self.read_until(|all| sizes_of(all).len() >= sizes.len()),
            Frame(_) | Nothing | Connection(_) => true,
        };
        self.wire.send(frame(PING, 0, 0, MARK));
        let lives = self.read_until(|all| all.iter().any(|f| (f.kind, &f.payload[..]) == (PING, MARK)));
        let goaway = self.received.iter().find(|f| f.kind == GOAWAY).map(|f| number(&f.payload[4..]));
        if !seen || !lives || goaway.is_some() {
            return Err(format!("the connection to go on (GOAWAY {goaway:?}, seen {seen})"));
        }
        let holds = match expected {
            Answer(id, status) => self.status(*id) == Some(*status),
            Forwards(id, text) => self.body(*id).contains(text),
            Frame(bytes) => self.received.iter().any(|f| frame(f.kind, f.flags, f.id, &f.payload) == *bytes),
            Sizes(sizes) => sizes_of(&self.received) == *sizes,
            Nothing => !self.received.iter().any(|f| f.kind == RST_STREAM),
            Stream(..) | Connection(_) => true,
        };
        holds.then_some(()).ok_or_else(|| {
            let frames = self.received.iter().map(|f| format!("{} on {} ({} bytes)", f.kind, f.id, f.payload.len()));
            format!("something else than frames {:?}", frames.collect::<Vec<_>>())
        })
    }

    fn status(&self, id: u32) -> Option<u16> {
        let head = self.received.iter().find(|f| f.id == id && f.kind == HEADERS)?;
        fields::status(&head.payload)
    }

    fn body(&self, id: u32) -> String {
        let data = self.received.iter().filter(|f| f.id == id && f.kind == DATA).map(|f| f.payload.as_slice());
        String::from_utf8_lossy(&data.collect::<Vec<_>>().concat()).into_owned()
    }
}

fn is_end(frame: &Received) -> bool {
    frame.kind == RST_STREAM || matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().expect("four bytes"))
}

fn sizes_of(received: &[Received]) -> Vec<usize> {
    received.iter().filter(|f| f.kind == DATA).map(|f| f.payload.len()).collect()
}

fn connect(vallum: &Vallum, insecure: bool) -> Wire {
    if insecure {
        return vallum.connect();
    }
    let mut config = accept_any(&[]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    Wire::tls_with(vallum.address, HOST, config.into()).expect("a handshake")
}

/// Tries every case over TLS and in clear text and reports all that fail.
#[track_caller]
fn try_all(cases: &[Case]) {
    let upstream = Upstream::echo();
    let silent = Upstream::with(|served| {
        served.stay_silent();
        Ok(())
    });
    let routes = json!([
        and(public_route(HOST, json!(silent.url())), json!({"path": "/hold"})),
        public_route(HOST, json!(upstream.url())),
    ]);
    let mut failures = Vec::new();
    for insecure in [false, true] {
        let vallum = Vallum::start(json!({"routes": routes, "insecure_server": insecure, "codec_type": "http2"}));
        for case in cases {
            let mut talk = Talk { wire: connect(&vallum, insecure), received: Vec::new() };
            if case.greets {
                talk.wire.send([PREFACE, &frame(SETTINGS, 0, 0, b"")].concat());
            }
            for step in &case.steps {
                match step {
                    Send(bytes) => drop(talk.wire.send(bytes)),
                    Answered(id) => drop(talk.answered(*id)),
                    Bytes(count) => drop(talk.read_until(|all| sizes_of(all).iter().sum::<usize>() >= *count)),
                }
            }
            if let Err(expected) = talk.judge(&case.expected) {
                failures.push(format!("{} (clear: {insecure}): expected {expected}", case.name));
            }
        }
        assert_eq!(vallum.panics(), [""; 0]);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
