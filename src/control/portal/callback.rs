//! `/oauth2/callback`: the provider sends the browser back here. The checks come in Pomerium's order, with its texts.

use ::http::{Method, StatusCode};
use url::Url;
use uuid::Uuid;

use super::answer::{self, Answered};
use super::cookies::{self, FlowSecret};
use super::flow::Flow;
use super::guest::{Guest, is_same_host};
use super::refusal::Refusal;
use super::{PortalState, target};
use crate::control::databroker::{SessionRecord, UserRecord};
use crate::control::oidc::{Authorization, Connection, Login};
use crate::plan::identity::Provider;
use crate::plan::session::SessionHandle;

pub(super) const PATH: &str = "/oauth2/callback";

pub(super) async fn page(state: &PortalState, guest: &Guest) -> Answered {
    let text = parameter(guest, "state").unwrap_or_default();
    let flow = Flow::open(&guest.plan.identity, &text);
    let again = flow.as_ref().ok().and_then(|flow| first_page(guest, flow));
    let result = redeem(state, guest, &text, flow.map_err(|error| Refusal::bad(error.to_string()))).await;
    result.map_err(|refusal| match &again {
        Some(url) => refusal.again(url),
        None => refusal,
    })
}

async fn redeem(state: &PortalState, guest: &Guest, text: &str, flow: Result<Flow, Refusal>) -> Answered {
    let provider = guest.provider().ok_or_else(Refusal::no_provider)?;
    if let Some(code) = parameter(guest, "error").filter(|code| !code.is_empty()) {
        return Err(Refusal::by_provider(status_of(&code), &code));
    }
    let code = parameter(guest, "code")
        .filter(|code| !code.is_empty())
        .ok_or_else(|| Refusal::bad("identity provider returned empty code"))?;
    let flow = flow?;
    let inner = Some(&flow.inner).filter(|inner| is_same_host(inner, &guest.url));
    let inner = inner.ok_or_else(|| Refusal::bad("the state was made for another host"))?;
    let secret = match flow_secret(state, guest, text, &flow, provider) {
        Ok(secret) => secret,
        // Another tab was faster, or the person pressed reload: they are signed in, so let them on.
        Err(_) if guest.session.is_some() => return Ok(onward(guest, inner)),
        Err(refusal) => return Err(refusal),
    };
    let connection = state.providers.connect(provider);
    check_issuer(guest, &connection).await?;
    let redirect_uri = guest.sign_in_host_url(PATH);
    let authorization =
        Authorization { redirect_uri: &redirect_uri, state: text, nonce: &secret.nonce, verifier: &secret.verifier };
    let login = connection.redeem(&code, &authorization, guest.now).await?;
    let handle = store(state, guest, provider, login).await?;
    let mut response = onward(guest, inner);
    cookies::add(&mut response, cookies::session(guest, &handle));
    cookies::add(&mut response, cookies::forget_flow(guest, text));
    Ok(response)
}

/// The flow's secrets, when the flow is this browser's, in time, begun with this provider, and not used before.
fn flow_secret(
    state: &PortalState,
    guest: &Guest,
    text: &str,
    flow: &Flow,
    provider: &Provider,
) -> Result<FlowSecret, Refusal> {
    if !cookies::has_csrf(guest, &flow.csrf) {
        return Err(Refusal::bad("invalid CSRF token"));
    }
    if !flow.is_in_time(guest.now) {
        return Err(Refusal::expired("The sign-in took longer than five minutes."));
    }
    let secret = cookies::flow_secret(guest, text)
        .filter(|secret| *secret.idp_id == *provider.id)
        .ok_or_else(|| Refusal::expired("This sign-in was begun in another browser, or is over."))?;
    if !state.replays.is_first_use(text.as_bytes(), guest.now) {
        return Err(Refusal::expired("This sign-in is over; its answer was used before."));
    }
    Ok(secret)
}

/// RFC 9207: an answer that names its issuer must name ours, and one that should name it must.
async fn check_issuer(guest: &Guest, connection: &Connection) -> Result<(), Refusal> {
    let metadata = connection.metadata().await?;
    match parameter(guest, "iss") {
        Some(issuer) if issuer == *metadata.issuer.as_str() => Ok(()),
        None if !metadata.iss_in_response => Ok(()),
        _ => Err(Refusal::bad("the answer comes from another identity provider")),
    }
}

/// Writes session and user, under a session id that nobody has seen before.
async fn store(
    state: &PortalState,
    guest: &Guest,
    provider: &Provider,
    login: Login,
) -> Result<SessionHandle, Refusal> {
    let lifetime = i64::try_from(guest.plan.identity.cookie.expire.as_secs()).unwrap_or(i64::MAX);
    let idp_id = provider.id.to_string();
    let handle = SessionHandle {
        session: Uuid::new_v4().to_string(),
        user: login.subject.clone(),
        idp_id: idp_id.clone(),
        issued_at: guest.now,
        expires_at: guest.now.saturating_add(lifetime),
    };
    let session = SessionRecord {
        id: handle.session.clone(),
        user_id: login.subject.clone(),
        idp_id: idp_id.clone(),
        issued_at: handle.issued_at,
        expires_at: handle.expires_at,
        id_token: login.id_token,
        oauth_token: login.oauth_token,
        claims: login.claims,
        version: 0,
    };
    let (id, email, name) = (login.subject, login.email, login.name);
    let user = UserRecord { id, idp_id, email, name, claims: login.user_claims, version: 0 };
    state.databroker.put_session(session, user, guest.now).await?;
    // Other sessions of the same person now carry the new claims.
    state.revocations.raise();
    Ok(handle)
}

/// Back to the sign-in page that the flow came from, signed anew: the person may have taken their time.
fn onward(guest: &Guest, inner: &Url) -> ::http::Response<bytes::Bytes> {
    answer::onward(&guest.plan, &guest.plan.identity.url_signer.sign(inner, guest.now))
}

/// The page that the person wanted to see first, if it is one of ours.
fn first_page(guest: &Guest, flow: &Flow) -> Option<Url> {
    let (_, text) = flow.inner.query_pairs().find(|(name, _)| name == "pomerium_redirect_uri")?;
    target::own_page(&guest.plan, &text)
}

/// Some providers post their answer as a form.
fn parameter(guest: &Guest, name: &str) -> Option<String> {
    if guest.method() == Method::POST { guest.form_field(name) } else { guest.parameter(name) }
}

fn status_of(code: &str) -> StatusCode {
    match code {
        "access_denied" | "unauthorized_client" => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_REQUEST,
    }
}
