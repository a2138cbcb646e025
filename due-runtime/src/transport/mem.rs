//! Packets within one process, without sockets: for tests, and for bots beside their gate.
//!
//! The same rules hold as on a socket: a slow reader makes the writer wait, and closing one end ends the other.
//! ```
//! use std::sync::Arc;
//! use due::packet::{Dialect, Format, Frame};
//! use due::transport::{Inbound, Incoming, PacketRead, PacketWrite, Transport, mem};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let format = Arc::new(Format::new());
//! let (mut listener, connector) = mem::listener();
//! let (_, mut client) = connector.connect(Arc::clone(&format)).await?;
//! let (incoming, _) = listener.accept().await;
//! let mut session = incoming.open(Arc::clone(&format)).await?;
//!
//! client.write(&mut vec![format.heartbeat(Dialect::Sized, 0)], Dialect::Sized).await?;
//! let Some(Inbound::Unit(unit)) = session.read.read().await? else { panic!("closed") };
//! assert_eq!(format.parse(unit)?, Frame::Heartbeat);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```

use std::future::pending;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use super::{CloseReason, Inbound, Incoming, Opened, PacketRead, PacketWrite, Peer, ReadError, Transport};
use crate::packet::{DecodeError, Dialect, Format};

/// Connections that may wait to be accepted; further ones wait in `connect`.
const BACKLOG: usize = 128;
/// Packets on their way in one direction, as a socket's buffers hold some.
const IN_FLIGHT: usize = 64;

const SIZE: usize = 4;

/// A listener and what connects to it.
pub fn listener() -> (Mem, MemConnector) {
    let (connector, clients) = mpsc::channel(BACKLOG);
    (Mem { clients }, MemConnector { gate: connector })
}

/// Both ends of one connection that nobody had to accept.
pub fn pair(format: Arc<Format>) -> ((MemRead, MemWrite), (MemRead, MemWrite)) {
    let (to_left, left) = mpsc::channel(IN_FLIGHT);
    let (to_right, right) = mpsc::channel(IN_FLIGHT);
    let read = |packets| MemRead { packets, format: Arc::clone(&format) };
    let write = |packets| MemWrite { packets: Some(packets) };
    ((read(left), write(to_right)), (read(right), write(to_left)))
}

/// Accepts clients of the same process.
#[derive(Debug)]
pub struct Mem {
    clients: mpsc::Receiver<MemIncoming>,
}

impl Transport for Mem {
    type Incoming = MemIncoming;

    async fn accept(&mut self) -> (MemIncoming, Peer) {
        match self.clients.recv().await {
            Some(incoming) => (incoming, Peer::Memory),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> String {
        "mem:".to_owned()
    }
}

/// Connects to a [`Mem`] in the same process.
#[derive(Clone, Debug)]
pub struct MemConnector {
    gate: mpsc::Sender<MemIncoming>,
}

impl MemConnector {
    /// A new connection. `format` is the client's; the gate has its own.
    ///
    /// # Errors
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) when the listener is gone.
    pub async fn connect(&self, format: Arc<Format>) -> io::Result<(MemRead, MemWrite)> {
        let (client, gate) = pair(format);
        let incoming = MemIncoming { read: gate.0, write: gate.1 };
        match self.gate.send(incoming).await {
            Ok(()) => Ok(client),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

/// A client of the same process.
#[derive(Debug)]
pub struct MemIncoming {
    read: MemRead,
    write: MemWrite,
}

impl Incoming for MemIncoming {
    type Read = MemRead;
    type Write = MemWrite;

    async fn open(self, format: Arc<Format>) -> io::Result<Opened<MemRead, MemWrite>> {
        Ok(Opened::new(MemRead { format, ..self.read }, self.write))
    }
}

/// The reading half; see [`PacketRead`].
#[derive(Debug)]
pub struct MemRead {
    packets: mpsc::Receiver<Bytes>,
    format: Arc<Format>,
}

impl MemRead {
    fn unit(&self, mut packet: Bytes) -> Result<Inbound, ReadError> {
        packet.advance(SIZE.min(packet.len()));
        let (size, limit) = (packet.len(), self.format.max_frame_bytes());
        match size > limit {
            true => Err(DecodeError::TooLarge { size, limit }.into()),
            false => Ok(Inbound::Unit(packet)),
        }
    }
}

impl PacketRead for MemRead {
    const HALF_CLOSES: bool = true;

    async fn read(&mut self) -> Result<Option<Inbound>, ReadError> {
        match self.packets.recv().await {
            Some(packet) => self.unit(packet).map(Some),
            None => Ok(None),
        }
    }

    fn buffered(&mut self) -> Option<Result<Inbound, ReadError>> {
        let packet = self.packets.try_recv().ok()?;
        Some(self.unit(packet))
    }
}

/// The writing half; see [`PacketWrite`].
#[derive(Debug)]
pub struct MemWrite {
    packets: Option<mpsc::Sender<Bytes>>,
}

impl PacketWrite for MemWrite {
    async fn write(&mut self, batch: &mut Vec<Bytes>, _: Dialect) -> io::Result<()> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        let packets = self.packets.as_ref().ok_or_else(closed)?;
        for packet in batch.drain(..) {
            packets.send(packet).await.map_err(|_| closed())?;
        }
        Ok(())
    }

    async fn close(&mut self, _: CloseReason) {
        self.packets = None;
    }
}
