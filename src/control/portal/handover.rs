//! `/.pomerium/callback/`: the authenticate host hands a session to a route's host. The handle travels sealed for that
//! host alone, in a signed link that is good once and for minutes.

use ::http::Response;
use bytes::Bytes;
use url::Url;

use super::answer::{self, Answered};
use super::cookies;
use super::guest::{Guest, is_same_host};
use super::refusal::Refusal;
use super::{PortalState, target};
use crate::crypto::seal::Sealer;
use crate::crypto::secret::Purpose;
use crate::plan::identity::Identity;
use crate::plan::session::SessionHandle;

pub(super) const PATH: &str = "/.pomerium/callback/";

/// The link that hands `handle` to the host of `callback`, which then sends the browser to `next`: to a page, or to a
/// tool that is given a session of its own.
pub(super) fn link(guest: &Guest, callback: &Url, next: &Url, handle: &SessionHandle, for_tool: bool) -> Url {
    let identity = &guest.plan.identity;
    let plain = serde_json::to_vec(handle).expect("a handle is plain data");
    let mut url = callback.clone();
    url.set_query(None);
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("pomerium_idp_id", &handle.idp_id);
        query.append_pair("pomerium_redirect_uri", next.as_str());
        query.append_pair("pomerium_session_encrypted", &sealer(identity).seal(&plain, &context(callback)));
        if for_tool {
            query.append_pair("pomerium_programmatic", "true");
        }
    }
    identity.url_signer.sign(&url, guest.now)
}

pub(super) async fn page(state: &PortalState, guest: &Guest) -> Answered {
    let identity = &guest.plan.identity;
    identity.url_signer.verify(&guest.url, guest.now).map_err(|error| Refusal::bad(error.to_string()))?;
    let next = guest.parameter("pomerium_redirect_uri").unwrap_or_default();
    if guest.parameter("pomerium_programmatic").as_deref() == Some("true") {
        let receiver = target::programmatic(&guest.plan, &next).ok_or_else(|| Refusal::bad("invalid redirect uri"))?;
        let handle = receive(state, guest).await?;
        return Ok(to_tool(identity, receiver, &handle));
    }
    let page = target::own_page(&guest.plan, &next)
        .filter(|page| is_same_host(page, &guest.url))
        .ok_or_else(|| Refusal::bad("the link leads to a host that is not this one"))?;
    match receive(state, guest).await {
        Ok(handle) => {
            let mut response = answer::onward(&guest.plan, &page);
            cookies::add(&mut response, cookies::session(guest, &handle));
            Ok(response)
        }
        // A reload of a link that was used: the cookie is there already.
        Err(_) if guest.session.is_some() => Ok(answer::redirect(page.as_str())),
        Err(refusal) => Err(refusal.again(&page)),
    }
}

/// The handle in the link, when it is meant for this host, good, and not used before.
async fn receive(state: &PortalState, guest: &Guest) -> Result<SessionHandle, Refusal> {
    let identity = &guest.plan.identity;
    let sealed = guest.parameter("pomerium_session_encrypted").unwrap_or_default();
    let handle: SessionHandle = sealer(identity)
        .open(sealed.as_bytes(), &context(&guest.url))
        .ok()
        .and_then(|plain| serde_json::from_slice(&plain).ok())
        .ok_or_else(|| Refusal::bad("the session in the link is not genuine"))?;
    let is_current = guest.provider().is_some_and(|provider| *provider.id == *handle.idp_id);
    if !is_current {
        return Err(Refusal::bad("the session is of another identity provider"));
    }
    if !state.replays.is_first_use(sealed.as_bytes(), guest.now) {
        return Err(Refusal::expired("This link was used before."));
    }
    match state.databroker.session(&handle.session, guest.now).await? {
        Some(session) if session.user_id == handle.user => Ok(handle),
        _ => Err(Refusal::expired("The session has ended.")),
    }
}

fn to_tool(identity: &Identity, mut receiver: Url, handle: &SessionHandle) -> Response<Bytes> {
    receiver.query_pairs_mut().append_pair("pomerium_jwt", &identity.seal_session(handle));
    answer::redirect(receiver.as_str())
}

/// What a handle is sealed for: one host and port.
fn context(url: &Url) -> Vec<u8> {
    format!("handover to {}", url.origin().ascii_serialization()).into_bytes()
}

fn sealer(identity: &Identity) -> Sealer {
    Sealer::new(&identity.shared_secret.derive(Purpose::Handover))
}
