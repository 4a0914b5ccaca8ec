//! Sends the request to an endpoint and its answer to the client. Another endpoint, or another connection, is tried only
//! where nothing can have been done twice: nothing was sent, the endpoint said that it did nothing (RFC 9113 section
//! 8.7), or an idle connection turned out to be closed before an idempotent request.

mod h1;
mod h2;

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use super::balance;
use super::codec::h1::After;
use super::codec::{Back, Client as Speaker};
use super::deadline::Deadline;
use super::exchange::{Client, Exchange, Upgrade};
use super::failure::Failure;
use super::flow::{self, Cut, Sink, Source};
use super::oversight::{Revoked, oversee};
use super::pace::Pace;
use super::rewrite::{self, Rewritten};
use super::trailers::Allowed;
use super::upstream::response::Response;
use super::upstream::{Opened, Share, connect};
use super::websocket::handshake;
use super::worker::Worker;
use super::{limits, vouch};
use crate::http::framing::BodyLength;
use crate::plan::cluster::{Cluster, Endpoint, Protocol};
use crate::plan::route::Route;
use crate::telemetry::access_log;

/// Most endpoints that are tried for one request.
const ENDPOINTS_TRIED_MAX: usize = 3;
/// Most connections that may turn out to be closed, or closing, for one request.
const STALE_MAX: usize = 2;
/// Most interim (1xx) responses before a final one.
const INTERIM_MAX: usize = 16;

/// A client with more requests than this on their way at once leaves a part of what each endpoint takes to others.
const MODEST_MAX: u32 = 4;

/// A request that is at an endpoint, or on its way there, counted until dropped.
struct Forwarding(Rc<Client>);

impl Forwarding {
    fn of(client: &Rc<Client>) -> Self {
        client.forwarding.set(client.forwarding.get() + 1);
        Forwarding(client.clone())
    }

    /// How much of what an endpoint takes is for this client.
    fn share(&self) -> Share {
        if self.0.forwarding.get() <= MODEST_MAX { Share::Whole } else { Share::Half }
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.0.forwarding.set(self.0.forwarding.get() - 1);
    }
}

/// Why one attempt brought no answer.
enum Attempt {
    /// The connection was closed before it answered, or took no more requests, and the request may be sent again.
    Stale,
    Failed(Failure),
}

impl From<Box<Revoked>> for Attempt {
    fn from(revoked: Box<Revoked>) -> Self {
        Attempt::Failed(revoked.failure)
    }
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Attempt::Failed(failure)
    }
}

/// What an attempt works on.
struct Job<'a> {
    worker: &'a Rc<Worker>,
    route: &'a Route,
    cluster: &'a Cluster,
    rewritten: &'a Rewritten,
    vouched: Option<&'a [u8]>,
}

impl Job<'_> {
    /// The request was sent, or is being sent to its end: the endpoint has so long for its answer.
    async fn await_answer(&self, client: &Back<'_>, upstream: &Rc<Deadline>) {
        self.limit_total(upstream);
        self.limit_silence(upstream);
        client.answer_due(upstream, self.worker.clock.now_ms()).await;
    }

    fn limit_total(&self, upstream: &Deadline) {
        if let Some(timeout) = self.route.timeout {
            upstream.set_total(self.worker.clock.now_ms() + timeout.as_millis() as u64);
        }
    }

    fn limit_silence(&self, upstream: &Deadline) {
        if let Some(idle) = self.route.idle_timeout {
            upstream.set_read(self.worker.clock.now_ms() + idle.as_millis() as u64);
        }
    }

    /// How long the endpoint may be silent within its answer.
    fn idle_pace(&self) -> Option<Pace> {
        self.route.idle_timeout.map(|idle| Pace::idle(idle.as_millis() as u64))
    }

    /// The head of the answer is here.
    fn answer_begins(&self, client: &Back<'_>, response: &Response, upstream: &Deadline) {
        client.answer_begun();
        upstream.clear_read();
        if self.is_endless(response) {
            upstream.clear_total();
        }
    }

    /// A stream of events or messages has no end that a timeout for all routes could wait for.
    fn is_endless(&self, response: &Response) -> bool {
        response.is_message_stream && self.route.timeout_is_default
    }

    /// The trailers that `exchange`'s client may send on.
    fn of_request<'e>(&'e self, exchange: &'e Exchange) -> Allowed<'e> {
        Allowed::Request { exchange, route: self.route }
    }

    /// The trailers that `exchange`'s client may be sent.
    fn of_response<'e>(&'e self, exchange: &'e Exchange, client_is_h2: bool) -> Allowed<'e> {
        Allowed::Response { exchange, route: self.route, client_is_h2 }
    }
}

/// Forwards the exchange along its route.
pub async fn forward(worker: &Rc<Worker>, client: &mut Speaker<'_>, exchange: &mut Exchange) -> Result<After, Failure> {
    let plan = exchange.plan.clone();
    let Some(route) = exchange.route_index.and_then(|index| plan.routes.at(index)) else { return Err(Failure::NoPath) };
    let Some(cluster) = route.action.cluster() else { return Err(Failure::Internal("the route has no upstream")) };
    check_upgrade(exchange, route, cluster)?;
    limits::check_body(exchange, route)?;
    let rewritten = rewrite::request(exchange, route)?;
    let vouched = vouch::lines(worker, exchange)?;
    let job = Job { worker, route, cluster, rewritten: &rewritten, vouched: vouched.as_deref() };
    let forwarding = Forwarding::of(&exchange.client);
    let mut tried: Vec<Arc<Endpoint>> = Vec::new();
    let mut stale = 0;
    // What an attempt over HTTP/2 has sent.
    let mut sent = None;
    loop {
        // Requests that are taken back as soon as they are made must cost no endpoint anything.
        if client.is_gone() {
            return Err(Failure::ClientGone);
        }
        let failed = match open(&job, exchange, &forwarding, &mut tried, stale < STALE_MAX).await? {
            Opened::H1(upstream) if client.is_gone() => {
                worker.pool.put(upstream, worker.clock.now_ms());
                return Err(Failure::ClientGone);
            }
            Opened::H1(mut upstream) if sent.is_none() => {
                match h1::attempt(&job, client, exchange, &mut upstream).await {
                    Ok(h1::Progress::Answered(answered)) => {
                        return h1::finish(&job, client, exchange, upstream, answered).await;
                    }
                    Ok(h1::Progress::Relayed(relayed)) => {
                        return Ok(h1::settle(&job, client, exchange, upstream, relayed));
                    }
                    Err(failed) => failed,
                }
            }
            // What was sent over HTTP/2 before is not sent again over a connection that agreed on something else.
            Opened::H1(_) => Attempt::Failed(Failure::UpstreamClosed),
            Opened::H2(_) if client.is_gone() => return Err(Failure::ClientGone),
            Opened::H2(place) => match Box::pin(h2::attempt(&job, client, exchange, *place, &mut sent)).await {
                Ok(after) => return Ok(after),
                Err(failed) => failed,
            },
        };
        match failed {
            _ if client.answer_over() => return Err(Failure::ClientGone),
            Attempt::Failed(failure) => return Err(failure),
            Attempt::Stale if stale > STALE_MAX => return Err(Failure::UpstreamClosed),
            Attempt::Stale => {
                stale += 1;
                exchange.cells.upstream_retry(route.index);
            }
        }
    }
}

fn check_upgrade(exchange: &mut Exchange, route: &Route, cluster: &Cluster) -> Result<(), Failure> {
    match exchange.normal.upgrade {
        Some(Upgrade::WebSocket) if !route.upgrades.allows_websocket() => return Err(Failure::UpgradeRefused),
        Some(Upgrade::Other(name)) if !route.upgrades.allows(exchange.head.bytes(name)) => {
            exchange.normal.upgrade = None;
        }
        // HTTP/2 has no Upgrade (RFC 9113 section 8.6), but another way to a WebSocket (RFC 8441).
        Some(Upgrade::Other(_)) if cluster.protocol == Protocol::Http2 => return Err(Failure::UpgradeRefused),
        Some(_) if !matches!(exchange.normal.body, BodyLength::None | BodyLength::Fixed(0)) => {
            return Err(Failure::Body("a request to upgrade has a body"));
        }
        // It will be ours to answer. A client of HTTP/2 has none.
        Some(Upgrade::WebSocket) if cluster.protocol == Protocol::Http2 && exchange.websocket_key.is_none() => {
            handshake::key_in(exchange.head.pairs()).ok_or(Failure::WebSocketKey)?;
        }
        _ => {}
    }
    Ok(())
}

/// A connection to the endpoint whose turn it is, or to the next that takes one.
async fn open(
    job: &Job<'_>,
    exchange: &mut Exchange,
    forwarding: &Forwarding,
    tried: &mut Vec<Arc<Endpoint>>,
    may_reuse: bool,
) -> Result<Opened, Failure> {
    let Job { worker, route, cluster, .. } = job;
    loop {
        let now_ms = worker.clock.now_ms();
        let picked = balance::pick(&worker.turns, route, &cluster.endpoints.load(), tried, now_ms);
        let Some(endpoint) = picked else {
            return Err(if tried.is_empty() { Failure::NoEndpoint } else { Failure::Connect });
        };
        let timeouts = &exchange.plan.timeouts;
        match connect::open(worker, timeouts, cluster, &endpoint, forwarding.share(), may_reuse).await {
            Ok(connection) => {
                exchange.upstream = Some(endpoint.address);
                return Ok(connection);
            }
            Err(error) => {
                exchange.cells.upstream_connect_failure(route.index, error.cause());
                tracing::warn!(route = &*route.name, endpoint = %endpoint.address, error = %error, "endpoint did not take a connection");
                tried.push(endpoint);
                if tried.len() >= ENDPOINTS_TRIED_MAX {
                    return Err(Failure::Connect);
                }
                exchange.cells.upstream_retry(route.index);
            }
        }
    }
}

/// Methods that mean the same when they arrive twice (RFC 9110 section 9.2.2).
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE")
}

/// Lets an answer's body flow for as long as its exchange may go on; otherwise as [`flow::run`].
async fn pour(
    job: &Job<'_>,
    exchange: &Exchange,
    source: &mut Source<'_>,
    sink: &mut Sink<'_>,
    out: &mut Vec<u8>,
    size: &mut u64,
) -> Result<(), Cut> {
    let allowed = job.of_response(exchange, matches!(sink, Sink::Stream { .. }));
    let flowing = pin!(flow::run(&job.worker.clock, source, sink, out, size, u64::MAX, allowed));
    match oversee(job.worker, exchange, flowing).await {
        Ok(result) => result,
        Err(revoked) => Err(Cut::Revoked(revoked.cause)),
    }
}

/// Notes what was answered, in `size` bytes of body.
fn note(exchange: &mut Exchange, response: &Response, size: u64) {
    exchange.answered(response.status, access_log::Source::Upstream, "via_upstream");
    exchange.answer.size = size;
}

/// Notes why an answer was cut; `is_gone`: the client went away.
fn note_cut(exchange: &mut Exchange, cut: Cut, is_gone: bool) {
    if cut == Cut::ReceiverLate {
        exchange.cells.limit(limits::WRITE_TIMEOUT);
    }
    if let Cut::Revoked(cause) = cut {
        exchange.cells.exchange_revoked(exchange.route_index, cause.slug());
    }
    exchange.answer.details = match cut {
        Cut::Revoked(cause) => cause.slug(),
        _ if is_gone => "client_disconnected",
        Cut::ReceiverLate => limits::WRITE_TIMEOUT,
        Cut::Receiver => "client_disconnected",
        Cut::SenderLate => "upstream_body_timeout",
        Cut::Sender(_) | Cut::TooLarge => "upstream_body_cut",
    };
}

/// Why a request's body could not be sent whole, where that is the client's doing.
fn client_fault(cut: Cut) -> Option<Failure> {
    match cut {
        Cut::SenderLate => Some(Failure::BodyTimeout),
        Cut::Sender(what) => Some(Failure::Body(what)),
        Cut::TooLarge => Some(Failure::BodyTooLarge),
        Cut::Receiver | Cut::ReceiverLate | Cut::Revoked(_) => None,
    }
}
