//! What rustls asks us about a client's certificate.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs as provider, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::plan::client_certificate::{Ask, Flaw, Index, Leaf, Terms};

/// Most bytes of authorities' names that clients are told; where there are more they are told none, which asks for any
/// certificate (RFC 8446 section 4.2.4).
const HINT_BYTES_MAX: usize = 16 * 1024;

/// Asks for a certificate by the terms of a server name. Where policies decide, any certificate is let in, valid or not,
/// and so is none; that the client holds its key is always proved.
#[derive(Debug)]
pub struct Verifier {
    terms: Vec<Arc<Terms>>,
    rejects: bool,
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub fn new(index: &Index, ask: Ask) -> Self {
        let terms: Vec<Arc<Terms>> = index.terms(ask).cloned().collect();
        let mut hints: Vec<&[u8]> = terms.iter().flat_map(|terms| terms.subjects()).map(Vec::as_slice).collect();
        hints.sort_unstable();
        hints.dedup();
        if hints.iter().map(|hint| hint.len() + 2).sum::<usize>() > HINT_BYTES_MAX {
            hints.clear();
        }
        Verifier {
            hints: hints.into_iter().map(|hint| DistinguishedName::from(hint.to_vec())).collect(),
            rejects: index.rejects(ask),
            terms,
            algorithms: provider::default_provider().signature_verification_algorithms,
        }
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.rejects
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if !self.rejects {
            return Ok(ClientCertVerified::assertion());
        }
        let chain: Vec<CertificateDer<'_>> =
            std::iter::once(end_entity).chain(intermediates).map(|der| CertificateDer::from(der.as_ref())).collect();
        let leaf = Leaf::read(end_entity);
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut result = Err(Flaw::UnknownIssuer);
        for terms in &self.terms {
            result = terms.judge(&chain, &leaf, now);
            if result.is_ok() {
                break;
            }
        }
        result.map(|_| ClientCertVerified::assertion()).map_err(refusal)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The error for a flaw; rustls makes the alert of it that says most to the client.
pub fn refusal(flaw: Flaw) -> Error {
    let error = match flaw {
        Flaw::Missing => return Error::NoCertificatesPresented,
        Flaw::Malformed => CertificateError::BadEncoding,
        Flaw::Expired => CertificateError::Expired,
        Flaw::NotYetValid => CertificateError::NotValidYet,
        Flaw::UnknownIssuer => CertificateError::UnknownIssuer,
        Flaw::Revoked => CertificateError::Revoked,
        Flaw::Usage => CertificateError::InvalidPurpose,
        Flaw::TooDeep | Flaw::Name | Flaw::Other => CertificateError::Other(OtherError(Arc::new(flaw))),
    };
    Error::InvalidCertificate(error)
}

/// The flaw behind an error of the handshake, if a client certificate was what it failed for.
pub fn flaw_of(error: &Error) -> Option<Flaw> {
    let Error::InvalidCertificate(error) = error else {
        return matches!(error, Error::NoCertificatesPresented).then_some(Flaw::Missing);
    };
    Some(match error {
        CertificateError::BadEncoding => Flaw::Malformed,
        CertificateError::Expired => Flaw::Expired,
        CertificateError::NotValidYet => Flaw::NotYetValid,
        CertificateError::UnknownIssuer => Flaw::UnknownIssuer,
        CertificateError::Revoked => Flaw::Revoked,
        CertificateError::InvalidPurpose => Flaw::Usage,
        CertificateError::Other(OtherError(other)) => other.downcast_ref::<Flaw>().copied().unwrap_or(Flaw::Other),
        _ => Flaw::Other,
    })
}
