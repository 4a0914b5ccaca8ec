//! Routes to MCP servers.

use super::super::section::Desk;
use super::super::sections::mcp::{Mcp as Section, Server as ServerSection};
use crate::plan::route::mcp::{BODY_BYTES_DEFAULT, Server};

/// The server behind the route, if there is one; problems are collected.
pub(super) fn server(section: Option<&Section>, desk: &Desk) -> Option<Server> {
    let section = section?;
    match (&section.server, &section.client) {
        (Some(server), None) => Some(of(&server.value, desk)),
        (None, Some(client)) => {
            // Such an upstream would get a token of the person; without it, it is another route than the one written.
            desk.problems.add(client.error(format!("`{}` is not supported by this version yet", client.path)));
            None
        }
        _ => {
            desk.problems.add(section.whole.error("config: mcp must have either server or client set"));
            None
        }
    }
}

fn of(section: &ServerSection, desk: &Desk) -> Server {
    for other in &section.others {
        let message = format!("`{}` is not supported by this version yet", other.path);
        let help = "remove it to start without it; the server must do without";
        desk.problems.add(other.error(message).help(help));
    }
    let typed = section.path.as_ref();
    let path = typed.map_or("/", |path| path.value.trim());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
    if let Some(typed) = typed.filter(|_| !path.starts_with('/') || !path.bytes().all(is_plain)) {
        let message = format!("`{}`: expected a path such as /mcp, found {path:?}", typed.path);
        desk.problems.add(typed.error(message));
    }
    let bytes = section.max_request_bytes.as_ref().and_then(|typed| usize::try_from(typed.value).ok());
    Server { body_bytes_max: bytes.unwrap_or(BODY_BYTES_DEFAULT), path: path.trim_end_matches('/').into() }
}
