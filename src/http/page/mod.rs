//! The look of every page that we show to a person: one layout, no script, no outside asset, light and dark.
//!
//! Pages get explicit values, never records. Whatever is interpolated is escaped by `maud`. Inline `style`
//! attributes do not work (see [`CONTENT_SECURITY_POLICY`]); the classes of `style.css` are all there is:
//! `card`, `banner`, `danger`, `ok`, `muted`, `status`, `actions`, `button`, `quiet`, `choices`, `scroll` (around a
//! table), `code`, and plain `dl`, `table`, `form` elements.

pub mod failure;
mod speaks;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use speaks::{Speaks, is_grpc, speaks};

/// The language of all our texts.
pub const LANGUAGE: &str = "en";

/// The value of `Content-Security-Policy` for every page: our one stylesheet by its hash, and nothing else.
///
/// There is no `form-action`: browsers apply it to the redirects that follow a form too, and signing in or out leads
/// to the identity provider.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
    style-src 'sha256-E5nYIKYrKl9tj/N8sRXoUbMnIIAKqFL9eu1unEw21DE='; \
    img-src data:; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("style.css");

/// The mark as an icon for the tab; without one, browsers ask for `/favicon.ico`.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath \
    fill='%230b5a66' d='M3 27V9h6v5h4V7h6v7h4V9h6v18z'/%3E%3C/svg%3E";

/// A whole HTML document around `body`, which becomes the main landmark; `title` goes into the tab.
pub fn layout(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(LANGUAGE) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="icon" href=(ICON);
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (mark()) }
                main { (body) }
            }
        }
    }
}

/// The word mark: a stretch of rampart, and the name.
fn mark() -> Markup {
    html! {
        span.mark {
            svg width="30" height="30" viewBox="0 0 32 32" fill="currentColor" aria-hidden="true" focusable="false" {
                path d="M3 20V9h6v5h4V7h6v7h4V9h6v11z" {}
                path d="M3 22.5h11V27H3zM16.5 22.5H29V27H16.5z" opacity=".62" {}
            }
            "Vallum"
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_policy_names_the_stylesheet() {
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
        assert!(CONTENT_SECURITY_POLICY.contains(&format!("'sha256-{hash}'")), "the hash of style.css is {hash}");
        let page = layout("a", html! {}).into_string();
        assert!(page.contains(&format!("<style>{STYLE}</style>")));
    }

    #[test]
    fn the_stylesheet_is_small_and_keeps_to_itself() {
        assert!(STYLE.len() < 6 * 1024, "{}", STYLE.len());
        for word in ["url(", "@import", "http", "</"] {
            assert!(!STYLE.contains(word), "{word}");
        }
    }

    #[test]
    fn a_page_has_landmarks_and_no_script() {
        let page = layout("<T&t>", html! { p { "<script>x</script>" } }).into_string();
        for part in ["<!DOCTYPE html>", "<html lang=\"en\">", "<main>", "<header>", "<title>&lt;T&amp;t&gt;</title>"] {
            assert!(page.contains(part), "{part}");
        }
        for part in ["<script", "javascript:", " style=", " src="] {
            assert!(!page.contains(part), "{part}");
        }
    }

    /// Relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let digits = colour.trim_start_matches('#');
        let (width, scale) = if digits.len() == 3 { (1, 17) } else { (2, 1) };
        let channel = |at: usize| {
            let value = u8::from_str_radix(&digits[at * width..(at + 1) * width], 16).unwrap() * scale;
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2)
    }

    #[test]
    fn text_stands_out_from_what_is_behind_it() {
        let schemes: Vec<_> = STYLE.match_indices(":root{").map(|(at, _)| &STYLE[at..]).collect();
        assert_eq!(schemes.len(), 2, "light and dark");
        for scheme in schemes {
            let colour =
                |name: &str| scheme.split_once(&format!("--{name}:")).unwrap().1.split([';', '}']).next().unwrap();
            let pairs = [
                ("ink", "page"),
                ("ink", "card"),
                ("ink", "tint"),
                ("ink", "danger-tint"),
                ("ink", "ok-tint"),
                ("muted", "page"),
                ("muted", "card"),
                ("accent", "page"),
                ("accent", "card"),
                ("accent", "tint"),
                ("on-accent", "accent"),
                ("danger", "card"),
                ("danger", "danger-tint"),
                ("ok", "card"),
                ("ok", "ok-tint"),
            ];
            for (front, back) in pairs {
                let (one, two) = (luminance(colour(front)), luminance(colour(back)));
                let contrast = (one.max(two) + 0.05) / (one.min(two) + 0.05);
                assert!(contrast >= 4.5, "{front} on {back}: {contrast:.2}");
            }
        }
    }
}
