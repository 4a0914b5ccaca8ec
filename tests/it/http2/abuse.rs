//! Clients that only make work: they are sent away, and others do not notice.

use serde_json::json;

use super::client::{
    ACK, CANCEL, COMPRESSION_ERROR, CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY,
    HEADERS, PING, PROTOCOL_ERROR, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, line,
};
use super::{fields, public};
use crate::harness::vallum::{HOST, public_route};
use crate::harness::{Upstream, Vallum};

/// Most rounds of a flood before it must have ended the connection.
const ROUNDS_MAX: usize = 20;
/// Events of one round: with all rounds, a thousand.
const EVENTS_PER_ROUND: usize = 50;
/// Growth of resident memory that is put down to warm caches and pools, in KiB.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

const PRIORITY: u8 = 2;
const PADDED: u8 = 8;

/// Sends what `round` makes until the server ends the connection; another client is served meanwhile. Returns the code
/// of the GOAWAY.
#[track_caller]
fn flood(vallum: &Vallum, mut round: impl FnMut(&mut Client) -> Vec<u8>) -> Option<u32> {
    let (mut client, mut other) = (Client::connect(vallum.address), Client::connect(vallum.address));
    for count in 0..ROUNDS_MAX {
        let mut bytes = round(&mut client);
        // Its answer shows that the round was read.
        let marker = client.reserve();
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, marker, &fields::encode(&line("GET", HOST, "/ping"))));
        client.send(bytes);
        assert_eq!(other.get("/ping").status, 200, "another client in round {count}");
        if !client.finish(marker).ended {
            client.drain();
            assert_eq!(Client::connect(vallum.address).get("/ping").status, 200, "a new client");
            return client.goaway;
        }
    }
    panic!("{ROUNDS_MAX} rounds and no end");
}

/// Makes the bytes of one event of a flood, with its name.
type Flood = (&'static str, Box<dyn Fn(&mut Client) -> Vec<u8>>);

/// Opens a stream with a GET.
fn opened(client: &mut Client, flags: u8) -> (u32, Vec<u8>) {
    let id = client.reserve();
    (id, frame(HEADERS, END_HEADERS | flags, id, &fields::encode(&line("GET", HOST, "/"))))
}

/// Floods of frames that need no stream.
fn floods_of_frames() -> Vec<Flood> {
    vec![
        ("pings", Box::new(|_| frame(PING, 0, 0, b"12345678"))),
        ("settings", Box::new(|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1, 0]))),
        ("acknowledged settings", Box::new(|_| frame(SETTINGS, ACK, 0, b""))),
        ("acknowledged pings", Box::new(|_| frame(PING, ACK, 0, b"12345678"))),
        ("priorities", Box::new(|_| frame(PRIORITY, 0, 1_000_001, &[0, 0, 0, 3, 9]))),
        ("goodbyes", Box::new(|_| frame(GOAWAY, 0, 0, &[0; 8]))),
        ("unknown frames", Box::new(|_| frame(0xf0, 0, 0, b"?"))),
        ("window updates", Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
    ]
}

/// Floods of requests that come to nothing.
fn floods_of_requests() -> Vec<Flood> {
    let opened_and_then = |name: &'static str, flags: u8, cause: fn(u32) -> Vec<u8>| -> Flood {
        let one = move |client: &mut Client| {
            let (id, open) = opened(client, flags);
            [open, cause(id)].concat()
        };
        (name, Box::new(one))
    };
    vec![
        opened_and_then("rapid reset", END_STREAM, |id| frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes())),
        opened_and_then("resets of streams that are over", END_STREAM, |id| {
            frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes()).repeat(20)
        }),
        opened_and_then("an increment of 0", 0, |id| frame(WINDOW_UPDATE, 0, id, &[0; 4])),
        opened_and_then("a window that is too large", 0, |id| frame(WINDOW_UPDATE, 0, id, &[0x7f, 0xff, 0xff, 0xff])),
        opened_and_then("DATA after the end", END_STREAM, |id| frame(DATA, 0, id, b"x")),
        opened_and_then("a priority on itself", 0, |id| {
            frame(PRIORITY, 0, id, &[&id.to_be_bytes()[..], &[9]].concat())
        }),
        opened_and_then("empty DATA", 0, |id| {
            [frame(DATA, 0, id, b"").repeat(10), frame(DATA, END_STREAM, id, b"")].concat()
        }),
        opened_and_then("padding alone", 0, |id| {
            let padded = frame(DATA, PADDED, id, &[&[255][..], &[0; 255]].concat());
            [padded.repeat(10), frame(DATA, END_STREAM, id, b"")].concat()
        }),
        (
            "malformed requests",
            Box::new(|client| {
                let id = client.reserve();
                frame(HEADERS, END_HEADERS | END_STREAM, id, &fields::encode(&[(":method", "GET")]))
            }),
        ),
        (
            "empty continuations",
            Box::new(|client| {
                let id = client.reserve();
                let open = frame(HEADERS, END_STREAM, id, &fields::encode(&line("GET", HOST, "/")));
                [open, frame(CONTINUATION, 0, id, b"").repeat(9), frame(CONTINUATION, END_HEADERS, id, b"")].concat()
            }),
        ),
    ]
}

#[test]
fn floods_end_their_connection() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    Client::connect(vallum.address).get("/");
    let before = vallum.process.resident_kib();
    for (name, one) in floods_of_frames().into_iter().chain(floods_of_requests()) {
        let code = flood(&vallum, |client| (0..EVENTS_PER_ROUND).flat_map(|_| one(client)).collect());
        assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{name}");
    }
    let after = vallum.process.resident_kib();
    assert!(after < before + GROWTH_KIB_MAX, "resident memory grew from {before} to {after} KiB");
    assert_eq!(vallum.panics(), [""; 0]);
}

#[test]
fn a_head_without_end_is_not_read_for_ever() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    let id = client.reserve();
    client.send(frame(HEADERS, END_STREAM, id, &fields::encode(&line("GET", HOST, "/"))));
    for _ in 0..65 {
        client.send(frame(CONTINUATION, 0, id, &fields::encode(&[("x-a", "b")])));
    }
    assert_eq!(client.drain(), Some(ENHANCE_YOUR_CALM));
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_head_that_is_too_large_is_answered() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    let id = client.reserve();
    let value = "x".repeat(15_000);
    client.send(frame(HEADERS, END_STREAM, id, &fields::encode(&line("GET", HOST, "/"))));
    for count in 0..10 {
        let flags = if count == 9 { END_HEADERS } else { 0 };
        client.send(frame(CONTINUATION, flags, id, &fields::encode(&[("x-a", &value)])));
    }
    assert_eq!(client.finish(id).status, 431);
    assert_eq!(client.get("/").status, 200, "the connection lives on");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn broken_framing_ends_the_connection() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let head = fields::encode(&line("GET", HOST, "/smuggled"));
    for (name, bytes) in [
        ("an even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2, &head)),
        ("data on an idle stream", frame(DATA, END_STREAM, 1, b"smuggled")),
        ("a head on stream 0", frame(HEADERS, END_HEADERS | END_STREAM, 0, &head)),
        ("a push", frame(5, END_HEADERS, 1, &head)),
        ("a reset of an idle stream", frame(RST_STREAM, 0, 1, &[0; 4])),
        ("another frame within a head", [frame(HEADERS, END_STREAM, 1, &head), frame(PING, 0, 0, &[0; 8])].concat()),
    ] {
        let mut client = Client::connect(vallum.address);
        client.send(bytes);
        assert_eq!(client.drain(), Some(PROTOCOL_ERROR), "{name}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn http_1_after_choosing_h2_is_refused() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut config = crate::harness::certificates::accept_any(&[]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut wire = crate::harness::Wire::tls_with(vallum.address, HOST, config.into()).expect("a handshake");
    let answer = wire.send(crate::harness::vallum::get(HOST, "/", "")).drain();
    assert!(!answer.starts_with(b"HTTP/1"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(upstream.connections(), 0);
}

/// The size that the dynamic table has at first (RFC 9113 section 6.5.2).
const TABLE_BYTES: usize = 4096;

#[test]
fn a_small_block_that_means_a_large_head_is_refused() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    let mut other = Client::connect(vallum.address);
    other.get("/");
    let before = vallum.process.resident_kib();
    let get = fields::encode(&line("GET", HOST, "/"));
    // One entry that fills the table, then references to it: each byte means four thousand.
    let entry = "x".repeat(TABLE_BYTES - 32 - 1);
    let add = [&[0x40][..], &fields::encode(&[("a", &entry)])[1..]].concat();
    for _ in 0..10 {
        let id = client.reserve();
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, id, &[&get[..], &add, &[0xbe; 8_000]].concat()));
        assert_eq!(client.finish(id).status, 431);
    }
    assert_eq!(other.get("/").status, 200);
    let after = vallum.process.resident_kib();
    assert!(after < before + GROWTH_KIB_MAX, "resident memory grew from {before} to {after} KiB");
    assert_eq!(client.get("/").status, 200, "the connection lives on");
    assert_eq!(vallum.panics(), [""; 0]);
}

#[test]
fn a_table_that_is_resized_again_and_again_ends_the_connection() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let get = fields::encode(&line("GET", HOST, "/"));
    let resizes = |count: usize| [[0x20u8, 0x3f, 0xe1, 0x1f].repeat(count / 2), get.clone()].concat();
    let mut client = Client::connect(vallum.address);
    // Twice for each block is what a setting of ours could bring about (RFC 7541 section 4.2).
    for _ in 0..300 {
        let id = client.reserve();
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, id, &resizes(2)));
        assert_eq!(client.finish(id).status, 200);
    }
    let id = client.reserve();
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, id, &resizes(1000)));
    assert_eq!(client.drain(), Some(COMPRESSION_ERROR));
    assert_eq!(Client::connect(vallum.address).get("/").status, 200);
}

#[test]
fn a_window_that_stays_shut_is_not_waited_for_without_end() {
    let upstream = Upstream::echo();
    let settings = json!({"routes": [public_route(HOST, json!(upstream.url()))], "timeout_write": "1s"});
    let vallum = Vallum::start(settings);
    let mut client = Client::with_window(vallum.address, Some(0));
    client.grants = false;
    let before = vallum.process.resident_kib();
    let streams: Vec<u32> = (0..100).map(|_| client.request("GET", "/bytes/5000000", &[], true)).collect();
    for id in streams {
        let reply = client.finish(id);
        assert_eq!((reply.status, reply.body.len(), reply.ended), (200, 0, false));
        assert!(reply.reset.is_some(), "the stream is cut, the connection lives on");
    }
    let after = vallum.process.resident_kib();
    assert!(after < before + GROWTH_KIB_MAX, "resident memory grew from {before} to {after} KiB");
    vallum.wait_for_metric("vallum_limits_total", &[("limit", "response_write_timeout")], 100.0);
    client.grants = true;
    let id = client.request("GET", "/", &[], true);
    client.grant(id, 100_000);
    assert_eq!(client.finish(id).status, 200);
}
