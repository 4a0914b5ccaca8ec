//! The page of the `verify` upstream.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::check::Check;
use super::{Report, Upstream};
use crate::control::dev::guard;

/// Who you are, whether that is proven, and everything that was received.
pub fn show(upstream: &Upstream, report: &Report) -> Response {
    let body = html! {
        (identity(report))
        (checks(&report.verdict.checks))
        (links(upstream))
        @if let Some(claims) = &report.verdict.claims { (table("Claims of the assertion", claim_rows(claims))) }
        (table(&format!("Received: {} {}", report.method, report.uri), report.headers.clone()))
    };
    guard::page(StatusCode::OK, upstream.site, &format!("{} · verify", report.host), body)
}

fn identity(report: &Report) -> Markup {
    let verdict = &report.verdict;
    html! {
        h1 { (report.host) }
        @if verdict.signed_in() {
            div.card.ok {
                p { "You are " strong { (name(report)) } ", and it is proven." }
                p.muted { "user " code { (verdict.claim("sub")) } ", groups " code { (groups(report)) } }
            }
        } @else if verdict.verified() {
            div.card {
                p { strong { "The assertion is valid, but nobody is signed in." } }
                p.muted { "Its subject is empty: this route is public. A valid assertion alone does not mean a user." }
            }
        } @else {
            div.card.danger {
                p { strong { "Not verified." } " An application must not believe who this request says it is from." }
            }
        }
    }
}

fn checks(checks: &[Check]) -> Markup {
    html! {
        h2 { "Checks of X-Pomerium-Jwt-Assertion" }
        table {
            @for check in checks {
                tr {
                    @match check.ok {
                        Some(true) => { td.ok { "✔" } }
                        Some(false) => { td.danger { "✘" } }
                        None => { td.muted { "–" } }
                    }
                    th scope="row" { (check.name) }
                    td { (check.detail) }
                }
            }
        }
    }
}

fn links(upstream: &Upstream) -> Markup {
    let site = upstream.site;
    let pages =
        [(site.verify(), "whoever signed in"), (site.public(), "everybody"), (site.admin(), "the group admins")];
    html! {
        h2 { "Go on" }
        ul {
            @for (url, audience) in pages {
                li { a href=(url) { (url) } " " span.muted { (audience) } }
            }
            li { a href="/.pomerium/" { "your session at the proxy" } }
            li { a href="/.pomerium/sign_out" { "sign out" } " " span.muted { "to become somebody else" } }
            li { a href=(upstream.issuer) { "the development identity provider" } }
        }
    }
}

fn table(title: &str, rows: Vec<(String, String)>) -> Markup {
    html! {
        h2 { (title) }
        table {
            @for (name, value) in rows {
                tr { th scope="row" { (name) } td { code { (value) } } }
            }
        }
    }
}

fn claim_rows(claims: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    claims.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The best name that the claims have.
fn name(report: &Report) -> &str {
    let names = ["name", "email", "sub"].map(|claim| report.verdict.claim(claim));
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

fn groups(report: &Report) -> String {
    let groups = report.verdict.claims.as_ref().map(|claims| &claims["groups"]);
    let names: Vec<&str> = match groups {
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(joined)) => vec![joined],
        _ => Vec::new(),
    };
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
