//! The development OpenID provider: three people, no passwords, one client, everything in memory.
//!
//! It follows OpenID Connect Core and Discovery 1.0, RFC 6749, RFC 7636 (PKCE, S256 only), RFC 9207 (`iss` in the
//! answer) and RP-Initiated Logout 1.0, and it is strict, so that what works here works with a real provider.

mod authorize;
mod client;
mod logout;
mod page;
mod parameters;
mod signer;
mod tickets;
mod token;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

pub use client::Client;

use super::DevError;
use super::guard::{self, Names};
use super::people::{self, Person};
use super::site::Site;
use authorize::Grant;
use signer::TokenSigner;
use tickets::Tickets;

/// Most codes and most access tokens that are alive; one more ends the oldest.
const TICKETS_MAX: usize = 1024;
/// Life of an authorization code.
const CODE_LIFE: Duration = Duration::from_secs(60);
/// Life of access and ID tokens: a working day, so that nothing expires under a person who tries things out.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Largest query of a request, in bytes.
const QUERY_BYTES_MAX: usize = 16 * 1024;

/// The provider. It answers by its [`Provider::router`].
pub struct Provider {
    site: Site,
    issuer: String,
    client: Client,
    signer: TokenSigner,
    codes: Tickets<Grant>,
    tokens: Tickets<&'static Person>,
}

type Shared = State<Arc<Provider>>;

impl Provider {
    /// A provider for one client. `issuer` is its own origin, without a trailing slash.
    pub fn new(site: Site, issuer: String, client: Client, key: &rcgen::KeyPair) -> Result<Self, DevError> {
        let signer = TokenSigner::new(key)?;
        let codes = Tickets::new(TICKETS_MAX, CODE_LIFE);
        let tokens = Tickets::new(TICKETS_MAX, TOKEN_LIFE);
        Ok(Provider { site, issuer, client, signer, codes, tokens })
    }

    /// Its own origin.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The id of its one client.
    pub fn client_id(&self) -> &str {
        self.client.id()
    }

    /// Every endpoint.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(page::home))
            .route("/forget", post(logout::forget))
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize::ask).post(authorize::choose))
            .route("/token", post(token::redeem))
            .route("/userinfo", get(token::userinfo).post(token::userinfo))
            .route("/end_session", get(logout::end_session))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .layer(from_fn(admit))
            .with_state(Arc::new(self))
    }

    /// The name of the cookie that remembers the last choice. Cookies do not know ports, so the name does.
    fn cookie(&self) -> String {
        let port = self.issuer.rsplit_once(':').map_or("", |(_, port)| port);
        format!("vallum_dev_user_{port}")
    }

    /// Who was chosen in this browser last.
    fn remembered(&self, headers: &HeaderMap) -> Option<&'static Person> {
        let name = self.cookie();
        let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
        let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).and_then(|(_, value)| people::find(value))
    }

    /// The `Set-Cookie` that remembers a choice or, with `None`, forgets it.
    fn remember(&self, person: Option<&Person>) -> String {
        let name = self.cookie();
        match person {
            Some(person) => format!("{name}={}; Path=/; HttpOnly; SameSite=Lax", person.id),
            None => format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"),
        }
    }
}

/// The door: local names only, bounded queries, nothing kept in caches.
async fn admit(request: Request, next: Next) -> Response {
    if !guard::is_local(&request, Names::Loopback) {
        return guard::misdirected();
    }
    if request.uri().query().is_some_and(|query| query.len() > QUERY_BYTES_MAX) {
        return axum::http::StatusCode::URI_TOO_LONG.into_response();
    }
    let mut response = next.run(request).await;
    guard::seal(response.headers_mut());
    response
}

/// OpenID Connect Discovery 1.0 section 3.
async fn discovery(State(provider): Shared) -> Json<Value> {
    let url = |path: &str| format!("{}{path}", provider.issuer);
    Json(json!({
        "issuer": provider.issuer,
        "authorization_endpoint": url("/authorize"),
        "token_endpoint": url("/token"),
        "userinfo_endpoint": url("/userinfo"),
        "jwks_uri": url("/jwks"),
        "end_session_endpoint": url("/end_session"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash",
            "name", "preferred_username", "email", "email_verified", "groups",
        ],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn jwks(State(provider): Shared) -> Json<Value> {
    Json(provider.signer.jwks().clone())
}

/// What the provider says about a person, whatever was asked for.
fn profile(person: &Person) -> Value {
    json!({
        "sub": person.id,
        "name": person.name,
        "preferred_username": person.id,
        "email": person.email,
        "email_verified": true,
        "groups": person.groups,
    })
}

/// Seconds since the epoch.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
