//! The certificate of the set-up page: made at the start, known by its fingerprint.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

/// The name on it besides the addresses of the machine.
const NAME: &str = "vallum.local";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("making the certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A certificate that nobody vouches for.
pub struct Identity {
    config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, as browsers show it.
    pub fingerprint: String,
}

impl Identity {
    pub fn make(addresses: &[IpAddr]) -> Result<Identity, IdentityError> {
        let names = std::iter::once(NAME.to_owned()).chain(addresses.iter().map(IpAddr::to_string));
        let made = rcgen::generate_simple_self_signed(names.collect::<Vec<_>>())?;
        let der = made.cert.der().clone();
        let digest = digest::digest(&digest::SHA256, &der);
        let pairs: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![der], key)?;
        Ok(Identity { config: Arc::new(config), fingerprint: pairs.join(":") })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }
}
