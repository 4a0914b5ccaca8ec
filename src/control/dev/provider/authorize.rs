//! The authorization endpoint: who are you? (OpenID Connect Core 1.0 section 3.1.2)

use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::parameters::Parameters;
use super::{Provider, Shared, page};
use crate::control::dev::guard;
use crate::control::dev::people::{self, Person};

/// Largest `state` and `nonce`, in bytes.
const VALUE_BYTES_MAX: usize = 4 * 1024;
/// Length of an S256 challenge: 32 bytes in base64url (RFC 7636 section 4.2).
const CHALLENGE_BYTES: usize = 43;

/// What a code stands for.
#[derive(Debug, Clone)]
pub struct Grant {
    pub person: &'static Person,
    pub redirect_uri: String,
    pub challenge: String,
    pub nonce: Option<String>,
    /// When the person was chosen, in seconds since the epoch.
    pub auth_time: u64,
}

/// A request to sign in that may be answered.
struct Demand {
    redirect_uri: Url,
    state: Option<String>,
    nonce: Option<String>,
    challenge: String,
    prompt: Prompt,
}

/// Whether the person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prompt {
    /// Unless this browser has chosen before.
    Unless,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// Why a request is not served.
enum Refusal {
    /// Nothing in the request can be trusted, so the browser stays here.
    Here(String),
    /// The client learns why.
    Back { to: Box<Url>, state: Option<String>, error: &'static str, description: &'static str },
}

/// GET: the last choice, or the page to choose on.
pub async fn ask(State(provider): Shared, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query = query.unwrap_or_default();
    let demand = match provider.demand(&query) {
        Ok(demand) => demand,
        Err(refusal) => return provider.refuse(refusal),
    };
    match (demand.prompt, provider.remembered(&headers)) {
        (Prompt::Unless | Prompt::Never, Some(person)) => provider.grant(demand, person),
        (Prompt::Never, None) => {
            let Demand { redirect_uri, state, .. } = demand;
            let to = Box::new(redirect_uri);
            provider.refuse(Refusal::Back { to, state, error: "login_required", description: "nobody was chosen yet" })
        }
        (Prompt::Unless | Prompt::Always, last) => page::picker(&provider, &query, &demand.redirect_uri, last),
    }
}

/// POST: the choice.
pub async fn choose(State(provider): Shared, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> Response {
    if !guard::is_own_form(&headers) {
        return page::refusal(&provider, StatusCode::FORBIDDEN, "The form was not sent by this page.");
    }
    let demand = match provider.demand(&query.unwrap_or_default()) {
        Ok(demand) => demand,
        Err(refusal) => return provider.refuse(refusal),
    };
    let form = Parameters::parse(&body).ok();
    match form.as_ref().and_then(|form| form.value("user")).and_then(people::find) {
        Some(person) => provider.grant(demand, person),
        None => page::refusal(&provider, StatusCode::BAD_REQUEST, "There is no such user."),
    }
}

impl Provider {
    /// Reads the query. Until client and redirect URI are known to be right, nothing goes back to them.
    fn demand(&self, query: &str) -> Result<Demand, Refusal> {
        let query = Parameters::parse(query.as_bytes()).map_err(|e| Refusal::Here(format!("In the request, {e}.")))?;
        if query.value("client_id") != Some(self.client.id()) {
            return Err(Refusal::Here("The client_id is not that of the one client which this provider knows.".into()));
        }
        let to = query.value("redirect_uri").unwrap_or_default();
        let allowed = self.site.owns_callback(to).then(|| Url::parse(to).ok()).flatten();
        let Some(to) = allowed else {
            let site = self.site.any();
            return Err(Refusal::Here(format!("The redirect_uri is not of the form {site}/oauth2/callback.")));
        };
        let state = query.value("state").map(str::to_owned);
        match check(&query) {
            Ok((challenge, prompt)) => {
                let nonce = query.value("nonce").map(str::to_owned);
                Ok(Demand { redirect_uri: to, state, nonce, challenge, prompt })
            }
            Err((error, description)) => Err(Refusal::Back { to: Box::new(to), state, error, description }),
        }
    }

    /// Sends the browser back with a code, and remembers the choice.
    fn grant(&self, demand: Demand, person: &'static Person) -> Response {
        let Demand { redirect_uri, state, nonce, challenge, .. } = demand;
        let grant =
            Grant { person, redirect_uri: redirect_uri.to_string(), challenge, nonce, auth_time: super::unix_now() };
        let code = self.codes.issue(grant, Instant::now());
        tracing::info!(user = person.id, "development identity provider: signed in");
        let mut response = self.back(redirect_uri, state.as_deref(), &[("code", &code)]);
        if let Ok(cookie) = self.remember(Some(person)).try_into() {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        match refusal {
            Refusal::Here(why) => page::refusal(self, StatusCode::BAD_REQUEST, &why),
            Refusal::Back { to, state, error, description } => {
                self.back(*to, state.as_deref(), &[("error", error), ("error_description", description)])
            }
        }
    }

    /// The answer to the client: parameters, its state, and who answers (RFC 9207).
    fn back(&self, mut to: Url, state: Option<&str>, parameters: &[(&str, &str)]) -> Response {
        to.query_pairs_mut()
            .extend_pairs(parameters)
            .extend_pairs(state.map(|state| ("state", state)))
            .append_pair("iss", &self.issuer);
        (StatusCode::SEE_OTHER, [(LOCATION, String::from(to))]).into_response()
    }
}

/// Everything else that a request must have right; an error goes back as `error` and `error_description`.
fn check(query: &Parameters) -> Result<(String, Prompt), (&'static str, &'static str)> {
    let invalid = |description| Err(("invalid_request", description));
    if query.value("request").is_some() {
        return Err(("request_not_supported", "request objects are not supported"));
    }
    if query.value("request_uri").is_some() {
        return Err(("request_uri_not_supported", "request objects are not supported"));
    }
    if query.value("response_type") != Some("code") {
        return Err(("unsupported_response_type", "response_type must be code"));
    }
    if query.value("response_mode").is_some_and(|mode| mode != "query") {
        return invalid("response_mode must be query");
    }
    if !query.value("scope").is_some_and(|scope| scope.split(' ').any(|name| name == "openid")) {
        return Err(("invalid_scope", "scope must have openid in it"));
    }
    if ["state", "nonce"].iter().filter_map(|name| query.value(name)).any(|value| value.len() > VALUE_BYTES_MAX) {
        return invalid("state or nonce is longer than 4096 bytes");
    }
    let challenge = query.value("code_challenge").unwrap_or_default();
    let shaped = challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if query.value("code_challenge_method") != Some("S256") || challenge.len() != CHALLENGE_BYTES || !shaped {
        return invalid("PKCE is required: a code_challenge of 43 characters with code_challenge_method S256");
    }
    let prompts: Vec<&str> = query.value("prompt").unwrap_or_default().split(' ').collect();
    let prompt = match prompts.as_slice() {
        ["none"] => Prompt::Never,
        several if several.contains(&"none") => return invalid("prompt none must stand alone"),
        some if some.contains(&"login") || some.contains(&"select_account") => Prompt::Always,
        _ if query.value("max_age") == Some("0") => Prompt::Always,
        _ => Prompt::Unless,
    };
    Ok((challenge.to_owned(), prompt))
}
