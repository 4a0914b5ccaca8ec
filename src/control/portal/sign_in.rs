//! `/.pomerium/sign_in`: the beginning of a sign-in, and the place that it returns to. Only signed links are served.

use ::http::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use url::Url;

use super::answer::{self, Answered};
use super::cookies::{self, FlowSecret};
use super::flow::Flow;
use super::guest::{Guest, is_same_host};
use super::refusal::Refusal;
use super::{PortalState, callback, handover, target};
use crate::control::oidc::Authorization;
use crate::crypto::random_bytes;
use crate::crypto::signed_url::SignedUrlError;
use crate::plan::session::{Session, SessionHandle};

/// Where somebody goes who is signed in.
pub(super) enum Destination {
    /// A page on one of our hosts.
    Page(Url),
    /// A command-line tool that waits for a session; `callback` is the route's host that gives it one.
    Tool { callback: Url, receiver: Url },
}

pub(super) async fn page(state: &PortalState, guest: &Guest) -> Answered {
    let destination = match guest.plan.identity.url_signer.verify(&guest.url, guest.now) {
        Ok(()) => destination(guest)?,
        Err(SignedUrlError::Expired) => {
            let refusal = Refusal::expired(SignedUrlError::Expired.to_string());
            // The link is genuine, only late: its target may be offered.
            return Err(match destination(guest)? {
                Destination::Page(page) => refusal.again(&page),
                Destination::Tool { .. } => refusal,
            });
        }
        Err(error) => return Err(Refusal::bad(error.to_string())),
    };
    match guest.session.as_deref() {
        Some(session) => Ok(leave(guest, session, &destination)),
        None if guest.is_navigation() => begin(state, guest).await,
        None => Err(Refusal::unauthorized()),
    }
}

fn destination(guest: &Guest) -> Result<Destination, Refusal> {
    let text =
        guest.parameter("pomerium_redirect_uri").ok_or_else(|| Refusal::bad("the link names no page to return to"))?;
    let refused = || Refusal::bad("the link leads to a host that is not ours");
    if guest.parameter("pomerium_programmatic").as_deref() != Some("true") {
        return target::own_page(&guest.plan, &text).map(Destination::Page).ok_or_else(refused);
    }
    let callback = guest.parameter("pomerium_callback_uri").unwrap_or_default();
    let callback =
        target::own_page(&guest.plan, &callback).filter(|url| url.path() == handover::PATH).ok_or_else(refused)?;
    let receiver = target::programmatic(&guest.plan, &text).ok_or_else(refused)?;
    Ok(Destination::Tool { callback, receiver })
}

/// Sends the browser to the provider.
async fn begin(state: &PortalState, guest: &Guest) -> Answered {
    let provider = guest.provider().ok_or_else(Refusal::no_provider)?;
    let (csrf, csrf_cookie) = cookies::csrf(guest);
    let flow =
        Flow { csrf, issued_at: guest.now, inner: guest.url.clone() }.seal(&guest.plan.identity, &guest.request_id);
    let secret = FlowSecret { verifier: random_text(), nonce: random_text(), idp_id: provider.id.to_string() };
    let redirect_uri = guest.sign_in_host_url(callback::PATH);
    let authorization =
        Authorization { redirect_uri: &redirect_uri, state: &flow, nonce: &secret.nonce, verifier: &secret.verifier };
    let url = state.providers.connect(provider).authorization_url(&authorization).await?;
    let mut response = answer::redirect(url.as_str());
    cookies::add(&mut response, csrf_cookie);
    cookies::add(&mut response, cookies::keep_flow(guest, &flow, &secret));
    Ok(response)
}

/// Sends somebody who is signed in to where they wanted to go: directly on this host, else by way of the other host's
/// own cookie.
fn leave(guest: &Guest, session: &Session, destination: &Destination) -> Response<Bytes> {
    let handle = handle(session);
    match destination {
        Destination::Page(page) if is_same_host(page, &guest.url) => answer::redirect(page.as_str()),
        Destination::Page(page) => {
            let mut callback = page.clone();
            callback.set_path(handover::PATH);
            answer::redirect(handover::link(guest, &callback, page, &handle, false).as_str())
        }
        Destination::Tool { callback, receiver } => {
            answer::redirect(handover::link(guest, callback, receiver, &handle, true).as_str())
        }
    }
}

/// The handle of a session that is known here already.
fn handle(session: &Session) -> SessionHandle {
    SessionHandle {
        session: session.id.to_string(),
        user: session.user_id.to_string(),
        idp_id: session.idp_id.to_string(),
        issued_at: session.issued_at,
        expires_at: session.expires_at,
    }
}

/// 256 random bits in 43 characters, as PKCE wants them (RFC 7636 section 4.1).
fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}
