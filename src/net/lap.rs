//! One lap of a worker's loop: what the system has to say is heard between two laps.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use monoio::net::UnixStream;

/// Lets a task wait until the loop has gone round once, without waiting for anything else: whoever else has something to
/// do, or to be told, comes before it.
pub struct Lap {
    /// Can always be written to, so that to wait for that takes one lap.
    socket: UnixStream,
    _other: UnixStream,
}

impl Lap {
    /// To be called on the worker.
    pub fn new() -> io::Result<Self> {
        let (socket, _other) = UnixStream::pair()?;
        Ok(Lap { socket, _other })
    }

    pub async fn next(&self) {
        // With epoll the runtime looks for news between two tasks that yield; with io_uring only when no task has anything
        // left to do.
        let mut has_yielded = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut has_yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        // It fails only when the socket is gone, which it never is.
        let _ = self.socket.writable(false).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::net::driver::{self, Driver};

    /// What other tasks and the system had to say was heard before the lap is over.
    #[test]
    fn others_come_first() {
        for driver in [driver::probe().0, Driver::Epoll] {
            let heard = driver::block_on(driver, async {
                let (mine, theirs) = UnixStream::pair().unwrap();
                let (lap, heard) = (Lap::new().unwrap(), Rc::new(Cell::new(0)));
                for _ in 0..3 {
                    let heard = heard.clone();
                    crate::net::spawn(async move { heard.set(heard.get() + 1) });
                }
                drop(theirs);
                let counter = heard.clone();
                crate::net::spawn(async move {
                    mine.readable(false).await.unwrap();
                    counter.set(counter.get() + 1);
                });
                lap.next().await;
                lap.next().await;
                heard.get()
            });
            assert_eq!(heard.unwrap(), 4, "{driver:?}");
        }
    }
}
