//! The signals that we answer, as a stream for the control plane's runtime.
//!
//! SIGPIPE is ignored by Rust's start-up code. Worker threads must block these signals or leave them alone: they are
//! delivered to the process and read here.

use std::io;

use tokio::signal::unix::{self, SignalKind};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM or SIGINT: drain and end. The second one means now.
    Stop,
}

/// The stream of signals.
#[derive(Debug)]
pub struct Signals {
    hangup: unix::Signal,
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl Signals {
    /// Starts listening: from here on none of these signals ends the process by itself. Must be called inside a tokio
    /// runtime that drives signals.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals {
            hangup: unix::signal(SignalKind::hangup())?,
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
        })
    }

    /// The next signal; a stop goes before a reload. Signals of one kind that arrive together count once.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal as Raw, getpid, kill_process};

    #[tokio::test]
    async fn signals_become_wishes() {
        let mut signals = Signals::listen().unwrap();
        for (raw, wish) in [(Raw::HUP, Signal::Reload), (Raw::TERM, Signal::Stop), (Raw::INT, Signal::Stop)] {
            kill_process(getpid(), raw).unwrap();
            assert_eq!(signals.next().await, wish);
        }
    }
}
