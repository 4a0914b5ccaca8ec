//! Floods: each of them ends the connection after a bounded number of frames, and costs bounded memory until then.

use super::super::limits::HEADS_BYTES_MAX;
use super::requests::in_parts;
use super::*;

/// Sends what `make` makes, emptying the output each time, until the connection ends; returns how often, and why.
fn flood(server: &mut Server, mut make: impl FnMut(u32) -> Vec<u8>) -> (usize, &'static str) {
    for n in 0..5000 {
        if let Err(error) = server.connection.receive(&make(n), server.now_ms) {
            assert_eq!(error.code, ErrorCode::ENHANCE_YOUR_CALM, "{error}");
            return (n as usize, error.cause);
        }
        for event in server.events() {
            // The owner lets go of what ended.
            if let Event::Reset { stream, .. } = event {
                server.connection.release(stream);
            }
        }
        server.connection.output().clear();
    }
    panic!("the flood goes on");
}

#[test]
fn floods_end() {
    type Make = fn(u32) -> Vec<u8>;
    let cases: &[(&str, Make)] = &[
        ("reset_flood", |n| [get(2 * n + 1), reset(2 * n + 1, 8)].concat()),
        ("violation_flood", |n| [headers(2 * n + 1, false, POST), window_update(2 * n + 1, 0)].concat()),
        ("violation_flood", |n| [headers(2 * n + 1, false, POST), headers(2 * n + 1, false, GET)].concat()),
        ("violation_flood", |n| [get(2 * n + 1), data(2 * n + 1, false, b"x")].concat()),
        ("violation_flood", |n| headers(2 * n + 1, true, &[("Bad", "x")])),
        ("refused_stream_flood", |n| get(2 * n + 1)),
        ("empty_frame_flood", |n| if n == 0 { headers(1, false, POST) } else { data(1, false, b"") }),
        ("empty_frame_flood", |n| {
            if n == 0 { headers(1, false, POST) } else { frame(kind::DATA, flag::PADDED, 1, &[3, 0, 0, 0]) }
        }),
        ("settings_flood", |_| settings(&[(4, 7)])),
        ("settings_flood", |_| frame(kind::SETTINGS, flag::ACK, 0, &[])),
        ("settings_flood", |_| frame(kind::GOAWAY, 0, 0, &[0; 8])),
        ("ping_flood", |_| frame(kind::PING, 0, 0, &[0; 8])),
        ("ping_flood", |_| frame(kind::PING, flag::ACK, 0, &[0; 8])),
        ("priority_flood", |n| frame(kind::PRIORITY, 0, 2 * n + 1, &[0, 0, 0, 0, 1])),
        ("window_update_flood", |_| window_update(0, 1)),
        ("window_update_flood", |n| if n == 0 { get(1) } else { window_update(1, 1) }),
        ("stale_frame_flood", |n| if n == 0 { get(3) } else { data(1, false, b"x") }),
        ("stale_frame_flood", |n| if n == 0 { [get(1), reset(1, 8)].concat() } else { reset(1, 8) }),
        ("unknown_frame_flood", |_| frame(0xbe, 0, 0, b"x")),
        ("continuation_flood", |n| if n == 0 { frame(kind::HEADERS, 0, 1, &[0x82]) } else { frame(9, 0, 1, &[0x82]) }),
        ("continuation_flood", |n| if n == 0 { frame(kind::HEADERS, 0, 1, &[]) } else { frame(9, 0, 1, &[]) }),
        ("header_block_too_large", |n| {
            if n == 0 { frame(kind::HEADERS, 0, 1, &[0x82]) } else { frame(9, 0, 1, &[0x82; 16_384]) }
        }),
    ];
    for (cause, make) in cases {
        let mut server = Server::new();
        let (count, ended) = flood(&mut server, make);
        assert_eq!(ended, *cause);
        assert!(count <= 1000, "{cause}: {count}");
        assert_eq!(server.kinds().last(), Some(&kind::GOAWAY));
    }
}

#[test]
fn an_unread_output_is_bounded() {
    for make in [|| frame(kind::PING, 0, 0, &[0; 8]), || settings(&[])] {
        let mut server = Server::new();
        for _ in 0..10_000 {
            // Slowly enough for the meters.
            server.now_ms += 1000;
            if let Err(error) = server.connection.receive(&make(), server.now_ms) {
                assert_eq!(error.cause, "output_unread");
                break;
            }
        }
        let length = server.connection.output().len();
        assert!((16 * 1024..17 * 1024).contains(&length), "{length}");
    }
}

#[test]
fn a_client_that_asks_and_never_reads_is_stopped() {
    let mut server = Server::new();
    let value = [b'v'; 1000];
    for n in 0..10_000 {
        let id = 2 * n + 1;
        server.now_ms += 1000;
        if let Err(error) = server.connection.receive(&get(id), server.now_ms) {
            assert_eq!(error.cause, "output_unread");
            break;
        }
        if server.seen().len() == 1 {
            let small = server.connection.output().len() < 128 * 1024;
            assert_eq!(server.connection.wants_input(), small);
            let fields = [(&b"x"[..], &value[..])];
            server.connection.send_head(StreamId(id), 204, fields.into_iter(), true).unwrap();
            server.connection.release(StreamId(id));
        }
    }
    assert!(!server.connection.wants_input());
    let length = server.connection.output().len();
    assert!((1 << 20..(1 << 20) + 32 * 1024).contains(&length), "{length}");
}

#[test]
fn patience_with_what_is_usual() {
    // A client that pings every second, changes settings and takes requests back now and then.
    let mut server = Server::new();
    for n in 0..5000u32 {
        server.now_ms += 1000;
        let id = 2 * n + 1;
        let usual = [get(id), frame(kind::PING, 0, 0, &[0; 8]), settings(&[]), reset(id, 8), window_update(0, 10)];
        server.take(&usual.concat()).unwrap();
        server.events();
        server.connection.release(StreamId(id));
        server.connection.output().clear();
    }
    // Many small responses, each with its window updates, in no time.
    let mut server = Server::new();
    for n in 0..5000u32 {
        let id = 2 * n + 1;
        server.take(&get(id)).unwrap();
        server.connection.send_head(StreamId(id), 200, std::iter::empty(), false).unwrap();
        server.connection.send_data(StreamId(id), &[b'x'; 100], true).unwrap();
        server.connection.release(StreamId(id));
        server.take(&[window_update(0, 100), window_update(id, 100)].concat()).unwrap();
        server.connection.output().clear();
        server.events();
    }
}

/// A client that takes back every other request at once, or waits a second before it does.
#[test]
fn patience_with_those_who_take_requests_back() {
    for waits_ms in [0, 1000] {
        let mut server = Server::new();
        for n in 0..2000u32 {
            let (kept, taken) = (4 * n + 1, 4 * n + 3);
            server.take(&[get(kept), get(taken)].concat()).unwrap();
            if waits_ms == 0 {
                server.connection.send_head(StreamId(kept), 204, std::iter::empty(), true).unwrap();
            }
            server.now_ms += waits_ms;
            server.take(&reset(taken, 8)).unwrap();
            server.events();
            server.connection.release(StreamId(kept));
            server.connection.release(StreamId(taken));
            server.connection.output().clear();
        }
    }
}

/// A client that measures the bandwidth of a long answer by PINGs, one for each frame that comes.
#[test]
fn patience_with_those_who_measure() {
    let mut server = Server::new();
    server.take(&get(1)).unwrap();
    server.connection.send_head(StreamId(1), 200, std::iter::empty(), false).unwrap();
    for _ in 0..5000 {
        server.connection.send_data(StreamId(1), &[b'x'; 100], false).unwrap();
        server.connection.output().clear();
        let ping = frame(kind::PING, 0, 0, &[0; 8]);
        server.take(&[window_update(0, 100), window_update(1, 100), ping].concat()).unwrap();
        server.events();
    }
}

/// A table entry of 4,000 bytes, and 15,000 references to it in one frame: 60 MB if they were written out.
#[test]
fn a_header_bomb_is_refused_and_small() {
    let mut bomb = block(GET);
    bomb.extend_from_slice(&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e]);
    bomb.resize(bomb.len() + 4000, b'x');
    bomb.resize(bomb.len() + 11_000, 0xbe);
    let mut server = Server::new();
    for part in in_parts(1, true, &bomb, 16_000) {
        server.take(&part).unwrap();
    }
    assert_eq!(server.seen(), ["1 refused TooLarge"]);
}

/// Heads that are just small enough, each of a few bytes: how much they take is bounded, however many streams there may be.
#[test]
fn large_heads_are_taken_until_they_are_too_much() {
    let mut server = Server::new();
    let mut first = block(GET);
    first.extend_from_slice(&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e]);
    first.resize(first.len() + 4000, b'x');
    server.take(&frame(kind::HEADERS, 5, 1, &first)).unwrap();
    let mut large = block(GET);
    large.resize(large.len() + 14, 0xbe);
    let taken: Vec<u32> = (1..40)
        .map(|at| 2 * at + 1)
        .filter(|&id| {
            server.take(&frame(kind::HEADERS, 5, id, &large)).unwrap();
            let code = server.reset_code(id);
            assert!(code.is_none_or(|code| code == ErrorCode::REFUSED_STREAM), "{code:?}");
            code.is_none()
        })
        .collect();
    let size = 14 * 4000;
    assert!((HEADS_BYTES_MAX / size..=HEADS_BYTES_MAX / size + 2).contains(&taken.len()), "{}", taken.len());
    // Those that are done make room.
    taken.iter().for_each(|&id| server.answer(id));
    server.frames();
    server.take(&frame(kind::HEADERS, 5, 101, &large)).unwrap();
    assert_eq!(server.reset_code(101), None);
}

#[test]
fn table_size_changes_are_counted() {
    let mut server = Server::new();
    let error = server.fails(&frame(kind::HEADERS, 5, 1, &[0x20, 0x3f, 0xe1, 0x1f, 0x20, 0x82]));
    assert_eq!((error.code, error.cause), (ErrorCode::COMPRESSION_ERROR, "hpack_table_size"));
}
