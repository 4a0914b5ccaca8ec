//! What is stored about a session and about a user.

use crate::plan::session::{Claims, Session};

/// One sign-in of one person.
#[derive(Clone, PartialEq, Default)]
pub struct SessionRecord {
    /// A fresh UUID for every sign-in.
    pub id: String,
    /// The subject at the identity provider.
    pub user_id: String,
    pub idp_id: String,
    /// Unix seconds.
    pub issued_at: i64,
    /// Unix seconds; the session is over from this moment on.
    pub expires_at: i64,
    /// The id token as received, for `id_token_hint` at sign-out.
    pub id_token: String,
    pub oauth_token: OauthToken,
    /// Claims of the id token.
    pub claims: Claims,
    /// The store's counter at the last change; set by the store.
    pub version: u64,
}

/// What the token endpoint gave.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct OauthToken {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// Unix seconds; `None` when the provider named no end.
    pub expires_at: Option<i64>,
}

/// One person, as the identity provider describes them.
#[derive(Clone, PartialEq, Default)]
pub struct UserRecord {
    /// The subject at the identity provider.
    pub id: String,
    pub idp_id: String,
    pub email: String,
    pub name: String,
    /// Claims of the userinfo endpoint.
    pub claims: Claims,
    /// The store's counter at the last change; set by the store.
    pub version: u64,
}

impl SessionRecord {
    /// The edge's view of this session and its user.
    pub(super) fn join(&self, user: &UserRecord) -> Session {
        Session {
            id: self.id.as_str().into(),
            user_id: self.user_id.as_str().into(),
            email: user.email.as_str().into(),
            name: user.name.as_str().into(),
            groups: Vec::new(),
            claims: self.claims.clone(),
            user_claims: user.claims.clone(),
            idp_id: self.idp_id.as_str().into(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            service_account: false,
            devices: Vec::new(),
        }
    }

    /// About how much memory the record takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let tokens = self.id_token.len()
            + self.oauth_token.access_token.len()
            + self.oauth_token.refresh_token.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.id.len() + self.user_id.len() + tokens + claims_bytes(&self.claims)
    }
}

impl UserRecord {
    /// About how much memory the record takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.id.len() + self.email.len() + self.name.len() + claims_bytes(&self.claims)
    }
}

fn claims_bytes(claims: &Claims) -> usize {
    claims.iter().map(|(name, values)| name.len() + values.iter().map(value_bytes).sum::<usize>()).sum()
}

fn value_bytes(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(value_bytes).sum(),
            Value::Object(members) => members.iter().map(|(name, value)| name.len() + value_bytes(value)).sum(),
            _ => 0,
        }
}

impl std::fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRecord")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OauthToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OauthToken(hidden)")
    }
}

impl std::fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRecord").field("id", &self.id).finish_non_exhaustive()
    }
}
