//! What must come of a case.

use super::super::nearest::nearest;
use super::super::problem::Finding;
use super::super::section::{Section, Typed};
use crate::plan::policy::{Reason, Reasons};

/// What must come of a case. What is `None` may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    pub verdict: Expected,
    pub status: Option<u16>,
    /// Exactly these.
    pub reasons: Option<Reasons>,
}

/// The verdict that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Allow,
    Deny,
    SignIn,
    ShowDevice,
}

impl Expected {
    const ALL: [Expected; 4] = [Expected::Allow, Expected::Deny, Expected::SignIn, Expected::ShowDevice];

    /// As written in a file.
    pub fn name(self) -> &'static str {
        match self {
            Expected::Allow => "allow",
            Expected::Deny => "deny",
            Expected::SignIn => "sign-in",
            Expected::ShowDevice => "show-device",
        }
    }
}

/// `expect`, `status` and `reasons` of a case.
pub(super) fn read(section: &Section<'_>) -> Option<Expectation> {
    let status = section.whole("status", 100..=599).and_then(|typed| u16::try_from(typed.value).ok());
    let reasons = reasons(section);
    let Some(typed) = section.text("expect") else {
        let finding = Finding::error(&section.spot, section.path_of("expect"), "the case expects nothing");
        section.desk().problems.add(finding.help("add `expect: allow`, `deny` or `sign-in`"));
        return None;
    };
    let written = typed.value.trim().to_ascii_lowercase().replace('_', "-");
    match Expected::ALL.into_iter().find(|expected| expected.name() == written) {
        Some(verdict) => Some(Expectation { verdict, status, reasons }),
        None => {
            section.desk().problems.add(unknown(&typed, &written));
            None
        }
    }
}

fn unknown(typed: &Typed<String>, written: &str) -> Finding {
    let finding = typed.error(format!("{:?} is nothing that can be expected", typed.value));
    finding.help(match written {
        "login" | "signin" | "redirect" | "401" | "302" => "write `sign-in`".to_owned(),
        "denied" | "refuse" | "forbidden" | "403" | "false" => "write `deny`".to_owned(),
        "allowed" | "ok" | "pass" | "200" | "true" => "write `allow`".to_owned(),
        _ => match nearest(written, Expected::ALL.into_iter().map(Expected::name)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "one of allow, deny, sign-in, show-device".to_owned(),
        },
    })
}

fn reasons(section: &Section<'_>) -> Option<Reasons> {
    let list = section.list("reasons")?;
    let mut reasons = Reasons::NONE;
    for typed in list.value {
        match Reason::ALL.into_iter().find(|reason| reason.as_str() == typed.value) {
            Some(reason) => reasons.insert(reason),
            None => {
                let finding = typed.error(format!("there is no reason {:?}", typed.value));
                let meant = nearest(&typed.value, Reason::ALL.into_iter().map(Reason::as_str));
                section.desk().problems.add(match meant {
                    Some(meant) => finding.help(format!("did you mean `{meant}`?")),
                    None => finding.help("`vallum why` tells the reasons of a request"),
                });
            }
        }
    }
    Some(reasons)
}
