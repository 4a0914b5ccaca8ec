//! Towards the endpoints: connections and their pools, the request as it is sent, the response as it is read.

pub mod connect;
pub mod h2;
pub mod pool;
pub mod request;
pub mod response;

use std::rc::Rc;
use std::sync::Arc;

use super::deadline::Deadline;
use super::wire::{Reader, Writer};
use crate::plan::cluster::{Endpoint, Seat};

/// What a request goes over.
pub enum Opened {
    /// A connection of its own for as long as the exchange lasts.
    H1(Box<Connection>),
    /// A place among others on a connection of HTTP/2.
    H2(Box<h2::Place>),
}

/// How much of what an endpoint takes one request may use: who makes many at once leaves some to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    Half,
    Whole,
}

impl Share {
    /// This share of `all`.
    pub fn of(self, all: usize) -> usize {
        match self {
            Share::Half => all / 2,
            Share::Whole => all,
        }
    }
}

/// A connection to an endpoint.
pub struct Connection {
    pub reader: Reader,
    pub writer: Writer,
    pub deadline: Rc<Deadline>,
    pub endpoint: Arc<Endpoint>,
    /// Plaintext read and not yet used.
    pub inbox: Vec<u8>,
    /// It served another request before.
    pub reused: bool,
    key: pool::Key,
    /// Counts the connection as open for as long as it lives.
    _open: pool::Open,
    _seat: Seat,
}
