//! TLS towards upstreams: whom we trust there, and who we are to them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::super::hash::Fnv;
use super::super::problem::{Finding, Spot};
use super::super::section::{Choice, Desk, Typed};
use super::super::sections::route::Upstream as Section;
use super::listener::on;
use super::pem;

/// Knows whom we trust, and not yet who we are.
type Builder = ConfigBuilder<ClientConfig, WantsClientCert>;

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
        let (custom, own) = (custom_ca(&section.custom_ca, desk), own_certificate(section, desk));
        let (custom, own) = (custom?, own?);
        let sum = Fnv::new().part(&[u8::from(skip), u8::from(h2)]);
        let sum = custom.iter().flatten().fold(sum, |sum, der| sum.part(der));
        // The word between tells a chain of ours from one that we trust.
        let sum = own.iter().fold(sum, |sum, own| own.chain.iter().fold(sum.part(b"own"), |sum, der| sum.part(der)));
        let sum = own.iter().fold(sum, |sum, own| sum.part(own.key.secret_der())).sum();
        if let Some(config) = self.by_settings.get(&sum) {
            return Some((config.clone(), sum));
        }
        let builder = if skip { self.trusting() } else { self.verifying(custom, section, desk) }?;
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(Own { chain, key, report }) => builder.with_client_auth_cert(chain, key).map_err(report).ok()?,
        };
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
    ) -> Option<Builder> {
        let roots = match custom {
            None => SYSTEM_ROOTS.clone(),
            Some(list) => {
                let mut roots = RootCertStore::empty();
                let (added, ignored) = roots.add_parsable_certificates(list);
                if let Some(given) = pem::given(&section.custom_ca).filter(|_| added == 0 || ignored > 0) {
                    desk.problems
                        .add(given.typed.error("config: couldn't decode custom ca: a certificate is malformed"));
                }
                Arc::new(roots)
            }
        };
        if roots.is_empty() && !self.warned && pem::given(&section.custom_ca).is_none() {
            let message = "this machine trusts no certificate authority: no https upstream can be verified";
            let help = "install the ca-certificates package, or set `tls_custom_ca_file`";
            desk.problems.add(Finding::warning(&Spot::default(), "tls_custom_ca", message).help(help));
            self.warned = true;
        }
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions().ok()?;
        Some(builder.with_root_certificates(roots))
    }

    fn trusting(&self) -> Option<Builder> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions().ok()?;
        let verifier = Arc::new(AnyCertificate(self.provider.clone()));
        Some(builder.dangerous().with_custom_certificate_verifier(verifier))
    }
}

/// The certificate that we show upstreams, and its key.
struct Own<'d> {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    report: Box<dyn Fn(rustls::Error) + 'd>,
}

/// `tls_client_cert` and `tls_client_key`, else their files. `None`: they are broken; `Some(None)`: there are none.
fn own_certificate<'d>(section: &'d Section, desk: &'d Desk) -> Option<Option<Own<'d>>> {
    let filled = |typed: &&Typed<String>| !typed.value.trim().is_empty();
    let inline =
        (section.client_cert.inline.as_ref().filter(filled), section.client_key.inline.as_ref().filter(filled));
    let file = (section.client_cert.file.as_ref().filter(filled), section.client_key.file.as_ref().filter(filled));
    let (pair, from_file) = if inline == (None, None) { (file, true) } else { (inline, false) };
    let (cert, key) = match pair {
        (None, None) => return Some(None),
        (Some(cert), Some(key)) => (cert, key),
        (Some(one), None) | (None, Some(one)) => {
            desk.problems.add(one.error("config: client certificate key and cert both must be non-empty"));
            return None;
        }
    };
    let fault = if from_file { "load client cert file" } else { "decode client cert" };
    let report = move |error: String| desk.problems.add(cert.error(format!("config: couldn't {fault}: {error}")));
    let pem = |typed| pem::text(pem::Given { typed, from_file }, desk);
    let chain = pem(cert).and_then(|pem| pem::certificates(&pem)).map_err(report);
    let key = pem(key).and_then(|pem| pem::private_key(&pem)).map_err(report);
    let (chain, key) = (chain.ok()?, key.ok()?);
    Some(Some(Own { chain, key, report: Box::new(move |error| report(error.to_string())) }))
}

/// The certificates of `tls_custom_ca` (base64 of PEM) or `tls_custom_ca_file`, which stand in for the system's.
/// `None`: they are broken; `Some(None)`: there are none.
fn custom_ca(choice: &Choice, desk: &Desk) -> Option<Option<Vec<CertificateDer<'static>>>> {
    let Some(given) = pem::given(choice) else { return Some(None) };
    let fault = if given.from_file { "couldn't load client ca file" } else { "couldn't decode custom ca" };
    let certificates = pem::text(given, desk).and_then(|pem| pem::certificates(&pem));
    certificates.map(Some).map_err(|e| desk.problems.add(given.typed.error(format!("config: {fault}: {e}")))).ok()
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
