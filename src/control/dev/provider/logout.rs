//! Forgetting who was chosen: from our own page, and at the client's wish (RP-Initiated Logout 1.0).

use axum::extract::{RawQuery, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::parameters::Parameters;
use super::{Provider, Shared, page};
use crate::control::dev::guard;

/// POST, from our own page: the next sign-in asks again.
pub async fn forget(State(provider): Shared, headers: HeaderMap) -> Response {
    if !guard::is_own_form(&headers) {
        return page::refusal(&provider, StatusCode::FORBIDDEN, "The form was not sent by this page.");
    }
    provider.forgotten((StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response())
}

/// GET: the client signs the person out. The browser goes on to `post_logout_redirect_uri` when that is a page of the
/// site, else it stays.
pub async fn end_session(State(provider): Shared, RawQuery(query): RawQuery) -> Response {
    let refuse = |why: &str| page::refusal(&provider, StatusCode::BAD_REQUEST, why);
    let query = match Parameters::parse(query.unwrap_or_default().as_bytes()) {
        Ok(query) => query,
        Err(error) => return refuse(&format!("In the request, {error}.")),
    };
    if query.value("client_id").is_some_and(|id| id != provider.client.id()) {
        return refuse("The client_id is not that of the one client which this provider knows.");
    }
    if query.value("id_token_hint").is_some_and(|hint| !provider.made(hint)) {
        return refuse("The id_token_hint was not signed by this provider for its client.");
    }
    let Some(to) = query.value("post_logout_redirect_uri") else {
        return provider.forgotten(page::signed_out(&provider));
    };
    let to = provider.site.owns(to).then(|| Url::parse(to).ok()).flatten();
    let Some(mut to) = to else {
        return refuse("The post_logout_redirect_uri is not a page of this site.");
    };
    if let Some(state) = query.value("state") {
        to.query_pairs_mut().append_pair("state", state);
    }
    provider.forgotten((StatusCode::SEE_OTHER, [(LOCATION, String::from(to))]).into_response())
}

impl Provider {
    /// Whether an ID token is ours; one of an earlier start may carry another issuer's port, its key is the same.
    fn made(&self, token: &str) -> bool {
        self.signer.recognise(token).is_some_and(|claims| claims["aud"] == self.client.id())
    }

    fn forgotten(&self, mut response: Response) -> Response {
        if let Ok(cookie) = HeaderValue::try_from(self.remember(None)) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }
}
