//! What policies leave to be asked of one session, kept with the session on its worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::plan::policy::Residual;
use crate::plan::route::Route;
use crate::plan::session::Session;

/// Most routes for which one session's residuals are kept; beyond it all of that session are forgotten.
const ROUTES_MAX: usize = 64;

/// By route, of one plan. They live and die with the session as the worker knows it: it is forgotten when it is asked about
/// anew, when anything is revoked, and when the plan changes.
#[derive(Default)]
pub struct Residuals {
    /// Of the plan that they were made for; a request may still be served by the plan before.
    generation: Cell<u64>,
    by_route: RefCell<Vec<(usize, Rc<Residual>)>>,
}

impl Residuals {
    /// What the policy of `route`, in the plan of this generation, leaves to be asked of `session`.
    pub fn of(&self, generation: u64, route: &Route, session: &Session) -> Rc<Residual> {
        let mut by_route = self.by_route.borrow_mut();
        if self.generation.replace(generation) != generation {
            by_route.clear();
        }
        if let Some((_, residual)) = by_route.iter().find(|(index, _)| *index == route.index) {
            return residual.clone();
        }
        let residual = Rc::new(route.policy.settle(Some(session)));
        if by_route.len() >= ROUTES_MAX {
            by_route.clear();
        }
        by_route.push((route.index, residual.clone()));
        residual
    }
}
