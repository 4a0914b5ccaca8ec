//! Why a decision was made: the closed vocabulary of reasons, and sets of them that cost one word.
//!
//! The texts are Pomerium's, and ours in the same style for criteria of its paid edition (`date-…`, `day-of-week-…`,
//! `time-of-day-…`, `record-…`); they appear in logs, metrics and pages and must not change.

use std::fmt;
use std::ops::BitOr;

/// One reason. The order of the variants is the alphabetical order of their texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    Accept,
    ClaimOk,
    ClaimUnauthorized,
    ClientCertificateOk,
    ClientCertificateRequired,
    ClientCertificateUnauthorized,
    CorsRequest,
    DateOk,
    DateUnauthorized,
    DayOfWeekOk,
    DayOfWeekUnauthorized,
    DeviceOk,
    DeviceUnauthenticated,
    DeviceUnauthorized,
    DomainOk,
    DomainUnauthorized,
    EmailOk,
    EmailUnauthorized,
    GroupsOk,
    GroupsUnauthorized,
    HttpMethodOk,
    HttpMethodUnauthorized,
    HttpPathOk,
    HttpPathUnauthorized,
    InvalidClientCertificate,
    McpNotAToolCall,
    McpToolMatch,
    McpToolNoMatch,
    NonCorsRequest,
    NonPomeriumRoute,
    PomeriumRoute,
    RecordOk,
    RecordUnauthorized,
    Reject,
    RouteNotFound,
    SourceIpOk,
    SourceIpUnauthorized,
    SshPublickeyOk,
    SshPublickeyUnauthorized,
    SshUsernameOk,
    SshUsernameUnauthorized,
    TimeOfDayOk,
    TimeOfDayUnauthorized,
    UserOk,
    /// Nobody is signed in.
    UserUnauthenticated,
    /// Somebody is signed in, but the wrong one.
    UserUnauthorized,
    ValidClientCertificate,
}

impl Reason {
    /// Every reason, in alphabetical order of the texts.
    pub const ALL: [Reason; 47] = [
        Reason::Accept,
        Reason::ClaimOk,
        Reason::ClaimUnauthorized,
        Reason::ClientCertificateOk,
        Reason::ClientCertificateRequired,
        Reason::ClientCertificateUnauthorized,
        Reason::CorsRequest,
        Reason::DateOk,
        Reason::DateUnauthorized,
        Reason::DayOfWeekOk,
        Reason::DayOfWeekUnauthorized,
        Reason::DeviceOk,
        Reason::DeviceUnauthenticated,
        Reason::DeviceUnauthorized,
        Reason::DomainOk,
        Reason::DomainUnauthorized,
        Reason::EmailOk,
        Reason::EmailUnauthorized,
        Reason::GroupsOk,
        Reason::GroupsUnauthorized,
        Reason::HttpMethodOk,
        Reason::HttpMethodUnauthorized,
        Reason::HttpPathOk,
        Reason::HttpPathUnauthorized,
        Reason::InvalidClientCertificate,
        Reason::McpNotAToolCall,
        Reason::McpToolMatch,
        Reason::McpToolNoMatch,
        Reason::NonCorsRequest,
        Reason::NonPomeriumRoute,
        Reason::PomeriumRoute,
        Reason::RecordOk,
        Reason::RecordUnauthorized,
        Reason::Reject,
        Reason::RouteNotFound,
        Reason::SourceIpOk,
        Reason::SourceIpUnauthorized,
        Reason::SshPublickeyOk,
        Reason::SshPublickeyUnauthorized,
        Reason::SshUsernameOk,
        Reason::SshUsernameUnauthorized,
        Reason::TimeOfDayOk,
        Reason::TimeOfDayUnauthorized,
        Reason::UserOk,
        Reason::UserUnauthenticated,
        Reason::UserUnauthorized,
        Reason::ValidClientCertificate,
    ];

    /// The text, as in Pomerium's logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Accept => "accept",
            Reason::ClaimOk => "claim-ok",
            Reason::ClaimUnauthorized => "claim-unauthorized",
            Reason::ClientCertificateOk => "client-certificate-ok",
            Reason::ClientCertificateRequired => "client-certificate-required",
            Reason::ClientCertificateUnauthorized => "client-certificate-unauthorized",
            Reason::CorsRequest => "cors-request",
            Reason::DateOk => "date-ok",
            Reason::DateUnauthorized => "date-unauthorized",
            Reason::DayOfWeekOk => "day-of-week-ok",
            Reason::DayOfWeekUnauthorized => "day-of-week-unauthorized",
            Reason::DeviceOk => "device-ok",
            Reason::DeviceUnauthenticated => "device-unauthenticated",
            Reason::DeviceUnauthorized => "device-unauthorized",
            Reason::DomainOk => "domain-ok",
            Reason::DomainUnauthorized => "domain-unauthorized",
            Reason::EmailOk => "email-ok",
            Reason::EmailUnauthorized => "email-unauthorized",
            Reason::GroupsOk => "groups-ok",
            Reason::GroupsUnauthorized => "groups-unauthorized",
            Reason::HttpMethodOk => "http-method-ok",
            Reason::HttpMethodUnauthorized => "http-method-unauthorized",
            Reason::HttpPathOk => "http-path-ok",
            Reason::HttpPathUnauthorized => "http-path-unauthorized",
            Reason::InvalidClientCertificate => "invalid-client-certificate",
            Reason::McpNotAToolCall => "mcp-not-a-tool-call",
            Reason::McpToolMatch => "mcp-tool-match",
            Reason::McpToolNoMatch => "mcp-tool-no-match",
            Reason::NonCorsRequest => "non-cors-request",
            Reason::NonPomeriumRoute => "non-pomerium-route",
            Reason::PomeriumRoute => "pomerium-route",
            Reason::RecordOk => "record-ok",
            Reason::RecordUnauthorized => "record-unauthorized",
            Reason::Reject => "reject",
            Reason::RouteNotFound => "route-not-found",
            Reason::SourceIpOk => "source-ip-ok",
            Reason::SourceIpUnauthorized => "source-ip-unauthorized",
            Reason::SshPublickeyOk => "ssh-publickey-ok",
            Reason::SshPublickeyUnauthorized => "ssh-publickey-unauthorized",
            Reason::SshUsernameOk => "ssh-username-ok",
            Reason::SshUsernameUnauthorized => "ssh-username-unauthorized",
            Reason::TimeOfDayOk => "time-of-day-ok",
            Reason::TimeOfDayUnauthorized => "time-of-day-unauthorized",
            Reason::UserOk => "user-ok",
            Reason::UserUnauthenticated => "user-unauthenticated",
            Reason::UserUnauthorized => "user-unauthorized",
            Reason::ValidClientCertificate => "valid-client-certificate",
        }
    }

    fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of reasons.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Reasons(u64);

impl Reasons {
    /// The empty set.
    pub const NONE: Reasons = Reasons(0);

    pub fn contains(self, reason: Reason) -> bool {
        self.0 & reason.bit() != 0
    }

    pub fn insert(&mut self, reason: Reason) {
        self.0 |= reason.bit();
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The members in alphabetical order of their texts.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(move |&reason| self.contains(reason))
    }
}

impl BitOr for Reasons {
    type Output = Reasons;

    fn bitor(self, other: Reasons) -> Reasons {
        Reasons(self.0 | other.0)
    }
}

impl From<Reason> for Reasons {
    fn from(reason: Reason) -> Reasons {
        Reasons(reason.bit())
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = Reason>>(reasons: I) -> Reasons {
        reasons.into_iter().fold(Reasons::NONE, |set, reason| set | reason.into())
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Reason::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_the_variants_is_the_order_of_the_texts() {
        for (position, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, position, "{reason}");
        }
        assert!(Reason::ALL.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
    }

    #[test]
    fn sets() {
        let mut set = Reasons::from(Reason::UserOk) | Reason::Accept.into();
        assert!(set.contains(Reason::Accept) && !set.contains(Reason::Reject) && !set.is_empty());
        set.insert(Reason::EmailOk);
        set.insert(Reason::EmailOk);
        assert_eq!(set.len(), 3);
        assert_eq!(set.iter().map(Reason::as_str).collect::<Vec<_>>(), ["accept", "email-ok", "user-ok"]);
        assert_eq!(format!("{set:?}"), r#"{"accept", "email-ok", "user-ok"}"#);
        assert_eq!(set, Reasons::from_iter([Reason::EmailOk, Reason::UserOk, Reason::Accept]));
        assert_eq!(Reasons::from_iter(Reason::ALL).len(), 47);
        assert!(Reasons::NONE.is_empty());
    }
}
