//! `/.pomerium/webauthn`: where a person is sent whose policy asks for a device. No device can be registered yet, so the page
//! says so, and that nothing else is wrong.

use super::answer::{self, Answered};
use super::guest::Guest;
use super::refusal::Refusal;
use crate::plan::sign_in;

pub(super) fn page(guest: &Guest) -> Answered {
    if guest.session.is_none() {
        if guest.speaks().is_html() && guest.is_navigation() && guest.provider().is_some() {
            return Ok(answer::redirect(sign_in::location(&guest.plan, &guest.url, guest.now).as_str()));
        }
        return Err(Refusal::unauthorized());
    }
    Err(Refusal::no_device())
}
