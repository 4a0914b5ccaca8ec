//! The ports: loopback only, the helpers' ones chosen before the configuration is written so that it names them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::DevError;

/// Every address of a development installation.
pub struct Ports {
    /// The proxy's listener; opened later by the data plane.
    pub address: SocketAddr,
    /// The metrics listener; opened later by the caller.
    pub metrics: SocketAddr,
    /// The identity provider, listening.
    pub provider: TcpListener,
    /// The `verify` upstream, listening.
    pub verify: TcpListener,
    /// Bound but silent sockets that keep the first two ports from being given to anybody else; they do not hinder
    /// a listener that re-uses addresses, as ours do.
    pub reserved: Vec<Socket>,
}

impl Ports {
    /// The issuer of the identity provider: its origin.
    pub fn provider_url(&self) -> Result<String, DevError> {
        origin(&self.provider)
    }

    /// The upstream of every route.
    pub fn verify_url(&self) -> Result<String, DevError> {
        origin(&self.verify)
    }
}

/// Chooses and takes the ports. The helpers prefer those after `address`'s; with port 0 everything is free choice.
pub fn bind(address: SocketAddr) -> Result<Ports, DevError> {
    let (held, address) = reserve(address).map_err(|source| DevError::Listen { address, source })?;
    let preferred = |offset: u16| address.port().checked_add(offset).unwrap_or(0);
    let provider = listen(preferred(1))?;
    let verify = listen(preferred(2))?;
    let wanted = loopback(preferred(3));
    let (metrics_held, metrics) = reserve(wanted)
        .or_else(|_| reserve(loopback(0)))
        .map_err(|source| DevError::Listen { address: wanted, source })?;
    Ok(Ports { address, metrics, provider, verify, reserved: vec![held, metrics_held] })
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Listens on a loopback port, or on any free one when that is taken.
fn listen(port: u16) -> Result<TcpListener, DevError> {
    let address = loopback(port);
    TcpListener::bind(address)
        .or_else(|_| TcpListener::bind(loopback(0)))
        .map_err(|source| DevError::Listen { address, source })
}

/// Takes a port without listening on it; fails when anybody listens there.
fn reserve(address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    if address.port() != 0 {
        // A socket that shares its port would also share it with another process of ours: ask without sharing first.
        drop(TcpListener::bind(address)?);
    }
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket, bound))
}

fn origin(listener: &TcpListener) -> Result<String, DevError> {
    let address = listener.local_addr().map_err(|source| DevError::Listen { address: loopback(0), source })?;
    Ok(format!("http://{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_ours_to_listen_on_and_a_listening_one_is_not_reserved() {
        let (_held, address) = reserve(loopback(0)).unwrap();
        let listener = TcpListener::bind(address).unwrap();
        assert!(reserve(listener.local_addr().unwrap()).is_err());
    }

    #[test]
    fn taken_helper_ports_are_replaced() {
        let first = bind(loopback(0)).unwrap();
        let again = Ports { ..bind(loopback(0)).unwrap() };
        let mut ports: Vec<u16> = [&first, &again]
            .iter()
            .flat_map(|p| {
                let helpers = [&p.provider, &p.verify].map(|l| l.local_addr().unwrap().port());
                [p.address.port(), p.metrics.port(), helpers[0], helpers[1]]
            })
            .collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 8);
        let taken = first.provider.local_addr().unwrap().port();
        assert_ne!(listen(taken).unwrap().local_addr().unwrap().port(), taken);
    }
}
