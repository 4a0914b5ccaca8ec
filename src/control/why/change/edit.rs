//! One fact that would be different.

use std::net::IpAddr;

use serde_json::Value;

use super::super::case::{Case, set_email, set_user};
use crate::plan::client_certificate::Standing;
use crate::plan::session::{Claims, Device, Session};

/// A change of one fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// As whoever.
    SignIn,
    User(Person),
    Email(Person),
    Group(List),
    /// The claim, and what becomes of its values.
    Claim(String, List),
    Method(String),
    /// The path, and how it is said.
    Path(String, String),
    /// An address, and where it is from.
    Source(IpAddr, String),
    Preflight(bool),
    /// A device of this type, known and approved.
    Device(Device),
    /// A client certificate that is valid for the route.
    Certificate,
    /// The tool of an MCP server.
    Tool(Person),
    /// Another time, in Unix seconds, and how it is said.
    Now(i64, String),
}

/// Somebody by a text: the text itself, and how it is said.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    pub text: String,
    pub words: String,
}

/// What becomes of a list of values.
#[derive(Debug, Clone, PartialEq)]
pub enum List {
    With(Value),
    Without(Value),
    Only(Value),
}

impl Edit {
    /// As a request to a person.
    pub fn words(&self) -> String {
        match self {
            Edit::SignIn => "sign in".to_owned(),
            Edit::User(person) | Edit::Email(person) | Edit::Tool(person) => person.words.clone(),
            Edit::Group(List::With(value)) => format!("be in the group {value}"),
            Edit::Group(List::Without(value)) => format!("leave the group {value}"),
            Edit::Group(List::Only(value)) => format!("be in no group but {value}"),
            Edit::Claim(name, List::With(value)) if name == "groups" => {
                format!("be in the group {value} (claim/groups)")
            }
            Edit::Claim(name, List::With(value)) => format!("have the claim {name} with {value}"),
            Edit::Claim(name, List::Without(value)) => format!("have the claim {name} without {value}"),
            Edit::Claim(name, List::Only(value)) => format!("have the claim {name} with {value} alone"),
            Edit::Method(method) => format!("use the method {method}"),
            Edit::Path(_, words) | Edit::Source(_, words) | Edit::Now(_, words) => words.clone(),
            Edit::Certificate => "show a valid client certificate".to_owned(),
            Edit::Device(device) if device.id.is_empty() => format!("show a device of the type {}", device.kind),
            Edit::Device(device) => format!("show the device {} of the type {}", device.id, device.kind),
            Edit::Preflight(true) => "ask as a CORS preflight".to_owned(),
            Edit::Preflight(false) => "ask for the thing itself, not as a CORS preflight".to_owned(),
        }
    }

    /// Whether it is about who asks.
    pub(super) fn is_about_identity(&self) -> bool {
        match self {
            Edit::SignIn | Edit::User(_) | Edit::Email(_) | Edit::Group(_) | Edit::Claim(..) | Edit::Device(_) => true,
            Edit::Method(_)
            | Edit::Path(..)
            | Edit::Source(..)
            | Edit::Preflight(_)
            | Edit::Certificate
            | Edit::Tool(_)
            | Edit::Now(..) => false,
        }
    }

    /// How far from the question it leads: less is told first.
    pub(super) fn cost(&self) -> u32 {
        match self {
            Edit::SignIn => 0,
            Edit::Group(_) | Edit::Claim(..) => 1,
            Edit::Source(..) | Edit::Device(_) | Edit::Now(..) | Edit::Certificate => 2,
            Edit::Email(_) => 3,
            Edit::User(_) => 4,
            Edit::Method(_) | Edit::Path(..) | Edit::Tool(_) => 5,
            Edit::Preflight(_) => 8,
        }
    }

    /// Whether both cannot be done, or need not.
    pub(super) fn excludes(&self, other: &Edit) -> bool {
        match (self, other) {
            (Edit::Group(one), Edit::Group(two)) => one.clashes(two),
            (Edit::Claim(a, one), Edit::Claim(b, two)) => a == b && one.clashes(two),
            // A preflight has a method of its own.
            (Edit::Method(_), Edit::Preflight(_)) | (Edit::Preflight(_), Edit::Method(_)) => true,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    pub(super) fn apply(&self, case: &mut Case) {
        match self {
            Edit::SignIn => drop(session(case)),
            Edit::User(person) => set_user(session(case), &person.text),
            Edit::Email(person) => set_email(session(case), &person.text),
            Edit::Group(list) => {
                let session = session(case);
                let mut groups: Vec<Value> = session.groups.iter().map(|group| Value::from(&**group)).collect();
                list.apply(&mut groups);
                session.groups = groups.iter().filter_map(|group| group.as_str().map(Box::from)).collect();
            }
            Edit::Claim(name, list) => {
                let session = session(case);
                change_claim(&mut session.claims, &mut session.user_claims, name, list);
            }
            Edit::Method(method) => case.method.clone_from(method),
            Edit::Path(path, _) => case.path.clone_from(path),
            Edit::Source(address, _) => case.source = *address,
            Edit::Device(device) => session(case).devices = vec![device.clone()],
            Edit::Certificate => case.standing = Standing::Valid,
            Edit::Tool(tool) => case.tool = Some(tool.text.clone()),
            Edit::Now(now, _) => case.now = *now,
            Edit::Preflight(on) => {
                case.cors_preflight = *on;
                case.method = if *on { "OPTIONS" } else { "GET" }.to_owned();
            }
        }
    }
}

/// The case's session; whoever signs in has one that fulfils no condition by chance.
fn session(case: &mut Case) -> &mut Session {
    let now = case.now;
    case.session.get_or_insert_with(|| {
        let mut session = Session { id: "made-up".into(), issued_at: now, ..Session::default() };
        set_user(&mut session, "somebody");
        set_email(&mut session, "somebody@elsewhere.invalid");
        session
    })
}

/// The user's claims win over the session's, so that both are changed where both have the claim.
fn change_claim(claims: &mut Claims, user_claims: &mut Claims, name: &str, list: &List) {
    if let Some(values) = user_claims.get_mut(name) {
        list.apply(values);
    } else {
        list.apply(claims.entry(name.to_owned()).or_default());
    }
}

impl List {
    fn clashes(&self, other: &List) -> bool {
        match (self, other) {
            (List::Only(_), _) | (_, List::Only(_)) => true,
            (List::With(one) | List::Without(one), List::With(two) | List::Without(two)) => one == two,
        }
    }

    fn apply(&self, values: &mut Vec<Value>) {
        match self {
            List::With(value) if values.contains(value) => {}
            List::With(value) => values.push(value.clone()),
            List::Without(unwanted) => values.retain(|value| value != unwanted),
            List::Only(value) => *values = vec![value.clone()],
        }
    }
}
