//! The ends of a tunnel: a socket, clear or over TLS, or a stream of HTTP/2. An orderly end of the one is an orderly end
//! of the other (FIN, END_STREAM), and so is a broken one (RST_STREAM with CANCEL; RFC 8441 section 5).

use std::io;
use std::time::Duration;

use crate::edge::codec::{Client, mux};
use crate::edge::deadline::Deadline;
use crate::edge::flow;
use crate::edge::wire::{READ_BYTES, Reader, Writer};
use crate::edge::worker::Worker;

/// Where bytes come from.
pub enum Inlet<'t> {
    Wire(&'t mut Reader),
    Stream(&'t mux::Stream),
}

/// Where bytes go.
pub enum Outlet<'t> {
    Wire { writer: &'t mut Writer, deadline: &'t Deadline, worker: &'t Worker, write_timeout: Duration },
    Stream { stream: &'t mux::Stream, write_timeout: Duration },
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
        }
    }

    /// Breaks off, in both directions.
    pub fn cut(&self) {
        match self {
            Outlet::Wire { deadline, .. } => deadline.control().shutdown(),
            Outlet::Stream { stream, .. } => stream.cancel(),
        }
    }
}
