//! Something fetched from a provider and kept: one fetch at a time, the last good value while the provider is down, and
//! a growing pause between attempts that fail.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ProviderError;

/// Pause after the first failed attempt; doubled after each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The value and what is known about getting it.
pub struct Cached<T> {
    ttl: Duration,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    value: Option<(Arc<T>, Instant)>,
    attempted: Option<Instant>,
    failure: Option<Failure>,
}

struct Failure {
    error: ProviderError,
    until: Instant,
    pause: Duration,
}

impl<T> Cached<T> {
    pub fn new(ttl: Duration) -> Self {
        Cached { ttl, slot: Mutex::new(Slot { value: None, attempted: None, failure: None }) }
    }

    /// The value: kept, fetched, or stale when fetching fails. Whoever comes while a fetch is under way waits for it.
    pub async fn get<F>(&self, fetch: impl FnOnce() -> F) -> Result<Arc<T>, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let mut slot = self.slot.lock().await;
        let now = Instant::now();
        if let Some((value, fetched)) = &slot.value
            && now.duration_since(*fetched) < self.ttl
        {
            return Ok(value.clone());
        }
        if slot.failure.as_ref().is_none_or(|failure| failure.until <= now) {
            slot.attempt(fetch).await;
        }
        slot.outcome()
    }

    /// A value newer than `seen`: fetched anew unless somebody just did, at most once per `gap`.
    pub async fn renew<F>(
        &self,
        seen: &Arc<T>,
        gap: Duration,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<T>, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let mut slot = self.slot.lock().await;
        let is_newer = slot.value.as_ref().is_some_and(|(value, _)| !Arc::ptr_eq(value, seen));
        let is_early = slot.attempted.is_some_and(|at| at.elapsed() < gap);
        if !is_newer && !is_early {
            slot.attempt(fetch).await;
        }
        slot.outcome()
    }
}

impl<T> Slot<T> {
    async fn attempt<F>(&mut self, fetch: impl FnOnce() -> F)
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        self.attempted = Some(Instant::now());
        match fetch().await {
            Ok(value) => {
                self.value = Some((Arc::new(value), Instant::now()));
                self.failure = None;
            }
            Err(error) => {
                tracing::warn!(%error, "the identity provider failed");
                let pause = self.failure.as_ref().map_or(PAUSE_MIN, |last| (last.pause * 2).min(PAUSE_MAX));
                self.failure = Some(Failure { error, until: Instant::now() + pause, pause });
            }
        }
    }

    fn outcome(&self) -> Result<Arc<T>, ProviderError> {
        match (&self.value, &self.failure) {
            (Some((value, _)), _) => Ok(value.clone()),
            (None, Some(failure)) => Err(failure.error.clone()),
            (None, None) => Err(ProviderError::Unreachable("it was not asked yet".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const TTL: Duration = Duration::from_secs(100);
    const GAP: Duration = Duration::from_secs(10);

    fn down() -> Result<u32, ProviderError> {
        Err(ProviderError::Unreachable("down".into()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_kept_then_fetched_again_then_served_stale() {
        let (cached, fetches) = (Cached::new(TTL), Cell::new(0));
        let fetch = |answer: Result<u32, ProviderError>| {
            let fetches = &fetches;
            move || async move {
                fetches.set(fetches.get() + 1);
                answer
            }
        };
        assert!(cached.get(fetch(down())).await.is_err());
        assert!(cached.get(fetch(Ok(0))).await.is_err(), "not asked again within the pause");
        tokio::time::advance(PAUSE_MIN).await;
        assert_eq!(*cached.get(fetch(Ok(1))).await.unwrap(), 1);
        assert_eq!(*cached.get(fetch(Ok(2))).await.unwrap(), 1);
        tokio::time::advance(TTL).await;
        assert_eq!(*cached.get(fetch(down())).await.unwrap(), 1, "stale is better than nothing");
        assert_eq!(fetches.get(), 3);
        tokio::time::advance(PAUSE_MIN).await;
        assert_eq!(*cached.get(fetch(Ok(3))).await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn renewing_happens_at_most_once_per_gap() {
        let cached = Cached::new(TTL);
        let first = cached.get(async || Ok(1)).await.unwrap();
        assert_eq!(*cached.renew(&first, GAP, async || Ok(2)).await.unwrap(), 1, "too early");
        tokio::time::advance(GAP).await;
        let second = cached.renew(&first, GAP, async || Ok(2)).await.unwrap();
        assert_eq!(*second, 2);
        tokio::time::advance(GAP).await;
        assert_eq!(*cached.renew(&first, GAP, async || Ok(3)).await.unwrap(), 2, "somebody else renewed it");
        assert_eq!(*cached.renew(&second, GAP, async || down()).await.unwrap(), 2, "the last good value stays");
    }
}
