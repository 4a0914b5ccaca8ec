//! The identity provider, as we use it: discovery, sign-in by code flow with PKCE and nonce, userinfo, sign-out.
//!
//! Nothing here is needed to start: metadata and keys are fetched at first use, kept, and served stale while the
//! provider is down.

mod cached;
pub mod fetch;
mod id_token;
mod keys;
mod login;
mod metadata;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openidconnect::core::CoreJsonWebKeySet;
use url::Url;

use cached::Cached;
pub use fetch::FetchError;
use fetch::Fetcher;
pub use login::{Authorization, Login};
pub use metadata::Metadata;

use crate::plan::identity::Provider;

/// How long metadata and keys are kept before they are fetched again.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// Most providers whose metadata is kept; more come only from many reloads.
const PROVIDERS_MAX: usize = 64;

/// What went wrong with a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It does not answer, or answers that it is broken (5xx).
    #[error("the identity provider does not answer: {0}")]
    Unreachable(String),
    /// It answers, but not as a provider must.
    #[error("the identity provider is misconfigured: {0}")]
    Broken(String),
    /// It refuses the code.
    #[error("the identity provider refuses the code: {0}")]
    Code(String),
    /// The id token or userinfo must not be believed.
    #[error("{0}")]
    Token(String),
}

impl From<FetchError> for ProviderError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Time { .. } | FetchError::Unreachable { .. } => ProviderError::Unreachable(error.to_string()),
            FetchError::Scheme(_) | FetchError::Length { .. } => ProviderError::Broken(error.to_string()),
        }
    }
}

/// How long we wait for providers, and how often we ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Bounds each exchange with a provider, connecting included.
    pub answer: Duration,
    /// Keys are fetched again for an unknown key at most this often.
    pub keys: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { answer: Duration::from_secs(10), keys: Duration::from_secs(10) }
    }
}

/// All providers that were used, with what is known of each. Cheap to clone.
#[derive(Clone)]
pub struct Providers {
    pace: Pace,
    fetcher: Arc<Fetcher>,
    known: Arc<Mutex<HashMap<Box<str>, Arc<Connection>>>>,
}

/// One provider and what is known of it.
pub struct Connection {
    pace: Pace,
    provider: Arc<Provider>,
    fetcher: Arc<Fetcher>,
    metadata: Cached<Metadata>,
    keys: Cached<CoreJsonWebKeySet>,
}

impl Providers {
    pub fn new(pace: Pace) -> Self {
        Providers { pace, fetcher: Arc::new(Fetcher::new(pace.answer)), known: Arc::default() }
    }

    /// The connection to `provider`; a changed configuration begins a new one.
    pub fn connect(&self, provider: &Arc<Provider>) -> Arc<Connection> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = known.get(&provider.id).filter(|connection| connection.provider == *provider) {
            return connection.clone();
        }
        if known.len() >= PROVIDERS_MAX {
            known.clear();
        }
        let connection = Arc::new(Connection {
            pace: self.pace,
            provider: provider.clone(),
            fetcher: self.fetcher.clone(),
            metadata: Cached::new(KEPT_FOR),
            keys: Cached::new(KEPT_FOR),
        });
        known.insert(provider.id.clone(), connection.clone());
        connection
    }
}

impl Connection {
    /// What the provider says about itself.
    pub async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        self.metadata.get(|| Metadata::fetch(&self.fetcher, &self.provider.issuer)).await
    }

    async fn keys(&self, metadata: &Metadata) -> Result<Arc<CoreJsonWebKeySet>, ProviderError> {
        self.keys.get(|| self.fetch_keys(metadata)).await
    }

    /// Keys newer than `seen`, if the provider was not asked just now.
    async fn newer_keys(
        &self,
        metadata: &Metadata,
        seen: &Arc<CoreJsonWebKeySet>,
    ) -> Result<Arc<CoreJsonWebKeySet>, ProviderError> {
        self.keys.renew(seen, self.pace.keys, || self.fetch_keys(metadata)).await
    }

    async fn fetch_keys(&self, metadata: &Metadata) -> Result<CoreJsonWebKeySet, ProviderError> {
        keys::parse(&get_json(&self.fetcher, metadata.keys.url(), None).await?)
    }
}

/// The body of a successful GET of JSON, with a bearer token if one is given.
async fn get_json(fetcher: &Fetcher, url: &Url, bearer: Option<&str>) -> Result<Vec<u8>, ProviderError> {
    let broken = |e: &dyn std::fmt::Display| ProviderError::Broken(format!("{url}: {e}"));
    let mut request = ::http::Request::get(url.as_str()).header(::http::header::ACCEPT, "application/json");
    if let Some(token) = bearer {
        request = request.header(::http::header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = fetcher.send(request.body(Vec::new()).map_err(|e| broken(&e))?).await?;
    match response.status() {
        ::http::StatusCode::OK => Ok(response.into_body()),
        status if status.is_server_error() => Err(ProviderError::Unreachable(format!("{url} answers {status}"))),
        status => Err(broken(&format_args!("it answers {status}, expected 200"))),
    }
}
