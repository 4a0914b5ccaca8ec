//! Sends the request to an endpoint and its answer to the client. Another endpoint is tried only where nothing can have
//! been done twice: nothing was sent, or an idle connection turned out to be closed before an idempotent request.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use super::balance;
use super::body::{Incoming, Outgoing};
use super::codec::h1::After;
use super::codec::{Back, Client, HeadSink};
use super::exchange::{Exchange, Upgrade};
use super::failure::Failure;
use super::flow::{self, Cut, Sink, Source};
use super::pace::Pace;
use super::race::{First, first};
use super::rewrite::{self, Rewritten};
use super::upstream::response::{Found, Response, read_head};
use super::upstream::{Connection, connect, request};
use super::wire::{READ_BYTES, Reader};
use super::worker::Worker;
use super::{deadline::Deadline, limits, tunnel, vouch};
use crate::http::framing::BodyLength;
use crate::plan::cluster::{Cluster, Endpoint};
use crate::plan::route::Route;
use crate::telemetry::access_log;

/// Most endpoints that are tried for one request.
const ENDPOINTS_TRIED_MAX: usize = 3;
/// Most idle connections that may turn out to be closed for one request.
const STALE_MAX: usize = 2;
/// Most interim (1xx) responses before a final one.
const INTERIM_MAX: usize = 16;

/// Why one attempt brought no answer.
enum Attempt {
    /// A reused connection was closed before it answered, and the request may be sent again.
    Stale,
    Failed(Failure),
}

/// What an attempt works on.
struct Job<'a> {
    worker: &'a Worker,
    route: &'a Route,
    cluster: &'a Cluster,
    rewritten: &'a Rewritten,
    vouched: Option<&'a [u8]>,
}

impl Job<'_> {
    /// The request was sent, or is being sent to its end: the endpoint has so long for its answer.
    fn await_answer(&self, client: &Back<'_>, upstream: &Rc<Deadline>) {
        let now_ms = self.worker.clock.now_ms();
        self.limit_total(upstream);
        if let Some(idle) = self.route.idle_timeout {
            upstream.set_read(now_ms + idle.as_millis() as u64);
        }
        client.answer_due(upstream, now_ms);
    }

    fn limit_total(&self, upstream: &Deadline) {
        if let Some(timeout) = self.route.timeout {
            upstream.set_total(self.worker.clock.now_ms() + timeout.as_millis() as u64);
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

    /// An event stream has no end that a timeout for all routes could wait for.
    fn is_endless(&self, response: &Response) -> bool {
        response.is_event_stream && self.route.timeout_is_default
    }
}

/// Forwards the exchange along its route.
pub async fn forward(worker: &Worker, client: &mut Client<'_>, exchange: &mut Exchange) -> Result<After, Failure> {
    let plan = exchange.plan.clone();
    let Some(route) = exchange.route_index.and_then(|index| plan.routes.at(index)) else { return Err(Failure::NoPath) };
    match exchange.normal.upgrade {
        Some(Upgrade::WebSocket) if !route.upgrades.allows_websocket() => return Err(Failure::UpgradeRefused),
        Some(Upgrade::Other(name)) if !route.upgrades.allows(exchange.head.bytes(name)) => {
            exchange.normal.upgrade = None;
        }
        Some(_) if !matches!(exchange.normal.body, BodyLength::None | BodyLength::Fixed(0)) => {
            return Err(Failure::Body("a request to upgrade has a body"));
        }
        _ => {}
    }
    limits::check_body(exchange, route)?;
    let Some(cluster) = route.action.cluster() else { return Err(Failure::Internal("the route has no upstream")) };
    let rewritten = rewrite::request(exchange, route)?;
    let vouched = vouch::lines(worker, exchange)?;
    let job = Job { worker, route, cluster, rewritten: &rewritten, vouched: vouched.as_deref() };
    let mut tried: Vec<Arc<Endpoint>> = Vec::new();
    let mut stale = 0;
    loop {
        let mut upstream = open(&job, exchange, &mut tried, stale < STALE_MAX).await?;
        match attempt(&job, client, exchange, &mut upstream).await {
            Ok(Progress::Answered(answered)) => return finish(&job, client, exchange, upstream, answered).await,
            Ok(Progress::Relayed(relayed)) => return Ok(settle(&job, client, exchange, upstream, relayed)),
            Err(_) if client.answer_over() => return Err(Failure::ClientGone),
            Err(Attempt::Failed(failure)) => return Err(failure),
            Err(Attempt::Stale) => {
                stale += 1;
                exchange.cells.upstream_retry(route.index);
            }
        }
    }
}

/// A connection to the endpoint whose turn it is, or to the next that takes one.
async fn open(
    job: &Job<'_>,
    exchange: &mut Exchange,
    tried: &mut Vec<Arc<Endpoint>>,
    may_reuse: bool,
) -> Result<Connection, Failure> {
    let Job { worker, route, cluster, .. } = job;
    loop {
        let now_ms = worker.clock.now_ms();
        let picked = balance::pick(&worker.turns, route, &cluster.endpoints.load(), tried, now_ms);
        let Some(endpoint) = picked else {
            return Err(if tried.is_empty() { Failure::NoEndpoint } else { Failure::Connect });
        };
        match connect::open(worker, &exchange.plan.timeouts, cluster, &endpoint, may_reuse).await {
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

/// How far an attempt got.
enum Progress {
    /// The request was sent whole and its answer's head has come.
    Answered(Answered),
    /// Request and answer flowed at the same time, to their ends.
    Relayed(Relayed),
}

/// A final response whose head is in `out`, not sent yet.
struct Answered {
    response: Response,
    out: Vec<u8>,
    close: bool,
}

/// An answer that was sent to the client, or cut.
struct Relayed {
    response: Response,
    result: Result<(), Cut>,
    size: u64,
    /// The request's body was sent to its end.
    uploaded: bool,
    close: bool,
}

async fn attempt(
    job: &Job<'_>,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    upstream: &mut Connection,
) -> Result<Progress, Attempt> {
    let worker = job.worker;
    let mut out = worker.buffers.take();
    request::write_head(exchange, job.route, job.rewritten, &upstream.endpoint, job.vouched, &mut out);
    let mut incoming = Incoming::new(exchange.normal.body);
    let outgoing = Outgoing::of(exchange.normal.body);
    let close = exchange.normal.close || worker.draining.get();
    let mut size = 0;
    if !incoming.is_ended() {
        if exchange.normal.expects_continue {
            client.invite().await.map_err(Attempt::Failed)?;
            exchange.normal.expects_continue = false;
        }
        size = client.take(&mut incoming, outgoing, &mut out).map_err(Attempt::Failed)?;
        if size > limits::body_max(job.route) {
            return Err(Attempt::Failed(Failure::BodyTooLarge));
        }
    }
    if !incoming.is_ended() {
        let upload = Upload { incoming, outgoing, out, size, close };
        return Box::pin(stream(job, client, exchange, upstream, upload)).await.map(Progress::Relayed);
    }
    let may_repeat = upstream.reused && exchange.normal.body == BodyLength::None && is_idempotent(exchange.method());
    upstream.deadline.set_write(worker.clock.now_ms() + exchange.plan.timeouts.write.as_millis() as u64);
    // A failed write is not the end: the endpoint may have answered and closed. Reading tells.
    let _ = upstream.writer.write_all(&mut out).await;
    upstream.deadline.clear_write();
    job.await_answer(&client.back(), &upstream.deadline);
    let reply = Reply { job, exchange, close, uploaded: &Cell::new(true), may_repeat };
    let mut head = client.stream().map_or(HeadSink::H1(&mut out), HeadSink::H2);
    let response = reply.read(&mut upstream.reader, &mut upstream.inbox, &upstream.deadline, &mut head).await?;
    Ok(Progress::Answered(Answered { response, out, close }))
}

/// Methods that mean the same when they arrive twice (RFC 9110 section 9.2.2).
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE")
}

/// Reads the answer to a request that was sent, or is being sent.
struct Reply<'a> {
    job: &'a Job<'a>,
    exchange: &'a Exchange,
    close: bool,
    uploaded: &'a Cell<bool>,
    may_repeat: bool,
}

impl Reply<'_> {
    /// Reads until a final response; its head, as the client gets it, is in `head` then.
    async fn read(
        &self,
        reader: &mut Reader,
        inbox: &mut Vec<u8>,
        deadline: &Deadline,
        head: &mut HeadSink<'_>,
    ) -> Result<Response, Attempt> {
        let (mut seen, mut interim) = (0, 0);
        loop {
            let close = self.close || !self.uploaded.get();
            match read_head(self.exchange, self.job.route, inbox, seen, close, head).map_err(Attempt::Failed)? {
                Found::Final(response, length) => {
                    inbox.drain(..length);
                    return Ok(response);
                }
                Found::Interim(length) => {
                    inbox.drain(..length);
                    (seen, interim) = (0, interim + 1);
                    if interim > INTERIM_MAX {
                        return Err(Attempt::Failed(Failure::UpstreamProtocol("too many interim responses")));
                    }
                    continue;
                }
                Found::Incomplete(looked_at) => seen = looked_at,
            }
            let untouched = inbox.is_empty() && interim == 0;
            match reader.read(inbox, READ_BYTES).await {
                Ok(1..) => {}
                _ if deadline.fired() => return Err(Attempt::Failed(Failure::UpstreamTimeout)),
                _ if untouched && self.may_repeat => return Err(Attempt::Stale),
                _ => return Err(Attempt::Failed(Failure::UpstreamClosed)),
            }
        }
    }
}

/// A request body that was not whole in the client's inbox.
struct Upload {
    incoming: Incoming,
    outgoing: Outgoing,
    out: Vec<u8>,
    /// Bytes of body in `out`.
    size: u64,
    close: bool,
}

/// Sends the rest of the request's body and relays the answer at the same time: the endpoint may answer before it has
/// the whole body, and both may depend on each other.
async fn stream(
    job: &Job<'_>,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    upstream: &mut Connection,
    upload: Upload,
) -> Result<Relayed, Attempt> {
    let clock = &job.worker.clock;
    let timeouts = &exchange.plan.timeouts;
    let Upload { incoming, outgoing: upload_framing, out: mut sent, size: mut up, close } = upload;
    let uploaded = Cell::new(false);
    let (mut out, mut size) = (job.worker.buffers.take(), 0);
    let (source, back) = client.split(incoming, timeouts);
    let mut head = back.head(&mut out);
    let Connection { reader, writer, deadline, inbox, .. } = upstream;
    let write_ms = timeouts.write.as_millis() as u64;
    let sink = Sink::Wire { writer, outgoing: upload_framing, deadline, timeout_ms: write_ms };
    let mut sending = pin!(flow::run(clock, source, sink, &mut sent, &mut up, limits::body_max(job.route)));
    let mut sent_result = None;
    let reply = Reply { job, exchange, close, uploaded: &uploaded, may_repeat: false };
    let response = {
        let mut reading = pin!(reply.read(reader, inbox, deadline, &mut head));
        match first(sending.as_mut(), reading.as_mut()).await {
            First::Left(result) => {
                uploaded.set(result.is_ok());
                sent_result = Some(result);
                match result {
                    Err(Cut::SenderLate) => return Err(Attempt::Failed(Failure::BodyTimeout)),
                    Err(Cut::Sender(what)) => return Err(Attempt::Failed(Failure::Body(what))),
                    Err(Cut::TooLarge) => return Err(Attempt::Failed(Failure::BodyTooLarge)),
                    // When the endpoint takes no more, it may have said why.
                    Ok(()) | Err(Cut::Receiver | Cut::ReceiverLate) => {
                        job.await_answer(&back, deadline);
                        reading.await?
                    }
                }
            }
            First::Right(early) => early?,
        }
    };
    job.answer_begins(&back, &response, deadline);
    let incoming = Incoming::new(response.body);
    let source = Source::Wire { reader, inbox, incoming, deadline, pace: job.idle_pace() };
    let sink = back.sink(response.body, timeouts);
    let receiving = flow::run(clock, source, sink, &mut out, &mut size, u64::MAX);
    let result = if sent_result.is_some() {
        receiving.await
    } else {
        let mut receiving = pin!(receiving);
        match first(receiving.as_mut(), sending.as_mut()).await {
            First::Left(result) => result,
            First::Right(sent) => {
                uploaded.set(sent.is_ok());
                if !job.is_endless(&response) {
                    job.limit_total(deadline);
                }
                receiving.await
            }
        }
    };
    // The head was written while the body was still coming, so it announced the end of the connection.
    Ok(Relayed { response, result, size, uploaded: uploaded.get(), close: close || sent_result.is_none() })
}

/// Sends the answer to the client and decides what becomes of both connections.
async fn finish(
    job: &Job<'_>,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    mut upstream: Connection,
    answered: Answered,
) -> Result<After, Failure> {
    let Answered { response, mut out, close } = answered;
    if response.status == 101 {
        exchange.answered(response.status, access_log::Source::Upstream, "via_upstream");
        return Ok(Box::pin(tunnel::run(job.worker, client, exchange, upstream, out)).await);
    }
    job.answer_begins(&client.back(), &response, &upstream.deadline);
    let timeouts = &exchange.plan.timeouts;
    let source = Source::Wire {
        reader: &mut upstream.reader,
        inbox: &mut upstream.inbox,
        incoming: Incoming::new(response.body),
        deadline: &upstream.deadline,
        pace: job.idle_pace(),
    };
    let sink = client.back().sink(response.body, timeouts);
    let mut size = 0;
    let result = flow::run(&job.worker.clock, source, sink, &mut out, &mut size, u64::MAX).await;
    job.worker.buffers.give(out);
    Ok(settle(job, client, exchange, upstream, Relayed { response, result, size, uploaded: true, close }))
}

/// Notes what was answered and decides what becomes of both connections.
fn settle(
    job: &Job<'_>,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    upstream: Connection,
    relayed: Relayed,
) -> After {
    let Relayed { response, result, size, uploaded, close } = relayed;
    exchange.answered(response.status, access_log::Source::Upstream, "via_upstream");
    exchange.answer.size = size;
    let is_gone = client.answer_over();
    match result {
        Ok(()) => {
            if response.keep_alive && uploaded {
                job.worker.pool.put(upstream, job.worker.clock.now_ms());
            }
            // After a refused upgrade nobody can say whose protocol the next bytes speak.
            if close || exchange.normal.upgrade.is_some() { After::Close } else { After::Next }
        }
        Err(cut) => {
            if cut == Cut::ReceiverLate {
                exchange.cells.limit(limits::WRITE_TIMEOUT);
            }
            exchange.answer.details = match cut {
                _ if is_gone => "client_disconnected",
                Cut::ReceiverLate => limits::WRITE_TIMEOUT,
                Cut::Receiver => "client_disconnected",
                Cut::SenderLate => "upstream_body_timeout",
                Cut::Sender(_) | Cut::TooLarge => "upstream_body_cut",
            };
            After::Abort
        }
    }
}
