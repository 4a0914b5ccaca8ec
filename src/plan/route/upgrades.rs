//! Which protocols a route's connections may be upgraded to.

/// Protocol names as in `Upgrade`, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upgrades(Vec<Box<str>>);

pub const WEBSOCKET: &str = "websocket";

impl Upgrades {
    /// `names` in any case.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut list: Vec<Box<str>> = names.into_iter().map(|name| name.to_ascii_lowercase().into()).collect();
        list.sort_unstable();
        list.dedup();
        Upgrades(list)
    }

    /// Whether `protocol`, the whole value of an `Upgrade` field, is one of them. A list of protocols never is.
    pub fn allows(&self, protocol: &[u8]) -> bool {
        self.0.iter().any(|name| protocol.eq_ignore_ascii_case(name.as_bytes()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are others than WebSockets among them.
    pub fn allows_others(&self) -> bool {
        self.0.iter().any(|name| &**name != WEBSOCKET)
    }

    pub fn allows_websocket(&self) -> bool {
        self.allows(WEBSOCKET.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_protocol_is_compared_without_case() {
        let upgrades = Upgrades::new(["WebSocket", "spdy/3.1", "spdy/3.1"]);
        for (protocol, allowed) in [
            ("websocket", true),
            ("WEBSOCKET", true),
            ("SPDY/3.1", true),
            ("spdy", false),
            ("websocket, spdy/3.1", false),
            ("h2c", false),
            ("", false),
        ] {
            assert_eq!(upgrades.allows(protocol.as_bytes()), allowed, "{protocol}");
        }
        assert!(upgrades.allows_others() && !Upgrades::new(["WebSocket"]).allows_others());
        assert!(upgrades.allows_websocket() && !Upgrades::default().allows_websocket());
    }
}
