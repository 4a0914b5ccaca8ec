//! What is drawn.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use crate::boot::setup::Waiting;

/// Addresses that are shown; more would push the rest away.
const ADDRESSES_SHOWN_MAX: usize = 4;

/// Everything that the console knows.
pub struct Picture {
    pub image: String,
    pub slot: Option<char>,
    pub addresses: Vec<IpAddr>,
    /// What the service says of itself; `None` while it does not run, or waits for a configuration.
    pub status: Option<Value>,
    /// The set-up page, while it waits.
    pub waiting: Option<Waiting>,
}

impl Picture {
    /// A block of lines, an empty one before it.
    pub fn draw(&self) -> String {
        let slot = self.slot.map(|slot| format!(", slot {slot}")).unwrap_or_default();
        let mut lines = vec![("Vallum", format!("{}{slot}", self.image)), ("address", self.addresses())];
        match (&self.status, &self.waiting) {
            (Some(status), _) => service(status, &mut lines),
            (None, Some(waiting)) => self.set_up(waiting, &mut lines),
            (None, None) => lines.push(("health", "not running".to_owned())),
        }
        let lines = lines.iter().map(|(name, value)| format!("{name:<8} {}\r\n", clean(value)));
        format!("\r\n{}", lines.collect::<String>())
    }

    fn addresses(&self) -> String {
        if self.addresses.is_empty() {
            return "none: no network yet".to_owned();
        }
        let shown: Vec<_> = self.addresses.iter().take(ADDRESSES_SHOWN_MAX).map(ToString::to_string).collect();
        shown.join("  ")
    }

    fn set_up(&self, waiting: &Waiting, lines: &mut Vec<(&'static str, String)>) {
        lines.push(("health", "waiting for a configuration".to_owned()));
        let host = self.addresses.first().copied().unwrap_or(waiting.address);
        lines.push(("set-up", format!("open https://{}/", SocketAddr::new(host, waiting.port))));
        lines.push(("token", waiting.token.clone()));
        lines.push(("SHA-256", format!("{} (of the page's certificate)", waiting.fingerprint)));
        lines.push(("error", waiting.error.clone().unwrap_or_else(|| "none".to_owned())));
    }
}

fn service(status: &Value, lines: &mut Vec<(&'static str, String)>) {
    let of = |key: &str| status[key].as_str().map_or_else(|| status[key].to_string(), str::to_owned);
    let stuck = status["stuck_workers"].as_array().is_some_and(|stuck| !stuck.is_empty());
    lines.push(("listens", of("address")));
    lines.push(("health", format!("{}{}", of("phase"), if stuck { ", a worker is stuck" } else { "" })));
    lines.push(("version", of("version")));
    lines.push(("config", format!("{}, generation {}", of("configuration"), of("generation"))));
    lines.push(("error", status["last_error"]["why"].as_str().unwrap_or("none").to_owned()));
    if let Some(error) = status["last_update"]["error"].as_str() {
        lines.push(("update", error.to_owned()));
    }
}

/// Nothing that was read can move the cursor.
fn clean(text: &str) -> String {
    text.replace(char::is_control, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn picture(status: Option<Value>, waiting: Option<Waiting>) -> String {
        let addresses = vec!["10.0.0.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        Picture { image: "image vallum 1.0".to_owned(), slot: Some('A'), addresses, status, waiting }.draw()
    }

    #[test]
    fn a_service_is_shown_with_its_last_error() {
        let status = json!({
            "address": "[::]:443", "phase": "RUNNING", "version": "1.0", "configuration": "c\u{1b}[2J", "generation": 3,
            "stuck_workers": [0], "last_error": {"why": "line 3: no"},
        });
        let drawn = picture(Some(status), None);
        for line in [
            "Vallum   image vallum 1.0, slot A\r\n",
            "address  10.0.0.7  2001:db8::7\r\n",
            "listens  [::]:443\r\n",
            "health   RUNNING, a worker is stuck\r\n",
            "config   c[2J, generation 3\r\n",
            "error    line 3: no\r\n",
        ] {
            assert!(drawn.contains(line), "{drawn}");
        }
        assert!(!drawn.contains('\u{1b}') && !drawn.contains("update"));
        let failed = json!({"last_update": {"at": 1, "version": "1.1.0", "error": "no \u{7}room"}});
        assert!(picture(Some(failed), None).contains("update   no room"));
        assert!(picture(Some(json!(null)), None).contains("error    none"));
    }

    #[test]
    fn the_set_up_is_shown_with_the_address_of_now() {
        let waiting = Waiting {
            address: "127.0.0.1".parse().unwrap(),
            port: 443,
            token: "ABCD-EFGH".to_owned(),
            fingerprint: "AA:BB".to_owned(),
            error: Some("the disk is bad".to_owned()),
        };
        let drawn = picture(None, Some(waiting));
        for line in [
            "health   waiting for a configuration",
            "open https://10.0.0.7:443/",
            "token    ABCD-EFGH",
            "SHA-256  AA:BB",
            "error    the disk is bad",
        ] {
            assert!(drawn.contains(line), "{drawn}");
        }
        assert!(picture(None, None).contains("health   not running"));
    }
}
