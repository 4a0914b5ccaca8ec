//! Whom to ask: the system's configuration, read again when its files change.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// What the system's resolver reads.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// Longest wait for one answer of one server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Times that a question is repeated.
const REPEATS: usize = 1;

/// The resolver in use.
pub(super) struct Servers {
    state: Mutex<State>,
    /// Whether the files are watched.
    follows_system: bool,
}

struct State {
    resolver: TokioResolver,
    seen: [Option<SystemTime>; FILES.len()],
}

impl Servers {
    pub(super) fn system() -> Result<Servers, NetError> {
        let seen = changed_at();
        Ok(Servers { state: Mutex::new(State { resolver: from_system()?, seen }), follows_system: true })
    }

    /// The resolver for a round of questions, built anew when the system's files changed.
    pub(super) fn current(&self) -> TokioResolver {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.follows_system {
            let now = changed_at();
            if now != state.seen {
                state.seen = now;
                match from_system() {
                    Ok(resolver) => state.resolver = resolver,
                    Err(error) => tracing::warn!(%error, "the changed resolver configuration cannot be used"),
                }
            }
        }
        state.resolver.clone()
    }

    /// Asks these servers and looks into this hosts file alone.
    #[cfg(test)]
    pub(super) fn fixed(config: ResolverConfig, hosts: &str) -> Servers {
        let mut resolver = build(config, ResolverOpts::default()).unwrap();
        let mut entries = hickory_resolver::Hosts::default();
        entries.read_hosts_conf(hosts.as_bytes()).unwrap();
        resolver.set_hosts(entries.into());
        Servers { state: Mutex::new(State { resolver, seen: [None; FILES.len()] }), follows_system: false }
    }
}

fn changed_at() -> [Option<SystemTime>; FILES.len()] {
    FILES.map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok())
}

/// A broken or missing resolv.conf leaves the hosts file.
fn from_system() -> Result<TokioResolver, NetError> {
    let (config, mut options) = hickory_resolver::system_conf::read_system_conf().unwrap_or_else(|error| {
        tracing::warn!(%error, "no name servers: the system's resolver configuration cannot be used");
        (ResolverConfig::from_name_servers(Vec::new()), ResolverOpts::default())
    });
    options.use_hosts_file = ResolveHosts::Always;
    build(config, options)
}

fn build(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, NetError> {
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    options.timeout = options.timeout.min(ANSWER_TIMEOUT);
    options.attempts = options.attempts.min(REPEATS);
    // The table of answers is the cache: it knows what is stale and keeps it.
    options.cache_size = 0;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build()
}
