//! Plans that do not let pass any more what is on its way.

use super::*;

fn only(who: &str) -> Value {
    json!({"policy": [{"allow": {"or": [{"user": {"is": who}}]}}]})
}

#[test]
fn a_narrower_policy_cuts_whom_it_shuts_out() {
    let stage = Stage::start(json!({}));
    let (alice, bob) = (stage.signed_in("alice"), stage.signed_in("bob"));
    let mut of_alice = stage.begin(HOST, "/events", &alice.cookie);
    let mut of_bob = stage.begin(HOST, "/gated", &bob.cookie);
    let mut waiting = stage.ask(HOST, "/poll", &alice.cookie);
    let mut client = Client::connect(stage.vallum.address);
    let cut = begin(&mut client, HOST, "/events", &alice.cookie);
    let left = begin(&mut client, HOST, "/gated", &bob.cookie);
    stage.origin.wait_for_arrivals("/poll", 1);
    // The same again, and then one that lets both pass.
    stage.reload(json!({"allow_any_authenticated_user": true}));
    stage.reload(json!({"policy": [{"allow": {"or": [{"domain": {"is": "example.com"}}]}}]}));
    stage.wait_for_a_look();
    assert!(has(&stage.origin.lost, "/events", 1).is_none());

    stage.reload(only("bob"));
    assert_eq!(cut_chunks(&mut of_alice), "3\r\none\r\n");
    assert_cut(&mut client, cut);
    assert_eq!(waiting.answer().status, 403);
    stage.origin.wait_for_losses("/events", 2);
    stage.wait_for_cuts("app", "denied", 2.0);
    stage.wait_for_a_look();
    (0..2).for_each(|_| stage.origin.gate.send(()).unwrap());
    assert_eq!(of_bob.take(21).unwrap(), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    let reply = client.finish(left);
    assert_eq!((reply.ended, &*reply.body), (true, &b"onetwo"[..]));
}

#[test]
fn what_was_public_and_is_not_any_more_is_cut() {
    let stage = Stage::start(json!({}));
    stage.reload(json!({"allow_public_unauthenticated_access": true}));
    let mut wire = stage.begin(HOST, "/events", "");
    let mut client = Client::connect(stage.vallum.address);
    let id = begin(&mut client, HOST, "/events", "");
    let waiting = open(&mut client, HOST, "/poll", "");
    stage.origin.wait_for_arrivals("/poll", 1);
    stage.reload(json!({"allow_any_authenticated_user": true}));
    assert_eq!(cut_chunks(&mut wire), "3\r\none\r\n");
    assert_cut(&mut client, id);
    assert_eq!(client.finish(waiting).status, 401);
    stage.wait_for_cuts("app", "denied", 2.0);
}

#[test]
fn what_has_no_route_any_more_is_cut() {
    let stage = Stage::start(json!({}));
    let alice = stage.signed_in("alice");
    let mut wire = stage.begin(HOST, "/events", &alice.cookie);
    let mut waiting = stage.ask(HOST, "/poll", &alice.cookie);
    let mut elsewhere = stage.begin(OPEN, "/gated", "");
    stage.origin.wait_for_arrivals("/poll", 1);
    stage.reload(json!({"allow_any_authenticated_user": true, "prefix": "/elsewhere"}));
    assert_eq!(cut_chunks(&mut wire), "3\r\none\r\n");
    assert_eq!(waiting.answer().status, 404);
    stage.wait_for_cuts("app", "route_not_found", 1.0);
    stage.wait_for_a_look();
    stage.origin.gate.send(()).unwrap();
    assert_eq!(elsewhere.take(21).unwrap(), b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
}
