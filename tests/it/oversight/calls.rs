//! Calls of gRPC, by a stock client and a stock server, and what else comes from upstreams of HTTP/2.

use super::*;
use crate::grpc::{Server, UNAUTHENTICATED, client as grpc_client, raw, report};
use crate::harness::PATIENCE;

const CALLS: &str = "calls.example.com";

/// With another private route, to an upstream of HTTP/2.
fn stage(to: &str) -> Stage {
    let (provider, origin) = (Provider::start(), Origin::start());
    let anybody = json!({"allow_any_authenticated_user": true});
    let mut settings = settings(&provider, &origin, anybody.clone());
    let calls = and(json!({"from": format!("https://{CALLS}"), "to": to, "name": "calls"}), anybody);
    settings["routes"].as_array_mut().unwrap().push(calls);
    // One, so that all share a connection to the upstream.
    settings["workers"] = json!(1);
    Stage { vallum: Vallum::start(settings), origin, provider }
}

#[test]
fn a_call_is_told_by_its_status() {
    let server = Server::start();
    let stage = stage(&server.url());
    let mut alice = stage.signed_in("alice");
    let mut calls = ["bidi", "silent"].map(|method| {
        let settings = json!({"cookie": alice.cookie, "method": method});
        grpc_client(&stage.vallum, CALLS, "until", settings)
    });
    for call in &mut calls {
        call.wait_for_line("a call that runs", |line| line.contains("\"begun\":true").then_some(()));
    }
    alice.sign_out();
    for call in calls {
        let report = report(call);
        let told = (&report["code"], &report["details"]);
        assert_eq!(told, (&json!(UNAUTHENTICATED), &json!("the session is over")), "{report}");
    }
    server.wait_for_cancelled("Bidi");
    server.wait_for_cancelled("Silent");
    stage.wait_for_cuts("calls", "session_revoked", 2.0);
}

#[test]
fn a_call_that_waits_is_refused_in_its_own_words() {
    let upstream = raw::upstream(|peer| peer.wait_for_close());
    let stage = stage(&raw::url(&upstream));
    let mut alice = stage.signed_in("alice");
    let mut client = Client::connect(stage.vallum.address);
    let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("cookie", &*alice.cookie)];
    let id = client.open(&[&line("POST", CALLS, "/test.Echo/Silent")[..], &fields].concat(), true);
    wait_until("the call", || (upstream.connections() > 0).then_some(()));
    alice.sign_out();
    let reply = client.finish(id);
    assert_eq!((reply.status, reply.header("grpc-status"), reply.ended), (200, "16", true));
}

#[test]
fn of_an_upstreams_connection_only_the_streams_end_that_must() {
    let (told, hears) = channel();
    let upstream = raw::upstream(move |peer| {
        let mut streams = Vec::new();
        while streams.len() < 3 {
            let Some(id) = peer.head()? else { return Ok(()) };
            peer.fields(id, &[(":status", "200"), ("content-type", "text/event-stream")], false)?;
            peer.data(id, b"one", false)?;
            streams.push(id);
        }
        let reset = [peer.reset()?, peer.reset()?];
        told.send(streams[1..].iter().all(|id| reset.contains(&Some(*id)))).ok();
        peer.data(streams[0], b"two", true)?;
        peer.wait_for_close()
    });
    let stage = stage(&raw::url(&upstream));
    let (mut alice, bob) = (stage.signed_in("alice"), stage.signed_in("bob"));
    let mut client = Client::connect(stage.vallum.address);
    let left = begin(&mut client, CALLS, "/", &bob.cookie);
    let cut = begin(&mut client, CALLS, "/", &alice.cookie);
    let mut wire = stage.begin(CALLS, "/", &alice.cookie);
    alice.sign_out();
    assert_cut(&mut client, cut);
    assert_eq!(cut_chunks(&mut wire), "3\r\none\r\n");
    assert!(hears.recv_timeout(PATIENCE).unwrap(), "other streams were reset");
    let reply = client.finish(left);
    assert_eq!((reply.ended, &*reply.body), (true, &b"onetwo"[..]));
    stage.wait_for_cuts("calls", "session_revoked", 2.0);
}
