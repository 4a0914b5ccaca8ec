//! How we talk to an identity provider: https (or http on loopback), bounded in time and bytes, no redirect followed.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use url::{Host, Url};

/// Largest answer accepted from a provider, in bytes.
pub const FETCH_BYTES_MAX: usize = 1024 * 1024;
/// Idle connections kept per provider.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// How long an idle connection is kept.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// Why a provider gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("{0} is neither https nor http on loopback")]
    Scheme(String),
    #[error("no answer from {host} within {limit:?}")]
    Time { host: String, limit: Duration },
    #[error("the answer from {host} is longer than {limit} bytes")]
    Length { host: String, limit: usize },
    #[error("{host} cannot be reached: {cause}")]
    Unreachable { host: String, cause: String },
}

/// A client of https and http.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The client. Its trust in certificates is that of the operating system (`SSL_CERT_FILE` is honoured), read at the
/// first request.
pub struct Fetcher {
    client: OnceLock<HttpClient>,
    time: Duration,
}

impl Fetcher {
    /// `time` bounds each exchange, connecting included.
    pub fn new(time: Duration) -> Self {
        Fetcher { client: OnceLock::new(), time }
    }

    /// Sends one request. A redirect is an answer like any other: credentials follow no `Location`.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let target = request.uri().to_string();
        let url = Url::parse(&target).ok().filter(is_permitted).ok_or(FetchError::Scheme(target))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let exchange = self.exchange(request, &host);
        match tokio::time::timeout(self.time, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(FetchError::Time { host: host.clone(), limit: self.time }),
        }
    }

    async fn exchange(&self, request: HttpRequest, host: &str) -> Result<HttpResponse, FetchError> {
        let client = self.client.get_or_init(client);
        let unreachable =
            |error: &dyn std::error::Error| FetchError::Unreachable { host: host.to_owned(), cause: chain(error) };
        let response = client.request(request.map(|body| Full::new(body.into()))).await.map_err(|e| unreachable(&e))?;
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, FETCH_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(e) if e.is::<LengthLimitError>() => {
                return Err(FetchError::Length { host: host.to_owned(), limit: FETCH_BYTES_MAX });
            }
            Err(e) => return Err(unreachable(&*e)),
        };
        Ok(HttpResponse::from_parts(head, body.into()))
    }
}

impl<'c> AsyncHttpClient<'c> for Fetcher {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Whether a provider may live at `url`: https, or http on loopback for development.
pub fn is_permitted(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        },
        _ => false,
    }
}

/// A client that trusts the certificate authorities of the operating system.
pub fn client() -> HttpClient {
    let mut roots = rustls::RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIME_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_timer(TokioTimer::new())
        .build(connector)
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_live_on_https_or_on_loopback() {
        for (url, expected) in [
            ("https://idp.example/", true),
            ("http://127.0.0.1:5556/", true),
            ("http://[::1]:5556/", true),
            ("http://localhost/", true),
            ("http://idp.localhost/", true),
            ("http://idp.example/", false),
            ("http://127.0.0.1.evil.example/", false),
            ("http://localhost.evil.example/", false),
            ("http://169.254.169.254/", false),
            ("http://10.0.0.1/", false),
            ("file:///etc/passwd", false),
            ("ftp://127.0.0.1/", false),
        ] {
            assert_eq!(is_permitted(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
