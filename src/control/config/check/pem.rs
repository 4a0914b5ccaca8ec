//! PEM text that stands in the configuration (as base64, or as it is) or in a file that it names.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::super::section::{Choice, Desk, Typed};

/// What a choice says; the file wins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'c> {
    pub(super) typed: &'c Typed<String>,
    pub(super) from_file: bool,
}

/// `None`: neither the value nor the file is given.
pub(super) fn given(choice: &Choice) -> Option<Given<'_>> {
    let filled = |typed: &&Typed<String>| !typed.value.trim().is_empty();
    let file = choice.file.as_ref().filter(filled).map(|typed| Given { typed, from_file: true });
    file.or_else(|| choice.inline.as_ref().filter(filled).map(|typed| Given { typed, from_file: false }))
}

/// The PEM text itself.
pub(super) fn text(given: Given<'_>, desk: &Desk) -> Result<Vec<u8>, String> {
    if given.from_file {
        return desk.files.read(given.typed.value.trim()).map_err(|error| error.to_string());
    }
    let text = &given.typed.value;
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(text.as_bytes().to_vec());
    }
    let compact: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(compact).map_err(|_| "the value is not base64 of PEM text".to_owned())
}

/// At least one certificate.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    sections(pem, "there is no certificate in PEM form")
}

/// At least one revocation list.
pub(super) fn revocations(pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    sections(pem, "there is no certificate revocation list in PEM form")
}

/// The first private key.
pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| "there is no private key in PEM form".to_owned())
}

fn sections<T: PemObject>(pem: &[u8], none: &str) -> Result<Vec<T>, String> {
    let list: Result<Vec<T>, _> = T::pem_slice_iter(pem).collect();
    match list {
        Ok(list) if list.is_empty() => Err(none.to_owned()),
        Ok(list) => Ok(list),
        Err(error) => Err(error.to_string()),
    }
}
