//! Two things at once on one task.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Which of two futures ended first.
pub enum First<A, B> {
    Left(A),
    Right(B),
}

/// Polls both until one ends; the other stays as it is and may be polled on. When both are ready, left wins.
pub async fn first<A: Future, B: Future>(mut left: Pin<&mut A>, mut right: Pin<&mut B>) -> First<A::Output, B::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = left.as_mut().poll(cx) {
            return Poll::Ready(First::Left(output));
        }
        match right.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(First::Right(output)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
