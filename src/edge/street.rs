//! The road that a connection and each of its requests travel: the only file that knows the order.
//!
//! accept → preface (PROXY protocol) → TLS → HTTP/1.1, and per request: sanitize → route → session → authorize →
//! vouch → balance → upstream → relay or tunnel → respond → record. A station takes what it needs and returns a value
//! or a [`Failure`]; stations never call stations.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::codec::Client as Speaker;
use super::codec::h1::{After, Connection, NoHead};
use super::codec::mux::{self, Arrived, Asked};
use super::exchange::{Client, Exchange};
use super::failure::Failure;
use super::route::Way;
use super::tls::Failed;
use super::wire::{self, TlsError};
use super::worker::Worker;
use super::{accept, authorize, client_certificate, message, portal, record, relay, respond, route, sanitize, session};
use crate::edge::preface;
use crate::http::framing::BodyLength;
use crate::http::head::RequestHead;
use crate::net::{self, tcp::Stream};
use crate::plan::listener::Codec;
use crate::plan::route::Route;

/// Serves one client connection to its end.
pub fn serve_connection(
    worker: Rc<Worker>,
    stream: Stream,
    peer: SocketAddr,
    place: accept::Open,
) -> impl Future<Output = ()> {
    let (reader, writer, control) = wire::clear(stream);
    let deadline = worker.deadlines.watch(control);
    let who = Rc::new(Client::at(peer));
    // In one place on the heap: a task carries what it was given for as long as it runs, and what it makes of it besides.
    let client = Box::new(Connection { reader, writer, deadline, inbox: Vec::new(), who, may_be_h2: false });
    serve(worker, client, place)
}

async fn serve(worker: Rc<Worker>, mut client: Box<Connection>, mut place: accept::Open) {
    let Some(is_h2) = Box::pin(open(&worker, &mut client, &mut place)).await else { return };
    let ended = if is_h2 { Ended::AsHttp2 } else { serve_h1(&worker, &mut client).await };
    match ended {
        Ended::Aborted => {}
        Ended::Closing => Box::pin(client.close(&worker)).await,
        Ended::AsHttp2 => {
            let (server, who) = (worker.clone(), client.who.clone());
            let arrived = move |arrived| serve_stream(&server, who.clone(), arrived);
            Box::pin(mux::serve(&worker, *client, arrived)).await;
        }
    }
}

/// How the requests of HTTP/1.1 ended.
enum Ended {
    /// The client must see that the last message was cut.
    Aborted,
    /// It turned out to be a connection of HTTP/2.
    AsHttp2,
    /// It is to be closed in good order.
    Closing,
}

/// The requests of an HTTP/1.1 connection, one after the other.
async fn serve_h1(worker: &Rc<Worker>, client: &mut Connection) -> Ended {
    loop {
        let timeouts = worker.plan();
        let head = client.read_head(worker, &timeouts.timeouts).await;
        // The connection may have been idle for long: the request is served by the plan of now.
        drop(timeouts);
        let after = match head {
            Ok(head) => {
                let exchange = begin(worker, client.who.clone(), head, None);
                serve_request(worker, Speaker::H1(client), exchange).await
            }
            Err(NoHead::Http2) => return Ended::AsHttp2,
            Err(NoHead::Done) => After::Close,
            Err(NoHead::Late) => {
                let who = client.who.clone();
                Box::pin(refuse(worker, Speaker::H1(client), who, Failure::HeadTimeout)).await
            }
            Err(NoHead::Refused(error)) => {
                let who = client.who.clone();
                Box::pin(refuse(worker, Speaker::H1(client), who, Failure::Head(error))).await
            }
        };
        match after {
            After::Next => {}
            After::Close => return Ended::Closing,
            After::Abort => return Ended::Aborted,
        }
    }
}

/// PROXY header and TLS, both within `timeouts.head`: whether HTTP/2 follows, or `None` when the connection was refused
/// (and that was recorded).
async fn open(worker: &Rc<Worker>, client: &mut Connection, place: &mut accept::Open) -> Option<bool> {
    let plan = worker.plan();
    let late_ms = worker.clock.now_ms() + plan.timeouts.head.as_millis() as u64;
    client.deadline.set_read(late_ms);
    client.deadline.set_write(late_ms);
    let who = Rc::make_mut(&mut client.who);
    let peer = who.address;
    if let Some(proxy) = &plan.listener.proxy_protocol {
        match preface::read(&mut client.reader, &mut client.inbox, proxy, peer).await {
            Ok(source) => who.address = source.unwrap_or(peer),
            Err(error) => {
                let is_late = client.deadline.fired();
                let cause = if is_late { late(worker, "proxy_header_timeout") } else { error.slug() };
                worker.cells.proxy_reject(cause);
                worker.cells.connection_rejected("proxy_protocol");
                tracing::warn!(peer = %peer, cause, error = %error, "connection refused: PROXY protocol");
                return None;
            }
        }
        if let Err(full) = place.move_to(who.address.ip()) {
            worker.refusals.note(worker, full, who.address.ip());
            return None;
        }
    }
    let secure = !plan.listener.insecure;
    let codec = plan.listener.codec;
    let mut is_h2 = codec == Codec::Http2;
    who.secure = secure;
    if secure {
        let early = std::mem::take(&mut client.inbox);
        let agreed = worker.tls.accept(&plan, &mut client.reader, &mut client.writer, early, worker.clock.unix()).await;
        match agreed {
            Ok(agreed) => {
                worker.cells.tls_handshake(agreed.version, "ok");
                is_h2 |= agreed.is_h2;
                (who.server_name, who.was_asked) = (agreed.server_name, agreed.was_asked);
                who.certificate = agreed.certificate;
            }
            Err(failed) => {
                note_failed_handshake(worker, who.address.ip(), client.deadline.fired(), &failed);
                return None;
            }
        }
        wire::take_early(&client.reader, &mut client.inbox);
    }
    client.deadline.clear_read();
    client.deadline.clear_write();
    who.settle_address();
    client.may_be_h2 = !secure && codec == Codec::Auto;
    Some(is_h2)
}

fn note_failed_handshake(worker: &Worker, address: IpAddr, is_late: bool, failed: &Failed) {
    let Failed { error, server_name } = failed;
    let result = if is_late { "timeout" } else { tls_result(error) };
    let cause = if is_late { late(worker, "tls_handshake_timeout") } else { result };
    worker.cells.tls_handshake("none", result);
    tracing::info!(
        ip = %address,
        cause,
        "tls-sni-hostname" = server_name.as_deref(),
        "downstream-transport-failure-reason" = %error,
        "listener connection failure"
    );
}

/// Counts a limit that ended a connection before its first request; returns its name.
fn late(worker: &Worker, limit: &'static str) -> &'static str {
    worker.cells.limit(limit);
    limit
}

fn tls_result(error: &TlsError) -> &'static str {
    if let TlsError::Protocol(error) = error
        && let Some(flaw) = client_certificate::flaw_of(error)
    {
        return flaw.slug();
    }
    match error {
        TlsError::Protocol(rustls::Error::AlertReceived(_)) => "alert",
        TlsError::Protocol(_) | TlsError::Oversize(_) | TlsError::Exhausted => "protocol",
        TlsError::Closed | TlsError::Io(_) => "closed",
    }
}

/// Serves one request and records it, whatever became of it.
async fn serve_request(worker: &Rc<Worker>, mut client: Speaker<'_>, mut exchange: Box<Exchange>) -> After {
    let after = match pass(worker, &mut client, &mut exchange).await {
        Ok(after) => after,
        // Boxed, as everything that most requests do not need: the room of a request stays small.
        Err(failure) => Box::pin(respond::failure(worker, &mut client, &mut exchange, failure)).await,
    };
    let took_us = record::write(&exchange);
    worker.coalescing.answered(took_us);
    client.take_back(worker, exchange.take_room());
    after
}

/// A request of an HTTP/2 connection, in a task of its own.
fn serve_stream(worker: &Rc<Worker>, who: Rc<Client>, arrived: Arrived) {
    let Arrived { stream, request } = arrived;
    let on_panic = {
        let worker = worker.clone();
        move || worker.cells.panic()
    };
    let worker = worker.clone();
    // What a task captures it carries for as long as it runs, so it is little.
    match request {
        Ok(Asked { head, body, protocol }) => {
            let mut exchange = begin(&worker, who, head, Some(body));
            exchange.told_protocol = protocol;
            let task = async move {
                if serve_request(&worker, Speaker::H2(&stream), exchange).await == After::Abort {
                    stream.abort();
                }
            };
            net::spawn_guarded(task, on_panic);
        }
        Err(error) => {
            let task = async move {
                if refuse(&worker, Speaker::H2(&stream), who, Failure::Head(error)).await == After::Abort {
                    stream.abort();
                }
            };
            net::spawn_guarded(task, on_panic);
        }
    }
}

/// A request that will be served by the plan of now.
fn begin(worker: &Worker, who: Rc<Client>, head: RequestHead, told_body: Option<BodyLength>) -> Box<Exchange> {
    Box::new(Exchange::new(worker.plan(), who, head, told_body, worker.cells.pinned()))
}

/// A request whose head never became one.
async fn refuse(worker: &Rc<Worker>, mut client: Speaker<'_>, who: Rc<Client>, failure: Failure) -> After {
    let mut exchange = begin(worker, who, RequestHead::default(), None);
    exchange.request_id = worker.request_ids.next();
    let after = respond::failure(worker, &mut client, &mut exchange, failure).await;
    record::write(&exchange);
    if after == After::Next { After::Close } else { after }
}

/// The stations, in order.
async fn pass(worker: &Rc<Worker>, client: &mut Speaker<'_>, exchange: &mut Exchange) -> Result<After, Failure> {
    sanitize::request(exchange, &worker.request_ids, &worker.authorities)?;
    let way = route::find(exchange)?;
    if exchange.told_protocol.is_some() && matches!(way, Way::Ping | Way::Portal) {
        // A success would open a tunnel on its stream.
        return Err(Failure::UpgradeRefused);
    }
    match way {
        Way::Ping => Box::pin(respond::ping(worker, client, exchange)).await,
        Way::Portal => {
            Box::pin(session::identify(worker, exchange)).await?;
            Box::pin(portal::visit(worker, client, exchange)).await
        }
        Way::Upstream | Way::Answer => {
            client_certificate::judge(exchange, worker.clock.unix());
            if exchange.route().is_some_and(Route::asks_who) && !session::recall(worker, exchange) {
                Box::pin(session::identify(worker, exchange)).await?;
            }
            let body = match exchange.route().is_some_and(|route| route.policy.needs_message()) {
                true => Box::pin(message::read(worker, client, exchange)).await?,
                false => None,
            };
            if let Err(failure) = authorize::decide(worker, exchange) {
                return Err(Box::pin(message::refusal(worker, client, exchange, failure)).await);
            }
            if let Some(body) = body {
                message::put_back(client, exchange, &body);
            }
            match way {
                Way::Answer if exchange.told_protocol.is_some() => Err(Failure::UpgradeRefused),
                Way::Answer => Box::pin(respond::by_route(worker, client, exchange)).await,
                _ => relay::forward(worker, client, exchange).await,
            }
        }
    }
}
