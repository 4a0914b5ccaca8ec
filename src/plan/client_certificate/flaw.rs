//! Why a client certificate is not valid.

use std::fmt;

/// What is wrong with a client certificate, as a closed set: it stands in logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// None was shown.
    Missing,
    Malformed,
    Expired,
    NotYetValid,
    /// No path leads to a configured authority.
    UnknownIssuer,
    /// The only paths are longer than `max_verify_depth`.
    TooDeep,
    /// It is not meant for client authentication (RFC 5280 section 4.2.1.12), or it is an authority itself.
    Usage,
    /// No alternative name matches `match_subject_alt_names`.
    Name,
    Revoked,
    /// Signatures, constraints or extensions that do not hold.
    Other,
}

/// How a client's certificate stands to the terms of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// It is valid; also where no terms are set, whatever was shown.
    #[default]
    Valid,
    /// None was shown.
    Missing,
    Invalid,
}

impl Flaw {
    /// As a metric label and in logs.
    pub fn slug(self) -> &'static str {
        match self {
            Flaw::Missing => "client_certificate_missing",
            Flaw::Malformed => "client_certificate_malformed",
            Flaw::Expired => "client_certificate_expired",
            Flaw::NotYetValid => "client_certificate_not_yet_valid",
            Flaw::UnknownIssuer => "client_certificate_unknown_issuer",
            Flaw::TooDeep => "client_certificate_too_deep",
            Flaw::Usage => "client_certificate_usage",
            Flaw::Name => "client_certificate_name",
            Flaw::Revoked => "client_certificate_revoked",
            Flaw::Other => "client_certificate_invalid",
        }
    }

    pub(super) fn of(error: &webpki::Error) -> Flaw {
        use webpki::Error as E;
        match error {
            E::BadDer | E::BadDerTime | E::TrailingData(_) | E::UnsupportedCertVersion | E::InvalidSerialNumber => {
                Flaw::Malformed
            }
            E::CertExpired { .. } | E::InvalidCertValidity => Flaw::Expired,
            E::CertNotValidYet { .. } => Flaw::NotYetValid,
            E::UnknownIssuer => Flaw::UnknownIssuer,
            E::MaximumPathDepthExceeded | E::PathLenConstraintViolated => Flaw::TooDeep,
            E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension | E::CaUsedAsEndEntity | E::EndEntityUsedAsCa => {
                Flaw::Usage
            }
            E::CertRevoked => Flaw::Revoked,
            _ => Flaw::Other,
        }
    }
}

impl std::error::Error for Flaw {}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::Missing => "no client certificate was shown",
            Flaw::Malformed => "the client certificate is malformed",
            Flaw::Expired => "the client certificate, or one of its authorities, has expired",
            Flaw::NotYetValid => "the client certificate, or one of its authorities, is not valid yet",
            Flaw::UnknownIssuer => "no configured authority issued the client certificate",
            Flaw::TooDeep => "the client certificate's chain is longer than max_verify_depth",
            Flaw::Usage => "the certificate is not one for client authentication",
            Flaw::Name => "no name of the client certificate matches match_subject_alt_names",
            Flaw::Revoked => "the client certificate is revoked",
            Flaw::Other => "the client certificate's chain does not hold",
        })
    }
}
