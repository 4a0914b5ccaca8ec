//! What must hold for every input, whoever makes it up: libFuzzer (`tests/fuzz/run`) or the replay of the corpus among
//! the tests (`tests/it/fuzz.rs`). A property panics when it does not hold.
//!
//! Wherever there is another reader of the same bytes, the two are compared: a naive one written for this purpose
//! ([`naive`]), httparse, or the `url` crate.

mod documents;
mod message;
mod naive;
mod names;
mod preface;
mod streams;
mod street;

/// A property by the name of its target.
type Named = (&'static str, fn(&[u8]));

/// Every target by its name, which is also that of its corpus.
pub const ALL: &[Named] = &[
    ("request_head", message::request_head),
    ("framing", message::framing),
    ("chunked", message::chunked),
    ("path", names::path),
    ("authority", names::authority),
    ("cookie", names::cookie),
    ("proxy_header", preface::proxy_header),
    ("forwarded", street::forwarded),
    ("response_head", street::response_head),
    ("http2", streams::http2),
    ("policy", documents::policy),
    ("config", documents::config),
];

/// Runs the property of a target.
pub fn run(target: &str, data: &[u8]) {
    let (_, property) = ALL.iter().find(|(name, _)| *name == target).expect("a target");
    property(data);
}
