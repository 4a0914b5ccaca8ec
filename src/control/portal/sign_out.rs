//! `/.pomerium/sign_out`: a question on GET, the deed on POST. A GET never signs anybody out, signed or not: what ends
//! a session is a form of ours, sent from our own page (Sec-Fetch-Site, Origin) with a token that we sealed.

use std::time::Duration;

use maud::html;
use serde::{Deserialize, Serialize};
use url::Url;

use super::answer::{self, Answered};
use super::guest::{Guest, is_same_host};
use super::refusal::Refusal;
use super::{PortalState, cookies, target};
use crate::crypto::seal::Sealer;
use crate::crypto::secret::Purpose;

pub(super) const PATH: &str = "/.pomerium/sign_out";
pub(super) const DONE_PATH: &str = "/.pomerium/signed_out";

/// How long the question may stay open, in seconds.
const FORM_LIFETIME_S: i64 = 3600;
/// The provider may be slow to say where its own sign-out is; ours does not wait for it any longer.
const PROVIDER_TIME_MAX: Duration = Duration::from_secs(3);
const CONTEXT: &[u8] = b"sign out";

/// What the form says; sealed, so that only our page can have made it.
#[derive(Serialize, Deserialize)]
struct Form {
    /// The session to end; empty when nobody is signed in.
    #[serde(rename = "s")]
    session: String,
    /// Unix seconds.
    #[serde(rename = "e")]
    expires_at: i64,
    /// Where to go afterwards, on this host.
    #[serde(rename = "r")]
    next: Option<String>,
}

/// Asks.
pub(super) fn confirm(guest: &Guest) -> Answered {
    let next = guest.parameter("pomerium_redirect_uri").and_then(|text| own_next(guest, &text));
    let form = Form {
        session: session_id(guest).to_owned(),
        expires_at: guest.now + FORM_LIFETIME_S,
        next: next.map(String::from),
    };
    let plain = serde_json::to_vec(&form).expect("a form is plain data");
    let token = sealer(guest).seal(&plain, CONTEXT);
    let who = guest
        .session
        .as_deref()
        .map(|session| if session.email.is_empty() { &session.user_id } else { &session.email });
    let body = html! {
        div.card {
            h1 { "Sign out?" }
            @match who {
                Some(who) => p { "You are signed in as " strong { (who) } ". Signing out ends this session everywhere." },
                None => p { "You are not signed in on this host. Signing out removes what your browser still keeps." },
            }
            div.actions {
                form method="post" action=(PATH) {
                    input type="hidden" name="token" value=(token);
                    button.danger type="submit" { "Sign out" }
                }
                a.button.quiet href="/.pomerium/" { "Stay signed in" }
            }
        }
    };
    Ok(answer::html("Sign out", body))
}

/// Does it: forgets the session, tells the workers, clears the cookie, and lets the provider end its own session.
pub(super) async fn perform(state: &PortalState, guest: &Guest) -> Answered {
    let form = checked_form(guest).map_err(|refusal| refusal.again(&guest.own_url(PATH)))?;
    let mut id_token = None;
    if let Some(session) = &guest.session {
        let ended = state.databroker.delete_session(&session.id).await?;
        state.revocations.raise();
        id_token = ended.map(|record| record.id_token.clone()).filter(|token| !token.is_empty());
    }
    let location = match end_at_provider(state, guest, id_token.as_deref()).await {
        Some(url) => url,
        None => after(guest, form.next.as_deref()),
    };
    let mut response = answer::redirect(location.as_str());
    cookies::add(&mut response, cookies::no_session(guest));
    Ok(response)
}

/// The last page, or the place that the configuration names instead.
pub(super) fn done(guest: &Guest) -> Answered {
    if let Some(url) = &guest.plan.identity.signout_redirect {
        return Ok(answer::redirect(url.as_str()));
    }
    let body = html! {
        div.card {
            h1 { "You are signed out" }
            p { "Close the browser if others use this computer, too: your sign-in provider may still know you." }
            div.actions { a.button href="/.pomerium/" { "Sign in again" } }
        }
    };
    Ok(answer::html("Signed out", body))
}

/// The form, when our own page sent it, for the session that is presented.
fn checked_form(guest: &Guest) -> Result<Form, Refusal> {
    let is_foreign = guest.field("sec-fetch-site").is_some_and(|site| site != "same-origin")
        || guest.field("origin").is_some_and(|origin| origin != guest.origin());
    if is_foreign {
        return Err(Refusal::forbidden("Another site sent this form."));
    }
    let token = guest.form_field("token").unwrap_or_default();
    let form: Form = sealer(guest)
        .open(token.as_bytes(), CONTEXT)
        .ok()
        .and_then(|plain| serde_json::from_slice(&plain).ok())
        .ok_or_else(|| Refusal::forbidden("The form is not one of ours."))?;
    if form.expires_at <= guest.now || form.session != session_id(guest) {
        return Err(Refusal::forbidden("The form is out of date."));
    }
    Ok(form)
}

/// Only somebody who was signed in has a session to end at the provider.
async fn end_at_provider(state: &PortalState, guest: &Guest, id_token: Option<&str>) -> Option<Url> {
    let id_token = id_token?;
    let connection = state.providers.connect(guest.provider()?);
    let return_to = guest.sign_in_host_url(DONE_PATH);
    tokio::time::timeout(PROVIDER_TIME_MAX, connection.end_session_url(Some(id_token), &return_to)).await.ok()?
}

fn after(guest: &Guest, next: Option<&str>) -> Url {
    let configured = guest.plan.identity.signout_redirect.clone();
    configured.or_else(|| own_next(guest, next?)).unwrap_or_else(|| guest.sign_in_host_url(DONE_PATH))
}

/// A page of this very host; other places need the configuration's word.
fn own_next(guest: &Guest, text: &str) -> Option<Url> {
    target::own_page(&guest.plan, text).filter(|url| is_same_host(url, &guest.url))
}

fn session_id(guest: &Guest) -> &str {
    guest.session.as_deref().map(|session| &*session.id).unwrap_or_default()
}

fn sealer(guest: &Guest) -> Sealer {
    Sealer::new(&guest.plan.identity.cookie_secret.derive(Purpose::Form))
}
