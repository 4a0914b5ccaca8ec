//! What a route can say, and what it does to requests: each option shows its effect at the upstream or at the client.

mod actions;
mod clear_listener;
mod fields;
mod matching;
mod rewriting;
mod time;
mod upgrades;

use serde_json::{Value, json};

use crate::harness::request::Request;
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Answer, Upstream, Vallum};

/// A public route from [`HOST`] to `upstream` that also says `more`.
fn route(upstream: &Upstream, more: Value) -> Value {
    and(public_route(HOST, json!(upstream.url())), more)
}

/// One public route to an echo that also says `more`, clear text.
fn edge(more: Value) -> (Upstream, Vallum) {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(clear(json!([route(&upstream, more)])));
    (upstream, vallum)
}

/// What an edge with such a route answers to a GET of `path`, and what its upstream saw of it.
#[track_caller]
fn forwarded(more: Value, path: &str, fields: &str) -> Request {
    let (upstream, vallum) = edge(more);
    let answer = vallum.connect().ask(get(HOST, path, fields));
    assert_eq!(answer.status, 200, "{}", answer.text());
    upstream.only_request()
}

/// What an edge with a route that answers by itself says to a GET of `path`.
#[track_caller]
fn answered(more: Value, path: &str) -> Answer {
    let route = json!({"from": format!("https://{HOST}"), "allow_public_unauthenticated_access": true});
    Vallum::start(clear(json!([and(route, more)]))).connect().ask(get(HOST, path, ""))
}
