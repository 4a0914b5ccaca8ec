//! How people sign in and how we vouch for them.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::session::{SESSION_SEAL_CONTEXT, SessionHandle};
use crate::crypto::jws::Signer;
use crate::crypto::seal::Sealer;
use crate::crypto::secret::{Purpose, Secret};
use crate::crypto::signed_url::UrlSigner;

/// Everything about identity that the configuration says.
#[derive(Debug)]
pub struct Identity {
    /// `shared_secret`.
    pub shared_secret: Secret,
    /// `cookie_secret`.
    pub cookie_secret: Secret,
    pub cookie: Cookie,
    /// `authenticate_service_url`; `None`: every route's own host signs people in.
    pub authenticate: Option<Url>,
    /// `None` when no provider is configured: then only public routes work.
    pub provider: Option<Arc<Provider>>,
    /// Signs assertions.
    pub signer: Signer,
    /// `jwt_claims_headers`: header name (lower case) to claim.
    pub claim_headers: Vec<(Box<str>, Box<str>)>,
    /// `signout_redirect_url`.
    pub signout_redirect: Option<Url>,
    /// `programmatic_redirect_domain_whitelist`.
    pub programmatic_domains: Vec<String>,
    /// Seals and opens session handles (derived from `shared_secret`).
    pub session_sealer: Sealer,
    /// Signs links between our own hosts.
    pub url_signer: UrlSigner,
}

/// `cookie_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    pub name: Box<str>,
    /// `None`: the host alone.
    pub domain: Option<Box<str>>,
    pub http_only: bool,
    /// Life of the cookie and of the session.
    pub expire: Duration,
    pub same_site: Option<SameSite>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    Strict,
    Lax,
    None,
}

/// One OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Stable id of (issuer, client id); sessions are bound to it.
    pub id: Box<str>,
    /// `idp_provider_url`; https, or http on loopback.
    pub issuer: Url,
    pub client_id: String,
    /// Hidden from `Debug` output by [`ClientSecret`].
    pub client_secret: ClientSecret,
    pub scopes: Vec<String>,
    /// `idp_request_params`.
    pub request_params: Vec<(String, String)>,
}

/// A client secret that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(pub String);

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientSecret(hidden)")
    }
}

impl Identity {
    /// The derived tools of an installation: the session sealer and the URL signer.
    pub fn tools(shared_secret: &Secret) -> (Sealer, UrlSigner) {
        (Sealer::new(&shared_secret.derive(Purpose::Session)), UrlSigner::new(shared_secret))
    }

    /// The text of a session cookie or programmatic token.
    pub fn seal_session(&self, handle: &SessionHandle) -> String {
        let plain = serde_json::to_vec(handle).expect("a handle is plain data");
        self.session_sealer.seal(&plain, SESSION_SEAL_CONTEXT)
    }

    /// Reads a session cookie or programmatic token; `None` unless we made it. Expiry is the caller's to check.
    pub fn open_session(&self, text: &[u8]) -> Option<SessionHandle> {
        let plain = self.session_sealer.open(text, SESSION_SEAL_CONTEXT).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// Whether `host` (normal form, no port) is the authenticate host.
    pub fn is_authenticate_host(&self, host: &str) -> bool {
        self.authenticate.as_ref().and_then(Url::host_str).is_some_and(|h| h.eq_ignore_ascii_case(host))
    }

    /// Whether `path` (normal form) is a page of our own on a route's host. `/oauth2/callback` is one only where the host
    /// signs people in itself.
    pub fn is_own_page(&self, path: &str) -> bool {
        path == "/.pomerium"
            || path.starts_with("/.pomerium/")
            || path == "/.well-known/pomerium"
            || path.starts_with("/.well-known/pomerium/")
            || (self.authenticate.is_none() && path == "/oauth2/callback")
    }
}
