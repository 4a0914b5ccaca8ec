//! RFC 9113 sections 3 to 5: the preface, the frame, the states of streams.

use super::*;

#[test]
fn section_3_starting() {
    try_all(&[
        case("3.4: the server's preface", b"", Nothing),
        Case {
            name: "3.4: a preface that is none",
            greets: false,
            steps: vec![Send(b"INVALID CONNECTION PREFACE\r\n\r\n".to_vec())],
            expected: Connection(PROTOCOL),
        },
        Case {
            name: "3.4: SETTINGS must be the first frame",
            greets: false,
            steps: vec![Send([PREFACE, &frame(PING, 0, 0, MARK)].concat())],
            expected: Connection(PROTOCOL),
        },
    ]);
}

#[test]
fn section_4_frames() {
    let large = |kind: u8, flags: u8| frame(kind, flags, 1, &[0; 16_385]);
    try_all(&[
        case("4.1: a frame of unknown type", frame(0x16, 0, 0, &[0; 8]), Nothing),
        case("4.1: an undefined flag", frame(PING, 0x16, 0, b"undefine"), Frame(frame(PING, ACK, 0, b"undefine"))),
        case(
            "4.1: the reserved bit",
            frame(PING, 0, 0x8000_0000, b"reserved"),
            Frame(frame(PING, ACK, 0, b"reserved")),
        ),
        case("4.2: DATA of 2^14 bytes", [post(1), data(1, &[0; 16_384])].concat(), Answer(1, 200)),
        case("4.2: DATA beyond MAX_FRAME_SIZE", [post(1), large(DATA, 0)].concat(), Connection(FRAME_SIZE)),
        case("4.2: HEADERS beyond MAX_FRAME_SIZE", large(HEADERS, END_HEADERS), Connection(FRAME_SIZE)),
        case(
            "4.3: a block that cannot be decoded",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0xff, 0x7f]),
            Connection(COMPRESSION),
        ),
        case(
            "4.3: PRIORITY within a block",
            [frame(HEADERS, END_STREAM, 1, &block("/")), frame(PRIORITY, 0, 1, &priority(0, 1))].concat(),
            Connection(PROTOCOL),
        ),
        case(
            "4.3: HEADERS of another stream within a block",
            [frame(HEADERS, END_STREAM, 1, &block("/")), get(3, "/")].concat(),
            Connection(PROTOCOL),
        ),
    ]);
}

#[test]
fn section_5_1_stream_states() {
    let continuation = |id: u32| frame(CONTINUATION, END_HEADERS, id, &block("/"));
    let reset = |id: u32| frame(RST_STREAM, 0, id, &8u32.to_be_bytes());
    let after_end = |bytes: Vec<u8>| vec![Send(get(1, "/ping")), Answered(1), Send(bytes)];
    try_all(&[
        case("5.1: idle: DATA", data(1, b"x"), Connection(PROTOCOL)),
        case("5.1: idle: RST_STREAM", reset(1), Connection(PROTOCOL)),
        case("5.1: idle: WINDOW_UPDATE", grant(1, 100), Connection(PROTOCOL)),
        case("5.1: idle: CONTINUATION", continuation(1), Connection(PROTOCOL)),
        case("5.1: idle: PRIORITY", [frame(PRIORITY, 0, 1, &priority(0, 255)), get(1, "/")].concat(), Answer(1, 200)),
        case("5.1: half-closed (remote): DATA", [held(1), data(1, b"x")].concat(), Stream(1, CLOSED)),
        case("5.1: half-closed (remote): HEADERS", [held(1), get(1, "/")].concat(), Stream(1, CLOSED)),
        case("5.1: half-closed (remote): CONTINUATION", [held(1), continuation(1)].concat(), Connection(PROTOCOL)),
        case("5.1: half-closed (remote): WINDOW_UPDATE", [get(1, "/"), grant(1, 100)].concat(), Answer(1, 200)),
        case(
            "5.1: half-closed (remote): PRIORITY",
            [get(1, "/"), frame(PRIORITY, 0, 1, &priority(0, 255))].concat(),
            Answer(1, 200),
        ),
        case("5.1: half-closed (remote): RST_STREAM", [held(1), reset(1)].concat(), Nothing),
        case("5.1: closed by RST_STREAM: DATA", [held(1), reset(1), data(1, b"x")].concat(), Stream(1, CLOSED)),
        case("5.1: closed by RST_STREAM: HEADERS", [held(1), reset(1), get(1, "/")].concat(), Stream(1, CLOSED)),
        case(
            "5.1: closed by RST_STREAM: CONTINUATION",
            [held(1), reset(1), continuation(1)].concat(),
            Connection(PROTOCOL),
        ),
        steps("5.1: closed: DATA", after_end(data(1, b"x")), Connection(CLOSED)),
        steps("5.1: closed: HEADERS", after_end(get(1, "/")), Connection(CLOSED)),
        steps("5.1: closed: CONTINUATION", after_end(continuation(1)), Connection(PROTOCOL)),
        steps("5.1: closed: PRIORITY", after_end(frame(PRIORITY, 0, 1, &priority(0, 255))), Nothing),
        steps("5.1: closed: WINDOW_UPDATE", after_end(grant(1, 1)), Nothing),
        steps("5.1: closed: RST_STREAM", after_end(reset(1)), Nothing),
        case("5.1.1: an even stream", get(2, "/"), Connection(PROTOCOL)),
        case("5.1.1: a stream below the last one", [get(5, "/"), get(3, "/")].concat(), Connection(PROTOCOL)),
        case(
            "5.1.2: more streams than may be",
            (0..101).flat_map(|n| held(2 * n + 1)).collect::<Vec<u8>>(),
            Stream(201, REFUSED),
        ),
    ]);
}

#[test]
fn section_5_priorities_errors_extensions() {
    let with_priority = |on: u32| {
        let payload = [priority(on, 255), block("/")].concat();
        frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &payload)
    };
    let lower = [frame(PRIORITY, 0, 5, &priority(0, 1)), get(3, "/")].concat();
    try_all(&[
        case("5.3.1: a stream that depends on itself", with_priority(1), Stream(1, PROTOCOL)),
        case("5.3.1: PRIORITY on itself, idle", frame(PRIORITY, 0, 1, &priority(1, 1)), Connection(PROTOCOL)),
        case(
            "5.3.1: PRIORITY on itself, open",
            [post(1), frame(PRIORITY, 0, 1, &priority(1, 1))].concat(),
            Stream(1, PROTOCOL),
        ),
        case("5.3.2: HEADERS with a priority", with_priority(0), Answer(1, 200)),
        case("5.3.2: an exclusive dependency", with_priority(0x8000_0003), Answer(1, 200)),
        case("5.3.2: PRIORITY of a stream that stays idle", lower, Answer(3, 200)),
        case("5.4.1: an error ends the connection", frame(PING, 0, 0, b"short"), Connection(FRAME_SIZE)),
        case(
            "5.5: an unknown frame between others",
            [frame(0xff, 0xff, 7, b"?"), get(1, "/")].concat(),
            Answer(1, 200),
        ),
        case(
            "5.5: an unknown frame within a block",
            [frame(HEADERS, END_STREAM, 1, &block("/")), frame(0xff, 0, 1, b"?")].concat(),
            Connection(PROTOCOL),
        ),
    ]);
}
