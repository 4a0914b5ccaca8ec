//! One attempt over a connection of HTTP/1.1, which serves one exchange at a time.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};

use super::{Attempt, INTERIM_MAX, Job, client_fault, is_idempotent, note, note_cut, pour};
use crate::edge::body::{Incoming, Outgoing};
use crate::edge::codec::h1::After;
use crate::edge::codec::{Client, HeadSink};
use crate::edge::deadline::Deadline;
use crate::edge::exchange::Exchange;
use crate::edge::failure::Failure;
use crate::edge::flow::{self, Cut, Sink, Source};
use crate::edge::oversight::oversee;
use crate::edge::race::{First, first};
use crate::edge::upstream::response::{Found, Response, read_head};
use crate::edge::upstream::{Connection, request};
use crate::edge::wire::{AHEAD_BYTES_FIRST, READ_BYTES, Reader, Writer};
use crate::edge::{limits, tunnel};
use crate::http::framing::BodyLength;
use crate::telemetry::access_log;

/// How far an attempt got.
pub(super) enum Progress {
    /// The request was sent whole and its answer's head has come.
    Answered(Answered),
    /// Request and answer flowed at the same time, to their ends.
    Relayed(Relayed),
}

/// A final response whose head is in `out`, not sent yet.
pub(super) struct Answered {
    response: Response,
    /// In HTTP/1, its head.
    out: Vec<u8>,
    /// Its body is in `out`, too: so many bytes, and nothing follows.
    whole: Option<u64>,
    close: bool,
}

/// An answer that was sent to the client, or cut.
pub(super) struct Relayed {
    response: Response,
    result: Result<(), Cut>,
    size: u64,
    /// The request's body was sent to its end.
    uploaded: bool,
    close: bool,
}

/// Sends the request on `upstream` and reads the head of its answer, or relays both.
pub(super) async fn attempt(
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
            Box::pin(client.invite()).await.map_err(Attempt::Failed)?;
            exchange.normal.expects_continue = false;
        }
        size = client.take(&mut incoming, outgoing, &mut out, job.of_request(exchange)).map_err(Attempt::Failed)?;
        if size > limits::body_max(job.route) {
            return Err(Attempt::Failed(Failure::BodyTooLarge));
        }
    }
    if !incoming.is_ended() {
        let upload = Upload { incoming, outgoing, out, size, close };
        return Box::pin(stream(job, client, exchange, upstream, upload)).await.map(Progress::Relayed);
    }
    let may_repeat = upstream.reused && exchange.normal.body == BodyLength::None && is_idempotent(exchange.method());
    let write_by_ms = worker.clock.now_ms() + exchange.plan.timeouts.write.as_millis() as u64;
    if !upstream.writer.post(&mut out) {
        upstream.deadline.set_write(write_by_ms);
        // A failed write is not the end: the endpoint may have answered and closed. Reading tells.
        let _ = upstream.writer.write_all(&mut out).await;
        upstream.deadline.clear_write();
        // Lent to others while this one waits: what many use in turn stays in the cache of the processor.
        worker.buffers.give(out);
    }
    let mut out = Vec::new();
    job.await_answer(&client.back(), &upstream.deadline).await;
    let reply = Reply { job, exchange, close, uploaded: &Cell::new(true), may_repeat };
    let mut head = client.stream().map_or(HeadSink::H1(&mut out), HeadSink::H2);
    let Connection { reader, writer, inbox, deadline, .. } = upstream;
    let (response, length) = {
        let reading = pin!(reply.read(reader, inbox, deadline, &mut head));
        let reading = pin!(limit_posted(writer, deadline, write_by_ms, reading));
        oversee(worker, reply.exchange, reading).await??
    };
    let whole = take_in_one(inbox, length, response.body, &mut out);
    Ok(Progress::Answered(Answered { response, out, whole, close }))
}

/// Does what `reading` does, and sees to it that what was posted on `writer` is sent by `at_ms`, where the endpoint does not
/// take it at once.
fn limit_posted<F: Future>(
    writer: &Writer,
    deadline: &Deadline,
    at_ms: u64,
    mut reading: Pin<&mut F>,
) -> impl Future<Output = F::Output> {
    poll_fn(move |context| {
        match writer.is_stuck() {
            true => deadline.set_write(at_ms),
            false => deadline.clear_write(),
        }
        reading.as_mut().poll(context)
    })
}

/// Takes a head of `length` bytes from `inbox`, and when a body of that length and nothing else is behind it, moves it to
/// `out` and returns its size: most answers come in one piece, which is looked at once.
fn take_in_one(inbox: &mut Vec<u8>, length: usize, body: BodyLength, out: &mut Vec<u8>) -> Option<u64> {
    let size = (inbox.len() - length) as u64;
    let is_whole = match body {
        BodyLength::None => size == 0,
        BodyLength::Fixed(stated) => size == stated,
        BodyLength::Chunked | BodyLength::UntilClose => false,
    };
    if is_whole && !out.is_empty() {
        out.extend_from_slice(&inbox[length..]);
        inbox.clear();
    } else {
        inbox.drain(..length);
        if is_whole {
            // There is nothing in front of it.
            std::mem::swap(inbox, out);
        }
    }
    is_whole.then_some(size)
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
    /// Reads until a final response; its head, as the client gets it, is in `head` then, and as it came still in `inbox`:
    /// so many bytes.
    async fn read(
        &self,
        reader: &mut Reader,
        inbox: &mut Vec<u8>,
        deadline: &Deadline,
        head: &mut HeadSink<'_>,
    ) -> Result<(Response, usize), Attempt> {
        let (mut seen, mut interim) = (0, 0);
        loop {
            let close = self.close || !self.uploaded.get();
            if let HeadSink::H1(out) = head
                && !inbox.is_empty()
                && out.capacity() == 0
            {
                **out = self.job.worker.buffers.take();
            }
            match read_head(self.exchange, self.job.route, inbox, seen, close, head).map_err(Attempt::Failed)? {
                Found::Final(response, length) => return Ok((response, length)),
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
            let room = if inbox.is_empty() { AHEAD_BYTES_FIRST as usize } else { READ_BYTES };
            match reader.read(inbox, room).await {
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
    exchange: &Exchange,
    upstream: &mut Connection,
    upload: Upload,
) -> Result<Relayed, Attempt> {
    let clock = &job.worker.clock;
    let timeouts = &exchange.plan.timeouts;
    let Upload { incoming, outgoing: upload_framing, out: mut sent, size: mut up, close } = upload;
    let uploaded = Cell::new(false);
    let (mut out, mut size) = (job.worker.buffers.take(), 0);
    let (mut source, back) = client.split(incoming, timeouts);
    back.attend().await;
    let mut head = back.head(&mut out);
    let Connection { reader, writer, deadline, inbox, .. } = upstream;
    let write_ms = timeouts.write.as_millis() as u64;
    let mut sink = Sink::Wire { writer, outgoing: upload_framing, deadline, timeout_ms: write_ms };
    let allowed = job.of_request(exchange);
    let up_max = limits::body_max(job.route);
    let mut sending = pin!(flow::run(clock, &mut source, &mut sink, &mut sent, &mut up, up_max, allowed));
    let mut sent_result = None;
    let reply = Reply { job, exchange, close, uploaded: &uploaded, may_repeat: false };
    let beginning = async {
        let mut reading = pin!(reply.read(reader, inbox, deadline, &mut head));
        match first(sending.as_mut(), reading.as_mut()).await {
            First::Left(result) => {
                uploaded.set(result.is_ok());
                sent_result = Some(result);
                if let Some(failure) = result.err().and_then(client_fault) {
                    return Err(failure.into());
                }
                // When the endpoint takes no more, it may have said why.
                job.await_answer(&back, deadline).await;
                reading.await
            }
            First::Right(early) => early,
        }
    };
    let (response, length) = oversee(job.worker, exchange, pin!(beginning)).await??;
    inbox.drain(..length);
    if sent_result.is_none() {
        // Nobody else would notice that the client went away when it is the endpoint that has to speak.
        back.answer_due(deadline, job.worker.clock.now_ms()).await;
    }
    job.answer_begins(&back, &response, deadline);
    let incoming = Incoming::new(response.body);
    let mut source = Source::Wire { reader, inbox, incoming, deadline, pace: job.idle_pace() };
    let mut sink = back.sink(response.body, timeouts);
    let receiving = pour(job, exchange, &mut source, &mut sink, &mut out, &mut size);
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
    // Where the body was still coming when the head was written, the head announced the end of the connection. So it did where
    // the endpoint took no more: what is left of that body would be read as the next request.
    let close = close || !matches!(sent_result, Some(Ok(())));
    Ok(Relayed { response, result, size, uploaded: uploaded.get(), close })
}

/// Sends the answer to the client and decides what becomes of both connections.
pub(super) async fn finish(
    job: &Job<'_>,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    mut upstream: Box<Connection>,
    answered: Answered,
) -> Result<After, Failure> {
    let Answered { response, mut out, whole, close } = answered;
    if response.status == 101 {
        exchange.answered(response.status, access_log::Source::Upstream, "via_upstream");
        return Ok(Box::pin(tunnel::run(job.worker, client, exchange, tunnel::Upstream::H1(upstream), out)).await);
    }
    job.answer_begins(&client.back(), &response, &upstream.deadline);
    let timeouts = &exchange.plan.timeouts;
    let mut source = Source::Wire {
        reader: &mut upstream.reader,
        inbox: &mut upstream.inbox,
        incoming: Incoming::new(response.body),
        deadline: &upstream.deadline,
        pace: job.idle_pace(),
    };
    let mut sink = client.back().sink(response.body, timeouts);
    let mut size = whole.unwrap_or(0);
    let at_hand = match whole {
        Some(_) => Ok(true),
        None => flow::take_whole(&mut source, &sink, &mut out, &mut size),
    };
    let result = match at_hand {
        Ok(true) => sink.finish(&job.worker.clock, &mut out, None).await,
        Ok(false) => Box::pin(pour(job, exchange, &mut source, &mut sink, &mut out, &mut size)).await,
        Err(cut) => Err(cut),
    };
    job.worker.buffers.give(out);
    Ok(settle(job, client, exchange, upstream, Relayed { response, result, size, uploaded: true, close }))
}

/// Notes what was answered and decides what becomes of both connections.
pub(super) fn settle(
    job: &Job<'_>,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    mut upstream: Box<Connection>,
    relayed: Relayed,
) -> After {
    let Relayed { response, result, size, uploaded, close } = relayed;
    note(exchange, &response, size);
    let is_gone = client.answer_over();
    match result {
        Ok(()) => {
            // What came behind the answer was not asked for.
            if response.keep_alive && uploaded && upstream.inbox.is_empty() {
                job.worker.buffers.give(std::mem::take(&mut upstream.inbox));
                job.worker.pool.put(upstream, job.worker.clock.now_ms());
            }
            // After a refused upgrade nobody can say whose protocol the next bytes speak.
            if close || exchange.normal.upgrade.is_some() { After::Close } else { After::Next }
        }
        Err(cut) => {
            note_cut(exchange, cut, is_gone);
            After::Abort
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::edge::deadline::Deadlines;
    use crate::edge::wire;
    use crate::net::bulk::Bulk;
    use crate::net::driver::{self, Driver};
    use crate::net::tcp::Stream;
    use crate::net::timer;

    const BY_MS: u64 = 1_000;
    /// More than the system keeps for a connection.
    const MANY: usize = 8 * 1024 * 1024;

    /// How an endpoint takes a request.
    #[derive(Debug, Clone, Copy)]
    enum Endpoint {
        Prompt,
        Stuck,
        Late,
    }

    /// Polls `reading`, which nothing comes for, until `condition` holds, and once more.
    async fn until(mut reading: Pin<&mut impl Future>, condition: impl Fn() -> bool) {
        let mut holds = false;
        while !holds {
            holds = condition();
            poll_fn(|context| {
                assert!(reading.as_mut().poll(context).is_pending(), "nothing has come");
                std::task::Poll::Ready(())
            })
            .await;
            timer::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Posts a request, looks after deadlines when its time is over, and returns whether the connection was given up.
    async fn is_given_up(endpoint: Endpoint) -> bool {
        let bulk = Bulk::new().unwrap();
        let (receiving, sending) = (bulk.clone(), bulk.clone());
        crate::net::spawn(async move {
            while receiving.arrivals().await.is_ok() {
                receiving.receive(Vec::new, drop);
            }
        });
        crate::net::spawn(async move {
            loop {
                sending.departures().await;
                sending.send(drop);
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().unwrap();
        let (mut reader, mut writer, control) = wire::clear(stream);
        reader.join(&bulk, &mut writer).unwrap();
        let deadlines = Deadlines::default();
        let deadline: Rc<Deadline> = deadlines.watch(control);
        let size = if matches!(endpoint, Endpoint::Prompt) { 100 } else { MANY };
        assert!(writer.post(&mut vec![7; size]));
        let mut inbox = Vec::new();
        let reading = pin!(reader.read(&mut inbox, 16));
        let mut reading = pin!(limit_posted(&writer, &deadline, BY_MS, reading));
        match endpoint {
            Endpoint::Prompt => {
                peer.set_nonblocking(true).unwrap();
                until(reading.as_mut(), || peer.peek(&mut [0; 100]).is_ok_and(|count| count == size)).await;
            }
            Endpoint::Stuck | Endpoint::Late => until(reading.as_mut(), || writer.is_stuck()).await,
        }
        if matches!(endpoint, Endpoint::Late) {
            let mut peer: TcpStream = peer.try_clone().unwrap();
            let taking = std::thread::spawn(move || peer.read_exact(&mut vec![0; MANY]));
            until(reading.as_mut(), || !writer.is_stuck()).await;
            taking.join().unwrap().unwrap();
        }
        deadlines.sweep(BY_MS + 1);
        deadline.fired()
    }

    #[test]
    fn a_request_that_was_posted_must_be_taken_in_time() {
        for driver in [driver::probe().0, Driver::Epoll] {
            for (endpoint, expected) in [(Endpoint::Prompt, false), (Endpoint::Stuck, true), (Endpoint::Late, false)] {
                let given_up = driver::block_on(driver, is_given_up(endpoint)).unwrap();
                assert_eq!(given_up, expected, "{endpoint:?}, {driver:?}");
            }
        }
    }
}
