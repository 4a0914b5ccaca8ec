//! Whether what is on its way may go on. A request passes by the session, the certificate and the policy of its moment, but
//! its answer may last for days. So the worker goes its rounds: twice a second, and at once when anything was revoked or
//! the plan changed. Whatever lasts longer than that is woken and looks at itself: exchanges by [`oversee`], tunnels in
//! their own watch.
//!
//! An exchange that ends sooner pays one comparison each time that it waits, and over HTTP/2 one waker that is kept.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::exchange::Exchange;
use super::failure::Failure;
use super::session::renew;
use super::worker::{Held, Worker};
use super::{authorize, client_certificate};
use crate::plan::client_certificate::Standing;
use crate::plan::route::Found;
use crate::plan::session::Session;

/// Ticks between two rounds when nothing happens.
const ROUND_TICKS: u64 = 10;
/// Rounds that an exchange lets pass before it looks at itself.
const ROUNDS_LET_PASS: u64 = 1;
/// Most sessions that a worker asks about at once for what is on its way: the desk is there for new requests as well.
const ASKED_MAX: usize = 256;

/// Why something may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The session was revoked, or has expired.
    Session,
    /// The client's certificate would not pass any more.
    Certificate,
    /// The policy would not let it pass: it is another one, or knows other things of the session.
    Policy,
    /// No route is left for it.
    Route,
}

impl Cause {
    /// As in the log and in metrics.
    pub fn slug(self) -> &'static str {
        match self {
            Cause::Session => "session_revoked",
            Cause::Certificate => "client_certificate",
            Cause::Policy => "denied",
            Cause::Route => "route_not_found",
        }
    }

    /// What a call of gRPC that has begun is told: status code and message.
    pub fn grpc(self) -> (&'static str, &'static str) {
        match self {
            Cause::Session => ("16", "the session is over"),
            Cause::Certificate => ("7", "the client certificate is not valid any more"),
            Cause::Policy => ("7", "the policy does not allow this any more"),
            Cause::Route => ("7", "nothing is served here any more"),
        }
    }
}

/// It may not go on. Where nothing was answered yet, `failure` is the answer.
#[derive(Debug)]
pub struct Revoked {
    pub cause: Cause,
    pub failure: Failure,
}

impl Revoked {
    fn new(cause: Cause, failure: Failure) -> Box<Self> {
        Box::new(Revoked { cause, failure })
    }
}

/// The rounds of a worker.
#[derive(Default)]
pub struct Rounds {
    count: Cell<u64>,
    /// Revocation and generation of the plan, as of the last tick.
    news: Cell<(u64, u64)>,
    /// Sessions that are asked about now.
    asked: Cell<usize>,
    /// Somebody could not ask in this round.
    is_behind: Cell<bool>,
}

/// The right to ask about a session, until dropped.
struct Turn<'r>(&'r Rounds);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.asked.set(self.0.asked.get() - 1);
    }
}

impl Rounds {
    /// Goes a round when it is time for one; to be called in each tick, which is counted.
    pub fn tick(&self, worker: &Worker, tick: u64) {
        let news = (worker.door.revocations.epoch(), worker.plan().generation);
        let is_due = self.news.replace(news) != news || self.is_behind.take();
        if !is_due && !tick.is_multiple_of(ROUND_TICKS) {
            return;
        }
        self.count.set(self.count.get() + 1);
        worker.deadlines.wake_clients();
        worker.muxes.wake_streams();
    }

    pub fn count(&self) -> u64 {
        self.count.get()
    }

    /// The turn of somebody who has to ask about a session; without one he asks in the next round, which comes sooner then.
    fn turn(&self) -> Option<Turn<'_>> {
        if self.asked.get() >= ASKED_MAX {
            self.is_behind.set(true);
            return None;
        }
        self.asked.set(self.asked.get() + 1);
        Some(Turn(self))
    }

    /// Waits for a round after that of number `seen`, which moves on. For tasks that are woken for each round because they
    /// serve a client ([`Back::attend`](super::codec::Back::attend)): nothing is registered here.
    pub async fn next(&self, seen: &mut u64) {
        poll_fn(|_| match self.count() {
            count if count == *seen => Poll::Pending,
            count => {
                *seen = count;
                Poll::Ready(())
            }
        })
        .await
    }
}

/// Lets `future` go on for as long as its exchange may. Its client must be attended.
pub fn oversee<F: Future>(
    worker: &Worker,
    exchange: &Exchange,
    mut future: Pin<&mut F>,
) -> impl Future<Output = Result<F::Output, Box<Revoked>>> {
    let begun = worker.rounds.count();
    let mut watching = None;
    poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if worker.rounds.count() <= begun + ROUNDS_LET_PASS {
            return Poll::Pending;
        }
        // Boxed, and made when it is needed: most exchanges are over before.
        let watching = watching.get_or_insert_with(|| Box::pin(watch(worker, exchange)));
        watching.as_mut().poll(cx).map(Err)
    })
}

/// Ends when the exchange may not go on.
async fn watch(worker: &Worker, exchange: &Exchange) -> Box<Revoked> {
    let mut permit = Permit::of(worker, exchange);
    let mut round = worker.rounds.count();
    loop {
        if let Err(revoked) = permit.look().await {
            return revoked;
        }
        worker.rounds.next(&mut round).await;
    }
}

/// By what an exchange passed, as of the last look.
pub struct Permit<'e> {
    worker: &'e Worker,
    exchange: &'e Exchange,
    plan: Held,
    route_index: Option<usize>,
    session: Option<Arc<Session>>,
    /// The revocation up to which `session` is known to be good.
    epoch: u64,
}

impl<'e> Permit<'e> {
    /// What `exchange` passed by when it came.
    pub fn of(worker: &'e Worker, exchange: &'e Exchange) -> Self {
        let known = exchange.session.known.as_ref();
        Permit {
            worker,
            exchange,
            plan: exchange.plan.clone(),
            route_index: exchange.route_index,
            session: known.map(|known| known.session.clone()),
            epoch: known.map_or(0, |known| known.epoch),
        }
    }

    /// Whether the exchange may still go on. The policy is asked anew when the plan is another one, when anything was
    /// revoked, and where the client's certificate stands worse than it did.
    pub async fn look(&mut self) -> Result<(), Box<Revoked>> {
        let (worker, exchange) = (self.worker, self.exchange);
        let is_plan_new = self.follow_plan()?;
        let plan = self.plan.clone();
        let route = self.route_index.and_then(|index| plan.routes.at(index));
        let route = route.ok_or_else(|| Revoked::new(Cause::Route, Failure::NoPath))?;
        let is_session_new = route.policy.needs_session() && self.renew_session().await?;
        let standing = client_certificate::standing(&exchange.client, route, worker.clock.unix());
        let is_standing_worse = standing != Standing::Valid && standing != exchange.standing;
        if !(is_plan_new || is_session_new || is_standing_worse) {
            return Ok(());
        }
        let cause = if is_standing_worse { Cause::Certificate } else { Cause::Policy };
        authorize::again(worker, exchange, route, self.session.as_deref(), standing)
            .map_err(|failure| Revoked::new(cause, failure))
    }

    /// Goes over to the plan of now; whether that is a new one.
    fn follow_plan(&mut self) -> Result<bool, Box<Revoked>> {
        let plan = self.worker.plan();
        if Rc::ptr_eq(&plan, &self.plan) {
            return Ok(false);
        }
        let exchange = self.exchange;
        self.route_index = match plan.routes.find(exchange.host(), exchange.authority().port, exchange.path()) {
            Found::Route(route) => Some(route.index),
            Found::NoPath => return Err(Revoked::new(Cause::Route, Failure::NoPath)),
            Found::NoHost => return Err(Revoked::new(Cause::Route, Failure::NoHost)),
        };
        self.plan = plan;
        Ok(true)
    }

    /// Asks about the session where anything was revoked since; whether it may be another one now.
    async fn renew_session(&mut self) -> Result<bool, Box<Revoked>> {
        let (worker, exchange) = (self.worker, self.exchange);
        let over = || Revoked::new(Cause::Session, authorize::sign_in(worker, exchange));
        let (Some(known), Some(session)) = (&exchange.session.known, &self.session) else { return Ok(false) };
        if !session.is_valid_at(worker.clock.unix()) {
            return Err(over());
        }
        let epoch = worker.door.revocations.epoch();
        if epoch == self.epoch {
            return Ok(false);
        }
        let Some(_turn) = worker.rounds.turn() else { return Ok(false) };
        match renew(worker, known).await {
            Ok(Some(session)) => {
                self.session = Some(session);
                self.epoch = epoch;
                Ok(true)
            }
            Ok(None) => Err(over()),
            // Nobody can say now: it is asked again in the next round.
            Err(_) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_ask_at_once_and_the_others_soon() {
        let rounds = Rounds::default();
        let mut turns: Vec<_> = (0..ASKED_MAX).filter_map(|_| rounds.turn()).collect();
        assert_eq!((turns.len(), rounds.is_behind.get()), (ASKED_MAX, false));
        assert!(rounds.turn().is_none() && rounds.is_behind.take());
        turns.pop();
        assert!(rounds.turn().is_some() && !rounds.is_behind.get());
        drop(turns);
        assert_eq!(rounds.asked.get(), 0);
    }
}
