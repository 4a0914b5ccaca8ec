//! Clients that only make work: they are sent away, and others do not notice.

use super::client::{
    CANCEL, CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PING, PROTOCOL_ERROR,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, line,
};
use super::{fields, public};
use crate::harness::vallum::HOST;
use crate::harness::{Upstream, Vallum};

/// Most rounds of a flood before it must have ended the connection.
const ROUNDS_MAX: usize = 100;

/// Makes the bytes of one event of a flood.
type Round<'a> = dyn Fn(&mut Client) -> Vec<u8> + 'a;

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

#[test]
fn floods_end_their_connection() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let get = fields::encode(&line("GET", HOST, "/"));
    let opened = |client: &mut Client, flags: u8| {
        let id = client.reserve();
        (id, frame(HEADERS, END_HEADERS | flags, id, &get))
    };
    let floods: [(&str, Box<Round<'_>>); 6] = [
        (
            "rapid reset",
            Box::new(|client| {
                let (id, open) = opened(client, END_STREAM);
                [open, frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes())].concat().to_vec()
            }),
        ),
        (
            "made you reset",
            Box::new(|client| {
                let (id, open) = opened(client, 0);
                [open, frame(WINDOW_UPDATE, 0, id, &[0; 4])].concat()
            }),
        ),
        ("pings", Box::new(|_| frame(PING, 0, 0, b"12345678"))),
        ("settings", Box::new(|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1, 0]))),
        ("window updates", Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
        (
            "empty data",
            Box::new(|client| {
                let (id, open) = opened(client, 0);
                let empty = frame(DATA, 0, id, b"").repeat(10);
                [open, empty, frame(DATA, END_STREAM, id, b"")].concat()
            }),
        ),
    ];
    for (name, one) in floods {
        let code = flood(&vallum, |client| (0..50).flat_map(|_| one(client)).collect());
        assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{name}");
    }
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
