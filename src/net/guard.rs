//! A task whose panic ends that task and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Spawns `task` on this worker; when it panics, `on_panic` runs instead of the worker's end.
pub fn spawn_guarded<F>(task: F, on_panic: impl FnOnce() + 'static)
where
    F: Future<Output = ()> + 'static,
{
    drop(monoio::spawn(Guarded { task: Some(task), on_panic: Some(on_panic) }));
}

struct Guarded<F, P> {
    /// Pinned with the whole; `None` once it panicked.
    task: Option<F>,
    on_panic: Option<P>,
}

impl<F, P> Guarded<F, P> {
    fn parts(self: Pin<&mut Self>) -> (Pin<&mut Option<F>>, &mut Option<P>) {
        // SAFETY: `task` is never moved out of, only polled in its place, and dropped there by `Pin::set`; `Guarded` is
        // `Unpin` only where `F` is, has no `Drop`, and nothing else hands `task` out. `on_panic` is never pinned.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        (unsafe { Pin::new_unchecked(&mut this.task) }, &mut this.on_panic)
    }
}

impl<F: Future<Output = ()>, P: FnOnce()> Future for Guarded<F, P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (mut slot, on_panic) = self.parts();
        let Some(mut task) = slot.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        // The task is dropped right after a panic, so nothing can see what it left half done but the worker's own
        // counters, which stay valid at every step.
        match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(()),
            Err(_) => {
                // What is assigned takes its place even when what was there panics again as it is dropped.
                let _ = catch_unwind(AssertUnwindSafe(|| slot.set(None)));
                if let Some(on_panic) = on_panic.take() {
                    on_panic();
                }
                Poll::Ready(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::net::driver::{Driver, block_on};
    use crate::net::timer::sleep;

    struct Counted(Rc<Cell<usize>>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn a_panic_ends_its_task_alone_and_drops_it_once() {
        for panics in [false, true] {
            let (dropped, told) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let (held, heard) = (Counted(dropped.clone()), told.clone());
            let task = async move {
                let _held = held;
                sleep(Duration::from_millis(1)).await;
                assert!(!panics, "a defect");
            };
            let seen = dropped.clone();
            let lived = block_on(Driver::Epoll, async move {
                spawn_guarded(task, move || heard.set(heard.get() + 1));
                for _ in 0..1000 {
                    if seen.get() > 0 {
                        return true;
                    }
                    sleep(Duration::from_millis(1)).await;
                }
                false
            });
            assert!(lived.expect("a driver"), "the task never ended");
            assert_eq!((dropped.get(), told.get()), (1, usize::from(panics)));
        }
    }
}
