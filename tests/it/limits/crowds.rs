//! Crowds of requests: whoever makes them is the one who waits.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::descriptors::{DESCRIPTORS, with_few};
use crate::grpc::raw;
use crate::harness::vallum::{HOST, public_route};
use crate::harness::{Upstream, Vallum, wait_until};
use crate::http2::client::{CANCEL, Client, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, frame, line};
use crate::http2::fields;

/// As many requests as one client may make at once.
const MANY: usize = 100;
/// Most connections of a worker to one endpoint of HTTP/2; who makes many requests gets half of them.
const H2_CONNECTIONS_MAX: usize = 64;

/// One worker, so that it is known whose crowd it is.
fn settings(to: &str) -> Value {
    json!({"workers": 1, "routes": [public_route(HOST, json!(to))]})
}

#[test]
fn what_is_taken_back_at_once_reaches_no_upstream() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(settings(&upstream.url()));
    let mut client = Client::connect(vallum.address);
    // In one record of TLS, so that all of it is read at once.
    let mut bytes = Vec::new();
    for _ in 0..MANY {
        let id = client.reserve();
        let block = fields::encode(&line("GET", HOST, "/taken-back"));
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, id, &block));
        bytes.extend(frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes()));
    }
    assert!(bytes.len() < 16 * 1024);
    client.send(bytes);
    assert_eq!(client.get("/").status, 200);
    assert_eq!((upstream.only_request().target.as_str(), upstream.connections()), ("/", 1));
    let told = || vallum.log().iter().filter(|line| line["response-code-details"] == "client_disconnected").count();
    wait_until("a line for each in the log", || (told() == MANY).then_some(()));
}

#[test]
fn one_client_leaves_connections_to_another() {
    let upstream = Upstream::with(|served| {
        while let Some(request) = served.request()? {
            match request.target.as_str() {
                "/hang" => served.stay_silent(),
                _ => served.answer(200, "", b"ok")?,
            }
        }
        Ok(())
    });
    let vallum = Vallum::start_as(with_few(), TempDir::new().unwrap(), settings(&upstream.url()));
    let mut greedy = Client::connect(vallum.address);
    let ids: Vec<u32> = (0..MANY).map(|_| greedy.request("GET", "/hang", &[], true)).collect();
    assert_eq!(greedy.finish(ids[MANY - 1]).status, 503);
    // Three quarters of the descriptors are used up to the mark, half of those for one endpoint, half of that by one client.
    let most = DESCRIPTORS * 3 / 4 / 2 / 2;
    wait_until("all that it gets", || (upstream.connections() >= most).then_some(()));
    assert_eq!(Client::connect(vallum.address).get("/free").status, 200);
    assert!(upstream.connections() <= most + 1, "{} connections", upstream.connections());
}

#[test]
fn one_client_leaves_streams_to_another() {
    // Answers what has a body, and holds everything else.
    let upstream = raw::taking_one(|peer| match peer.part() {
        Ok(_) => peer.answer(1, "ok"),
        Err(_) => Ok(()),
    });
    let vallum = Vallum::start(settings(&raw::url(&upstream)));
    let mut greedy = Client::connect(vallum.address);
    let ids: Vec<u32> = (0..MANY).map(|_| greedy.request("GET", "/held", &[], true)).collect();
    assert_eq!(greedy.finish(ids[MANY - 1]).status, 503, "no place within the time for connecting");
    // Its first few requests were not yet many.
    assert!(upstream.connections() <= H2_CONNECTIONS_MAX / 2 + 4, "{} connections", upstream.connections());
    let mut other = Client::connect(vallum.address);
    let id = other.request("POST", "/", &[], false);
    other.body(id, b"body");
    assert_eq!(other.finish(id).status, 200);
}
