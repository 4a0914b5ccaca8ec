//! The look of every page that we show to a person: one layout, no script, no outside asset, light and dark.

use maud::{DOCTYPE, Markup, html};

/// A whole HTML document around `body`; `title` goes into the tab.
pub fn layout(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" { head { title { (title) } } body { (body) } }
    }
}
