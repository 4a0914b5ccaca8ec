//! The ends of a tunnel: a socket, clear or over TLS, or a stream of HTTP/2, a client's or an upstream's. An orderly end of
//! the one is an orderly end of the other (FIN, END_STREAM), and so is a broken one (RST_STREAM with CANCEL; RFC 8441
//! section 5).

use std::io;
use std::time::Duration;

use crate::edge::body::Outgoing;
use crate::edge::codec::{Client, mux};
use crate::edge::deadline::Deadline;
use crate::edge::flow;
use crate::edge::upstream::Connection;
use crate::edge::upstream::h2::{Place, Receiving, Sending};
use crate::edge::wire::{READ_BYTES, Reader, Writer};
use crate::edge::worker::Worker;

/// Where bytes come from.
pub enum Inlet<'t> {
    Wire(&'t mut Reader),
    Stream(&'t mux::Stream),
    Upstream(&'t mut Receiving),
}

/// Where bytes go.
pub enum Outlet<'t> {
    Wire { writer: &'t mut Writer, deadline: &'t Deadline, worker: &'t Worker, write_timeout: Duration },
    Stream { stream: &'t mux::Stream, write_timeout: Duration },
    Upstream { sending: &'t mut Sending, write_timeout: Duration },
}

/// What a client is joined to.
pub enum Upstream<'u> {
    H1(Box<Connection>),
    /// A stream of the connection on which `place` is.
    H2 {
        place: &'u Place,
        receiving: Receiving,
        sending: Sending,
    },
}

impl Upstream<'_> {
    /// Both ends, and what was read from it before. It need not answer in time any more.
    pub fn ends<'t>(&'t mut self, worker: &'t Worker, write_timeout: Duration) -> (Inlet<'t>, Outlet<'t>, Vec<u8>) {
        match self {
            Upstream::H1(connection) => {
                let Connection { reader, writer, deadline, inbox, .. } = &mut **connection;
                deadline.clear_read();
                deadline.clear_total();
                let outlet = Outlet::Wire { writer, deadline, worker, write_timeout };
                (Inlet::Wire(reader), outlet, std::mem::take(inbox))
            }
            Upstream::H2 { place, receiving, sending } => {
                place.deadline.clear_read();
                place.deadline.clear_total();
                (Inlet::Upstream(receiving), Outlet::Upstream { sending, write_timeout }, Vec::new())
            }
        }
    }
}

/// Both ends of a client, and what was read from it before.
pub fn of_client<'t>(
    client: &'t mut Client<'_>,
    worker: &'t Worker,
    write_timeout: Duration,
) -> (Inlet<'t>, Outlet<'t>, Vec<u8>) {
    match client {
        Client::H1(connection) => {
            connection.deadline.clear_read();
            let early = std::mem::take(&mut connection.inbox);
            let outlet =
                Outlet::Wire { writer: &mut connection.writer, deadline: &connection.deadline, worker, write_timeout };
            (Inlet::Wire(&mut connection.reader), outlet, early)
        }
        Client::H2(stream) => (Inlet::Stream(stream), Outlet::Stream { stream, write_timeout }, Vec::new()),
    }
}

impl Inlet<'_> {
    /// Reads once, appending to `bytes`; false at the sender's orderly end, when there is nothing in `bytes`.
    pub async fn read(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        match self {
            Inlet::Wire(reader) => Ok(reader.read(bytes, READ_BYTES).await? > 0),
            Inlet::Stream(stream) => match stream.read(bytes).await {
                // The end that came with the last bytes is read again behind them.
                Ok((count, _ended)) => Ok(count > 0),
                Err(_) => Err(io::ErrorKind::ConnectionReset.into()),
            },
            Inlet::Upstream(receiving) if receiving.is_ended() => Ok(false),
            Inlet::Upstream(receiving) => match receiving.fill().await {
                Ok(_) => Ok(receiving.take(Outgoing::Plain, bytes).0 > 0),
                Err(_) => Err(io::ErrorKind::ConnectionReset.into()),
            },
        }
    }
}

impl Outlet<'_> {
    /// Writes all of `bytes` and leaves it empty; the receiver must take some of it within the write timeout.
    pub async fn write(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        match self {
            Outlet::Wire { writer, deadline, worker, write_timeout } => {
                deadline.set_write(worker.clock.now_ms() + write_timeout.as_millis() as u64);
                let result = writer.write_all(bytes).await;
                deadline.clear_write();
                result
            }
            Outlet::Stream { stream, write_timeout } => {
                let result = flow::write_stream(stream, *write_timeout, bytes, false).await;
                result.map_err(|_| io::ErrorKind::ConnectionReset.into())
            }
            Outlet::Upstream { sending, write_timeout } => {
                let result = sending.pass(*write_timeout, bytes).await;
                result.map_err(|_| io::ErrorKind::ConnectionReset.into())
            }
        }
    }

    /// Says that nothing follows. Nobody is helped when the receiver does not hear it.
    pub async fn finish(&mut self) {
        match self {
            Outlet::Wire { writer, deadline, worker, write_timeout } => {
                deadline.set_write(worker.clock.now_ms() + write_timeout.as_millis() as u64);
                writer.finish(deadline.control()).await;
                deadline.clear_write();
            }
            Outlet::Stream { stream, .. } => drop(stream.try_write(&[], true)),
            Outlet::Upstream { sending, .. } => sending.end(),
        }
    }

    /// Breaks off, in both directions.
    pub fn cut(&mut self) {
        match self {
            Outlet::Wire { deadline, .. } => deadline.control().shutdown(),
            Outlet::Stream { stream, .. } => stream.cancel(),
            Outlet::Upstream { sending, .. } => sending.cancel(),
        }
    }
}
