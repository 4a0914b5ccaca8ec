//! Why a page was refused: a text for people, a status for machines.

use std::borrow::Cow;

use ::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use url::Url;

use super::answer;
use super::guest::Guest;
use crate::control::databroker::StoreError;
use crate::control::oidc::ProviderError;
use crate::http::page::failure::{Failure, Link};

/// A refusal; becomes a page, JSON or plain text, whatever the client reads.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) text: Cow<'static, str>,
    title: &'static str,
    advice: Option<&'static str>,
    /// Where to begin anew; a URL of our own making.
    again: Option<Box<Url>>,
    allow: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, title: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Refusal { status, title, text: text.into(), advice: None, again: None, allow: None }
    }

    pub(super) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        let advice = "Go back to the page that you wanted to see and try again. If it happens again, tell your \
            administrator the request id below.";
        Refusal { advice: Some(advice), ..Self::new(StatusCode::BAD_REQUEST, "This sign-in cannot go on", text) }
    }

    /// A link or flow that was good once.
    pub(super) fn expired(text: impl Into<Cow<'static, str>>) -> Self {
        Refusal {
            advice: Some("Begin again; it takes a moment."),
            title: "This request has expired",
            ..Self::bad(text)
        }
    }

    /// The provider says no.
    pub(super) fn by_provider(status: StatusCode, code: &str) -> Self {
        // The code came by way of the browser.
        let code: String = code.chars().filter(|c| !c.is_control()).take(100).collect();
        let advice = "Your sign-in provider did not let you through. Try again, perhaps with another account.";
        Refusal {
            advice: Some(advice),
            ..Self::new(status, "You were not signed in", format!("identity provider: {code}"))
        }
    }

    pub(super) fn unauthorized() -> Self {
        let text = "Nobody is signed in, and a script cannot sign in.";
        Refusal {
            advice: Some("Open the page in your browser."),
            ..Self::new(StatusCode::UNAUTHORIZED, "Sign in first", text)
        }
    }

    pub(super) fn forbidden(text: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Refused", text)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", "There is no such page here.")
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let text = "This page does not work that way.";
        Refusal { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", text) }
    }

    pub(super) fn no_provider() -> Self {
        let text = "No sign-in provider is configured here, so nobody can sign in.";
        Self::new(StatusCode::NOT_FOUND, "No sign-in here", text)
    }

    /// Pomerium's status for a device that may not pass.
    pub(super) fn no_device() -> Self {
        let status = StatusCode::from_u16(450).unwrap_or(StatusCode::FORBIDDEN);
        let advice = "You are signed in, and signing in again changes nothing. Tell your administrator the request id below: \
            the policy of this service has to do without the device.";
        let text = "This service asks for a registered device, and devices cannot be registered here yet.";
        Refusal { advice: Some(advice), ..Self::new(status, "Device not authorized", text) }
    }

    pub(super) fn internal(text: impl Into<Cow<'static, str>>) -> Self {
        let advice = "Try again. If it happens again, tell your administrator the request id below.";
        Refusal { advice: Some(advice), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", text) }
    }

    pub(super) fn silent_provider() -> Self {
        let advice =
            "This is not your fault. Wait a minute and try again; whoever is already signed in can go on working.";
        let text = "Your sign-in provider does not answer.";
        Refusal { advice: Some(advice), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "Sign-in is unavailable", text) }
    }

    /// Offers a way to begin anew.
    pub(super) fn again(self, url: &Url) -> Self {
        Refusal { again: Some(Box::new(url.clone())), ..self }
    }

    pub(super) fn into_response(self, guest: &Guest) -> Response<Bytes> {
        let again = self.again.as_ref().map(|url| Link { label: "Begin again", href: url.as_str() });
        let failure = Failure {
            status: self.status.as_u16(),
            title: self.title,
            text: &self.text,
            request_id: &guest.request_id,
            signed_in_as: guest.session.as_ref().map(|session| &*session.email).filter(|email| !email.is_empty()),
            advice: self.advice,
            links: again.as_slice(),
            ..Failure::default()
        };
        tracing::info!(
            status = self.status.as_u16(),
            reason = %self.text,
            path = guest.url.path(),
            "request-id" = %guest.request_id,
            "a page was refused"
        );
        let answer = failure.answer(guest.speaks());
        let status = StatusCode::from_u16(answer.status).unwrap_or(self.status);
        let mut response = answer::with_body(status, answer.content_type, answer.body);
        if let Some(grpc) = answer.grpc {
            let headers = response.headers_mut();
            headers.insert("grpc-status", HeaderValue::from(u16::from(grpc.code)));
            if let Ok(message) = HeaderValue::from_str(&grpc.message) {
                headers.insert("grpc-message", message);
            }
        }
        if let Some(allow) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Unreachable(cause) => {
                tracing::warn!(%cause, "the identity provider does not answer");
                Refusal::silent_provider()
            }
            error => Refusal::internal(format!("error redeeming authenticate code: {error}")),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the session store failed");
        let text = "Sessions cannot be stored right now.";
        let advice = Some("Wait a minute and try again.");
        Refusal { advice, ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Sign-in is unavailable", text) }
    }
}
