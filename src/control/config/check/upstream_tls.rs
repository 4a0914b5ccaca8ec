//! TLS towards upstreams: whom we trust there.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::super::hash::Fnv;
use super::super::problem::{Finding, Spot};
use super::super::section::{Choice, Desk, Typed};
use super::super::sections::route::Upstream as Section;
use super::listener::on;

/// The certificates that this machine trusts, read once. (`SSL_CERT_FILE` and `SSL_CERT_DIR` say from where.)
static SYSTEM_ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
});

/// As ALPN names it (RFC 7301).
const HTTP1: &[u8] = b"http/1.1";

/// The client configurations of all clusters: equal settings share one.
pub(super) struct Clients {
    provider: Arc<CryptoProvider>,
    by_settings: HashMap<u64, Arc<ClientConfig>>,
    warned: bool,
}

impl Clients {
    pub(super) fn new() -> Self {
        Clients { provider: Arc::new(aws_lc_rs::default_provider()), by_settings: HashMap::new(), warned: false }
    }

    /// The configuration for a route's settings and a sum that equal settings share; `h2`: HTTP/2 is offered, too.
    pub(super) fn config(&mut self, section: &Section, h2: bool, desk: &Desk) -> Option<(Arc<ClientConfig>, u64)> {
        let skip = on(&section.skip_verify, false);
        let custom = custom_ca(&section.custom_ca, desk)?;
        let sum = Fnv::new().part(&[u8::from(skip), u8::from(h2)]);
        let sum = custom.iter().flatten().fold(sum, |sum, der| sum.part(der)).sum();
        if let Some(config) = self.by_settings.get(&sum) {
            return Some((config.clone(), sum));
        }
        let mut config = if skip { self.trusting() } else { self.verifying(custom, section, desk) }?;
        config.alpn_protocols = if h2 { vec![b"h2".to_vec(), HTTP1.to_vec()] } else { vec![HTTP1.to_vec()] };
        let config = Arc::new(config);
        self.by_settings.insert(sum, config.clone());
        Some((config, sum))
    }

    fn verifying(
        &mut self,
        custom: Option<Vec<CertificateDer<'static>>>,
        section: &Section,
        desk: &Desk,
    ) -> Option<ClientConfig> {
        let roots = match custom {
            None => SYSTEM_ROOTS.clone(),
            Some(list) => {
                let mut roots = RootCertStore::empty();
                let (added, ignored) = roots.add_parsable_certificates(list);
                if let Some(typed) = given(&section.custom_ca).filter(|_| added == 0 || ignored > 0) {
                    desk.problems.add(typed.error("config: couldn't decode custom ca: a certificate is malformed"));
                }
                Arc::new(roots)
            }
        };
        if roots.is_empty() && !self.warned && given(&section.custom_ca).is_none() {
            let message = "this machine trusts no certificate authority: no https upstream can be verified";
            let help = "install the ca-certificates package, or set `tls_custom_ca_file`";
            desk.problems.add(Finding::warning(&Spot::default(), "tls_custom_ca", message).help(help));
            self.warned = true;
        }
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions().ok()?;
        Some(builder.with_root_certificates(roots).with_no_client_auth())
    }

    fn trusting(&self) -> Option<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions().ok()?;
        let verifier = Arc::new(AnyCertificate(self.provider.clone()));
        Some(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }
}

fn given(choice: &Choice) -> Option<&Typed<String>> {
    let filled = |typed: &&Typed<String>| !typed.value.trim().is_empty();
    choice.file.as_ref().filter(filled).or(choice.inline.as_ref().filter(filled))
}

/// The certificates of `tls_custom_ca` (base64 of PEM) or `tls_custom_ca_file`, which stand in for the system's.
/// `None`: they are broken; `Some(None)`: there are none.
fn custom_ca(choice: &Choice, desk: &Desk) -> Option<Option<Vec<CertificateDer<'static>>>> {
    let Some(typed) = given(choice) else { return Some(None) };
    let from_file = choice.file.as_ref().is_some_and(|file| file.path == typed.path);
    let (pem, fault) = if from_file {
        (desk.files.read(typed.value.trim()).map_err(|e| e.to_string()), "couldn't load client ca file")
    } else {
        (decode(&typed.value), "couldn't decode custom ca")
    };
    let certificates = pem.and_then(|pem| {
        let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match list {
            Ok(list) if list.is_empty() => Err("there is no certificate in PEM form".to_owned()),
            Ok(list) => Ok(list),
            Err(e) => Err(e.to_string()),
        }
    });
    certificates.map(Some).map_err(|e| desk.problems.add(typed.error(format!("config: {fault}: {e}")))).ok()
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(text.as_bytes().to_vec());
    }
    let compact: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(compact).map_err(|_| "the value is not base64 of PEM text".to_owned())
}

/// `tls_skip_verify`: any certificate will do, but the peer must hold its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
