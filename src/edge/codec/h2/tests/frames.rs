//! Rules of single frames, stream states and settings: what h2spec tries (generic, http2 3 to 6), as a table.

use super::*;

use ErrorCode as E;

/// What the client must be told.
#[derive(Debug, Clone, Copy)]
enum Told {
    Nothing,
    Stream(ErrorCode),
    Connection(ErrorCode),
}
use Told::{Connection as C, Nothing as N, Stream as S};

fn check(name: &str, bytes: &[u8], told: Told) {
    let mut server = Server::new();
    match (server.connection.receive(bytes, 1), told) {
        (Ok(used), N | S(_)) => assert_eq!(used, bytes.len(), "{name}"),
        (Err(error), C(code)) => assert_eq!(error.code, code, "{name}: {error}"),
        (result, told) => panic!("{name}: {result:?}, expected {told:?}"),
    }
    let frames = server.frames();
    let codes = |wanted| frames.iter().filter(move |sent| sent.kind == wanted);
    let resets: Vec<u32> = codes(kind::RST_STREAM).map(Sent::number).collect();
    match told {
        S(code) => assert_eq!(resets.last(), Some(&code.0), "{name}"),
        _ => assert!(resets.is_empty(), "{name}: {resets:?}"),
    }
    assert_eq!(codes(kind::GOAWAY).count(), usize::from(matches!(told, C(_))), "{name}");
}

fn open(stream: u32) -> Vec<u8> {
    headers(stream, false, POST)
}

fn priority(stream: u32, on: u32) -> Vec<u8> {
    frame(kind::PRIORITY, 0, stream, &[&on.to_be_bytes()[..], &[10]].concat())
}

#[test]
fn prefaces() {
    for hostile in
        [&b"INVALID CONNECTION PREFACE\r\n\r\n"[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PRI * HTTP/1", &[0; 24]]
    {
        assert_eq!(Server::fresh(Limits::default()).fails(hostile).code, E::PROTOCOL_ERROR);
    }
    let mut server = Server::fresh(Limits::default());
    assert_eq!(server.connection.receive(&PREFACE[..23], 1), Ok(0));
    for first in [get(1), frame(kind::SETTINGS, flag::ACK, 0, &[]), frame(kind::PING, 0, 0, &[0; 8])] {
        assert_eq!(Server::fresh(Limits::default()).fails(&[PREFACE, &first].concat()).cause, "settings_expected");
    }
}

#[test]
fn sizes_and_places_of_frames() {
    let four = [0, 0, 0, 1];
    let cases: &[(&str, Vec<u8>, Told)] = &[
        ("4.1 unknown kind", frame(0x16, 0, 0, &[0; 8]), N),
        ("4.1 unknown flags", frame(kind::PING, 0x16, 0, &[0; 8]), N),
        ("4.1 reserved bit", frame(kind::PING, 0, 0x8000_0000, &[0; 8]), N),
        ("4.2 too large", frame(kind::DATA, 0, 1, &vec![0; 16_385]), C(E::FRAME_SIZE_ERROR)),
        ("4.2 headers too large", frame(kind::HEADERS, 5, 1, &vec![0; 16_385]), C(E::FRAME_SIZE_ERROR)),
        ("4.3 bad block", frame(kind::HEADERS, 5, 1, &[0x40]), C(E::COMPRESSION_ERROR)),
        ("6.1 data on 0", data(0, false, b"x"), C(E::PROTOCOL_ERROR)),
        ("6.1 padding", [open(1), frame(kind::DATA, flag::PADDED, 1, &[6, 0, 0])].concat(), C(E::PROTOCOL_ERROR)),
        ("6.1 padding only", [open(1), frame(kind::DATA, flag::PADDED, 1, &[2, 0, 0])].concat(), N),
        ("6.2 headers on 0", get(0), C(E::PROTOCOL_ERROR)),
        ("6.2 padding", frame(kind::HEADERS, 0xd, 1, &[9, 0x82]), C(E::PROTOCOL_ERROR)),
        ("6.2 no padding length", frame(kind::HEADERS, 0xd, 1, &[]), C(E::FRAME_SIZE_ERROR)),
        ("6.2 cut priority", frame(kind::HEADERS, 0x25, 1, &[0; 4]), C(E::FRAME_SIZE_ERROR)),
        ("6.3 priority on 0", priority(0, 1), C(E::PROTOCOL_ERROR)),
        ("6.3 length", [open(1), frame(kind::PRIORITY, 0, 1, &[0; 4])].concat(), S(E::FRAME_SIZE_ERROR)),
        ("6.3 length, idle", frame(kind::PRIORITY, 0, 1, &[0; 4]), C(E::FRAME_SIZE_ERROR)),
        ("5.3.1 on itself", [open(1), priority(1, 1)].concat(), S(E::PROTOCOL_ERROR)),
        ("5.3.1 on itself, idle", priority(3, 3), C(E::PROTOCOL_ERROR)),
        ("priority on an idle stream", priority(3, 1), N),
        ("6.4 reset on 0", reset(0, 8), C(E::PROTOCOL_ERROR)),
        ("6.4 reset on idle", reset(1, 8), C(E::PROTOCOL_ERROR)),
        ("6.4 length", [open(1), frame(kind::RST_STREAM, 0, 1, &[0; 3])].concat(), C(E::FRAME_SIZE_ERROR)),
        ("6.5 ack with payload", frame(kind::SETTINGS, 1, 0, &[0; 6]), C(E::FRAME_SIZE_ERROR)),
        ("6.5 on a stream", frame(kind::SETTINGS, 0, 1, &[]), C(E::PROTOCOL_ERROR)),
        ("6.5 length", frame(kind::SETTINGS, 0, 0, &[0; 3]), C(E::FRAME_SIZE_ERROR)),
        ("6.5.2 push", settings(&[(2, 2)]), C(E::PROTOCOL_ERROR)),
        ("6.5.2 window", settings(&[(4, 0x8000_0000)]), C(E::FLOW_CONTROL_ERROR)),
        ("6.5.2 frame size", settings(&[(5, 16_383)]), C(E::PROTOCOL_ERROR)),
        ("6.5.2 frame size", settings(&[(5, 0x100_0000)]), C(E::PROTOCOL_ERROR)),
        ("6.5.2 unknown", settings(&[(0xff, 1)]), N),
        ("6.6 push promise", [open(1), frame(5, 4, 1, &four)].concat(), C(E::PROTOCOL_ERROR)),
        ("6.7 ping on a stream", frame(kind::PING, 0, 1, &[0; 8]), C(E::PROTOCOL_ERROR)),
        ("6.7 length", frame(kind::PING, 0, 0, &[0; 6]), C(E::FRAME_SIZE_ERROR)),
        ("6.8 goaway on a stream", frame(kind::GOAWAY, 0, 1, &[0; 8]), C(E::PROTOCOL_ERROR)),
        ("6.8 length", frame(kind::GOAWAY, 0, 0, &[0; 7]), C(E::FRAME_SIZE_ERROR)),
        ("6.9 zero", window_update(0, 0), C(E::PROTOCOL_ERROR)),
        ("6.9 zero on a stream", [open(1), window_update(1, 0)].concat(), S(E::PROTOCOL_ERROR)),
        ("6.9 length", frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3]), C(E::FRAME_SIZE_ERROR)),
        ("6.9 on idle", window_update(1, 1), C(E::PROTOCOL_ERROR)),
        ("6.9.1 overflow", [window_update(0, 0x7fff_ffff), window_update(0, 1)].concat(), C(E::FLOW_CONTROL_ERROR)),
        (
            "6.9.1 overflow on a stream",
            [open(1), window_update(1, 0x7fff_ffff), window_update(1, 1)].concat(),
            S(E::FLOW_CONTROL_ERROR),
        ),
        (
            "6.9.2 overflow by settings",
            [open(1), window_update(1, 0x7fff_0000), settings(&[(4, 0x7fff_ffff)])].concat(),
            C(E::FLOW_CONTROL_ERROR),
        ),
        ("6.10 continuation alone", frame(kind::CONTINUATION, 4, 1, &[]), C(E::PROTOCOL_ERROR)),
        ("6.10 after end", [open(1), frame(kind::CONTINUATION, 4, 1, &[])].concat(), C(E::PROTOCOL_ERROR)),
        ("6.10 on 0", [frame(kind::HEADERS, 1, 1, &[0x82]), frame(9, 4, 0, &[])].concat(), C(E::PROTOCOL_ERROR)),
        ("6.10 on another", [frame(kind::HEADERS, 1, 1, &[0x82]), frame(9, 4, 3, &[])].concat(), C(E::PROTOCOL_ERROR)),
        ("4.3 interleaved", [frame(kind::HEADERS, 1, 1, &[0x82]), priority(1, 0)].concat(), C(E::PROTOCOL_ERROR)),
        (
            "4.3 unknown between",
            [frame(kind::HEADERS, 1, 1, &[0x82]), frame(0x16, 0, 0, &[])].concat(),
            C(E::PROTOCOL_ERROR),
        ),
    ];
    for (name, bytes, told) in cases {
        check(name, bytes, *told);
    }
}

#[test]
fn states_of_streams() {
    let cases: &[(&str, Vec<u8>, Told)] = &[
        ("5.1 idle: data", data(1, true, b"x"), C(E::PROTOCOL_ERROR)),
        ("5.1 idle: reset", reset(1, 8), C(E::PROTOCOL_ERROR)),
        ("5.1 half-closed: data", [get(1), data(1, true, b"x")].concat(), S(E::STREAM_CLOSED)),
        ("5.1 half-closed: headers", [get(1), get(1)].concat(), S(E::STREAM_CLOSED)),
        ("5.1 half-closed: window update", [get(1), window_update(1, 1)].concat(), N),
        ("5.1 half-closed: priority", [get(1), priority(1, 0)].concat(), N),
        ("5.1 half-closed: reset", [get(1), reset(1, 8)].concat(), N),
        ("5.1 closed by reset: data", [open(1), reset(1, 8), data(1, true, b"x")].concat(), S(E::STREAM_CLOSED)),
        ("5.1 closed by reset: headers", [open(1), reset(1, 8), get(1)].concat(), S(E::STREAM_CLOSED)),
        (
            "5.1 closed by reset: continuation",
            [open(1), reset(1, 8), frame(kind::CONTINUATION, 4, 1, &[])].concat(),
            C(E::PROTOCOL_ERROR),
        ),
        ("5.1 closed by reset: window update", [open(1), reset(1, 8), window_update(1, 1)].concat(), N),
        ("5.1 closed by reset: reset", [open(1), reset(1, 8), reset(1, 8)].concat(), N),
        ("5.1.1 even", get(2), C(E::PROTOCOL_ERROR)),
        ("5.1.1 smaller", [get(5), get(3)].concat(), C(E::PROTOCOL_ERROR)),
        ("data on a skipped stream", [get(5), data(3, true, b"x")].concat(), N),
    ];
    for (name, bytes, told) in cases {
        check(name, bytes, *told);
    }
}

#[test]
fn frames_on_streams_that_ended() {
    // (bytes after the end, expected code)
    for (late, code) in [
        (data(1, true, b"x"), Some(E::STREAM_CLOSED)),
        (get(1), Some(E::STREAM_CLOSED)),
        (window_update(1, 1), None),
        (reset(1, 8), None),
        (priority(1, 0), None),
    ] {
        for released in [false, true] {
            let mut server = Server::new();
            server.take(&get(1)).unwrap();
            server.connection.send_head(StreamId(1), 204, std::iter::empty(), true).unwrap();
            if released {
                server.connection.release(StreamId(1));
            }
            let result = server.connection.receive(&late, 1).map_err(|error| error.code);
            assert_eq!(result.err(), code, "{late:?}, released: {released}");
        }
    }
}

#[test]
fn frames_that_cross_our_reset_are_ignored() {
    for released in [false, true] {
        let mut server = Server::new();
        server.take(&open(1)).unwrap();
        server.connection.reset(StreamId(1), E::CANCEL);
        if released {
            server.connection.release(StreamId(1));
        }
        assert_eq!(server.reset_code(1), Some(E::CANCEL));
        let late = [data(1, false, &[0; 100]), window_update(1, 1), headers(1, true, &[("a", "b")]), reset(1, 8)];
        server.take(&late.concat()).unwrap();
        assert!(server.frames().is_empty());
        assert_eq!(server.seen(), ["1 POST / host=a.example Chunked"]);
    }
}

#[test]
fn too_many_streams_are_refused() {
    let mut server = Server::with(Limits { streams: 2, ..Limits::default() }, &[]);
    server.take(&[get(1), open(3), get(5)].concat()).unwrap();
    assert_eq!(server.reset_code(5), Some(E::REFUSED_STREAM));
    assert_eq!(server.seen().len(), 2);
    server.answer(1);
    server.take(&get(7)).unwrap();
    assert_eq!(server.seen(), ["7 GET / host=a.example None"]);
    // What the client closed and the owner did not is bounded as well.
    let mut server = Server::with(Limits { streams: 1, ..Limits::default() }, &[]);
    for id in (1..).step_by(2).take(101) {
        server.take(&[get(id), reset(id, 8)].concat()).unwrap();
    }
    assert_eq!((server.events().len(), server.frames().len()), (202, 0));
    server.take(&get(301)).unwrap();
    assert_eq!(server.reset_code(301), Some(E::REFUSED_STREAM));
    server.connection.release(StreamId(1));
    server.take(&get(303)).unwrap();
    assert_eq!(server.seen(), ["303 GET / host=a.example None"]);
}

#[test]
fn pings_and_settings_are_acknowledged() {
    let mut server = Server::new();
    server
        .take(&[frame(kind::PING, 0, 0, b"12345678"), settings(&[]), frame(kind::PING, flag::ACK, 0, &[0; 8])].concat())
        .unwrap();
    let frames = server.frames();
    assert_eq!(frames[0], Sent { kind: kind::PING, flags: flag::ACK, stream: 0, payload: b"12345678".to_vec() });
    assert_eq!(frames[1..], [Sent { kind: kind::SETTINGS, flags: flag::ACK, stream: 0, payload: vec![] }]);
}

#[test]
fn going_away() {
    let mut server = Server::new();
    server.take(&get(1)).unwrap();
    server.connection.drain();
    let frames = server.frames();
    assert_eq!((frames[0].kind, frames[0].number()), (kind::GOAWAY, 0x7fff_ffff));
    assert_eq!(frames[1].kind, kind::PING);
    // Sent before the client knew: still served.
    server.take(&get(3)).unwrap();
    assert_eq!(server.seen().len(), 2);
    server.take(&frame(kind::PING, flag::ACK, 0, &frames[1].payload)).unwrap();
    let last = server.frames();
    assert_eq!((last.len(), last[0].kind, last[0].number()), (1, kind::GOAWAY, 3));
    server.take(&get(5)).unwrap();
    assert_eq!(server.reset_code(5), Some(E::REFUSED_STREAM));
    server.answer(1);
    assert!(!server.connection.is_finished());
    server.answer(3);
    assert!(!server.connection.is_finished());
    assert_eq!(server.frames().len(), 2);
    assert!(server.connection.is_finished());
    // And the other way round.
    let mut server = Server::new();
    server.take(&[get(1), frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2, b'x']), get(3)].concat()).unwrap();
    assert_eq!(server.seen()[1], "goaway internal_error");
}

#[test]
fn a_failed_connection_serves_nothing_more() {
    let mut server = Server::new();
    server.take(&open(1)).unwrap();
    assert_eq!(server.events().len(), 1);
    server.fails(&[data(1, false, b"abc"), get(3), get(2)].concat());
    let stream = StreamId(1);
    let connection = &mut server.connection;
    assert!(connection.send_head(stream, 200, std::iter::empty(), true).is_err());
    assert!(connection.send_data(stream, b"x", true).is_err() && connection.send_capacity(stream).is_err());
    connection.reset(stream, E::CANCEL);
    connection.release(stream);
    // The request that nobody was told of needs no release from anybody.
    assert!(connection.output().is_empty() && connection.is_finished());
}
