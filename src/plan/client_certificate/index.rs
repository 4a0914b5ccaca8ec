//! Which terms hold for which server name: what a client is asked for in the handshake.

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;

use super::terms::{Enforcement, Terms};
use crate::plan::route::{HostRule, Route};

/// Most different terms of one configuration.
pub const TERMS_MAX: usize = 63;

/// What is asked of a client: the terms of every route behind a name, as a set. Equal sets ask the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ask(u64);

/// There are more different terms than [`TERMS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are more than {TERMS_MAX} different client CAs, the limit of this version")]
pub struct IndexError;

/// The terms by server name.
#[derive(Debug, Default)]
pub struct Index {
    terms: Vec<Arc<Terms>>,
    /// For names that no route has, and for clients that name none.
    default: Ask,
    exact: HashMap<Box<str>, Ask, foldhash::fast::RandomState>,
    wildcard: Vec<(Regex, Ask)>,
}

impl Ask {
    /// Some route behind the name wants no certificate.
    const NOTHING: u64 = 1;

    /// Nothing is asked for.
    pub const NONE: Ask = Ask(Ask::NOTHING);

    fn and(self, other: Ask) -> Ask {
        Ask(self.0 | other.0)
    }
}

impl Default for Ask {
    fn default() -> Self {
        Ask::NONE
    }
}

impl Index {
    /// `global` are the terms of `downstream_mtls`; routes have theirs, or the global ones, or none.
    pub fn new<'r>(
        global: Option<&Arc<Terms>>,
        routes: impl IntoIterator<Item = &'r Route>,
    ) -> Result<Index, IndexError> {
        let mut index = Index::default();
        index.default = index.ask(global)?;
        for route in routes {
            let ask = index.ask(route.client_terms.as_ref())?;
            match &route.from.host {
                HostRule::Exact(host) => {
                    index.exact.entry(host.clone()).and_modify(|known| *known = known.and(ask)).or_insert(ask);
                }
                HostRule::Wildcard(pattern) => index.wildcard.push((pattern.clone(), ask)),
            }
        }
        Ok(index)
    }

    /// Whether any client is asked for anything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// What is asked of a client that names `server_name` (lower case, no trailing dot).
    pub fn find(&self, server_name: Option<&str>) -> Ask {
        if self.is_empty() {
            return Ask::NONE;
        }
        let Some(name) = server_name else { return self.default };
        if let Some(ask) = self.exact.get(name) {
            return *ask;
        }
        // As requests are routed: every wildcard that matches may take one.
        let matching = self.wildcard.iter().filter(|(pattern, _)| pattern.is_match(name)).map(|(_, ask)| *ask);
        matching.reduce(Ask::and).unwrap_or(self.default)
    }

    /// The terms of which a certificate should fulfil one.
    pub fn terms(&self, ask: Ask) -> impl Iterator<Item = &Arc<Terms>> {
        self.terms.iter().enumerate().filter(move |(number, _)| ask.0 & bit(*number) != 0).map(|(_, terms)| terms)
    }

    /// Whether the handshake must fail without a certificate that fulfils one of the terms.
    pub fn rejects(&self, ask: Ask) -> bool {
        ask.0 & Ask::NOTHING == 0 && self.terms(ask).all(|terms| terms.enforcement() == Enforcement::RejectConnection)
    }

    fn ask(&mut self, terms: Option<&Arc<Terms>>) -> Result<Ask, IndexError> {
        let Some(terms) = terms else { return Ok(Ask::NONE) };
        let known = self.terms.iter().position(|known| known.digest() == terms.digest());
        let number = known.unwrap_or(self.terms.len());
        if number >= TERMS_MAX {
            return Err(IndexError);
        }
        if known.is_none() {
            self.terms.push(terms.clone());
        }
        Ok(Ask(bit(number)))
    }
}

fn bit(number: usize) -> u64 {
    1 << (number + 1)
}
