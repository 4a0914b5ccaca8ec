//! TLS towards clients: which certificate answers, and the self-signed one for names that nobody configured.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs as provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use super::wire;
use crate::link::feed::Feed;

/// Most self-signed certificates kept; beyond it all are forgotten and made anew on demand.
const SELF_SIGNED_MAX: usize = 1024;
/// The name on the certificate for clients that name no server.
const NAMELESS: &str = "vallum.invalid";

/// Why the TLS side could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
    #[error("making the self-signed key: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

/// The configuration that every worker serves with: TLS 1.2 and 1.3, certificates by server name from the current plan,
/// stateless resumption with keys that live in this process only.
pub fn server_config(feed: Feed) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let resolver = Resolver { feed, fallback: SelfSigned::new()? };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = provider::Ticketer::new()?;
    // One ticket is enough: a client that opens several connections at once reuses it (RFC 8446 allows, RFC 9149 hints).
    config.send_tls13_tickets = 1;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// Exact name, then wildcard, else self-signed; never "the first".
struct Resolver {
    feed: Feed,
    fallback: SelfSigned,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        wire::note_server_name(asked.as_deref());
        let name = asked.unwrap_or_else(|| NAMELESS.to_owned());
        self.feed.current().certificates.find(&name).cloned().or_else(|| self.fallback.certify(&name))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// Certificates made on the fly, all for one key.
struct SelfSigned {
    key: rcgen::KeyPair,
    signing: Arc<dyn SigningKey>,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl SelfSigned {
    fn new() -> Result<Self, TlsSetupError> {
        let key = rcgen::KeyPair::generate()?;
        let der = rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let signing = provider::sign::any_supported_type(&der)?;
        Ok(SelfSigned { key, signing, made: Mutex::default() })
    }

    fn certify(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let mut made = self.made.lock().ok()?;
        if let Some(known) = made.get(name) {
            return Some(known.clone());
        }
        let certificate = self.make(name).ok()?;
        if made.len() >= SELF_SIGNED_MAX {
            made.clear();
        }
        made.insert(name.to_owned(), certificate.clone());
        Some(certificate)
    }

    fn make(&self, name: &str) -> Result<Arc<CertifiedKey>, rcgen::Error> {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        // A common name holds at most 64 characters; the full name stands in the SAN.
        let common: String = name.chars().take(64).collect();
        params.distinguished_name.push(rcgen::DnType::CommonName, common);
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Vallum self-signed");
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::days(1);
        params.not_after = now + time::Duration::days(90);
        let certificate = params.self_signed(&self.key)?;
        Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], self.signing.clone())))
    }
}
