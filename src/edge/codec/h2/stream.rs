//! The streams of a connection: where each of them stands, and how those that are gone ended (RFC 9113 section 5.1).

use std::cell::Cell;
use std::collections::VecDeque;

use super::flow::{Inbound, Outbound};
use super::limits::CLOSED_REMEMBERED;
use crate::http::trailers::Trailers;

/// How far our half of a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Local {
    /// No final head was sent.
    Waiting,
    Body,
    Ended,
}

/// Whether the owner of a stream waits until more can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    No,
    Queued,
    /// It was told that it is its turn, and has not sent since.
    Turn,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Both sides said all that they had to say.
    Ended,
    ResetByClient,
    ResetByUs,
}

#[derive(Debug)]
pub struct Stream {
    pub id: u32,
    /// When it was opened, in milliseconds of the caller's clock.
    pub opened_ms: u64,
    /// Bytes of the request's head, which lives as long as the stream has an owner.
    pub head_bytes: usize,
    pub local: Local,
    /// The client sent END_STREAM.
    pub remote_ended: bool,
    /// Reset by either side; the owner has not let go of it yet.
    pub reset: Option<Closed>,
    /// Body bytes that the owner has not taken.
    pub received: Vec<u8>,
    /// The owner was told that there are some.
    pub announced: bool,
    /// The fields behind the body.
    pub trailers: Option<Box<Trailers>>,
    /// Body bytes that must still come, if the request said how many.
    pub expected: Option<u64>,
    pub inbound: Inbound,
    pub outbound: Outbound,
    pub wait: Wait,
}

impl Stream {
    /// How it ended, if it did.
    pub fn closed(&self) -> Option<Closed> {
        match self.reset {
            None if self.remote_ended && self.local == Local::Ended => Some(Closed::Ended),
            reset => reset,
        }
    }
}

/// Streams that have an owner, found by id.
#[derive(Debug, Default)]
pub struct Streams {
    /// The ids alone, side by side: a search touches little memory.
    ids: Vec<u32>,
    list: Vec<Stream>,
    /// Where the last search ended: most calls are about the same stream as the one before.
    last_found: Cell<usize>,
    /// How many of them are open as the client counts (RFC 9113 section 5.1.2).
    pub open: u32,
    /// Bytes of the heads of all of them.
    pub heads_bytes: usize,
    recent: Recent,
}

impl Streams {
    #[inline]
    fn position(&self, id: u32) -> Option<usize> {
        let last = self.last_found.get();
        if self.ids.get(last) == Some(&id) {
            return Some(last);
        }
        let found = self.ids.iter().position(|&known| known == id)?;
        self.last_found.set(found);
        Some(found)
    }

    #[inline]
    pub fn get(&self, id: u32) -> Option<&Stream> {
        self.position(id).map(|at| &self.list[at])
    }

    #[inline]
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.position(id).map(|at| &mut self.list[at])
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.list.iter_mut()
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn insert(&mut self, stream: Stream) {
        if stream.closed().is_none() {
            self.open += 1;
        }
        self.heads_bytes += stream.head_bytes;
        self.ids.push(stream.id);
        self.list.push(stream);
    }

    pub fn remove(&mut self, id: u32) -> Option<Stream> {
        let at = self.position(id)?;
        self.ids.swap_remove(at);
        let stream = self.list.swap_remove(at);
        self.heads_bytes -= stream.head_bytes;
        if let Some(closed) = stream.closed() {
            self.recent.push(id, closed);
        }
        Some(stream)
    }

    /// Remembers how a stream ended that never had an owner.
    pub fn forget(&mut self, id: u32, closed: Closed) {
        self.recent.push(id, closed);
    }

    /// How a stream ended, if it did so lately.
    pub fn how_closed(&self, id: u32) -> Option<Closed> {
        match self.get(id) {
            Some(stream) => stream.closed(),
            None => self.recent.find(id),
        }
    }

    /// Gives the room of past bursts back.
    pub fn shrink(&mut self) {
        self.ids.shrink_to_fit();
        self.list.shrink_to_fit();
    }
}

/// The last streams that ended.
#[derive(Debug, Default)]
struct Recent(VecDeque<(u32, Closed)>);

impl Recent {
    fn push(&mut self, id: u32, closed: Closed) {
        if self.0.len() >= CLOSED_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((id, closed));
    }

    fn find(&self, id: u32) -> Option<Closed> {
        self.0.iter().rev().find(|(known, _)| *known == id).map(|(_, closed)| *closed)
    }
}
