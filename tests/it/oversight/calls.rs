//! Calls of gRPC, by a stock client and a stock server, and what else comes from upstreams of HTTP/2.

use super::*;
use crate::grpc::{Server, UNAUTHENTICATED, client as grpc_client, report};

/// A private route for gRPC.
fn stage(server: &Server) -> Stage {
    let (provider, origin) = (Provider::start(), Origin::start());
    let mut settings = settings(&provider, &origin, json!({"allow_any_authenticated_user": true}));
    let calls = json!({"from": "https://calls.example.com", "to": server.url(), "allow_any_authenticated_user": true, "name": "app"});
    settings["routes"].as_array_mut().unwrap().insert(0, and(calls, json!({"prefix": "/test.Echo"})));
    Stage { vallum: Vallum::start(settings), origin, provider }
}

#[test]
fn a_call_is_told_by_its_status() {
    let server = Server::start();
    let stage = stage(&server);
    let mut alice = stage.signed_in("alice");
    let mut calls = ["bidi", "silent"].map(|method| {
        let settings = json!({"cookie": alice.cookie, "method": method});
        grpc_client(&stage.vallum, "calls.example.com", "until", settings)
    });
    for call in &mut calls {
        call.wait_for_line("a call that runs", |line| line.contains("\"begun\":true").then_some(()));
    }
    alice.sign_out();
    for call in calls {
        let report = report(call);
        assert_eq!(
            (&report["code"], &report["details"]),
            (&json!(UNAUTHENTICATED), &json!("the session is over")),
            "{report}"
        );
    }
    server.wait_for_cancelled("Bidi");
    server.wait_for_cancelled("Silent");
    stage.wait_for_cuts("session_revoked", 2.0);
}
