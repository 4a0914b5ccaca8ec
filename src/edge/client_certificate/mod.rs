//! Client certificates on a connection: asked for by server name, kept with what was shown, judged for each request.
//!
//! A session that is resumed skips rustls' look at the certificate. Hence tickets are valid only where the same is asked
//! ([`super::tls::Tls`]), and what the session was begun with is judged here again, by the terms of now.

mod hello;
mod verifier;

use std::cell::RefCell;
use std::rc::Rc;

use rustls_pki_types::CertificateDer;

pub use hello::server_name;
pub use verifier::{Verifier, flaw_of, refusal};

use super::exchange::{Client, Exchange};
use crate::plan::client_certificate::{Ask, Digest, Flaw, Index, Leaf, Standing, Terms};
use crate::plan::route::Route;

/// Most terms for which a judgement is kept; a connection seldom meets more than one.
const JUDGED_MAX: usize = 8;
/// A bad judgement is kept for this long: a certificate that is not valid yet may become so.
const REFUSAL_KEPT_SECONDS: i64 = 60;

/// The certificate that a client showed, and proved to hold the key of.
#[derive(Debug)]
pub struct Shown {
    /// Leaf first.
    chain: Vec<CertificateDer<'static>>,
    pub leaf: Leaf,
    judged: RefCell<Vec<Judged>>,
}

#[derive(Debug)]
struct Judged {
    by: Digest,
    result: Result<(), Flaw>,
    /// Unix seconds.
    holds_until: i64,
}

impl Shown {
    /// `None` when the client showed none.
    pub fn new(chain: Vec<CertificateDer<'static>>) -> Option<Rc<Self>> {
        let leaf = Leaf::read(chain.first()?);
        Some(Rc::new(Shown { chain, leaf, judged: RefCell::default() }))
    }

    /// Whether the certificate is valid by `terms` at `now` (Unix seconds). Asked again, the answer is at hand.
    pub fn judge(&self, terms: &Terms, now: i64) -> Result<(), Flaw> {
        let mut judged = self.judged.borrow_mut();
        if let Some(known) = judged.iter().find(|j| j.by == terms.digest() && now <= j.holds_until) {
            return known.result;
        }
        let (result, holds_until) = match terms.judge(&self.chain, &self.leaf, now) {
            Ok(until) => (Ok(()), until),
            Err(flaw) => (Err(flaw), now + REFUSAL_KEPT_SECONDS),
        };
        judged.retain(|known| known.by != terms.digest());
        if judged.len() >= JUDGED_MAX {
            judged.remove(0);
        }
        judged.push(Judged { by: terms.digest(), result, holds_until });
        result
    }
}

/// Whether a new connection may live: where a valid certificate is the condition of the handshake, one that came with a
/// resumed session must still be valid.
pub fn admit(index: &Index, ask: Ask, shown: Option<&Shown>, now: i64) -> Result<(), Flaw> {
    if !index.rejects(ask) {
        return Ok(());
    }
    let shown = shown.ok_or(Flaw::Missing)?;
    let mut result = Err(Flaw::UnknownIssuer);
    for terms in index.terms(ask) {
        result = shown.judge(terms, now);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Whether a request may come by this connection: what its host asks of clients must be what the connection's client was
/// asked (RFC 9110 section 15.5.20). A client that names no host of ours, or none, was asked what everybody is asked.
pub fn fits(exchange: &Exchange) -> bool {
    let (index, client) = (&exchange.plan.client_certificates, &exchange.client);
    if index.is_empty() || !client.secure {
        return true;
    }
    let asked_here = index.find(Some(exchange.host()));
    // Terms that came with a reload: who connected before was asked nothing yet, and will be when he connects again.
    let was_asked = client.was_asked || asked_here == Ask::NONE;
    was_asked && (is_host(client, exchange.host()) || index.find(client.server_name.as_deref()) == asked_here)
}

fn is_host(client: &Client, host: &str) -> bool {
    client.server_name.as_deref() == Some(host)
}

/// Notes in the exchange how the client's certificate stands to the terms of its route at `now` (Unix seconds).
pub fn judge(exchange: &mut Exchange, now: i64) {
    if let Some(route) = exchange.route() {
        exchange.standing = standing(&exchange.client, route, now);
    }
}

/// How the certificate of `client` stands to the terms of `route` at `now` (Unix seconds).
pub fn standing(client: &Client, route: &Route, now: i64) -> Standing {
    match (&route.client_terms, &client.certificate) {
        (None, _) => Standing::Valid,
        (Some(_), None) => Standing::Missing,
        (Some(terms), Some(shown)) if shown.judge(terms, now).is_ok() => Standing::Valid,
        (Some(_), Some(_)) => Standing::Invalid,
    }
}

/// What the valid certificate of the client says; of another one, and where nothing judges it, upstreams are told nothing.
pub fn valid_leaf(exchange: &Exchange) -> Option<&Leaf> {
    exchange.route()?.client_terms.as_ref()?;
    let shown = exchange.client.certificate.as_deref()?;
    (exchange.standing == Standing::Valid).then_some(&shown.leaf)
}
