//! Flow control in both directions, and who may send when not all can.

use super::*;

fn begin(server: &mut Server, stream: u32) {
    server.connection.send_head(StreamId(stream), 200, std::iter::empty(), false).unwrap();
}

fn sent_bytes(frames: &[Sent], stream: u32) -> usize {
    frames.iter().filter(|s| s.kind == kind::DATA && s.stream == stream).map(|s| s.payload.len()).sum()
}

#[test]
fn credit_is_given_for_what_was_taken() {
    let mut server = Server::new();
    server.take(&headers(1, false, POST)).unwrap();
    let piece = vec![b'x'; 16_384];
    for _ in 0..4 {
        server.take(&data(1, false, &piece)).unwrap();
    }
    assert_eq!(server.seen(), ["1 POST / host=a.example Chunked", "1 data"]);
    assert!(server.frames().is_empty());
    let mut body = vec![b'y'];
    assert_eq!(server.connection.take_data(StreamId(1), &mut body), 65_536);
    assert_eq!(body.len(), 65_537);
    let frames = server.frames();
    assert_eq!((frames.len(), frames[0].stream, frames[0].number()), (1, 1, 65_536));
    // The connection's credit comes in larger pieces.
    let mut given = 0;
    for _ in 0..16 {
        for _ in 0..4 {
            server.take(&data(1, false, &piece)).unwrap();
        }
        body.clear();
        server.connection.take_data(StreamId(1), &mut body);
        given += server.frames().iter().filter(|sent| sent.stream == 0).map(Sent::number).sum::<u32>();
    }
    assert_eq!(given, 1024 * 1024);
}

#[test]
fn a_client_that_sends_too_much_is_stopped() {
    let piece = vec![b'x'; 16_384];
    let mut server = Server::new();
    server.take(&headers(1, false, POST)).unwrap();
    (0..4).for_each(|_| server.take(&data(1, false, &piece)).unwrap());
    server.take(&data(1, false, b"x")).unwrap();
    assert_eq!(server.reset_code(1), Some(ErrorCode::FLOW_CONTROL_ERROR));
    assert_eq!(server.seen().last().unwrap(), "1 reset flow_control_error stream_window");
    // Sixteen streams fill the window of the connection; padding counts.
    let mut server = Server::new();
    for id in (1..).step_by(2).take(16) {
        server.take(&headers(id, false, POST)).unwrap();
        (0..4).for_each(|_| server.take(&data(id, false, &piece)).unwrap());
    }
    server.take(&headers(33, false, POST)).unwrap();
    let error = server.fails(&frame(kind::DATA, flag::PADDED, 33, &[0]));
    assert_eq!((error.code, error.cause), (ErrorCode::FLOW_CONTROL_ERROR, "connection_window"));
}

#[test]
fn what_nobody_takes_is_given_back_to_the_connection() {
    let mut server = Server::new();
    let piece = vec![b'x'; 16_384];
    let (mut given, mut sent) = (0u64, 0u64);
    for id in (1..).step_by(2).take(100) {
        server.take(&headers(id, false, POST)).unwrap();
        for _ in 0..4 {
            server.take(&data(id, false, &piece)).unwrap();
            sent += 16_384;
        }
        match id % 6 {
            1 => server.take(&reset(id, 8)).unwrap(),
            3 => server.answer(id),
            _ => server.take(&data(id, false, b"x")).map(|()| sent += 1).unwrap(),
        }
        server.connection.release(StreamId(id));
        given += server.frames().iter().filter(|s| s.kind == 8).map(|s| u64::from(s.number())).sum::<u64>();
    }
    assert!(sent - given < 1024 * 1024 / 2, "{sent} bytes were sent, {given} given back");
}

#[test]
fn a_small_window_of_ours_holds_from_its_acknowledgement_on() {
    let limits = Limits { stream_window: 10, ..Limits::default() };
    let mut server = Server::fresh(limits);
    server.take(&[PREFACE, &settings(&[]), &headers(1, false, POST), &data(1, false, &[0; 100])].concat()).unwrap();
    server.frames();
    server.take(&frame(kind::SETTINGS, flag::ACK, 0, &[])).unwrap();
    server.take(&[headers(3, false, POST), data(3, false, &[0; 11])].concat()).unwrap();
    assert_eq!(server.reset_code(3), Some(ErrorCode::FLOW_CONTROL_ERROR));
    server.connection.take_data(StreamId(1), &mut Vec::new());
    assert_eq!(server.frames().iter().map(Sent::number).collect::<Vec<_>>(), [100]);
    server.take(&data(1, false, &[0; 10])).unwrap();
    server.take(&data(1, false, &[0; 1])).unwrap();
    assert_eq!(server.reset_code(1), Some(ErrorCode::FLOW_CONTROL_ERROR));
}

/// h2spec 6.9.1 and 6.9.2: small, growing and negative windows.
#[test]
fn windows_of_the_client_are_kept() {
    let mut server = Server::with(Limits::default(), &[(4, 3)]);
    server.take(&get(1)).unwrap();
    begin(&mut server, 1);
    server.events();
    let send = |server: &mut Server, bytes: &[u8]| server.connection.send_data(StreamId(1), bytes, true).unwrap();
    assert_eq!(send(&mut server, b"abcdef"), 3);
    assert!(server.seen().is_empty());
    server.take(&settings(&[(4, 1)])).unwrap();
    assert_eq!((server.connection.send_capacity(StreamId(1)), server.seen().len()), (Ok(0), 0));
    // The window is -2 now.
    server.take(&window_update(1, 2)).unwrap();
    assert!(server.seen().is_empty());
    server.take(&window_update(1, 1)).unwrap();
    assert_eq!(server.seen(), ["1 writable"]);
    assert_eq!(send(&mut server, b"def"), 1);
    server.take(&settings(&[(4, 100)])).unwrap();
    assert_eq!(server.seen(), ["1 writable"]);
    assert_eq!(send(&mut server, b"ef"), 2);
    let frames = server.frames();
    let bytes: Vec<u8> = frames.iter().filter(|s| s.kind == 0).flat_map(|s| s.payload.clone()).collect();
    assert_eq!(bytes, b"abcdef");
    assert!(frames.last().unwrap().flags == flag::END_STREAM);
}

#[test]
fn output_is_bounded_and_drained_in_turn() {
    let mut server = Server::with(Limits::default(), &[(4, 0x7fff_ffff)]);
    server.take(&window_update(0, 0x7000_0000)).unwrap();
    let ids = [1, 3, 5, 7];
    for id in ids {
        server.take(&get(id)).unwrap();
        begin(&mut server, id);
    }
    server.events();
    let body = vec![b'x'; 1 << 20];
    let mut left = [1usize << 20; 4];
    for (at, id) in ids.iter().enumerate() {
        left[at] -= server.connection.send_data(StreamId(*id), &body, true).unwrap();
    }
    let mut rounds = 0;
    while left.iter().any(|left| *left > 0) {
        let length = server.connection.output().len();
        assert!(length <= 64 * 1024 + 16 * 9 + 100, "{length}");
        server.frames();
        for event in server.events() {
            let Event::Writable { stream } = event else { panic!("{event:?}") };
            let at = ids.iter().position(|id| *id == stream.0).unwrap();
            left[at] -= server.connection.send_data(stream, &body[..left[at]], true).unwrap();
        }
        rounds += 1;
        assert!(rounds < 200, "{left:?}");
        // Nobody falls behind by much.
        let (most, least) = (left.iter().max().unwrap(), left.iter().min().unwrap());
        assert!(*least == 0 || most - least <= 128 * 1024, "{left:?}");
    }
    assert!(server.events().is_empty());
}

#[test]
fn nobody_starves_on_a_small_connection_window() {
    let mut server = Server::with(Limits { output_high: 1 << 20, ..Limits::default() }, &[(4, 1 << 20)]);
    server.take(&[get(1), get(3), get(5)].concat()).unwrap();
    server.events();
    let body = vec![b'x'; 200_000];
    let mut sent = [0usize; 6];
    for id in [1, 3, 5] {
        begin(&mut server, id);
        sent[id as usize] += server.connection.send_data(StreamId(id), &body, false).unwrap();
    }
    assert_eq!(sent[1] + sent[3] + sent[5], 65_535);
    for _ in 0..60 {
        server.take(&window_update(0, 1000)).unwrap();
        let frames = server.frames();
        assert!(sent_bytes(&frames, 1) <= 65_535);
        for event in server.events() {
            let Event::Writable { stream } = event else { panic!("{event:?}") };
            let at = stream.0 as usize;
            sent[at] += server.connection.send_data(stream, &body[sent[at]..], false).unwrap();
        }
    }
    assert_eq!(sent[1] + sent[3] + sent[5], 65_535 + 60_000);
    assert!(sent[3].abs_diff(sent[5]) <= 1000 && sent[3] >= 20_000, "{sent:?}");
}
