//! `/.pomerium/`: what we know about whoever looks. The session's view holds no token, so none can be shown.

use maud::{Markup, html};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::answer::{self, Answered};
use super::guest::Guest;
use super::refusal::Refusal;
use super::sign_out;
use crate::http::page::Speaks;
use crate::plan::session::{Claims, Session};
use crate::plan::sign_in;

/// The page for people, or JSON if that is asked for.
pub(super) fn page(guest: &Guest) -> Answered {
    let Some(session) = guest.session.as_deref() else {
        if guest.speaks().is_html() && guest.is_navigation() && guest.provider().is_some() {
            return Ok(answer::redirect(sign_in::location(&guest.plan, &guest.url, guest.now).as_str()));
        }
        return Err(Refusal::unauthorized());
    };
    if guest.speaks() == Speaks::Json {
        return Ok(answer::json(&json!({
            "user": { "id": session.user_id, "email": session.email, "name": session.name },
            "groups": session.groups,
            "session": { "id": session.id, "issued_at": session.issued_at, "expires_at": session.expires_at },
            "claims": session.claims,
            "user_claims": session.user_claims,
        })));
    }
    Ok(answer::html("Who you are", body(session)))
}

/// `/.pomerium/user`: the claims that upstreams are told, without those of the assertion itself.
pub(super) fn json(guest: &Guest) -> Answered {
    let session = guest.session.as_deref().ok_or_else(Refusal::unauthorized)?;
    let mut claims = Map::new();
    for (_, name) in &guest.plan.identity.claim_headers {
        if let Some(values) = session.claims.get(&**name).or_else(|| session.user_claims.get(&**name)) {
            claims.insert(name.to_string(), Value::String(joined(values)));
        }
    }
    let own = json!({
        "sub": session.user_id, "user": session.user_id, "email": session.email, "name": session.name,
        "groups": session.groups, "sid": session.id,
    });
    if let Value::Object(own) = own {
        claims.extend(own);
    }
    for withheld in ["iss", "aud", "exp", "iat", "jti"] {
        claims.remove(withheld);
    }
    Ok(answer::json(&Value::Object(claims)))
}

fn body(session: &Session) -> Markup {
    html! {
        div.card {
            h1 { (if session.name.is_empty() { "You are signed in" } else { &session.name }) }
            dl {
                @if !session.email.is_empty() { dt { "Email" } dd { (session.email) } }
                dt { "User id" } dd { span.code { (session.user_id) } }
                @if !session.groups.is_empty() { dt { "Groups" } dd { (session.groups.join(", ")) } }
                dt { "Session" } dd { span.code { (session.id) } }
                dt { "Signed in" } dd { (date(session.issued_at)) }
                dt { "Good until" } dd { (date(session.expires_at)) }
            }
            div.actions { a.button.quiet href=(sign_out::PATH) { "Sign out" } }
        }
        (claims("What your sign-in provider said about this sign-in", &session.claims))
        (claims("What it says about you", &session.user_claims))
    }
}

fn claims(title: &str, claims: &Claims) -> Markup {
    html! {
        @if !claims.is_empty() {
            h2 { (title) }
            div.scroll {
                table {
                    thead { tr { th scope="col" { "Claim" } th scope="col" { "Value" } } }
                    tbody {
                        @for (name, values) in claims {
                            tr { td { (name) } td { (joined(values)) } }
                        }
                    }
                }
            }
        }
    }
}

fn joined(values: &[Value]) -> String {
    let texts: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
        .collect();
    texts.join(",")
}

fn date(unix_s: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_s).ok().and_then(|date| date.format(&Rfc3339).ok()).unwrap_or_default()
}
