//! The state that travels through the provider: `token|unix time|trace id|sealed URL`, as base64url text. The URL is
//! sealed together with the three plain parts, so none of them can be changed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

use crate::crypto::seal::Sealer;
use crate::crypto::secret::Purpose;
use crate::plan::identity::Identity;

/// How long a person may take to sign in, in seconds.
pub(super) const FLOW_LIFETIME_S: i64 = 5 * 60;
/// How far the clocks of two nodes may differ, in seconds.
const CLOCK_LEEWAY_S: i64 = 60;
/// Longest state that is looked at, in bytes; ours are at most a third of it.
const STATE_BYTES_MAX: usize = 32 * 1024;
const PARTS: usize = 4;

/// A flow whose state is genuine; whether it is this browser's, and in time, is still to be checked.
#[derive(Debug, PartialEq)]
pub(super) struct Flow {
    /// The browser's token.
    pub(super) csrf: String,
    /// Unix seconds.
    pub(super) issued_at: i64,
    /// The sign-in page that the flow returns to.
    pub(super) inner: Url,
}

/// Why a state was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StateError {
    #[error("bad bytes: {0}")]
    Bytes(String),
    #[error("state malformed, size: {0}")]
    Parts(usize),
    #[error("the state is not genuine")]
    Seal,
    #[error("the state holds no URL")]
    Url,
}

impl Flow {
    /// The text of the state. `trace` is for people who read logs; what does not fit in is left out.
    pub(super) fn seal(&self, identity: &Identity, trace: &str) -> String {
        let trace: String = trace.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
        let prefix = format!("{}|{}|{trace}|", self.csrf, self.issued_at);
        let sealed = sealer(identity).seal(self.inner.as_str().as_bytes(), prefix.as_bytes());
        URL_SAFE_NO_PAD.encode(prefix + &sealed)
    }

    pub(super) fn open(identity: &Identity, text: &str) -> Result<Self, StateError> {
        if text.len() > STATE_BYTES_MAX {
            return Err(StateError::Bytes(format!("longer than {STATE_BYTES_MAX}")));
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|e| StateError::Bytes(e.to_string()))?;
        let plain = String::from_utf8(bytes).map_err(|_| StateError::Bytes("not UTF-8".into()))?;
        let parts: Vec<&str> = plain.split('|').collect();
        let [csrf, issued_at, _, sealed] = parts.as_slice() else { return Err(StateError::Parts(parts.len())) };
        let prefix = &plain[..plain.len() - sealed.len()];
        let inner = sealer(identity).open(sealed.as_bytes(), prefix.as_bytes()).map_err(|_| StateError::Seal)?;
        let inner = String::from_utf8(inner).ok().and_then(|text| Url::parse(&text).ok()).ok_or(StateError::Url)?;
        let issued_at = issued_at.parse().map_err(|_| StateError::Seal)?;
        Ok(Flow { csrf: (*csrf).to_owned(), issued_at, inner })
    }

    /// Whether the flow is neither too old nor from the future at `now` (Unix seconds).
    pub(super) fn is_in_time(&self, now: i64) -> bool {
        now.saturating_sub(self.issued_at) <= FLOW_LIFETIME_S && self.issued_at <= now.saturating_add(CLOCK_LEEWAY_S)
    }
}

fn sealer(identity: &Identity) -> Sealer {
    Sealer::new(&identity.cookie_secret.derive(Purpose::FlowState))
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    fn flow() -> Flow {
        Flow {
            csrf: "token".into(),
            issued_at: 1000,
            inner: Url::parse("https://app.example/.pomerium/sign_in").unwrap(),
        }
    }

    #[test]
    fn a_state_comes_back_unchanged() {
        let identity = plan(None).identity;
        let text = flow().seal(&identity, "trace|\r\n1");
        assert_eq!(Flow::open(&identity, &text), Ok(flow()));
        assert_eq!(Flow::open(&plan(None).identity, &text), Err(StateError::Seal), "another installation");
    }

    #[test]
    fn changed_states_are_refused() {
        let identity = plan(None).identity;
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(flow().seal(&identity, "t")).unwrap()).unwrap();
        let changed = [
            (plain.replace("token|", "tokem|"), StateError::Seal),
            (plain.replace("|1000|", "|9999|"), StateError::Seal),
            (plain.replace("|t|", "|u|"), StateError::Seal),
            (plain.replace("|t|", "|"), StateError::Parts(PARTS - 1)),
            (format!("{plain}|x"), StateError::Parts(PARTS + 1)),
            (format!("{plain}x"), StateError::Seal),
            (String::new(), StateError::Parts(1)),
            ("|||".into(), StateError::Seal),
        ];
        for (plain, expected) in changed {
            assert_eq!(Flow::open(&identity, &URL_SAFE_NO_PAD.encode(&plain)), Err(expected), "{plain}");
        }
        for text in ["%%%", "a=b", "\u{fc}"] {
            assert!(matches!(Flow::open(&identity, text), Err(StateError::Bytes(_))), "{text}");
        }
        let long = "A".repeat(STATE_BYTES_MAX + 1);
        assert!(matches!(Flow::open(&identity, &long), Err(StateError::Bytes(_))));
    }

    #[test]
    fn a_flow_has_five_minutes() {
        for (now, expected) in [(1000, true), (1300, true), (1301, false), (940, true), (939, false)] {
            assert_eq!(flow().is_in_time(now), expected, "{now}");
        }
    }
}
