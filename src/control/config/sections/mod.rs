//! What was typed: plain types, one per part of the configuration. What it means is decided in `check`.

pub(super) mod answer;
pub(super) mod certificate;
pub(super) mod client_certificate;
pub(super) mod identity;
pub(super) mod listener;
pub(super) mod mcp;
pub(super) mod route;

use super::catalogue;
use super::layers::{self, Environment};
use super::problem::{Finding, Spot};
use super::section::{Desk, Opt, Section, Typed, mismatch};
use super::text::tree::{Entry, Tree, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Most routes in one configuration.
pub const ROUTES_MAX: usize = 10_000;

/// Everything that was typed.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) listener: listener::Listener,
    pub(super) certificate: certificate::Certificates,
    pub(super) client_certificate: client_certificate::ClientCertificates,
    pub(super) identity: identity::Identity,
    /// `set_response_headers` or `HEADERS`.
    pub(super) response_headers: Opt<Vec<(String, Typed<String>)>>,
    pub(super) pass_identity_headers: Opt<bool>,
    pub(super) routes: Vec<route::Route>,
}

/// Reads the top of the configuration: `entries` with the environment already laid over.
pub(super) fn read(entries: &[Entry], env: &Environment, desk: &Desk) -> Sections {
    let section = Section::new(entries, "", &Spot::default(), desk);
    let mut any_removed = catalogue::review(&section, catalogue::global());
    let mut routes = Vec::new();
    for key in ["policy", "routes"] {
        if let Some(typed) = section.tree(key) {
            any_removed |= read_routes(&typed, &mut routes, desk);
        }
    }
    catalogue::conclude(desk, any_removed);
    Sections {
        listener: listener::read(&section),
        certificate: certificate::read(&section),
        client_certificate: client_certificate::read(&section),
        identity: identity::read(&section),
        response_headers: headers_variable(env, desk).or_else(|| section.pairs("set_response_headers")),
        pass_identity_headers: section.flag("pass_identity_headers"),
        routes,
    }
}

/// Reads a list of routes, or the base64 of one. Returns whether removed keys were found.
fn read_routes(typed: &Typed<&Tree>, routes: &mut Vec<route::Route>, desk: &Desk) -> bool {
    let decoded;
    let tree = match &typed.value.value {
        Value::Text(text) => match decode_routes(text, typed, desk) {
            Ok(tree) => {
                decoded = tree;
                &decoded
            }
            Err(message) => {
                desk.problems.add(typed.error(message));
                return false;
            }
        },
        _ => typed.value,
    };
    let list = match &tree.value {
        Value::List(list) => list,
        Value::Null => return false,
        _ => {
            desk.problems.add(mismatch(&typed.with(tree), "a list of routes"));
            return false;
        }
    };
    let mut any_removed = false;
    for (index, tree) in list.iter().enumerate() {
        if routes.len() >= ROUTES_MAX {
            desk.problems
                .add(typed.error(format!("there are more than {ROUTES_MAX} routes, the limit of this version")));
            break;
        }
        let path = format!("{}[{index}]", typed.path);
        let Value::Map(entries) = &tree.value else {
            let typed = Typed { value: tree, path, spot: tree.spot.clone() };
            desk.problems.add(mismatch(&typed, "a route (a map)"));
            continue;
        };
        let section = Section::new(entries, path, &tree.spot, desk);
        any_removed |= catalogue::review(&section, catalogue::route());
        routes.push(route::read(&section));
    }
    any_removed
}

fn decode_routes(text: &str, typed: &Typed<&Tree>, desk: &Desk) -> Result<Tree, String> {
    let text: String = text.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(text).map_err(|e| format!("base64 decoding policy data: {e}"))?;
    let broken = |e: &dyn std::fmt::Display| format!("parsing base64-encoded policy data as yaml: {e}");
    let text = String::from_utf8(bytes).map_err(|e| broken(&e))?;
    super::text::parse_at(&text, &typed.spot, &desk.problems).map_err(|e| broken(&e))
}

/// `HEADERS`: a JSON object or `K:V,K:V`; it overrides `set_response_headers`.
fn headers_variable(env: &Environment, desk: &Desk) -> Opt<Vec<(String, Typed<String>)>> {
    let (variable, value) = layers::lookup(env, "headers")?;
    let spot = Spot::variable(variable);
    let typed = |value: String| Typed { value, path: "headers".to_owned(), spot: spot.clone() };
    let pairs: Option<Vec<(String, String)>> = if value.trim_start().starts_with('{') {
        serde_json::from_str::<std::collections::BTreeMap<String, String>>(value).ok().map(|m| m.into_iter().collect())
    } else {
        let pair = |p: &str| p.split_once(':').map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
        value.split(',').map(pair).collect()
    };
    if pairs.is_none() {
        let message = format!("config: failed to parse headers: failed to decode headers from '{value}'");
        let help = "write `NAME:VALUE,NAME:VALUE` or a JSON object of strings";
        desk.problems.add(Finding::error(&spot, "headers", message).help(help));
    }
    let pairs = pairs?.into_iter().map(|(name, value)| (name, typed(value))).collect();
    Some(Typed { value: pairs, path: "headers".to_owned(), spot: spot.clone() })
}
