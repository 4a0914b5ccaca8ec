//! `/.pomerium/api/v1/login`: how a command-line tool gets the link that its user signs in with.

use super::answer::{self, Answered};
use super::guest::Guest;
use super::refusal::Refusal;
use super::{handover, target};
use crate::plan::sign_in::SIGN_IN_PATH;

pub(super) const PATH: &str = "/.pomerium/api/v1/login";

pub(super) fn answer(guest: &Guest) -> Answered {
    let text = guest.parameter("pomerium_redirect_uri").ok_or_else(Refusal::not_found)?;
    let receiver = target::programmatic(&guest.plan, &text).ok_or_else(|| Refusal::bad("invalid redirect uri"))?;
    let mut link = guest.sign_in_host_url(SIGN_IN_PATH);
    {
        let mut query = link.query_pairs_mut();
        if let Some(provider) = guest.provider() {
            query.append_pair("pomerium_idp_id", &provider.id);
        }
        query.append_pair("pomerium_redirect_uri", receiver.as_str());
        query.append_pair("pomerium_callback_uri", guest.own_url(handover::PATH).as_str());
        query.append_pair("pomerium_programmatic", "true");
    }
    Ok(answer::text(guest.plan.identity.url_signer.sign(&link, guest.now).as_str()))
}
