//! Who is asking: finds the session that came with a request. Sessions are cached on the worker; a miss asks control.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::exchange::{Exchange, Presented};
use super::failure::Failure;
use super::residuals::Residuals;
use super::vouch::Assertions;
use super::worker::Worker;
use crate::http::cookie;
use crate::http::fields::FieldKind;
use crate::link::desk::{Answer, DeskError};
use crate::net::timer;
use crate::plan::session::{Session, SessionHandle};

/// Most sessions cached per worker; beyond it all are forgotten and asked for anew.
const CACHED_MAX: usize = 16 * 1024;
/// How long a cached session is believed without asking control again.
const BELIEVED_MS: u64 = 30_000;
/// How long a request waits for control's answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);
/// Most session cookies of one request that are looked at (a client may hold several by domain tricks).
const CANDIDATES_MAX: usize = 16;

/// A session that this worker knows, with what was made for it.
pub struct Known {
    pub session: Arc<Session>,
    pub assertions: Assertions,
    pub residuals: Residuals,
    /// The revocation as of which it was good.
    pub epoch: u64,
    handle: SessionHandle,
    asked_ms: Cell<u64>,
}

/// The worker's cache, by the text of the cookie or token.
#[derive(Default)]
pub struct Sessions(RefCell<HashMap<Box<[u8]>, Rc<Known>, foldhash::fast::RandomState>>);

impl Sessions {
    /// Forgets everything: something was revoked, or the plan changed.
    pub fn forget_all(&self) {
        self.0.borrow_mut().clear();
    }

    fn get(&self, text: &[u8]) -> Option<Rc<Known>> {
        self.0.borrow().get(text).cloned()
    }

    fn put(&self, text: &[u8], known: Rc<Known>) {
        let mut map = self.0.borrow_mut();
        if map.len() >= CACHED_MAX {
            map.clear();
        }
        map.insert(text.into(), known);
    }

    fn remove(&self, text: &[u8]) {
        self.0.borrow_mut().remove(text);
    }
}

/// Sets `exchange.session` from the worker's cache, when a cookie of the request is there.
pub fn recall(worker: &Worker, exchange: &mut Exchange) -> bool {
    worker.heed_revocations();
    let cached = cookies(exchange).find_map(|text| fresh(worker, text));
    let found = cached.is_some();
    if found {
        exchange.session = Presented { known: cached, by_token: false };
    }
    found
}

/// Sets `exchange.session`: every candidate that came with the request is tried, cookie before header before query.
pub async fn identify(worker: &Worker, exchange: &mut Exchange) -> Result<(), Failure> {
    worker.heed_revocations();
    let (candidates, by_token) = candidates(exchange);
    let mut known = None;
    for text in &candidates {
        known = look_up(worker, exchange, text).await?;
        if known.is_some() {
            break;
        }
    }
    exchange.session = Presented { known, by_token };
    Ok(())
}

/// A cached session that need not be asked about.
fn fresh(worker: &Worker, text: &[u8]) -> Option<Rc<Known>> {
    worker.sessions.get(text).filter(|known| {
        known.session.is_valid_at(worker.clock.unix())
            && worker.clock.now_ms().saturating_sub(known.asked_ms.get()) < BELIEVED_MS
    })
}

/// The session as it is now, for what goes on while sessions come and go; `None`: it is over. Fails when nobody can say.
pub async fn renew(worker: &Worker, known: &Known) -> Result<Option<Arc<Session>>, Failure> {
    match ask(worker, &known.handle).await? {
        Answer::Session(session) => Ok(Some(session)),
        Answer::NoSession => Ok(None),
        Answer::Unavailable => Err(Failure::ControlSilent),
    }
}

/// The values of our session cookie.
fn cookies(exchange: &Exchange) -> impl Iterator<Item = &[u8]> {
    let name = exchange.plan.identity.cookie.name.as_bytes();
    exchange
        .head
        .all(FieldKind::Cookie)
        .flat_map(move |value| cookie::find_all(value, name))
        .filter(|value| !value.is_empty())
        .take(CANDIDATES_MAX)
}

fn candidates(exchange: &Exchange) -> (Vec<Vec<u8>>, bool) {
    let cookies: Vec<Vec<u8>> = cookies(exchange).map(<[u8]>::to_vec).collect();
    if !cookies.is_empty() {
        return (cookies, false);
    }
    match token(exchange) {
        Some(token) => (vec![token], true),
        None => (Vec::new(), false),
    }
}

/// A programmatic token: `X-Pomerium-Authorization: T`, `Authorization: Pomerium T`, `Authorization: Bearer Pomerium-T`,
/// or the query parameter `pomerium_session`.
fn token(exchange: &Exchange) -> Option<Vec<u8>> {
    let head = &exchange.head;
    let own = head.pairs().find(|(name, _)| name.eq_ignore_ascii_case(b"x-pomerium-authorization"));
    if let Some((_, value)) = own {
        return Some(value.to_vec());
    }
    if let Some(token) = head.all(FieldKind::Authorization).find_map(own_credentials) {
        return Some(token.to_vec());
    }
    let query = exchange.query()?;
    query.split('&').find_map(|pair| pair.strip_prefix("pomerium_session=")).map(|value| value.as_bytes().to_vec())
}

/// Our token in an Authorization value, if it holds one (scheme names are case-insensitive, RFC 9110 section 11.1).
pub fn own_credentials(value: &[u8]) -> Option<&[u8]> {
    // Some servers take a tab for the space.
    let space = memchr::memchr2(b' ', b'\t', value)?;
    let (scheme, rest) = value.split_at(space);
    let rest = rest.trim_ascii_start();
    if scheme.eq_ignore_ascii_case(b"pomerium") {
        return Some(rest);
    }
    const PREFIX: &[u8] = b"pomerium-";
    let bearer = scheme.eq_ignore_ascii_case(b"bearer")
        && rest.len() > PREFIX.len()
        && rest[..PREFIX.len()].eq_ignore_ascii_case(PREFIX);
    bearer.then(|| &rest[PREFIX.len()..])
}

async fn look_up(worker: &Worker, exchange: &Exchange, text: &[u8]) -> Result<Option<Rc<Known>>, Failure> {
    let (now, now_ms) = (worker.clock.unix(), worker.clock.now_ms());
    if let Some(known) = fresh(worker, text) {
        return Ok(Some(known));
    }
    let cached = worker.sessions.get(text);
    let Some(handle) = exchange.plan.identity.open_session(text) else { return Ok(None) };
    if handle.expires_at <= now {
        worker.sessions.remove(text);
        return Ok(None);
    }
    let epoch = worker.door.revocations.epoch();
    match ask(worker, &handle).await {
        Ok(Answer::Session(session)) => {
            let asked_ms = Cell::new(now_ms);
            let known = Rc::new(Known {
                session,
                assertions: Assertions::default(),
                residuals: Residuals::default(),
                epoch,
                handle,
                asked_ms,
            });
            // An answer older than a revocation must not outlive it.
            if epoch == worker.door.revocations.epoch() {
                worker.sessions.put(text, known.clone());
            }
            Ok(Some(known))
        }
        Ok(Answer::NoSession) => {
            worker.sessions.remove(text);
            Ok(None)
        }
        // A session that was good a moment ago stays good while its store is away.
        Ok(Answer::Unavailable) | Err(_) if cached.as_ref().is_some_and(|k| k.session.is_valid_at(now)) => {
            if let Some(known) = &cached {
                known.asked_ms.set(now_ms);
            }
            Ok(cached)
        }
        Ok(Answer::Unavailable) => Err(Failure::ControlSilent),
        Err(failure) => Err(failure),
    }
}

async fn ask(worker: &Worker, handle: &SessionHandle) -> Result<Answer, Failure> {
    let answer = worker.door.desk.ask(handle.clone()).map_err(|e| match e {
        DeskError::Busy => Failure::ControlBusy,
        DeskError::Closed => Failure::ControlSilent,
    })?;
    match timer::timeout(ANSWER_DEADLINE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        _ => Err(Failure::ControlSilent),
    }
}
