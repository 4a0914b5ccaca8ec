//! What the page shows.

use maud::{Markup, html};

use crate::http::page::layout;

/// Why the form is shown again.
pub(super) enum Problem {
    Token(String),
    /// The report of a configuration that is not valid.
    Report(String),
    Store(String),
}

/// The form, with what was typed before.
pub(super) fn form(configuration: &str, problem: Option<&Problem>) -> Markup {
    layout(
        "Set up",
        html! {
            h1 { "This machine has no configuration yet" }
            @match problem {
                None => {}
                Some(Problem::Token(why)) => { p.banner.danger role="alert" { (why) } }
                Some(Problem::Store(why)) => { p.banner.danger role="alert" { "It could not be stored: " (why) } }
                Some(Problem::Report(report)) => {
                    p.banner.danger role="alert" { "This configuration is not valid; nothing was stored." }
                    div.scroll { pre.code { (report) } }
                }
            }
            p { "Paste a configuration (Pomerium's YAML). It is checked first, then stored on this machine and served." }
            form method="post" action="/" autocomplete="off" {
                p { label for="token" { "The token on the console of this machine" } }
                p { input #token name="token" type="text" required maxlength="64" spellcheck="false"; }
                p { label for="configuration" { "Configuration" } }
                p { textarea #configuration name="configuration" rows="24" cols="80" required spellcheck="false" { (configuration) } }
                p.actions { button.button type="submit" { "Check and store" } }
            }
        },
    )
}

/// Too many wrong tokens.
pub(super) fn closed() -> Markup {
    layout(
        "Set up",
        html! {
            h1 { "Closed" }
            p { "Too many wrong tokens were given. Restart the machine; its console then shows another token." }
        },
    )
}

/// It is stored.
pub(super) fn done() -> Markup {
    layout(
        "Set up",
        html! {
            h1 { "Stored" }
            p { "The configuration is valid and stored. Vallum starts with it now; this page is gone." }
        },
    )
}
