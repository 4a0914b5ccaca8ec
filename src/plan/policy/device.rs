//! `device`: which device the session was shown.

use serde_json::Value;

use super::matcher::Condition;
use super::problem::{Problems, type_name};
use super::reason::Reason;
use crate::plan::session::{Device, Session};

/// The type that is meant where none is written: any kind of device.
const TYPE_DEFAULT: &str = "any";

/// Conditions on a device; all must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceMatcher {
    /// The type of the credential that is looked at.
    kind: Box<str>,
    /// The id that the credential must have.
    id: Option<Box<str>>,
    /// Whether somebody must, or must not, have approved the enrolment.
    approved: Option<bool>,
}

impl DeviceMatcher {
    pub(super) fn read(data: &Value, problems: &mut Problems) -> Option<DeviceMatcher> {
        let Value::Object(fields) = data else {
            let seen = type_name(data);
            return problems.bad_data(format_args!("expected object for device criterion, got: {seen}"));
        };
        let mut matcher = DeviceMatcher { kind: TYPE_DEFAULT.into(), id: None, approved: None };
        for (field, value) in fields {
            problems.key(field, |problems| match (field.as_str(), value) {
                ("is", Value::String(id)) => matcher.id = Some(id.as_str().into()),
                ("type", Value::String(kind)) => matcher.kind = kind.as_str().into(),
                ("is" | "type", _) => {
                    let seen = type_name(value);
                    let expected = "expected string for device criterion";
                    problems.note_data(format_args!("{expected} {field} operator, got {seen}"));
                }
                ("approved", Value::Bool(approved)) => matcher.approved = Some(*approved),
                ("approved", _) => {
                    let seen = type_name(value);
                    problems
                        .note_data(format_args!("expected boolean for device criterion approved operator, got {seen}"));
                }
                _ => problems.note_data(format_args!("unexpected field in device criterion: {field}")),
            });
        }
        Some(matcher)
    }

    /// A device that is not known, or was never enrolled, may be shown; one that does not match is refused. A request for
    /// no device in particular still needs one, where Pomerium lets everybody pass.
    pub(super) fn judge(&self, session: &Session) -> (bool, Reason) {
        let Some(device) = session.devices.iter().find(|device| device.kind == self.kind) else {
            return (false, Reason::DeviceUnauthenticated);
        };
        match &device.enrollment {
            None => (false, Reason::DeviceUnauthenticated),
            Some(enrollment) if self.fits(device, !enrollment.approved_by.is_empty()) => (true, Reason::DeviceOk),
            Some(_) => (false, Reason::DeviceUnauthorized),
        }
    }

    fn fits(&self, device: &Device, is_approved: bool) -> bool {
        self.id.as_ref().is_none_or(|id| *id == device.id) && self.approved.is_none_or(|wanted| wanted == is_approved)
    }

    /// The type of device that is asked for.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn conditions(&self) -> Vec<Condition> {
        let kind = Condition::one("type", &*self.kind);
        let id = self.id.as_deref().map(|id| Condition::one("is", id));
        let approved = self.approved.map(|approved| Condition::one("approved", approved));
        [Some(kind), id, approved].into_iter().flatten().collect()
    }
}
