//! Transports without a socket: byte streams and whole messages.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use due::packet::{Dialect, Format};
use due::transport::{
    CloseReason, FramedRead, FramedWrite, Inbound, Incoming, Opened, PacketRead, PacketWrite, Peer, ReadError,
    Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::mpsc;

/// Less than most inputs, so that both sides have to wait.
const BUFFER: usize = 512;

/// The gate's side.
pub(super) struct Door<I> {
    clients: mpsc::UnboundedReceiver<I>,
    dialect: Option<Dialect>,
}

/// The clients' side.
pub(super) struct Knock<I>(mpsc::UnboundedSender<I>);

pub(super) fn open<I: Incoming>(dialect: Option<Dialect>) -> (Door<I>, Knock<I>) {
    let (knock, clients) = mpsc::unbounded_channel();
    (Door { clients, dialect }, Knock(knock))
}

impl<I: Incoming> Transport for Door<I> {
    type Incoming = I;

    async fn accept(&mut self) -> (I, Peer) {
        match self.clients.recv().await {
            Some(client) => (client, Peer::Memory),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> String {
        "fuzz:".to_owned()
    }

    fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }
}

pub(super) struct Stream(DuplexStream);

type Halves = (FramedRead<ReadHalf<DuplexStream>>, FramedWrite<WriteHalf<DuplexStream>>);

impl Stream {
    fn halves(self, format: Arc<Format>) -> Halves {
        let (read, write) = split(self.0);
        (FramedRead::new(read, Arc::clone(&format)), FramedWrite::new(write, format))
    }
}

impl Incoming for Stream {
    type Read = FramedRead<ReadHalf<DuplexStream>>;
    type Write = FramedWrite<WriteHalf<DuplexStream>>;

    async fn open(self, format: Arc<Format>) -> io::Result<Opened<Self::Read, Self::Write>> {
        let (read, write) = self.halves(format);
        Ok(Opened::new(read, write))
    }
}

impl Knock<Stream> {
    pub(super) fn connect(&self, format: &Format) -> Halves {
        let (client, gate) = duplex(BUFFER);
        let _ = self.0.send(Stream(gate));
        Stream(client).halves(Arc::new(format.clone()))
    }

    /// What comes back until the gate has closed.
    pub(super) async fn exchange(&self, bytes: &[u8], chunk: usize) -> Vec<u8> {
        let (client, gate) = duplex(BUFFER);
        let _ = self.0.send(Stream(gate));
        let (mut read, mut write) = split(client);
        let ask = async {
            for chunk in bytes.chunks(chunk) {
                if write.write_all(chunk).await.is_err() {
                    return; // The gate has heard enough.
                }
            }
            let _ = write.shutdown().await;
        };
        let mut answers = Vec::new();
        let listen = async { read.read_to_end(&mut answers).await.expect("an end") };
        tokio::join!(ask, listen);
        answers
    }
}

pub(super) struct Messages {
    sent: VecDeque<Bytes>,
    answers: mpsc::UnboundedSender<Bytes>,
}

impl Incoming for Messages {
    type Read = MessageRead;
    type Write = MessageWrite;

    async fn open(self, format: Arc<Format>) -> io::Result<Opened<MessageRead, MessageWrite>> {
        Ok(Opened::new(MessageRead(self.sent), MessageWrite { answers: self.answers, format }))
    }
}

impl Knock<Messages> {
    /// What comes back until the gate has closed.
    pub(super) async fn exchange(&self, sent: impl Into<VecDeque<Bytes>>) -> Vec<Bytes> {
        let (answers, mut receiver) = mpsc::unbounded_channel();
        let _ = self.0.send(Messages { sent: sent.into(), answers });
        let mut all = Vec::new();
        while let Some(answer) = receiver.recv().await {
            all.push(answer);
        }
        all
    }
}

pub(super) struct MessageRead(VecDeque<Bytes>);

impl PacketRead for MessageRead {
    async fn read(&mut self) -> Result<Option<Inbound>, ReadError> {
        Ok(self.0.pop_front().map(Inbound::Message))
    }

    /// One at a time, so that the gate is seen in every state.
    fn buffered(&mut self) -> Option<Result<Inbound, ReadError>> {
        None
    }
}

pub(super) struct MessageWrite {
    answers: mpsc::UnboundedSender<Bytes>,
    format: Arc<Format>,
}

impl PacketWrite for MessageWrite {
    async fn write(&mut self, batch: &mut Vec<Bytes>, dialect: Dialect) -> io::Result<()> {
        for packet in batch.drain(..) {
            let _ = self.answers.send(self.format.in_dialect(dialect, packet));
        }
        Ok(())
    }

    async fn close(&mut self, _: CloseReason) {}
}
