//! A request that is made up: who asks, and for what.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use crate::plan::client_certificate::Standing;
use crate::plan::policy::Facts;
use crate::plan::policy::mcp::Mcp;
use crate::plan::route::Route;
use crate::plan::session::{Claims, Device, Session};

/// How long the session of a made-up person lasts, in seconds.
const SESSION_SECONDS: i64 = 3600;

/// Who asks. Nothing set: nobody is signed in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Who {
    /// The user id (`sub`). Left out, the e-mail address stands for it.
    pub user: Option<String>,
    pub email: Option<String>,
    /// Groups of the directory; also the claim `groups`, unless that is given.
    pub groups: Vec<String>,
    /// Claims and their values; a claim may be named several times.
    pub claims: Vec<(String, Value)>,
    pub service_account: bool,
    /// The device that they showed.
    pub device: Option<Device>,
}

impl Who {
    pub fn is_nobody(&self) -> bool {
        *self == Who::default()
    }

    /// The session of this person at `now` (Unix seconds); `None` for nobody.
    pub fn session(&self, now: i64) -> Option<Session> {
        if self.is_nobody() {
            return None;
        }
        let user = self.user.clone().or_else(|| self.email.clone()).unwrap_or_else(|| "somebody".to_owned());
        let as_email = || user.contains('@').then(|| user.clone());
        let email = self.email.clone().or_else(as_email).unwrap_or_default();
        let mut session = Session {
            id: "made-up".into(),
            groups: self.groups.iter().map(|group| group.as_str().into()).collect(),
            issued_at: now,
            expires_at: now.saturating_add(SESSION_SECONDS),
            service_account: self.service_account,
            devices: self.device.iter().cloned().collect(),
            ..Session::default()
        };
        for (claim, value) in &self.claims {
            let values = session.claims.entry(claim.clone()).or_default();
            match value {
                Value::Array(several) => values.extend(several.iter().cloned()),
                one => values.push(one.clone()),
            }
        }
        let groups: Vec<Value> = self.groups.iter().map(|group| group.as_str().into()).collect();
        if !groups.is_empty() {
            session.claims.entry("groups".to_owned()).or_insert(groups);
        }
        set_user(&mut session, &user);
        set_email(&mut session, &email);
        Some(session)
    }
}

/// Gives the session another user id, also as the claim that providers tell it by.
pub(super) fn set_user(session: &mut Session, user: &str) {
    session.user_id = user.into();
    tell(&mut session.claims, "sub", user);
}

/// Gives the session another e-mail address, also as the claim that providers tell it by.
pub(super) fn set_email(session: &mut Session, email: &str) {
    session.email = email.into();
    if !email.is_empty() {
        tell(&mut session.claims, "email", email);
    }
}

fn tell(claims: &mut Claims, name: &str, value: &str) {
    claims.insert(name.to_owned(), vec![value.into()]);
}

/// One request, with everything that a policy may look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub session: Option<Session>,
    pub method: String,
    /// Percent-decoded, normalised, without query.
    pub path: String,
    pub source: IpAddr,
    pub cors_preflight: bool,
    /// Unix seconds.
    pub now: i64,
    /// The tool that an MCP server is asked to call.
    pub tool: Option<String>,
    /// The client certificate, where the route asks for one. What it says is not known: `client_certificate` fails.
    pub standing: Standing,
}

impl Default for Case {
    /// `GET /` from nobody, from this machine, in 1970.
    fn default() -> Self {
        Case {
            session: None,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            cors_preflight: false,
            now: 0,
            tool: None,
            standing: Standing::Valid,
        }
    }
}

impl Case {
    /// The same, as a policy sees it.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            session: self.session.as_ref(),
            method: &self.method,
            path: &self.path,
            source: self.source,
            cors_preflight: self.cors_preflight,
            now: self.now,
            mcp: self.tool.as_deref().map_or(Mcp::Nothing, Mcp::ToolCall),
            standing: self.standing,
            ..Facts::default()
        }
    }

    /// Sets the standing of the client certificate: where the route asks for none, nothing is wrong with it.
    pub fn on(mut self, route: &Route, shown: Standing) -> Case {
        self.standing = if route.client_terms.is_some() { shown } else { Standing::Valid };
        self
    }

    /// Whom the policy sees, in a word.
    pub fn who(&self) -> &str {
        match &self.session {
            None => "nobody",
            Some(session) if session.email.is_empty() => &session.user_id,
            Some(session) => &session.email,
        }
    }
}
