//! RFC 9113 section 6: each kind of frame.

use super::*;

#[test]
fn section_6_1_data() {
    let padded = |length: u8| frame(DATA, PADDED | END_STREAM, 1, &[&[length][..], b"body", &[0; 6]].concat());
    try_all(&[
        case("6.1: DATA", [post(1), data(1, b"body")].concat(), Forwards(1, "\"body_length\":4")),
        case(
            "6.1: DATA in pieces",
            [post(1), frame(DATA, 0, 1, b"bo"), frame(DATA, 0, 1, b""), data(1, b"dy")].concat(),
            Forwards(1, "\"body_length\":4"),
        ),
        case("6.1: DATA with padding", [post(1), padded(6)].concat(), Forwards(1, "\"body_length\":4")),
        case("6.1: padding as long as the payload", [post(1), padded(11)].concat(), Connection(PROTOCOL)),
        case("6.1: DATA on stream 0", data(0, b"x"), Connection(PROTOCOL)),
    ]);
}

#[test]
fn section_6_2_headers() {
    let open = frame(HEADERS, END_STREAM, 1, &block("/"));
    let padded = |length: u8| {
        frame(HEADERS, PADDED | END_HEADERS | END_STREAM, 1, &[&[length][..], &block("/"), &[0; 6]].concat())
    };
    try_all(&[
        case("6.2: HEADERS", get(1, "/"), Answer(1, 200)),
        case("6.2: HEADERS with padding", padded(6), Answer(1, 200)),
        case("6.2: padding longer than the payload", padded(255), Connection(PROTOCOL)),
        case("6.2: HEADERS on stream 0", get(0, "/"), Connection(PROTOCOL)),
        case(
            "6.2: PRIORITY before the end of the block",
            [&open[..], &frame(PRIORITY, 0, 1, &priority(0, 1))].concat(),
            Connection(PROTOCOL),
        ),
        case("6.2: another HEADERS before the end of the block", [open, get(3, "/")].concat(), Connection(PROTOCOL)),
        case(
            "6.2: a priority that is cut",
            frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, &[0; 4]),
            Connection(FRAME_SIZE),
        ),
    ]);
}

#[test]
fn sections_6_3_and_6_4_priority_and_reset() {
    let reset = |id: u32, payload: &[u8]| frame(RST_STREAM, 0, id, payload);
    let cancel = 8u32.to_be_bytes();
    try_all(&[
        case("6.3: the least weight", [frame(PRIORITY, 0, 1, &priority(0, 0)), get(1, "/")].concat(), Answer(1, 200)),
        case(
            "6.3: the largest weight",
            [frame(PRIORITY, 0, 1, &priority(0, 255)), get(1, "/")].concat(),
            Answer(1, 200),
        ),
        case("6.3: a dependency", [frame(PRIORITY, 0, 3, &priority(1, 9)), get(3, "/")].concat(), Answer(3, 200)),
        case(
            "6.3: an exclusive one",
            [frame(PRIORITY, 0, 3, &priority(0x8000_0001, 9)), get(3, "/")].concat(),
            Answer(3, 200),
        ),
        case("6.3: PRIORITY on stream 0", frame(PRIORITY, 0, 0, &priority(1, 1)), Connection(PROTOCOL)),
        case("6.3: PRIORITY of four bytes", [post(1), frame(PRIORITY, 0, 1, &[0; 4])].concat(), Stream(1, FRAME_SIZE)),
        case("6.3: PRIORITY of four bytes, idle", frame(PRIORITY, 0, 1, &[0; 4]), Connection(FRAME_SIZE)),
        case("6.4: RST_STREAM", [post(1), reset(1, &cancel), get(3, "/")].concat(), Answer(3, 200)),
        case("6.4: RST_STREAM on stream 0", reset(0, &cancel), Connection(PROTOCOL)),
        case("6.4: RST_STREAM on an idle stream", reset(1, &cancel), Connection(PROTOCOL)),
        case("6.4: RST_STREAM of three bytes", [post(1), reset(1, &[0; 3])].concat(), Connection(FRAME_SIZE)),
        case(
            "7: RST_STREAM with an unknown code",
            [post(1), reset(1, &[0, 0, 1, 0]), get(3, "/")].concat(),
            Answer(3, 200),
        ),
    ]);
}

#[test]
fn section_6_5_settings() {
    let acknowledged = || Frame(frame(SETTINGS, ACK, 0, b""));
    let twice = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 100, 0, 4, 0, 0, 0, 1]);
    try_all(&[
        case("6.5: SETTINGS", setting(3, 100), acknowledged()),
        case("6.5: an acknowledgement with a payload", frame(SETTINGS, ACK, 0, &[0; 6]), Connection(FRAME_SIZE)),
        case("6.5: SETTINGS on a stream", frame(SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 100]), Connection(PROTOCOL)),
        case("6.5: a setting that is cut", frame(SETTINGS, 0, 0, &[0, 3, 0]), Connection(FRAME_SIZE)),
        case("6.5.2: ENABLE_PUSH of 2", setting(2, 2), Connection(PROTOCOL)),
        case("6.5.2: INITIAL_WINDOW_SIZE of 2^31", setting(4, 1 << 31), Connection(FLOW_CONTROL)),
        case("6.5.2: MAX_FRAME_SIZE of 16,383", setting(5, 16_383), Connection(PROTOCOL)),
        case("6.5.2: MAX_FRAME_SIZE of 2^24", setting(5, 1 << 24), Connection(PROTOCOL)),
        case("6.5.2: an unknown setting", setting(0xff, 1), acknowledged()),
        case("RFC 8441 3: ENABLE_CONNECT_PROTOCOL of 2", setting(8, 2), Connection(PROTOCOL)),
        case("6.5.3: the last value counts", [twice, get(1, "/bytes/50")].concat(), Sizes(&[1])),
    ]);
}

#[test]
fn sections_6_7_and_6_8_ping_and_goaway() {
    let goaway = |id: u32, code: u32| frame(GOAWAY, 0, id, &[&[0; 4][..], &code.to_be_bytes()].concat());
    try_all(&[
        case("6.7: PING", frame(PING, 0, 0, b"12345678"), Frame(frame(PING, ACK, 0, b"12345678"))),
        case("6.7: an acknowledgement is not answered", frame(PING, ACK, 0, b"12345678"), Nothing),
        case("6.7: PING on a stream", frame(PING, 0, 1, b"12345678"), Connection(PROTOCOL)),
        case("6.7: PING of six bytes", frame(PING, 0, 0, b"123456"), Connection(FRAME_SIZE)),
        case("6.8: GOAWAY leaves streams alone", [get(1, "/"), goaway(0, 0)].concat(), Answer(1, 200)),
        case("6.8: GOAWAY on a stream", goaway(1, 0), Connection(PROTOCOL)),
        case("6.8: GOAWAY that is cut", frame(GOAWAY, 0, 0, &[0; 7]), Connection(FRAME_SIZE)),
        case("7: GOAWAY with an unknown code", goaway(0, 0xff), Nothing),
    ]);
}

#[test]
fn section_6_9_flow_control() {
    const WINDOW_MAX: u32 = 0x7fff_ffff;
    try_all(&[
        case("6.9: WINDOW_UPDATE of the connection", [grant(0, 1), get(1, "/")].concat(), Answer(1, 200)),
        case("6.9: WINDOW_UPDATE of a stream", [get(1, "/"), grant(1, 1)].concat(), Answer(1, 200)),
        case("6.9: an increment of 0", grant(0, 0), Connection(PROTOCOL)),
        case("6.9: an increment of 0 on a stream", [post(1), grant(1, 0)].concat(), Stream(1, PROTOCOL)),
        case("6.9: an increment of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), Connection(FRAME_SIZE)),
        case("6.9.1: a window of one byte", [setting(4, 1), get(1, "/bytes/50")].concat(), Sizes(&[1])),
        case("6.9.1: an empty window", [setting(4, 0), get(1, "/bytes/50")].concat(), Sizes(&[])),
        case("6.9.1: the connection's window above 2^31-1", grant(0, WINDOW_MAX), Connection(FLOW_CONTROL)),
        case(
            "6.9.1: a stream's window above 2^31-1",
            [held(1), grant(1, WINDOW_MAX)].concat(),
            Stream(1, FLOW_CONTROL),
        ),
        steps(
            "6.9.2: a window that grows while a stream waits",
            vec![Send([setting(4, 1), get(1, "/bytes/50")].concat()), Bytes(1), Send(setting(4, 3))],
            Sizes(&[1, 2]),
        ),
        steps(
            "6.9.2: a window that turns negative",
            vec![
                Send([setting(4, 3), get(1, "/bytes/50")].concat()),
                Bytes(3),
                Send([setting(4, 2), grant(1, 1), grant(1, 1)].concat()),
            ],
            Sizes(&[3, 1]),
        ),
        case(
            "6.9.2: a stream's window that a setting makes too large",
            [held(1), grant(1, 1000), setting(4, WINDOW_MAX)].concat(),
            Connection(FLOW_CONTROL),
        ),
    ]);
}

#[test]
fn section_6_10_continuation() {
    let (first, rest) = (block("/")[..20].to_vec(), block("/")[20..].to_vec());
    let open = frame(HEADERS, END_STREAM, 1, &first);
    let ends = frame(CONTINUATION, END_HEADERS, 1, &rest);
    let (middle, last) = rest.split_at(5);
    let pieces = [&open[..], &frame(CONTINUATION, 0, 1, middle), &frame(CONTINUATION, END_HEADERS, 1, last)].concat();
    try_all(&[
        case("6.10: CONTINUATION", [&open[..], &ends].concat(), Answer(1, 200)),
        case("6.10: CONTINUATION twice", pieces, Answer(1, 200)),
        case("6.10: another frame follows", [&open[..], &data(1, b"x")].concat(), Connection(PROTOCOL)),
        case(
            "6.10: CONTINUATION on stream 0",
            [&open[..], &frame(CONTINUATION, END_HEADERS, 0, &rest)].concat(),
            Connection(PROTOCOL),
        ),
        case(
            "6.10: CONTINUATION of another stream",
            [&open[..], &frame(CONTINUATION, END_HEADERS, 3, &rest)].concat(),
            Connection(PROTOCOL),
        ),
        case("6.10: CONTINUATION after the end of the block", [held(1), ends.clone()].concat(), Connection(PROTOCOL)),
        case(
            "6.10: CONTINUATION after the last CONTINUATION",
            [&open[..], &ends, &ends].concat(),
            Connection(PROTOCOL),
        ),
        case(
            "6.10: CONTINUATION after DATA",
            [&post(1)[..], &frame(DATA, 0, 1, b"x"), &ends].concat(),
            Connection(PROTOCOL),
        ),
    ]);
}
