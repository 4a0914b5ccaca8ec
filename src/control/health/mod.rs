//! Whether this process lives and serves, as the health port, the service manager and the console tell it.

mod liveness;
pub mod probes;

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

pub use liveness::{Liveness, STUCK_AFTER};

use crate::link::board::Board;

/// Where in its life the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
pub enum Phase {
    Starting,
    Running,
    /// On its way out: no load balancer shall choose it, though it still serves.
    Terminating,
}

/// What is known of the health of this process. One for the process, shared by all who ask.
pub struct Health {
    phase: AtomicU8,
    liveness: Liveness,
    configuration: Mutex<Configuration>,
}

/// The configuration in force.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    pub generation: u64,
    pub checksum: u64,
    /// Why the newest one is not in force, and since when; `None` when it is.
    pub refused: Option<Refused>,
}

/// A configuration that was not adopted.
#[derive(Debug, Clone)]
pub struct Refused {
    pub at: SystemTime,
    /// One line.
    pub why: String,
}

/// One check, in Pomerium's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub status: Phase,
    /// Why it fails; `None`: it does not.
    pub error: Option<String>,
    pub attributes: Vec<(&'static str, String)>,
}

impl Health {
    pub fn new(board: Board) -> Self {
        Health {
            phase: AtomicU8::new(Phase::Starting as u8),
            liveness: Liveness::new(board),
            configuration: Mutex::default(),
        }
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Running,
            _ => Phase::Terminating,
        }
    }

    /// The workers, by index, that make no progress.
    pub fn stuck(&self) -> Vec<usize> {
        self.liveness.stuck()
    }

    pub fn adopted(&self, generation: u64, checksum: u64) {
        *self.lock() = Configuration { generation, checksum, refused: None };
    }

    /// The newest configuration was refused; the one before stays in force. `why` in one line.
    pub fn refused(&self, why: String) {
        self.lock().refused = Some(Refused { at: SystemTime::now(), why });
    }

    pub fn configuration(&self) -> Configuration {
        self.lock().clone()
    }

    /// Every check. A refused configuration is no failure: what runs is whole, and a restart would not mend it.
    pub fn checks(&self) -> [Check; 2] {
        let status = self.phase();
        let configuration = self.configuration();
        let error = self.stuck().first().map(|worker| format!("worker {worker} makes no progress"));
        let mut attributes = vec![
            ("generation", configuration.generation.to_string()),
            ("checksum", configuration.checksum.to_string()),
        ];
        attributes.extend(configuration.refused.map(|refused| ("refused", refused.why)));
        let built = if configuration.generation == 0 { Phase::Starting } else { status };
        [
            Check { name: "proxy.service", status, error, attributes: Vec::new() },
            Check { name: "config.databroker.build", status: built, error: None, attributes },
        ]
    }

    fn lock(&self) -> MutexGuard<'_, Configuration> {
        self.configuration.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
