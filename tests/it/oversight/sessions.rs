//! Sessions that end: signed out, or by time.

use super::*;
use crate::harness::visitor::HTML;

#[test]
fn who_signs_out_cuts_his_own_answers_and_nobody_elses() {
    let stage = Stage::start(json!({}));
    let (mut alice, bob) = (stage.signed_in("alice"), stage.signed_in("bob"));
    let mut idle = stage.begin(HOST, "/events", &alice.cookie);
    let mut busy = stage.begin(HOST, "/busy", &alice.cookie);
    let mut unread = stage.begin(HOST, "/download", &alice.cookie);
    let mut others =
        [(HOST, &*bob.cookie), (OPEN, &*alice.cookie), (OPEN, "")].map(|(host, c)| stage.begin(host, "/gated", c));
    let mut client = Client::connect(stage.vallum.address);
    let cut = ["/events", "/busy"].map(|path| begin(&mut client, HOST, path, &alice.cookie));
    let left = [(HOST, &*bob.cookie), (OPEN, &*alice.cookie)].map(|(host, c)| begin(&mut client, host, "/gated", c));
    let mut without_room = Client::connect(stage.vallum.address);
    without_room.grants = false;
    let download = begin(&mut without_room, HOST, "/download", &alice.cookie);

    let reading = std::thread::spawn(move || cut_chunks(&mut busy));
    alice.sign_out();
    assert_eq!(cut_chunks(&mut idle), "3\r\none\r\n");
    assert!(reading.join().unwrap().starts_with("4\r\nmore\r\n"));
    cut.iter().for_each(|id| assert_cut(&mut client, *id));
    assert_cut(&mut without_room, download);
    // Nobody has read anything of it yet.
    for path in ["/events", "/busy", "/download"] {
        stage.origin.wait_for_losses(path, 2);
    }
    assert!(unread.drain().len() < 1 << 30);
    stage.wait_for_cuts("app", "session_revoked", 6.0);

    stage.wait_for_a_look();
    (0..others.len() + left.len()).for_each(|_| stage.origin.gate.send(()).unwrap());
    for wire in &mut others {
        assert_eq!(wire.take(21).unwrap(), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    }
    for id in left {
        let reply = client.finish(id);
        assert_eq!((reply.ended, &*reply.body), (true, &b"onetwo"[..]));
    }
}

#[test]
fn who_waits_for_an_answer_is_told() {
    let stage = Stage::start(json!({}));
    let mut alice = stage.signed_in("alice");
    let mut program = stage.ask(HOST, "/poll", &alice.cookie);
    let mut browser = stage.vallum.connect_tls(HOST);
    browser.send(get(HOST, "/poll", &format!("{HTML}Cookie: {}\r\n", alice.cookie)));
    let mut client = Client::connect(stage.vallum.address);
    let id = open(&mut client, HOST, "/poll", &alice.cookie);
    stage.origin.wait_for_arrivals("/poll", 3);
    alice.sign_out();
    assert_eq!(program.answer().status, 401);
    let answer = browser.answer();
    assert!(answer.status == 302 && answer.header("location").contains("/.pomerium/sign_in"), "{answer:?}");
    let reply = client.finish(id);
    assert_eq!((reply.status, reply.ended), (401, true));
    stage.origin.wait_for_losses("/poll", 3);
    // Nothing of it is left on the connections.
    assert_eq!(program.ask(get(OPEN, "/", "")).status, 200);
    assert_eq!(client.get("/ping").status, 200);
}

#[test]
fn the_time_of_a_session_is_that_of_its_answers() {
    let stage = Stage::start(json!({"cookie_expire": "4s"}));
    let alice = stage.signed_in("alice");
    let mut open_to_all = stage.begin(OPEN, "/gated", &alice.cookie);
    let mut client = Client::connect(stage.vallum.address);
    let id = begin(&mut client, HOST, "/events", &alice.cookie);
    let mut wire = stage.begin(HOST, "/events", &alice.cookie);
    assert_eq!(cut_chunks(&mut wire), "3\r\none\r\n");
    assert_cut(&mut client, id);
    stage.wait_for_cuts("app", "session_revoked", 2.0);
    stage.wait_for_a_look();
    stage.origin.gate.send(()).unwrap();
    assert_eq!(open_to_all.take(21).unwrap(), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
}

#[test]
fn what_is_known_of_a_person_holds_for_answers_that_flow() {
    let stage = Stage::start(json!({}));
    let (alice, bob) = (stage.signed_in("alice"), stage.signed_in("bob"));
    stage.reload(json!({"policy": [{"allow": {"or": [{"claim/groups": "admins"}, {"user": {"is": "bob"}}]}}]}));
    let mut cut = stage.begin(HOST, "/events", &alice.cookie);
    let mut left = stage.begin(HOST, "/gated", &bob.cookie);
    // The provider takes her off the list, and says so when she signs in with another browser.
    let mut elsewhere = Visitor::new(stage.vallum.address);
    assert_eq!(elsewhere.sign_in(&format!("https://{HOST}/"), "alice&groups=users").status, 403);
    assert_eq!(cut_chunks(&mut cut), "3\r\none\r\n");
    stage.wait_for_cuts("app", "denied", 1.0);
    stage.wait_for_a_look();
    stage.origin.gate.send(()).unwrap();
    assert_eq!(left.take(21).unwrap(), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
}
