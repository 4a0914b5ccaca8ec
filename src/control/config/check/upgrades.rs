//! Which protocols may take over a route's connections: `allow_upgrades`, `allow_websockets`, `allow_spdy`.

use super::super::section::{Desk, Opt, Typed};
use super::super::sections::route::Upstream as Section;
use super::listener::on;
use crate::http::fields::is_token;
use crate::plan::route::upgrades::{Upgrades, WEBSOCKET};

/// The protocol of `allow_spdy`, as kubectl asks for it.
const SPDY: &str = "spdy/3.1";

/// A list of protocols as typed; a route's own takes the place of the one of all routes.
type List = Opt<Vec<Typed<String>>>;

/// What the route lets through.
pub(super) fn upgrades(section: &Section, everywhere: &[Box<str>], desk: &Desk) -> Upgrades {
    let own = section.upgrades.as_ref().map(|_| names(&section.upgrades, desk));
    let websocket = on(&section.websockets, false).then_some(WEBSOCKET);
    let spdy = on(&section.spdy, false).then_some(SPDY);
    let listed = own.as_deref().unwrap_or(everywhere).iter().map(|name| &**name);
    Upgrades::new(listed.chain(websocket).chain(spdy))
}

/// The protocols of a list; problems are collected.
pub(super) fn names(list: &List, desk: &Desk) -> Vec<Box<str>> {
    let mut names: Vec<Box<str>> = Vec::new();
    for typed in list.iter().flat_map(|typed| &typed.value) {
        let name = typed.value.trim().to_ascii_lowercase();
        match name.as_str() {
            "connect" | "connect-udp" => {
                let message = format!("`{}`: {name} is not supported by this version yet; it is ignored", typed.path);
                desk.problems.add(typed.warning(message));
            }
            _ if carries_requests(&name) => {
                let message = format!("`{}`: {name} would carry requests past their policy", typed.path);
                desk.problems.add(typed.error(message));
            }
            _ if is_protocol(&name) => names.push(name.into()),
            _ => {
                let message = format!("`{}`: expected a protocol like `websocket`, found {name:?}", typed.path);
                desk.problems.add(typed.error(message));
            }
        }
    }
    names
}

/// Whether further requests would follow in the protocol, unseen by us.
fn carries_requests(name: &str) -> bool {
    matches!(name.split('/').next(), Some("h2c" | "h2" | "http" | "tls"))
}

/// `name` or `name/version` (RFC 9110 section 7.8).
fn is_protocol(name: &str) -> bool {
    let mut parts = name.split('/');
    let (Some(first), version, None) = (parts.next(), parts.next(), parts.next()) else { return false };
    is_token(first.as_bytes()) && version.is_none_or(|version| is_token(version.as_bytes()))
}
