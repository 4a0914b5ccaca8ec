//! A client that is not ours, the `h2` crate, against a small server made of this codec, in memory.
//!
//! The server answers by the path: `/echo` sends the request's body back as it comes, `/size/N` sends N bytes,
//! `/trailers` ends with trailers, `/reset` resets, and whatever else is answered without a body.

use std::collections::HashMap;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::*;
use crate::http::framing::BodyLength;

/// What a stream still has to send.
#[derive(Default)]
struct Answer {
    body: Vec<u8>,
    echo: bool,
    trailers: bool,
}

#[derive(Default)]
struct App {
    answers: HashMap<StreamId, Answer>,
    served: usize,
    resets: usize,
}

impl App {
    fn on(&mut self, connection: &mut Connection, event: Event) {
        match event {
            Event::Request { stream, head, body, .. } => {
                self.served += 1;
                let target = String::from_utf8(head.target().to_vec()).unwrap();
                self.begin(connection, stream, &target, body);
            }
            Event::Data { stream } | Event::End { stream } | Event::Writable { stream } => {
                self.go_on(connection, stream)
            }
            Event::Reset { stream, .. } => {
                self.resets += 1;
                self.answers.remove(&stream);
                connection.release(stream);
            }
            Event::GoAway { .. } => {}
            other => panic!("{}", describe(&other)),
        }
    }

    fn begin(&mut self, connection: &mut Connection, stream: StreamId, target: &str, body: BodyLength) {
        let mut answer = Answer { echo: target == "/echo", trailers: target == "/trailers", body: Vec::new() };
        if let Some(size) = target.strip_prefix("/size/") {
            answer.body = vec![b's'; size.parse().unwrap()];
        }
        if target == "/reset" {
            connection.reset(stream, ErrorCode::CANCEL);
            return connection.release(stream);
        }
        let length = answer.body.len().to_string();
        let fields: &[(&[u8], &[u8])] = match answer.echo || answer.trailers {
            true => &[(b"Server", b"vallum"), (b"X-Mode", b"stream")],
            false => &[(b"server", b"vallum"), (b"Content-Length", length.as_bytes())],
        };
        answer.echo &= body != BodyLength::None;
        connection.send_head(stream, 200, fields.iter().copied(), false).unwrap();
        self.answers.insert(stream, answer);
        self.go_on(connection, stream);
    }

    fn go_on(&mut self, connection: &mut Connection, stream: StreamId) {
        let Some(answer) = self.answers.get_mut(&stream) else { return };
        loop {
            // What cannot be sent is not taken.
            let taken = match answer.echo && answer.body.is_empty() {
                true => connection.take_data(stream, &mut answer.body),
                false => 0,
            };
            let end = !answer.trailers && (!answer.echo || connection.is_ended(stream));
            let sent = connection.send_data(stream, &answer.body, end).unwrap();
            answer.body.drain(..sent);
            match answer.body.is_empty() {
                true if answer.trailers => {
                    connection.send_trailers(stream, [(&b"X-Checksum"[..], &b"42"[..])].into_iter()).unwrap();
                    break;
                }
                true if end => break,
                true if taken > 0 || sent > 0 => {}
                _ => return,
            }
        }
        self.answers.remove(&stream);
        connection.release(stream);
    }
}

/// Serves one connection to its end.
async fn serve(mut io: DuplexStream, limits: Limits) -> (App, Result<(), ConnectionError>) {
    let mut connection = Connection::server(limits);
    let (mut app, mut inbox) = (App::default(), Vec::new());
    loop {
        while let Some(event) = connection.poll_event() {
            app.on(&mut connection, event);
        }
        let out = std::mem::take(connection.output());
        if !out.is_empty() {
            if io.write_all(&out).await.is_err() {
                return (app, Ok(()));
            }
            continue;
        }
        if io.read_buf(&mut inbox).await.unwrap_or(0) == 0 {
            return (app, Ok(()));
        }
        match connection.receive(&inbox, 1) {
            Ok(used) => drop(inbox.drain(..used)),
            Err(error) => return (app, Err(error)),
        }
    }
}

struct Client {
    requests: SendRequest<Bytes>,
    server: JoinHandle<(App, Result<(), ConnectionError>)>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    async fn start(builder: &mut Builder, limits: Limits) -> Self {
        // Deep enough that neither side waits for the other to read while it writes.
        let (near, far) = tokio::io::duplex(1 << 20);
        let server = tokio::spawn(serve(far, limits));
        let (requests, connection) = builder.handshake(near).await.unwrap();
        Client { requests, server, driver: tokio::spawn(connection) }
    }

    async fn send(&mut self, path: &str, end: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let uri = format!("https://a.example{path}");
        let request = ::http::Request::post(uri).header("cookie", "a=b").header("x-long", "y".repeat(300));
        let mut ready = self.requests.clone().ready().await.unwrap();
        ready.send_request(request.body(()).unwrap(), end).unwrap()
    }

    async fn finish(self) -> App {
        drop(self.requests);
        self.driver.await.unwrap().unwrap();
        let (app, result) = self.server.await.unwrap();
        result.unwrap();
        app
    }
}

async fn read(body: &mut RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    all
}

async fn upload(mut stream: SendStream<Bytes>, body: Vec<u8>) {
    let mut rest = Bytes::from(body);
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        let piece = rest.split_to(room.min(rest.len()));
        stream.send_data(piece, false).unwrap();
    }
    stream.send_data(Bytes::new(), true).unwrap();
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn many_requests_on_one_connection() {
    let mut client = Client::start(&mut Builder::new(), Limits::default()).await;
    for round in 0..20 {
        let mut waiting = Vec::new();
        for n in 0..50 {
            waiting.push((n, client.send(&format!("/size/{}", n * 100), true).await.0));
        }
        for (n, response) in waiting {
            let response = response.await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["server"], "vallum");
            assert_eq!(response.headers()["content-length"], (n * 100).to_string());
            assert_eq!(read(&mut response.into_body()).await.len(), n * 100, "round {round}");
        }
    }
    assert_eq!(client.finish().await.served, 1000);
}

#[tokio::test]
async fn bodies_go_both_ways_through_windows_of_any_size() {
    for (theirs, ours, connection) in
        [(65_535, 65_536, 1 << 20), (100, 1_000, 65_535), (7, 70_000, 65_535), (1 << 20, 20, 1 << 20)]
    {
        let limits = Limits { stream_window: ours, connection_window: connection, ..Limits::default() };
        let mut builder = Builder::new();
        builder.initial_window_size(theirs).initial_connection_window_size(theirs.max(65_535));
        let mut client = Client::start(&mut builder, limits).await;
        let body = pattern(if theirs.min(ours) < 1000 { 30_000 } else { 500_000 });
        let mut tasks = Vec::new();
        for _ in 0..3 {
            let (response, stream) = client.send("/echo", false).await;
            tokio::spawn(upload(stream, body.clone()));
            tasks.push(tokio::spawn(async move { read(&mut response.await.unwrap().into_body()).await }));
        }
        for task in tasks {
            assert!(task.await.unwrap() == body, "windows {theirs} and {ours}");
        }
        client.finish().await;
    }
}

#[tokio::test]
async fn large_responses_share_the_connection() {
    let mut client = Client::start(&mut Builder::new(), Limits::default()).await;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let response = client.send("/size/1000000", true).await.0;
        tasks.push(tokio::spawn(async move { read(&mut response.await.unwrap().into_body()).await.len() }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1_000_000);
    }
    client.finish().await;
}

#[tokio::test]
async fn trailers_and_resets() {
    let mut client = Client::start(&mut Builder::new(), Limits::default()).await;
    let mut body = client.send("/trailers", true).await.0.await.unwrap().into_body();
    assert!(read(&mut body).await.is_empty());
    assert_eq!(body.trailers().await.unwrap().unwrap()["x-checksum"], "42");
    drop(body);
    // Ours.
    let error = client.send("/reset", true).await.0.await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    // Theirs, after the response has begun.
    let (response, mut stream) = client.send("/echo", false).await;
    let response = response.await.unwrap();
    stream.send_reset(Reason::CANCEL);
    drop((response, stream));
    // Trailers of a request.
    let (response, mut stream) = client.send("/echo", false).await;
    stream.send_data(Bytes::from_static(b"body"), false).unwrap();
    let mut trailers = ::http::HeaderMap::new();
    trailers.insert("x-sum", "1".parse().unwrap());
    stream.send_trailers(trailers).unwrap();
    assert_eq!(read(&mut response.await.unwrap().into_body()).await, b"body");
    drop(stream);
    let app = client.finish().await;
    assert_eq!((app.served, app.resets), (4, 1));
}

#[tokio::test]
async fn settings_of_the_client_are_followed() {
    // No header table at all, small frames for us to send, and a window that changes on the way.
    let mut builder = Builder::new();
    builder.header_table_size(0).max_frame_size(16_384).max_header_list_size(4096).initial_window_size(10);
    let (near, far) = tokio::io::duplex(1 << 20);
    let server = tokio::spawn(serve(far, Limits::default()));
    let (mut requests, mut connection) = builder.handshake::<_, Bytes>(near).await.unwrap();
    let request = ::http::Request::get("https://a.example/size/300000").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let begun = std::sync::Arc::new(tokio::sync::Notify::new());
    let told = begun.clone();
    let size = tokio::spawn(async move {
        let mut body = response.await.unwrap().into_body();
        told.notify_one();
        read(&mut body).await.len()
    });
    // Once something came back, our side has acknowledged the first settings.
    tokio::select! {
        _ = &mut connection => panic!("the connection ended"),
        () = begun.notified() => {}
    }
    connection.set_initial_window_size(5_000).unwrap();
    let driver = tokio::spawn(connection);
    assert_eq!(size.await.unwrap(), 300_000);
    drop(requests);
    driver.await.unwrap().unwrap();
    server.await.unwrap().1.unwrap();
}
