//! `mcp`, as typed.

use super::super::section::{Opt, Section, Typed, mismatch};
use super::super::text::tree::Value;
use crate::plan::route::mcp::BODY_BYTES_MAX;

#[derive(Debug)]
pub(in super::super) struct Mcp {
    pub(in super::super) whole: Typed<()>,
    pub(in super::super) server: Opt<Server>,
    pub(in super::super) client: Opt<()>,
}

#[derive(Debug)]
pub(in super::super) struct Server {
    pub(in super::super) max_request_bytes: Opt<u64>,
    pub(in super::super) path: Opt<String>,
    /// Keys that this version does not act on.
    pub(in super::super) others: Vec<Typed<()>>,
}

pub(super) fn read(section: &Section<'_>) -> Option<Mcp> {
    let typed = section.tree("mcp")?;
    let Value::Map(entries) = &typed.value.value else {
        section.desk().problems.add(mismatch(&typed, "a map with `server` or `client`"));
        return None;
    };
    let inner = Section::new(entries, typed.path.clone(), &typed.spot, section.desk());
    // `server:` without a value is a server with every default.
    let entry = |key: &str| entries.iter().find(|entry| entry.key == key);
    let server = entry("server").map(|entry| {
        let spot = entry.spot.clone();
        let server = match &entry.value.value {
            Value::Map(entries) => server(&Section::new(entries, inner.path_of("server"), &spot, section.desk())),
            _ => Server { max_request_bytes: None, path: None, others: Vec::new() },
        };
        Typed { value: server, path: inner.path_of("server"), spot }
    });
    let client =
        entry("client").map(|entry| Typed { value: (), path: inner.path_of("client"), spot: entry.spot.clone() });
    Some(Mcp { whole: typed.with(()), server, client })
}

fn server(section: &Section<'_>) -> Server {
    let is_known = |key: &str| matches!(key, "max_request_bytes" | "path");
    let others = section.entries().iter().filter(|entry| !is_known(&entry.key));
    Server {
        max_request_bytes: section.whole("max_request_bytes", 1..=BODY_BYTES_MAX as u64),
        path: section.text("path"),
        others: others.map(|e| Typed { value: (), path: section.path_of(&e.key), spot: e.spot.clone() }).collect(),
    }
}
