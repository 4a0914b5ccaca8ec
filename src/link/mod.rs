//! The only door between the planes.
//!
//! The edge holds a [`EdgeDoor`]; control holds a [`ControlDoor`]. Five things pass: the plan (one way, by pointer),
//! session questions (with a deadline and a defined answer when control is slow), requests for our own pages (one
//! message in, one response out), revocations (a counter) and signs of life (a counter for each worker).

pub mod board;
pub mod desk;
pub mod feed;
pub mod portal;
pub mod revocations;

use std::sync::Arc;

use crate::plan::Plan;

/// What the edge may do through the door. Cheap to clone: one per worker.
#[derive(Clone)]
pub struct EdgeDoor {
    pub feed: feed::Feed,
    pub desk: desk::SessionDesk,
    pub portal: portal::Portal,
    pub revocations: revocations::Revocations,
    pub board: board::Board,
}

/// What control does through the door.
pub struct ControlDoor {
    pub feed: feed::Feed,
    pub desk: desk::DeskInbox,
    pub portal: portal::PortalInbox,
    pub revocations: revocations::Revocations,
    pub board: board::Board,
}

/// Builds both sides around the first plan.
pub fn door(plan: Arc<Plan>) -> (EdgeDoor, ControlDoor) {
    let board = board::Board::new(plan.listener.workers);
    let feed = feed::Feed::new(plan);
    let (desk, desk_inbox) = desk::desk();
    let (portal, portal_inbox) = portal::portal();
    let revocations = revocations::Revocations::default();
    (
        EdgeDoor { feed: feed.clone(), desk, portal, revocations: revocations.clone(), board: board.clone() },
        ControlDoor { feed, desk: desk_inbox, portal: portal_inbox, revocations, board },
    )
}
