//! Where connections come in. A change of anything here but the trusted networks needs a restart.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use rustls_pki_types::CertificateDer;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `address`.
    pub address: SocketAddr,
    /// `insecure_server`: clear text instead of TLS.
    pub insecure: bool,
    /// `codec_type`.
    pub codec: Codec,
    /// `use_proxy_protocol`, and whom to believe; `None` when off.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// `http_redirect_addr`: where clear requests are sent on to https.
    pub redirect: Option<SocketAddr>,
    /// `metrics_address`.
    pub metrics: Option<SocketAddr>,
    /// `health_check_addr`; one that nobody gave need not be free.
    pub health: Health,
    /// `drain_notice` (ours): from the moment when the health port says "not ready" to the last accept.
    pub drain_notice: std::time::Duration,
    /// The admin API over mutual TLS; `None` when off.
    pub admin: Option<Admin>,
    /// `admin_socket` (ours): the local socket of the admin API; `None`: where the service manager says.
    pub admin_socket: Option<PathBuf>,
    /// `workers`: data-plane threads, 1 to 1024.
    pub workers: usize,
}

/// `admin_address` and `admin_client_ca_file` (both ours).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub address: SocketAddr,
    /// Whose certificates are believed.
    pub authorities: Vec<CertificateDer<'static>>,
}

/// Where the health port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    pub address: SocketAddr,
    /// Nobody asked for it: where it cannot be bound the process serves without.
    pub is_default: bool,
}

impl Default for Health {
    fn default() -> Self {
        Health { address: SocketAddr::from(([127, 0, 0, 1], 28080)), is_default: true }
    }
}

/// Which versions of HTTP clients may speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Codec {
    /// Over TLS, what ALPN agrees on; in clear text, what the first bytes say.
    #[default]
    Auto,
    Http1,
    /// HTTP/2 alone, in clear text by prior knowledge.
    Http2,
}

impl Codec {
    /// The protocols offered by ALPN (RFC 7301), the preferred one first.
    pub fn protocols(self) -> &'static [&'static str] {
        match self {
            Codec::Auto => &["h2", "http/1.1"],
            Codec::Http1 => &["http/1.1"],
            Codec::Http2 => &["h2"],
        }
    }
}

/// Whose PROXY headers are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// `proxy_protocol_trusted_cidrs`; empty means any source.
    pub trusted: Vec<IpNet>,
}

impl ProxyProtocol {
    /// Whether a connection from `source` may carry a PROXY header.
    pub fn trusts(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.trusted.is_empty() || self.trusted.iter().any(|net| net.contains(&source))
    }
}
