//! The runtime: the only place that names monoio and the only place with `unsafe`.
//!
//! monoio's plain forms have traps (a dropped accept leaks a descriptor, a dropped read loses bytes, a panic in a task
//! ends the worker). Only forms without them are offered: reads and accepts that are abandoned are ended by shutting
//! the socket down, never by dropping them on a connection that lives on; tasks are spawned behind a panic guard.

#![allow(unsafe_code)]

pub mod affinity;
pub mod bulk;
pub mod descriptors;
pub mod driver;
pub mod inherit;
pub mod interfaces;
pub mod lap;
pub mod listen;
pub mod tcp;
pub mod timer;

mod guard;

pub use guard::spawn_guarded;

/// Spawns a task on this worker. For tasks that cannot panic on input; see [`spawn_guarded`] for connections.
pub fn spawn<F>(task: F)
where
    F: Future<Output = ()> + 'static,
{
    drop(monoio::spawn(task));
}

/// Lets those tasks go first that have something to do now, and those that they call upon.
pub async fn give_way() {
    let mut has_asked = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_asked, true) {
            return std::task::Poll::Ready(());
        }
        // Who wakes itself is next; who is woken by another is last.
        let waker = cx.waker().clone();
        spawn(async move { waker.wake() });
        std::task::Poll::Pending
    })
    .await;
}
