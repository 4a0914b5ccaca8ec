//! Where identity state lives: sessions and the users behind them.
//!
//! The records here hold tokens of the identity provider and never leave the control plane; what the edge and the
//! pages see is [`Session`], which holds none.

mod memory;
mod record;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use memory::Limits;
use memory::Memory;
pub use record::{OauthToken, SessionRecord, UserRecord};

use crate::plan::session::Session;

/// Why the store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// One login brought more data than the whole store may hold.
    #[error("the session needs {bytes} bytes, at most {limit} are stored")]
    TooLarge { bytes: usize, limit: usize },
    #[error("the store does not answer: {0}")]
    Unavailable(String),
}

/// The store, by backend. Cheap to clone; all clones share the state.
#[derive(Clone)]
pub enum Databroker {
    /// In this process: lost on restart.
    Memory(Arc<Mutex<Memory>>),
}

impl Databroker {
    /// A store in memory within `limits`.
    pub fn memory(limits: Limits) -> Self {
        Databroker::Memory(Arc::new(Mutex::new(Memory::new(limits))))
    }

    /// Stores a session together with its user, as one change: a policy never sees one without the other. Returns the
    /// version of the change. `now` in Unix seconds.
    pub async fn put_session(&self, session: SessionRecord, user: UserRecord, now: i64) -> Result<u64, StoreError> {
        match self {
            Databroker::Memory(memory) => locked(memory).put(session, user, now),
        }
    }

    /// The session `id` as stored, unless it has expired at `now` (Unix seconds).
    pub async fn session(&self, id: &str, now: i64) -> Result<Option<Arc<SessionRecord>>, StoreError> {
        match self {
            Databroker::Memory(memory) => Ok(locked(memory).session(id, now)),
        }
    }

    /// The user that `idp_id` knows as `id`.
    pub async fn user(&self, idp_id: &str, id: &str) -> Result<Option<Arc<UserRecord>>, StoreError> {
        match self {
            Databroker::Memory(memory) => Ok(locked(memory).user(idp_id, id)),
        }
    }

    /// The session `id` joined with its user, without any token; `None` when it expired, ended or never was.
    pub async fn joined(&self, id: &str, now: i64) -> Result<Option<Arc<Session>>, StoreError> {
        match self {
            Databroker::Memory(memory) => Ok(locked(memory).joined(id, now)),
        }
    }

    /// Removes the session `id` and returns what was stored.
    pub async fn delete_session(&self, id: &str) -> Result<Option<Arc<SessionRecord>>, StoreError> {
        match self {
            Databroker::Memory(memory) => Ok(locked(memory).delete(id)),
        }
    }

    /// Forgets every session that has expired at `now`; returns how many.
    pub async fn sweep(&self, now: i64) -> Result<usize, StoreError> {
        match self {
            Databroker::Memory(memory) => Ok(locked(memory).sweep(now)),
        }
    }
}

/// A panic while the lock was held leaves whole records at worst missing, never mixed: go on with what is there.
fn locked(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
