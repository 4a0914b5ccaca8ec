//! TLS towards clients: which certificate answers, and the self-signed one for names that nobody configured.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs as provider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use super::client_certificate::{self, Shown, Verifier};
use super::wire::{self, Handshake, Reader, Session, TlsError, Writer};
use crate::link::feed::Feed;
use crate::plan::Plan;
use crate::plan::client_certificate::{Ask, Digest, Index};

/// Most self-signed certificates kept; beyond it all are forgotten and made anew on demand.
const SELF_SIGNED_MAX: usize = 1024;
/// Most configurations that ask for certificates; beyond it all are forgotten, and their tickets with them.
const ASKING_MAX: usize = 256;
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

/// What a configuration asks for: by which terms, and whether the handshake fails without.
type Asked = (Vec<Digest>, bool);

/// What TLS with a client came to.
pub struct Agreed {
    /// As a metric label.
    pub version: &'static str,
    pub is_h2: bool,
    pub server_name: Option<Rc<str>>,
    /// A client certificate was asked for.
    pub was_asked: bool,
    pub certificate: Option<Rc<Shown>>,
}

/// Why TLS with a client came to nothing.
pub struct Failed {
    pub error: TlsError,
    /// The name that the client asked for, where it was read ahead.
    pub server_name: Option<String>,
}

impl From<TlsError> for Failed {
    fn from(error: TlsError) -> Self {
        Failed { error, server_name: None }
    }
}

/// What every worker serves with: TLS 1.2 and 1.3, certificates by server name from the current plan, stateless
/// resumption with keys that live in this process only. `codec_type` is taken as it is at the start.
pub struct Tls {
    resolver: Arc<Resolver>,
    /// For clients who are asked for no certificate.
    plain: Arc<ServerConfig>,
    /// For the others. Each has ticket keys of its own: a session that was begun on other terms, or on none, cannot be
    /// resumed, and new terms begin with new keys.
    asking: Mutex<HashMap<Asked, Arc<ServerConfig>>>,
}

impl Tls {
    pub fn new(feed: Feed) -> Result<Self, TlsSetupError> {
        let resolver = Arc::new(Resolver { feed, fallback: SelfSigned::new()? });
        let plain = server_config(resolver.clone(), Arc::new(NoClientAuth))?;
        Ok(Tls { resolver, plain, asking: Mutex::default() })
    }

    /// Serves the handshake of a connection: asks for a certificate by what `plan` says of the name that the client asks
    /// for. `early` holds what was read already; `now` are Unix seconds.
    pub async fn accept(
        &self,
        plan: &Plan,
        reader: &mut Reader,
        writer: &mut Writer,
        mut early: Vec<u8>,
        now: i64,
    ) -> Result<Agreed, Failed> {
        let index = &plan.client_certificates;
        if index.is_empty() {
            return Ok(self.agree(index, Ask::NONE, reader, writer, early, now).await?);
        }
        let server_name = client_certificate::server_name(reader, &mut early).await?;
        let ask = index.find(server_name.as_deref());
        self.agree(index, ask, reader, writer, early, now).await.map_err(|error| Failed { error, server_name })
    }

    async fn agree(
        &self,
        index: &Index,
        ask: Ask,
        reader: &mut Reader,
        writer: &mut Writer,
        early: Vec<u8>,
        now: i64,
    ) -> Result<Agreed, TlsError> {
        let session = Session::server(self.config(index, ask)?)?;
        let Handshake { version, is_h2, server_name, certificates, .. } =
            wire::handshake(reader, writer, session, early).await?;
        if index.find(server_name.as_deref()) != ask {
            return Err(rustls::Error::General("the server name was read in two ways".to_owned()).into());
        }
        let certificate = Shown::new(certificates);
        client_certificate::admit(index, ask, certificate.as_deref(), now).map_err(client_certificate::refusal)?;
        Ok(Agreed { version, is_h2, server_name, was_asked: ask != Ask::NONE, certificate })
    }

    /// The configuration for clients of whom `index` asks `ask`.
    fn config(&self, index: &Index, ask: Ask) -> Result<Arc<ServerConfig>, rustls::Error> {
        if ask == Ask::NONE {
            return Ok(self.plain.clone());
        }
        let terms = index.terms(ask).map(|terms| terms.digest()).collect();
        let key = (terms, index.rejects(ask));
        // What is in the map is whole at any time.
        let mut known = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = known.get(&key) {
            return Ok(config.clone());
        }
        if known.len() >= ASKING_MAX {
            known.clear();
        }
        let config = server_config(self.resolver.clone(), Arc::new(Verifier::new(index, ask)))?;
        known.insert(key, config.clone());
        Ok(config)
    }
}

fn server_config(
    resolver: Arc<Resolver>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let protocols = resolver.feed.current().listener.codec.protocols();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
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
