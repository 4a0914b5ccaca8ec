//! What a person sees of the provider. Every page says loudly what it is.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use url::Url;

use super::{Provider, Shared};
use crate::control::dev::guard;
use crate::control::dev::people::{PEOPLE, Person};

const TITLE: &str = "Development identity provider";

/// The page to choose on; the choice goes to the same URL, which holds the client's request.
pub fn picker(provider: &Provider, query: &str, client: &Url, last: Option<&Person>) -> Response {
    let action = format!("/authorize?{query}");
    let body = html! {
        h1 { "Who are you?" }
        p.muted { "To sign in at " strong { (client.host_str().unwrap_or_default()) } ", choose a user. There are no passwords." }
        form method="post" action=(action) {
            @for person in &PEOPLE {
                p {
                    button.card type="submit" name="user" value=(person.id) {
                        (card(person))
                        @if last == Some(person) { " " span.muted { "(your last choice)" } }
                    }
                }
            }
        }
    };
    show(provider, StatusCode::OK, "Choose a user", body)
}

/// GET: what this is, who is remembered, and the way to be asked again.
pub async fn home(State(provider): Shared, headers: HeaderMap) -> Response {
    let body = html! {
        h1 { (TITLE) }
        @match provider.remembered(&headers) {
            Some(person) => {
                p { "In this browser you are:" }
                div.card { (card(person)) }
                form method="post" action="/forget" {
                    p { button type="submit" { "Choose another user next time" } }
                }
                p.muted { "You stay signed in at Vallum until you sign out there." }
            }
            None => p { "Nobody was chosen in this browser yet; the next sign-in asks." }
        }
        (pages(&provider))
    };
    show(&provider, StatusCode::OK, TITLE, body)
}

/// After a sign-out that leads nowhere else.
pub fn signed_out(provider: &Provider) -> Response {
    let body = html! {
        h1 { "Signed out" }
        p { "The next sign-in asks who you are." }
        (pages(provider))
    };
    show(provider, StatusCode::OK, "Signed out", body)
}

/// Why a request was not served.
pub fn refusal(provider: &Provider, status: StatusCode, why: &str) -> Response {
    let body = html! {
        h1 { "That did not work" }
        div.card.danger { p { (why) } }
        (pages(provider))
    };
    show(provider, status, "Refused", body)
}

fn card(person: &Person) -> Markup {
    html! {
        strong { (person.name) } " " span.muted { (person.email) } br;
        @if !person.groups.is_empty() {
            "groups: " code { (person.groups.join(", ")) } ", "
        }
        (person.part)
    }
}

fn pages(provider: &Provider) -> Markup {
    let site = provider.site;
    html! {
        ul {
            @for url in [site.verify(), site.public(), site.admin()] {
                li { a href=(url) { (url) } }
            }
        }
    }
}

fn show(provider: &Provider, status: StatusCode, title: &str, body: Markup) -> Response {
    let body = html! {
        p.banner role="note" {
            strong { "DEVELOPMENT IDENTITY PROVIDER" }
            ": anybody may be anybody here. It is part of vallum dev and listens on loopback only."
        }
        (body)
    };
    guard::page(status, provider.site, title, body)
}
