//! Who a request comes from: what the edge knows about a signed-in person.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Claims by name; each has a list of values, as in Pomerium.
pub type Claims = BTreeMap<String, Vec<serde_json::Value>>;

/// A session joined with its user: an immutable snapshot that the edge may cache. It holds no token of the identity
/// provider, so none can leak from here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Session {
    pub id: Box<str>,
    /// The subject at the identity provider.
    pub user_id: Box<str>,
    pub email: Box<str>,
    pub name: Box<str>,
    /// Directory groups (ids, then names); empty when no directory is known.
    pub groups: Vec<Box<str>>,
    /// Claims of the session (of the id token).
    pub claims: Claims,
    /// Claims of the user (of userinfo); in policies they win over the session's.
    pub user_claims: Claims,
    /// Which identity provider signed the person in.
    pub idp_id: Box<str>,
    /// Unix seconds.
    pub issued_at: i64,
    /// Unix seconds; the session is over from this moment on.
    pub expires_at: i64,
    pub service_account: bool,
    /// The credentials of devices that were shown in this session, the oldest first.
    pub devices: Vec<Device>,
}

/// A credential of a device (WebAuthn).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// `any`, `enclave_only`, or a type of the operator's.
    pub kind: Box<str>,
    /// The credential's id.
    pub id: Box<str>,
    /// `None`: it was never enrolled.
    pub enrollment: Option<Enrollment>,
}

/// How a device came to be known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enrollment {
    /// The user id of who approved it; empty when nobody did.
    pub approved_by: Box<str>,
}

impl Session {
    /// Whether the session is still good at `now` (Unix seconds).
    pub fn is_valid_at(&self, now: i64) -> bool {
        now < self.expires_at
    }
}

/// What the sealed session cookie holds: a handle, not the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionHandle {
    /// Session id.
    #[serde(rename = "s")]
    pub session: String,
    /// User id.
    #[serde(rename = "u")]
    pub user: String,
    /// Identity provider id.
    #[serde(rename = "p")]
    pub idp_id: String,
    /// Unix seconds.
    #[serde(rename = "i")]
    pub issued_at: i64,
    /// Unix seconds; never later than the session's own end.
    #[serde(rename = "e")]
    pub expires_at: i64,
}

/// The associated data under which a [`SessionHandle`] is sealed into a cookie or programmatic token.
pub const SESSION_SEAL_CONTEXT: &[u8] = b"session";
