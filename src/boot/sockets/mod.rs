//! The listening sockets of the process: handed over by the service manager, kept by it since an earlier life, or bound
//! here.
//!
//! The names (`FileDescriptorName=` of a socket unit) are those of [`Role`]. What is bound here is given to the service
//! manager's store when it has one, so that it stays open through a restart and no client is refused meanwhile.

pub mod local;
mod role;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use anyhow::Context;

pub use role::Role;

use super::folders::Folders;
use super::systemd;
use crate::net::inherit::{self, Inherited};
use crate::net::listen;
use crate::plan::listener::Listener;

/// Where the sockets of a group come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Bound by this process.
    Bound,
    /// From a socket unit: the unit says where to listen, whatever the configuration says.
    Activated,
    /// From the service manager's store.
    Kept,
}

/// The sockets of one listener.
#[derive(Debug)]
pub struct Group {
    pub role: Role,
    pub origin: Origin,
    pub listeners: Vec<TcpListener>,
}

/// Every socket that this process listens on.
#[derive(Debug)]
pub struct Sockets {
    pub main: Group,
    pub redirect: Option<Group>,
    pub metrics: Option<Group>,
    pub health: Option<Group>,
    /// The admin API over mutual TLS.
    pub remote: Option<Group>,
    /// The admin API on this machine.
    pub admin: Option<(PathBuf, UnixListener)>,
    /// Why there is no health port, where nobody asked for one.
    health_missing: Option<anyhow::Error>,
    /// Names in the service manager's store that are of no use any more.
    stale: Vec<String>,
    /// What was handed over and is not known.
    strangers: Vec<String>,
}

/// Takes over what there is and binds the rest.
pub fn open(listener: &Listener, folders: &Folders) -> anyhow::Result<Sockets> {
    let mut pile = Pile { handed: inherit::take().context("sockets of the service manager")?, stale: Vec::new() };
    let main = pile.group(Role::Main, Some(listener.address), listener.workers)?;
    let redirect = pile.group(Role::Redirect, listener.redirect, 1)?;
    let metrics = pile.group(Role::Metrics, listener.metrics, 1)?;
    let (health, health_missing) = match pile.group(Role::Health, Some(listener.health.address), 1) {
        Err(error) if listener.health.is_default => (None, Some(error)),
        health => (health?, None),
    };
    let remote = match &listener.admin {
        Some(admin) => pile.group(Role::Admin, Some(admin.address), 1)?,
        None => None,
    };
    let admin = local::place(listener.admin_socket.as_deref(), folders.runtime.as_deref());
    let admin = admin.map(|path| Ok::<_, anyhow::Error>((path.clone(), local::bind(&path)?))).transpose()?;
    let strangers = pile.handed.into_iter().map(|inherited| inherited.name).collect();
    // A configuration always has an address for the main listener.
    let main = main.context("there is no address to listen on")?;
    Ok(Sockets { main, redirect, metrics, health, remote, admin, health_missing, stale: pile.stale, strangers })
}

impl Sockets {
    /// Hands what was bound here to the service manager's store, and says in the log what came from where.
    pub fn settle(&self) {
        self.stale.iter().for_each(|name| systemd::forget(name));
        let others = [&self.redirect, &self.metrics, &self.health, &self.remote].into_iter().flatten();
        for group in std::iter::once(&self.main).chain(others) {
            match group.origin {
                Origin::Bound => systemd::keep(&group.role.kept_name(), &group.listeners),
                Origin::Activated => tracing::info!(
                    listener = group.role.listener(),
                    sockets = group.listeners.len(),
                    "the sockets come from the service manager; the address of the configuration is not used"
                ),
                Origin::Kept => tracing::info!(
                    listener = group.role.listener(),
                    sockets = group.listeners.len(),
                    "the sockets were kept by the service manager"
                ),
            }
        }
        if let Some(error) = &self.health_missing {
            let error = format!("{error:#}");
            tracing::warn!(error, "there is no health port; name another address in `health_check_addr`");
        }
        for name in &self.strangers {
            tracing::warn!(
                name,
                expected = Role::names(),
                "the service manager handed over a socket of an unknown name; it was closed (see FileDescriptorName=)"
            );
        }
    }
}

impl Group {
    /// Where it truly listens.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        let first = self.listeners.first().context("a listener without sockets")?;
        Ok(first.local_addr()?)
    }

    /// Its only socket, for a server of the control plane; further ones are closed.
    pub fn into_async(self) -> anyhow::Result<tokio::net::TcpListener> {
        let first = self.listeners.into_iter().next().context("a listener without sockets")?;
        first.set_nonblocking(true)?;
        Ok(tokio::net::TcpListener::from_std(first)?)
    }
}

/// What the service manager handed over and nobody has claimed yet.
struct Pile {
    handed: Vec<Inherited>,
    stale: Vec<String>,
}

impl Pile {
    /// The sockets of a listener: from a socket unit, else kept ones of the right address, else `count` new ones at
    /// `address`. `None` when there is neither a socket nor an address.
    fn group(&mut self, role: Role, address: Option<SocketAddr>, count: usize) -> anyhow::Result<Option<Group>> {
        let activated = self.claim(role.name())?;
        let kept = self.claim(&role.kept_name())?;
        let (origin, listeners) = match address {
            _ if !activated.is_empty() => (Origin::Activated, activated),
            Some(address) if !kept.is_empty() && kept.iter().all(|socket| is_at(socket, address)) => {
                return Ok(Some(Group { role, origin: Origin::Kept, listeners: kept }));
            }
            Some(address) => (Origin::Bound, bind(role, address, count)?),
            None => {
                self.forget(role, &kept);
                return Ok(None);
            }
        };
        self.forget(role, &kept);
        Ok(Some(Group { role, origin, listeners }))
    }

    fn claim(&mut self, name: &str) -> anyhow::Result<Vec<TcpListener>> {
        let claimed = self.handed.extract_if(.., |inherited| inherited.name == name);
        claimed
            .map(|inherited| {
                listen::adopt(inherited.descriptor)
                    .with_context(|| format!("the descriptor {name:?} of the service manager"))
            })
            .collect()
    }

    fn forget(&mut self, role: Role, kept: &[TcpListener]) {
        if !kept.is_empty() {
            self.stale.push(role.kept_name());
        }
    }
}

/// Whether a kept socket is the one that `address` asks for. Port 0 stands for the port that was chosen then.
fn is_at(socket: &TcpListener, address: SocketAddr) -> bool {
    socket
        .local_addr()
        .is_ok_and(|local| local.ip() == address.ip() && (address.port() == 0 || local.port() == address.port()))
}

/// Binds `count` sockets of one SO_REUSEPORT group; with port 0 the first one's port is taken for all. A listener of the
/// control plane has one socket, which shares its port with nobody.
fn bind(role: Role, address: SocketAddr, count: usize) -> anyhow::Result<Vec<TcpListener>> {
    let explain = |address: SocketAddr| match address.port() {
        1..1024 => format!("cannot listen on {} {address} (ports below 1024 need CAP_NET_BIND_SERVICE)", role.key()),
        _ => format!("cannot listen on {} {address}", role.key()),
    };
    if role != Role::Main {
        return Ok(vec![TcpListener::bind(address).with_context(|| explain(address))?]);
    }
    let mut address = address;
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let listener = listen::bind(address).with_context(|| explain(address))?;
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn pile(names: &[(&str, &TcpListener)]) -> Pile {
        let handed = names.iter().map(|(name, socket)| Inherited {
            name: (*name).to_owned(),
            descriptor: socket.as_fd().try_clone_to_owned().unwrap(),
        });
        Pile { handed: handed.collect(), stale: Vec::new() }
    }

    #[test]
    fn a_socket_unit_goes_before_what_was_kept_and_that_before_binding() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        let any = Some("127.0.0.1:0".parse().unwrap());
        let other = Some("127.0.0.2:0".parse().unwrap());
        for (names, address, origin, stale) in [
            (&["https", "https", "kept-https"][..], any, Some(Origin::Activated), 1),
            (&["https"], None, Some(Origin::Activated), 0),
            (&["kept-https", "kept-https"], any, Some(Origin::Kept), 0),
            (&["kept-https"], Some(local), Some(Origin::Kept), 0),
            (&["kept-https"], other, Some(Origin::Bound), 1),
            (&["kept-https"], None, None, 1),
            (&["kept-metrics", "metrics"], any, Some(Origin::Bound), 0),
            (&[], None, None, 0),
        ] {
            let handed: Vec<(&str, &TcpListener)> = names.iter().map(|name| (*name, &socket)).collect();
            let mut pile = pile(&handed);
            let group = pile.group(Role::Main, address, 2).unwrap();
            assert_eq!(group.as_ref().map(|group| group.origin), origin, "{names:?} {address:?}");
            assert_eq!(pile.stale.len(), stale, "{names:?} {address:?}");
            assert!(group.is_none_or(|group| group.address().is_ok()));
        }
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let descriptor = socket.as_fd().try_clone_to_owned().unwrap();
        let handed = vec![Inherited { name: "https".into(), descriptor }];
        let error = Pile { handed, stale: Vec::new() }.group(Role::Main, None, 1).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "the descriptor \"https\" of the service manager: it is not a listening TCP socket"
        );
    }

    #[test]
    fn ports_are_shared_by_the_main_listener_alone() {
        let any = "127.0.0.1:0".parse().unwrap();
        let main = bind(Role::Main, any, 3).unwrap();
        let ports: std::collections::BTreeSet<u16> = main.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert_eq!((main.len(), ports.len()), (3, 1));
        let metrics = bind(Role::Metrics, any, 1).unwrap();
        let error = bind(Role::Metrics, metrics[0].local_addr().unwrap(), 1).unwrap_err();
        assert!(error.to_string().starts_with("cannot listen on metrics_address 127.0.0.1:"), "{error}");
    }
}
