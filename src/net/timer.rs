//! Waiting on a worker. Timers have a resolution of one millisecond.

use std::future::poll_fn;
use std::io;
use std::num::NonZeroU64;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

pub async fn sleep(duration: Duration) {
    monoio::time::sleep(duration).await;
}

/// How much later than asked for the kernel may end a wait, in nanoseconds.
const SLACK_NS: NonZeroU64 = NonZeroU64::new(1_000).unwrap();

/// Stops the calling thread, and with it every task on it, for about `duration`; for moments (see `edge::coalesce`).
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Lets the kernel end the waits of the calling thread when they are over; else it may add 50 microseconds, to wake up
/// for several at once (timerslack in prctl(2)).
pub fn be_exact() -> io::Result<()> {
    rustix::thread::set_current_timer_slack(Some(SLACK_NS)).map_err(io::Error::from)
}

/// The deadline passed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub struct Elapsed;

/// Waits for `future` at most `duration`. Not for reads and writes of a socket that shall live on: those are bounded by
/// the worker's deadlines instead (see `edge::deadline`).
///
/// The timer is made when the future has to wait for the first time, and on the heap: what waits inside of others would
/// otherwise carry its room and its alignment (128 bytes) along, whether it waits or not.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let timer = timer.get_or_insert_with(|| Box::pin(monoio::time::sleep(duration)));
        timer.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}
