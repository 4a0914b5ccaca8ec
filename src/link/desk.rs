//! The session desk: the edge asks "whose session is this?", control answers.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::plan::session::{Session, SessionHandle};

/// Most questions that may wait; one more is answered [`DeskError::Busy`] at once.
pub const QUESTIONS_MAX: usize = 4096;

/// One question: the session behind a handle that the edge has already unsealed.
pub struct Question {
    pub handle: SessionHandle,
    pub answer: oneshot::Sender<Answer>,
}

/// The answer. `NoSession`: there is none (signed out, expired, never was). `Unavailable`: the store could not be asked.
#[derive(Debug, Clone)]
pub enum Answer {
    Session(Arc<Session>),
    NoSession,
    Unavailable,
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    #[error("too many session questions are waiting")]
    Busy,
    #[error("the control plane is gone")]
    Closed,
}

/// The edge's side.
#[derive(Clone)]
pub struct SessionDesk(mpsc::Sender<Question>);

/// Control's side.
pub type DeskInbox = mpsc::Receiver<Question>;

pub fn desk() -> (SessionDesk, DeskInbox) {
    let (sender, inbox) = mpsc::channel(QUESTIONS_MAX);
    (SessionDesk(sender), inbox)
}

impl SessionDesk {
    /// Asks; the answer is awaited by the caller, who sets the deadline.
    pub fn ask(&self, handle: SessionHandle) -> Result<oneshot::Receiver<Answer>, DeskError> {
        let (answer, receiver) = oneshot::channel();
        self.0.try_send(Question { handle, answer }).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => DeskError::Busy,
            mpsc::error::TrySendError::Closed(_) => DeskError::Closed,
        })?;
        Ok(receiver)
    }
}
