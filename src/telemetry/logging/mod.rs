//! Log lines: one JSON object a line on standard output (or text for people), with Pomerium's key names.
//!
//! Writers never wait: lines go through a bounded queue to one writing thread; when it is full a line is dropped and
//! counted ([`dropped`]). Control bytes never reach the sink, and every line has a largest size.

mod escape;
mod layer;
mod level;
mod line;
mod list;
mod object;
mod ring;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;

pub use layer::set_level;
pub use level::{Level, UnknownLevel};
pub use line::{LINE_BYTES_MAX, VALUE_BYTES_MAX};
pub use list::List;
pub use object::Object;
pub use ring::{Excerpt, Ring};

/// Most lines that may wait for the writing thread; one more is dropped and counted.
pub const QUEUE_LINES_MAX: usize = 8192;
/// Bytes gathered before they are written, unless the queue runs empty first.
const WRITE_BYTES: usize = 64 * 1024;

/// Where lines about requests come from.
const REQUESTS_TARGET: &str = "vallum::telemetry::access_log";

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object: `level`, `time`, `message`, then the fields.
    Json,
    /// Time, level, message, then `key=value`.
    Text,
}

/// Keeps the writing thread; dropping it writes what waits (for about a second at most).
#[must_use = "dropping the guard ends logging"]
#[derive(Debug)]
pub struct Guard {
    /// The last lines of the log.
    pub ring: Ring,
    _writer: WorkerGuard,
}

static DROPS: OnceLock<ErrorCounter> = OnceLock::new();

/// Starts logging to standard output for the whole process. Where a subscriber is set already (as in tests), that one
/// stays.
pub fn init(level: Level, format: Format) -> Guard {
    let sink: Box<dyn Write + Send> = match std::io::stdout().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(BufWriter::with_capacity(WRITE_BYTES, File::from(descriptor))),
        Err(_) => Box::new(std::io::stdout()),
    };
    let ring = Ring::default();
    let (writer, guard) = queue(ring::Tee::new(sink, ring.clone()));
    let _ = DROPS.set(writer.error_counter());
    set_level(level);
    let subscriber = tracing_subscriber::registry().with(layer::Lines::new(format, writer));
    // An error means that a subscriber is there already.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Guard { ring, _writer: guard }
}

/// Lines dropped since the start because the queue was full.
pub fn dropped() -> u64 {
    DROPS.get().map_or(0, |drops| drops.dropped_lines() as u64)
}

fn queue(sink: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .buffered_lines_limit(QUEUE_LINES_MAX)
        .lossy(true)
        .thread_name("vallum-log")
        .finish(sink)
}

/// Everything that `action` logs on this thread at `level`, line by line.
#[cfg(test)]
pub(crate) fn captured(format: Format, level: Level, action: impl FnOnce()) -> Vec<String> {
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let sink = Sink::default();
    let (writer, guard) = queue(sink.clone());
    let subscriber = tracing_subscriber::registry().with(layer::Lines::with_level(format, writer, level));
    tracing::subscriber::with_default(subscriber, action);
    drop(guard);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}
