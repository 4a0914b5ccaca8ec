//! Takes connections from the listener, each into a task of its own behind a panic guard.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::street;
use super::worker::Worker;
use crate::net::listen::Listener;
use crate::net::{spawn_guarded, tcp, timer};

/// Most client connections per worker; one more is closed at once.
pub const CONNECTIONS_MAX: usize = 100_000;
/// How long to wait when the system has no descriptor left for a new connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the listener is stopped.
pub async fn serve(worker: Rc<Worker>, listener: Rc<Listener>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => admit(&worker, stream, peer),
            Err(_) if worker.draining.get() => return,
            Err(error) => {
                tracing::warn!(error = %error, "accept failed");
                worker.cells.connection_rejected(cause(&error));
                timer::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

fn admit(worker: &Rc<Worker>, stream: tcp::Stream, peer: SocketAddr) {
    if worker.connections.get() >= CONNECTIONS_MAX {
        worker.cells.connection_rejected("limit");
        return;
    }
    let open = Open::new(worker.clone());
    let on_panic = {
        let worker = worker.clone();
        move || {
            worker.cells.panic();
            tracing::error!(peer = %peer, "a connection was closed because its task panicked; please report this");
        }
    };
    let worker = worker.clone();
    spawn_guarded(
        async move {
            let _open = open;
            street::serve_connection(&worker, stream, peer).await;
        },
        on_panic,
    );
}

fn cause(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        // EMFILE, ENFILE
        Some(24 | 23) => "descriptors",
        _ => "accept",
    }
}

/// Counts a connection as open for as long as it lives.
struct Open(Rc<Worker>);

impl Open {
    fn new(worker: Rc<Worker>) -> Self {
        worker.connections.set(worker.connections.get() + 1);
        worker.cells.connection_opened();
        Open(worker)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        self.0.cells.connection_closed();
    }
}
