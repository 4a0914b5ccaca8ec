//! The request's body on its way to an endpoint of HTTP/2.

use std::cell::RefCell;
use std::future::poll_fn;
use std::time::Duration;

use ::h2::{Reason, SendStream};
use ::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use crate::edge::flow::Cut;
use crate::http::trailers::Trailers;
use crate::net::timer;

/// Bytes of a request's body that are kept, so that it can be sent again when the endpoint says that it did nothing.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// What was sent of a request's body, kept until it is too much.
#[derive(Default)]
pub struct Log {
    pieces: Vec<Bytes>,
    bytes: usize,
    trailers: Option<Trailers>,
    is_lost: bool,
    /// Something may have been taken from the client.
    is_begun: bool,
    /// The body was taken to its end.
    ended: bool,
}

impl Log {
    fn note(&mut self, piece: &Bytes) {
        self.bytes += piece.len();
        self.is_lost |= self.bytes > KEPT_BYTES_MAX;
        match self.is_lost {
            true => self.pieces = Vec::new(),
            false if piece.is_empty() => {}
            false => self.pieces.push(piece.clone()),
        }
    }

    fn end(&mut self, last: &Bytes, trailers: Option<&Trailers>) {
        self.note(last);
        self.trailers = trailers.cloned();
        self.ended = true;
    }

    /// From here on the body is taken from the client.
    pub fn begin(&mut self) {
        self.is_begun = true;
    }

    pub fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether all of the body is here.
    pub fn is_whole(&self) -> bool {
        self.ended && !self.is_lost
    }

    /// Forgets everything: nothing will be sent again.
    pub fn forget(&mut self) {
        *self = Log { is_lost: true, is_begun: true, ..Log::default() };
    }
}

/// The request's body on its way.
pub struct Sending {
    stream: SendStream<Bytes>,
    ended: bool,
}

impl Sending {
    pub(super) fn new(stream: SendStream<Bytes>, ended: bool) -> Self {
        Sending { stream, ended }
    }

    /// Sends all of `out` as the endpoint grants room; each wait for room is bounded. `out` is noted in `log`.
    pub async fn write(&mut self, timeout: Duration, out: &mut Vec<u8>, log: &RefCell<Log>) -> Result<(), Cut> {
        let piece = Bytes::from(std::mem::take(out));
        log.borrow_mut().note(&piece);
        self.push(timeout, piece).await
    }

    /// Ends the body, behind what is left of it in `out`.
    pub async fn finish(
        &mut self,
        timeout: Duration,
        out: &mut Vec<u8>,
        trailers: Option<&Trailers>,
        log: &RefCell<Log>,
    ) -> Result<(), Cut> {
        let piece = Bytes::from(std::mem::take(out));
        log.borrow_mut().end(&piece, trailers);
        self.push_last(timeout, piece, trailers).await
    }

    /// Sends a body that was sent before.
    pub async fn again(&mut self, timeout: Duration, log: &Log) -> Result<(), Cut> {
        for piece in &log.pieces {
            self.push(timeout, piece.clone()).await?;
        }
        self.push_last(timeout, Bytes::new(), log.trailers.as_ref()).await
    }

    /// Sends all of `bytes`, of which nothing is kept.
    pub async fn pass(&mut self, timeout: Duration, bytes: &mut Vec<u8>) -> Result<(), Cut> {
        self.push(timeout, Bytes::from(std::mem::take(bytes))).await
    }

    /// Says that nothing follows; the endpoint may still speak.
    pub fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            // It fails where the stream has ended already.
            let _ = self.stream.send_data(Bytes::new(), true);
        }
    }

    /// Breaks off, in both directions.
    pub fn cancel(&mut self) {
        self.stream.send_reset(Reason::CANCEL);
    }

    async fn push_last(&mut self, timeout: Duration, piece: Bytes, trailers: Option<&Trailers>) -> Result<(), Cut> {
        if self.ended {
            return Ok(());
        }
        self.push(timeout, piece).await?;
        self.ended = true;
        let result = match trailers {
            Some(trailers) => self.stream.send_trailers(to_map(trailers)),
            None => self.stream.send_data(Bytes::new(), true),
        };
        result.map_err(|_| Cut::Receiver)
    }

    async fn push(&mut self, timeout: Duration, mut piece: Bytes) -> Result<(), Cut> {
        while !piece.is_empty() {
            self.stream.reserve_capacity(piece.len());
            let room = match self.stream.capacity() {
                0 => timer::timeout(timeout, poll_fn(|cx| self.stream.poll_capacity(cx)))
                    .await
                    .map_err(|_| Cut::ReceiverLate)?
                    .and_then(Result::ok)
                    .ok_or(Cut::Receiver)?,
                room => room,
            };
            let now = piece.split_to(room.min(piece.len()));
            self.stream.send_data(now, false).map_err(|_| Cut::Receiver)?;
        }
        Ok(())
    }
}

fn to_map(trailers: &Trailers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in trailers.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_body_is_kept_and_a_long_one_is_not() {
        let mut log = Log::default();
        log.note(&Bytes::from_static(b"abc"));
        assert!(!log.is_whole());
        log.ended = true;
        assert!(log.is_whole() && log.pieces.len() == 1);
        log.note(&Bytes::from(vec![0; KEPT_BYTES_MAX]));
        assert!(!log.is_whole() && log.pieces.is_empty());
        let mut log = Log { ended: true, ..Log::default() };
        log.forget();
        assert!(!log.is_whole());
    }
}
