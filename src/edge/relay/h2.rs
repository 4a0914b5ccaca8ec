//! One attempt over a place on a connection of HTTP/2. Request and answer flow at the same time from the start: either
//! may depend on the other.

use std::cell::{Cell, RefCell};
use std::pin::{Pin, pin};

use super::{Attempt, INTERIM_MAX, Job, client_fault, is_idempotent, note, note_cut, pour};
use crate::edge::body::Incoming;
use crate::edge::codec::h1::After;
use crate::edge::codec::{Back, Client, HeadSink};
use crate::edge::exchange::Exchange;
use crate::edge::failure::Failure;
use crate::edge::flow::{self, Cut, Sink, Source};
use crate::edge::oversight::{Cause, Revoked, oversee};
use crate::edge::race::{First, first};
use crate::edge::upstream::h2::{self, Answering, Log, Lost, Place, Receiving, Sending};
use crate::edge::upstream::request;
use crate::edge::upstream::response::{self, Response};
use crate::edge::{limits, tunnel};
use crate::http::framing::BodyLength;
use crate::http::page::is_grpc;
use crate::net::timer;
use crate::telemetry::access_log;

/// The status of a connection or stream that became something else.
const SWITCHED: u16 = 101;

/// Where the request's body comes from.
enum Body<'a> {
    Nothing,
    Client(Source<'a>),
    /// An attempt before this one, which the endpoint did nothing with.
    Again(&'a Log),
}

/// An answer that was sent to the client, or cut.
struct Relayed {
    response: Response,
    result: Result<(), Cut>,
    size: u64,
    close: bool,
}

/// What became of a request.
enum Outcome {
    Relayed(Relayed),
    /// The WebSocket that was asked for is open; its head is in `out`, not sent yet, for a client of HTTP/1.1.
    Opened {
        sending: Sending,
        receiving: Receiving,
        out: Vec<u8>,
    },
}

/// Why there is no answer.
enum Loss {
    Lost(Lost),
    Failed(Failure),
}

impl From<Box<Revoked>> for Loss {
    fn from(revoked: Box<Revoked>) -> Self {
        Loss::Failed(revoked.failure)
    }
}

impl From<Failure> for Loss {
    fn from(failure: Failure) -> Self {
        Loss::Failed(failure)
    }
}

/// Sends the request on `place` and relays the answer. `sent` is what an earlier attempt has sent of the body; it holds
/// what this one has sent when another may follow.
pub(super) async fn attempt(
    job: &Job<'_>,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    place: Place,
    sent: &mut Option<Box<Log>>,
) -> Result<After, Attempt> {
    let log = RefCell::default();
    match exchange_on(job, client, exchange, &place, sent.as_deref(), &log).await {
        Ok(Outcome::Relayed(relayed)) => Ok(settle(client, exchange, relayed)),
        Ok(Outcome::Opened { sending, receiving, out }) => {
            exchange.answered(SWITCHED, access_log::Source::Upstream, "via_upstream");
            let upstream = tunnel::Upstream::H2 { place: &place, receiving, sending };
            Ok(Box::pin(tunnel::run(job.worker, client, exchange, upstream, out)).await)
        }
        Err(Loss::Failed(failure)) => {
            if matches!(failure, Failure::UpstreamTimeout) {
                place.suspect(job.worker.clock.now_ms());
            }
            Err(failure.into())
        }
        Err(Loss::Lost(lost)) => {
            let log = log.into_inner();
            let has_no_body = matches!(exchange.normal.body, BodyLength::None | BodyLength::Fixed(0));
            let may_repeat = match lost {
                Lost::Unprocessed => has_no_body || sent.is_some() || !log.is_begun() || log.is_whole(),
                Lost::Closed => has_no_body && place.reused && is_idempotent(exchange.method()),
                Lost::Malformed | Lost::Interim => false,
            };
            if !may_repeat {
                return Err(failure(lost, &place).into());
            }
            if sent.is_none() && log.is_whole() {
                *sent = Some(Box::new(log));
            }
            Err(Attempt::Stale)
        }
    }
}

fn failure(lost: Lost, place: &Place) -> Failure {
    match lost {
        Lost::Closed if place.is_dead() => Failure::UpstreamTimeout,
        Lost::Unprocessed | Lost::Closed => Failure::UpstreamClosed,
        Lost::Malformed => Failure::UpstreamProtocol("the frames of the response break HTTP/2"),
        Lost::Interim => Failure::UpstreamProtocol("too many interim responses"),
    }
}

async fn exchange_on(
    job: &Job<'_>,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    place: &Place,
    sent: Option<&Log>,
    log: &RefCell<Log>,
) -> Result<Outcome, Loss> {
    let is_websocket = exchange.normal.upgrade.is_some();
    if is_websocket {
        Box::pin(await_settings(exchange, place)).await?;
    }
    let head = head(job, exchange, place)?;
    let incoming = Incoming::new(exchange.normal.body);
    let has_body = !incoming.is_ended();
    let (mut answering, mut sending) = place.send(head, !has_body && !is_websocket).map_err(Loss::Lost)?;
    if has_body && std::mem::take(&mut exchange.normal.expects_continue) {
        client.invite().await?;
    }
    let exchange = &*exchange;
    let talk = Talk { job, exchange, place, upload: Cell::new(Upload::Going) };
    let (mut source, back) = client.split(incoming, &exchange.plan.timeouts);
    back.attend().await;
    if is_grpc(exchange.content_type()) {
        // A stream of messages has no pace: both sides may be silent for as long as the route allows.
        source.wait_with_answer(&place.deadline, job.route.idle_timeout);
        job.limit_silence(&place.deadline);
    }
    let body = match sent {
        _ if !has_body => Body::Nothing,
        Some(sent) => Body::Again(sent),
        None => Body::Client(source),
    };
    let mut out = job.worker.buffers.take();
    let receiving = {
        let mut uploading = pin!(talk.send(body, &mut sending, log));
        let beginning = talk.begin(uploading.as_mut(), &mut answering, &back, &mut out);
        let (response, mut receiving) = oversee(job.worker, exchange, pin!(beginning)).await??;
        log.borrow_mut().forget();
        if response.status != SWITCHED {
            // After a refused WebSocket nobody can say whose protocol the next bytes speak.
            let close = talk.closes() || is_websocket;
            let (result, size) = talk.pour(uploading, back, &response, &mut receiving, &mut out).await;
            job.worker.buffers.give(out);
            return Ok(Outcome::Relayed(Relayed { response, result, size, close }));
        }
        receiving
    };
    Ok(Outcome::Opened { sending, receiving, out })
}

/// A WebSocket may be asked for only once the endpoint has said that it takes any (RFC 8441 section 3).
async fn await_settings(exchange: &Exchange, place: &Place) -> Result<(), Loss> {
    match timer::timeout(exchange.plan.timeouts.connect, place.takes_websockets()).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(Failure::NoWebSocket.into()),
        Ok(Err(lost)) => Err(Loss::Lost(lost)),
        Err(_) => Err(Failure::UpstreamTimeout.into()),
    }
}

/// How far the request's body is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Upload {
    Going,
    Whole,
    /// The endpoint takes no more of it.
    Cut,
}

/// One request and its answer.
struct Talk<'a> {
    job: &'a Job<'a>,
    exchange: &'a Exchange,
    place: &'a Place,
    upload: Cell<Upload>,
}

impl Talk<'_> {
    /// Sends the request's body.
    async fn send(&self, body: Body<'_>, sending: &mut Sending, log: &RefCell<Log>) -> Result<(), Cut> {
        let timeout = self.exchange.plan.timeouts.write;
        log.borrow_mut().begin();
        match body {
            Body::Nothing => Ok(()),
            Body::Again(sent) => sending.again(timeout, sent).await,
            Body::Client(mut source) => {
                let (mut out, mut size) = (Vec::new(), 0);
                let mut sink = Sink::Upstream { sending, log, timeout };
                let (clock, most) = (&self.job.worker.clock, limits::body_max(self.job.route));
                let allowed = self.job.of_request(self.exchange);
                flow::run(clock, &mut source, &mut sink, &mut out, &mut size, most, allowed).await
            }
        }
    }

    /// Goes on with the request until the head of its answer is here, and passes that on.
    async fn begin(
        &self,
        uploading: Pin<&mut impl Future<Output = Result<(), Cut>>>,
        answering: &mut Answering,
        back: &Back<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(Response, Receiving), Loss> {
        let mut head = back.head(out);
        let mut reading = pin!(self.read_head(answering, &mut head));
        match first(uploading, reading.as_mut()).await {
            First::Right(early) => {
                back.answer_due(&self.place.deadline, self.job.worker.clock.now_ms()).await;
                early
            }
            First::Left(Err(Cut::ReceiverLate)) => Err(Failure::UpstreamTimeout.into()),
            First::Left(result) => {
                if let Some(failure) = result.err().and_then(client_fault) {
                    return Err(failure.into());
                }
                // When the endpoint takes no more, it may have said why.
                self.upload.set(if result.is_ok() { Upload::Whole } else { Upload::Cut });
                self.job.await_answer(back, &self.place.deadline).await;
                reading.await
            }
        }
    }

    /// Reads until a final response; its head, as the client gets it, is in `head` then.
    async fn read_head(
        &self,
        answering: &mut Answering,
        head: &mut HeadSink<'_>,
    ) -> Result<(Response, Receiving), Loss> {
        let (exchange, route) = (self.exchange, self.job.route);
        let pass = |interim: &_| response::pass_interim_of_stream(exchange, route, interim, head);
        let answer = self.place.deadline.bound(answering.head(INTERIM_MAX, pass)).await;
        let (parts, stream) = match answer {
            Ok(answer) => answer.map_err(Loss::Lost)?.into_parts(),
            Err(_) => return Err(Failure::UpstreamTimeout.into()),
        };
        let ended = stream.is_end_stream();
        let response = response::of_stream(exchange, route, &parts, ended, self.closes(), head)?;
        let receiving =
            self.place.receive(stream, ended || (response.body == BodyLength::None && response.status != SWITCHED));
        Ok((response, receiving))
    }

    /// Whether the client's connection ends after the answer, if it is one of HTTP/1.1: what is left there of the request's
    /// body is read by nobody.
    fn closes(&self) -> bool {
        self.exchange.normal.close || self.job.worker.draining.get() || self.upload.get() != Upload::Whole
    }

    /// Relays the answer's body, and the rest of the request's; returns how much of the former was sent.
    async fn pour(
        &self,
        uploading: Pin<&mut impl Future<Output = Result<(), Cut>>>,
        back: Back<'_>,
        response: &Response,
        receiving: &mut Receiving,
        out: &mut Vec<u8>,
    ) -> (Result<(), Cut>, u64) {
        let Talk { job, exchange, place, .. } = self;
        job.answer_begins(&back, response, &place.deadline);
        let mut size = 0;
        let mut source = Source::Upstream { receiving, deadline: &place.deadline, pace: job.idle_pace() };
        let mut sink = back.sink(response.body, &exchange.plan.timeouts);
        let result = {
            let mut relaying = pin!(pour(job, exchange, &mut source, &mut sink, out, &mut size));
            match self.upload.get() {
                Upload::Whole | Upload::Cut => relaying.await,
                Upload::Going => match first(relaying.as_mut(), uploading).await {
                    First::Left(result) => result,
                    // Half a request is none: the endpoint must not take it for a whole one.
                    First::Right(Err(cut)) if client_fault(cut).is_some() => Err(Cut::Receiver),
                    First::Right(_) => {
                        if !job.is_endless(response) {
                            job.limit_total(&place.deadline);
                        }
                        relaying.await
                    }
                },
            }
        };
        let result = result.map_err(|cut| match cut {
            Cut::Sender(_) if place.is_dead() => Cut::SenderLate,
            cut => cut,
        });
        (result, size)
    }
}

/// The request's head, as HTTP/2 has it.
fn head(job: &Job<'_>, exchange: &mut Exchange, place: &Place) -> Result<::http::Request<()>, Failure> {
    let mut text = job.worker.buffers.take();
    request::write_head(exchange, job.route, job.rewritten, &place.endpoint, job.vouched, &mut text);
    let head = h2::request(&text, job.cluster.tls.is_some(), exchange.normal.upgrade.is_some());
    job.worker.buffers.give(text);
    head.map_err(|error| {
        tracing::info!(route = &*job.route.name, error = %error, "request refused");
        Failure::Rewrite("the request cannot be sent over HTTP/2, which the service behind this route speaks")
    })
}

/// Notes what was answered and decides what becomes of the client's connection.
fn settle(client: &mut Client<'_>, exchange: &mut Exchange, relayed: Relayed) -> After {
    let Relayed { response, result, size, close } = relayed;
    note(exchange, &response, size);
    let is_gone = client.answer_over();
    match result {
        Ok(()) if close => After::Close,
        Ok(()) => After::Next,
        Err(cut) => {
            note_cut(exchange, cut, is_gone);
            match cut {
                Cut::Revoked(cause) if response.is_message_stream && is_call_told(client, exchange, cause) => {
                    After::Next
                }
                _ => After::Abort,
            }
        }
    }
}

/// Tells a client of gRPC by its own means why the call ends, where it can be told: its trailers have a place for that, and
/// what is an error in them is taken for no whole answer. A reset says to try again, or nothing.
fn is_call_told(client: &Client<'_>, exchange: &Exchange, cause: Cause) -> bool {
    let Some(stream) = client.stream().filter(|_| is_grpc(exchange.content_type())) else { return false };
    let (code, message) = cause.grpc();
    let fields = [("grpc-status", code), ("grpc-message", message)];
    stream.send_trailers(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))).is_ok()
}
