//! The identity half of control: the session desk and the portal, running on the caller's runtime.

use tokio::task::JoinHandle;

use super::databroker::{Databroker, Limits};
use super::oidc::{FETCH_TIME_MAX, Providers};
use super::portal::{self, PortalState};
use super::sessions;
use crate::link::desk::DeskInbox;
use crate::link::portal::PortalInbox;
use crate::link::revocations::Revocations;

/// The running tasks; each ends when the edge has let go of its side of the door.
pub struct Handles {
    pub desk: JoinHandle<()>,
    pub portal: JoinHandle<()>,
    /// The store behind both.
    pub databroker: Databroker,
}

/// Starts answering session questions and serving our pages. Must be called on the control plane's tokio runtime. No
/// provider is asked for anything before somebody signs in.
pub fn spawn(desk: DeskInbox, portal: PortalInbox, revocations: Revocations) -> Handles {
    let databroker = Databroker::memory(Limits::default());
    let state = PortalState::new(databroker.clone(), Providers::new(FETCH_TIME_MAX), revocations);
    Handles {
        desk: tokio::spawn(sessions::serve(desk, databroker.clone())),
        portal: tokio::spawn(portal::serve(portal, state)),
        databroker,
    }
}
