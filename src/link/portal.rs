//! Requests for our own pages: they cross to control as one message and come back as one response.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::plan::Plan;
use crate::plan::session::Session;

/// Most page requests that may wait; one more is refused at once.
pub const VISITS_MAX: usize = 1024;
/// Largest body of a request to one of our own pages, in bytes.
pub const VISIT_BODY_BYTES_MAX: usize = 64 * 1024;

/// One request for one of our own pages, already in normal form. The request's URI is in absolute form with scheme and
/// authority as the client sees them; identity headers were removed.
pub struct Visit {
    pub request: ::http::Request<Bytes>,
    /// The client's address after PROXY handling.
    pub client: SocketAddr,
    pub request_id: Box<str>,
    /// The session presented with the request, when it is good.
    pub session: Option<Arc<Session>>,
    /// The plan under which the request was routed.
    pub plan: Arc<Plan>,
    pub answer: oneshot::Sender<::http::Response<Bytes>>,
}

/// Why a page could not be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PortalError {
    #[error("too many page requests are waiting")]
    Busy,
    #[error("the control plane is gone")]
    Closed,
}

/// The edge's side.
#[derive(Clone)]
pub struct Portal(mpsc::Sender<Visit>);

/// Control's side.
pub type PortalInbox = mpsc::Receiver<Visit>;

pub fn portal() -> (Portal, PortalInbox) {
    let (sender, inbox) = mpsc::channel(VISITS_MAX);
    (Portal(sender), inbox)
}

impl Portal {
    /// Hands a visit over; the response comes by `visit.answer`.
    pub fn send(&self, visit: Visit) -> Result<(), PortalError> {
        self.0.try_send(visit).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => PortalError::Busy,
            mpsc::error::TrySendError::Closed(_) => PortalError::Closed,
        })
    }
}
