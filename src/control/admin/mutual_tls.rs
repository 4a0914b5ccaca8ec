//! TLS of the admin port: both sides prove who they are.

use std::fmt;
use std::sync::Arc;

use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use tokio_rustls::TlsAcceptor;

use crate::link::feed::Feed;

/// Why the admin port could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum MutualTlsError {
    #[error("admin_client_ca_file: {0}")]
    Authorities(#[from] VerifierBuilderError),
    #[error("admin_client_ca_file: {0}")]
    Tls(#[from] rustls::Error),
}

/// Believes clients of `authorities`, and shows the configured certificate of the name that they ask for; a client that
/// names none of ours is not served. Sessions are not resumed: each connection proves itself anew.
pub fn acceptor(feed: Feed, authorities: &[CertificateDer<'static>]) -> Result<TlsAcceptor, MutualTlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Certificates(feed)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificates of the plan in force.
struct Certificates(Feed);

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.trim_end_matches('.').to_ascii_lowercase();
        self.0.current().certificates.find(&name).cloned()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}
