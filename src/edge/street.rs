//! The road that a connection and each of its requests travel: the only file that knows the order.
//!
//! accept → preface (PROXY protocol) → TLS → HTTP/1.1, and per request: sanitize → route → session → authorize →
//! vouch → balance → upstream → relay or tunnel → respond → record. A station takes what it needs and returns a value
//! or a [`Failure`]; stations never call stations.

use std::net::SocketAddr;
use std::rc::Rc;

use super::codec::Client as Speaker;
use super::codec::h1::{After, Connection, NoHead};
use super::codec::mux::{self, Arrived, Asked};
use super::exchange::{Client, Exchange};
use super::failure::Failure;
use super::route::Way;
use super::tls::Failed;
use super::wire::{self, Reader, TlsError, Writer};
use super::worker::{Held, Worker};
use super::{accept, authorize, client_certificate, message, portal, record, relay, respond, route, sanitize, session};
use crate::edge::deadline::Deadline;
use crate::edge::preface;
use crate::http::head::RequestHead;
use crate::net::{self, tcp::Stream};
use crate::plan::listener::Codec;
use crate::plan::route::Route;

/// Serves one client connection to its end.
pub async fn serve_connection(worker: &Rc<Worker>, stream: Stream, peer: SocketAddr, mut place: accept::Open) {
    let (reader, writer, control) = wire::clear(stream);
    let deadline = worker.deadlines.watch(control);
    let opened = Box::pin(open(worker, reader, writer, deadline, peer, &mut place)).await;
    let client = match opened {
        None => return,
        Some((client, true)) => client,
        Some((client, false)) => match serve_h1(worker, client).await {
            None => return,
            Some(client) => client,
        },
    };
    let (server, who) = (worker.clone(), client.who.clone());
    Box::pin(mux::serve(worker, client, move |arrived| serve_stream(&server, who.clone(), arrived))).await;
}

/// The requests of an HTTP/1.1 connection, one after the other. It comes back when it turns out to be one of HTTP/2.
async fn serve_h1(worker: &Rc<Worker>, mut client: Connection) -> Option<Connection> {
    let who = client.who.clone();
    loop {
        let timeouts = worker.plan();
        let head = client.read_head(worker, &timeouts.timeouts).await;
        // The connection may have been idle for long: the request is served by the plan of now.
        let plan = worker.plan();
        let after = match head {
            Ok(head) => {
                let exchange = Box::new(Exchange::new(plan, who.clone(), head, None, worker.cells.pinned()));
                Box::pin(serve_request(worker, Speaker::H1(&mut client), exchange)).await
            }
            Err(NoHead::Http2) => return Some(client),
            Err(NoHead::Done) => After::Close,
            Err(NoHead::Late) => {
                Box::pin(refuse(worker, Speaker::H1(&mut client), who.clone(), plan, Failure::HeadTimeout)).await
            }
            Err(NoHead::Refused(error)) => {
                Box::pin(refuse(worker, Speaker::H1(&mut client), who.clone(), plan, Failure::Head(error))).await
            }
        };
        match after {
            After::Next => {}
            After::Close => {
                Box::pin(client.close(worker)).await;
                return None;
            }
            After::Abort => return None,
        }
    }
}

/// PROXY header and TLS, both within `timeouts.head`; `None` when the connection was refused (and that was recorded).
async fn open(
    worker: &Rc<Worker>,
    mut reader: Reader,
    mut writer: Writer,
    deadline: Rc<Deadline>,
    peer: SocketAddr,
    place: &mut accept::Open,
) -> Option<(Connection, bool)> {
    let plan = worker.plan();
    let late_ms = worker.clock.now_ms() + plan.timeouts.head.as_millis() as u64;
    deadline.set_read(late_ms);
    deadline.set_write(late_ms);
    let mut early = Vec::new();
    let mut address = peer;
    if let Some(proxy) = &plan.listener.proxy_protocol {
        match preface::read(&mut reader, &mut early, proxy, peer).await {
            Ok(source) => address = source.unwrap_or(peer),
            Err(error) => {
                let cause = if deadline.fired() { late(worker, "proxy_header_timeout") } else { error.slug() };
                worker.cells.proxy_reject(cause);
                worker.cells.connection_rejected("proxy_protocol");
                tracing::warn!(peer = %peer, cause, error = %error, "connection refused: PROXY protocol");
                return None;
            }
        }
        if let Err(full) = place.move_to(address.ip()) {
            worker.refusals.note(worker, full, address.ip());
            return None;
        }
    }
    let secure = !plan.listener.insecure;
    let codec = plan.listener.codec;
    let mut is_h2 = false;
    let mut who = Client { address, secure, server_name: None, was_asked: false, certificate: None };
    let mut inbox = early;
    if secure {
        let early = std::mem::take(&mut inbox);
        match worker.tls.accept(&plan, &mut reader, &mut writer, early, worker.clock.unix()).await {
            Ok(agreed) => {
                worker.cells.tls_handshake(agreed.version, "ok");
                is_h2 = agreed.is_h2;
                (who.server_name, who.was_asked) = (agreed.server_name, agreed.was_asked);
                who.certificate = agreed.certificate;
            }
            Err(Failed { error, server_name }) => {
                let is_late = deadline.fired();
                let result = if is_late { "timeout" } else { tls_result(&error) };
                let cause = if is_late { late(worker, "tls_handshake_timeout") } else { result };
                worker.cells.tls_handshake("none", result);
                tracing::info!(
                    ip = %address.ip(),
                    cause,
                    "tls-sni-hostname" = server_name.as_deref(),
                    "downstream-transport-failure-reason" = %error,
                    "listener connection failure"
                );
                return None;
            }
        }
        wire::take_early(&reader, &mut inbox);
    }
    deadline.clear_read();
    deadline.clear_write();
    who.address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let may_be_h2 = !secure && codec == Codec::Auto;
    let is_h2 = is_h2 || codec == Codec::Http2;
    Some((Connection { reader, writer, deadline, inbox, who, may_be_h2 }, is_h2))
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
    record::write(&exchange);
    worker.buffers.give(exchange.take_bytes());
    after
}

/// A request of an HTTP/2 connection, in a task of its own.
fn serve_stream(worker: &Rc<Worker>, who: Client, arrived: Arrived) {
    let Arrived { stream, request } = arrived;
    let plan = worker.plan();
    let on_panic = {
        let worker = worker.clone();
        move || worker.cells.panic()
    };
    let worker = worker.clone();
    // What the task captures it carries for as long as it runs, so it is little.
    match request {
        Ok(Asked { head, body, protocol }) => {
            let mut exchange = Box::new(Exchange::new(plan, who, head, Some(body), worker.cells.pinned()));
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
                if refuse(&worker, Speaker::H2(&stream), who, plan, Failure::Head(error)).await == After::Abort {
                    stream.abort();
                }
            };
            net::spawn_guarded(task, on_panic);
        }
    }
}

/// A request whose head never became one.
async fn refuse(worker: &Rc<Worker>, mut client: Speaker<'_>, who: Client, plan: Held, failure: Failure) -> After {
    let mut exchange = Exchange::new(plan, who, RequestHead::default(), None, worker.cells.pinned());
    exchange.request_id = worker.request_ids.next();
    let after = respond::failure(worker, &mut client, &mut exchange, failure).await;
    record::write(&exchange);
    if after == After::Next { After::Close } else { after }
}

/// The stations, in order.
async fn pass(worker: &Rc<Worker>, client: &mut Speaker<'_>, exchange: &mut Exchange) -> Result<After, Failure> {
    sanitize::request(exchange, &worker.request_ids)?;
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
