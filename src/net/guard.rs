//! A task whose panic ends that task and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Spawns `task` on this worker; when it panics, `on_panic` runs instead of the worker's end.
pub fn spawn_guarded<F>(task: F, on_panic: impl FnOnce() + 'static)
where
    F: Future<Output = ()> + 'static,
{
    drop(monoio::spawn(Guarded { task: Some(Box::pin(task)), on_panic: Some(on_panic) }));
}

struct Guarded<F, P> {
    task: Option<Pin<Box<F>>>,
    on_panic: Option<P>,
}

impl<F, P> Unpin for Guarded<F, P> {}

impl<F: Future<Output = ()>, P: FnOnce()> Future for Guarded<F, P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(task) = this.task.as_mut() else { return Poll::Ready(()) };
        // The task is dropped right after a panic, so nothing can see what it left half done but the worker's own
        // counters, which stay valid at every step.
        match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(()),
            Err(_) => {
                let task = this.task.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
                if let Some(on_panic) = this.on_panic.take() {
                    on_panic();
                }
                Poll::Ready(())
            }
        }
    }
}
