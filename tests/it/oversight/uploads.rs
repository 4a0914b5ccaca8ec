//! Requests whose body is still on its way.

use super::*;

fn post(path: &str, cookie: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"
    )
}

#[test]
fn a_body_that_is_not_whole_is_refused() {
    let stage = Stage::start(json!({}));
    let mut alice = stage.signed_in("alice");
    let mut wire = stage.vallum.connect_tls(HOST);
    wire.send(post("/upload", &alice.cookie));
    let mut client = Client::connect(stage.vallum.address);
    let fields = [("cookie", alice.cookie.as_str())];
    let paused = client.request("POST", "/upload", &fields, false);
    // Its upstream takes no more: it waits there, and not for its client.
    let stuck = client.request("POST", "/stuck", &fields, false);
    assert!(client.fill(&[stuck]) > 0);
    stage.origin.wait_for_arrivals("/upload", 2);
    stage.origin.wait_for_arrivals("/stuck", 1);
    alice.sign_out();
    let answer = wire.answer();
    assert_eq!((answer.status, answer.header("connection")), (401, "close"));
    assert_eq!(wire.drain(), b"");
    for id in [paused, stuck] {
        let reply = client.finish(id);
        assert_eq!((reply.status, reply.ended), (401, true));
    }
    stage.origin.gate.send(()).unwrap();
    stage.origin.wait_for_losses("/upload", 2);
    stage.origin.wait_for_losses("/stuck", 1);
    assert_eq!(client.get("/ping").status, 200);
}

#[test]
fn an_answer_that_began_before_the_body_was_whole_is_cut() {
    let stage = Stage::start(json!({}));
    let mut alice = stage.signed_in("alice");
    let mut wire = stage.vallum.connect_tls(HOST);
    wire.send(post("/talk", &alice.cookie));
    assert_eq!(wire.head().status, 200);
    let mut client = Client::connect(stage.vallum.address);
    let id = client.request("POST", "/talk", &[("cookie", alice.cookie.as_str())], false);
    assert_eq!(client.head(id), 200);
    alice.sign_out();
    assert_eq!(cut_chunks(&mut wire), "3\r\none\r\n");
    assert_cut(&mut client, id);
    stage.origin.wait_for_losses("/talk", 2);
    stage.wait_for_cuts("app", "session_revoked", 2.0);
}

#[test]
fn who_goes_on_sending_still_hears_why_it_is_refused() {
    let stage = Stage::start(json!({}));
    let mut alice = stage.signed_in("alice");
    let mut wire = stage.vallum.connect_tls(HOST);
    wire.send(post("/upload", &alice.cookie));
    stage.origin.wait_for_arrivals("/upload", 1);
    let lost = stage.origin.lost.clone();
    let sending = std::thread::spawn(move || {
        // At a pace, for as long as anybody takes it.
        while has(&lost, "/upload", 1).is_none() {
            wire.send("4\r\nmore\r\n");
            std::thread::sleep(Duration::from_millis(1));
        }
        wire
    });
    alice.sign_out();
    let mut wire = sending.join().unwrap();
    let answer = wire.answer_to("POST");
    assert_eq!((answer.status, answer.header("connection")), (401, "close"));
    assert_eq!(wire.drain(), b"");
}
