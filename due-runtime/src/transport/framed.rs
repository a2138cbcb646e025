//! Sized packets over any byte stream.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::{CLOSE_WAIT, CloseReason, Inbound, PacketRead, PacketWrite, ReadError};
use crate::packet::{Dialect, Format};

/// What one read takes at most unless a large packet is on its way.
pub(super) const READ_CHUNK: usize = 64 * 1024;
/// Packets of a batch are copied together up to this many bytes per write; longer ones are written from where they are.
const JOINED: usize = 64 * 1024;
/// Longest beginning of a packet that is copied to where its rest is read.
const BEGINNING: usize = 4 * 1024;

thread_local! {
    /// Where packets are joined. What the stream does not take at once is copied, so that all connections of a thread
    /// share it.
    static JOINT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Where packets are read to, if those of the read before are gone by then: a buffer that is freed and allocated once
    /// per read costs page faults.
    static READ_TO: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Reads packets from a byte stream. Holds no buffer while nothing is on its way.
#[derive(Debug)]
pub struct FramedRead<R> {
    read: R,
    buf: BytesMut,
    format: Arc<Format>,
}

impl<R> FramedRead<R> {
    /// Packets of the sized dialect from `read`.
    pub fn new(read: R, format: Arc<Format>) -> Self {
        Self { read, buf: BytesMut::new(), format }
    }
}

impl<R: AsyncRead + Unpin> FramedRead<R> {
    async fn fill(&mut self) -> io::Result<usize> {
        if self.buf.capacity() - self.buf.len() >= READ_CHUNK {
            return self.read.read_buf(&mut self.buf).await;
        }
        // A chunk on the stack for the time of one poll, so that the buffer is as large as what has come and an
        // idle connection has none.
        poll_fn(|cx| {
            let mut chunk = [MaybeUninit::uninit(); READ_CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut self.read).poll_read(cx, &mut chunk))?;
            self.keep(chunk.filled());
            Ok(chunk.filled().len()).into()
        })
        .await
    }

    /// Appends what was read: much of it to the shared buffer, a little to one of its own.
    fn keep(&mut self, read: &[u8]) {
        let beginning = self.buf.len();
        if read.len() < READ_CHUNK / 4 || beginning > BEGINNING {
            return self.buf.extend_from_slice(read);
        }
        let mut small = [0; BEGINNING];
        small[..beginning].copy_from_slice(&self.buf);
        // Its own hold on the buffer would keep it from being used again.
        self.buf = BytesMut::new();
        let mut to = READ_TO.take();
        if !to.try_reclaim(beginning + read.len()) {
            to = BytesMut::with_capacity(BEGINNING + READ_CHUNK);
        }
        to.extend_from_slice(&small[..beginning]);
        to.extend_from_slice(read);
        self.buf = to.split();
        READ_TO.set(to);
    }
}

impl<R: AsyncRead + Unpin + Send + 'static> PacketRead for FramedRead<R> {
    const HALF_CLOSES: bool = true;

    async fn read(&mut self) -> Result<Option<Inbound>, ReadError> {
        loop {
            if let Some(unit) = self.buffered() {
                return unit.map(Some);
            }
            if self.fill().await? == 0 {
                return match self.buf.is_empty() {
                    true => Ok(None),
                    false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                };
            }
        }
    }

    fn buffered(&mut self) -> Option<Result<Inbound, ReadError>> {
        let unit = self.format.split(&mut self.buf).transpose()?;
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        }
        Some(unit.map(Inbound::Unit).map_err(ReadError::from))
    }
}

/// Writes packets to a byte stream, those of a batch together.
#[derive(Debug)]
pub struct FramedWrite<W> {
    write: W,
    format: Arc<Format>,
}

impl<W> FramedWrite<W> {
    /// Packets to `write`.
    pub fn new(write: W, format: Arc<Format>) -> Self {
        Self { write, format }
    }
}

impl<W: AsyncWrite + Unpin> FramedWrite<W> {
    async fn write_joined(&mut self, packets: &[Bytes]) -> io::Result<()> {
        let rest = poll_fn(|cx| {
            let mut joint = JOINT.take();
            packets.iter().for_each(|packet| joint.extend_from_slice(packet));
            let written = match Pin::new(&mut self.write).poll_write(cx, &joint) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            let rest = joint[written..].to_vec();
            joint.clear();
            JOINT.set(joint);
            Poll::Ready(Ok::<_, io::Error>(rest))
        });
        let rest = rest.await?;
        self.write.write_all(&rest).await
    }
}

impl<W: AsyncWrite + Unpin + Send + 'static> PacketWrite for FramedWrite<W> {
    async fn write(&mut self, batch: &mut Vec<Bytes>, dialect: Dialect) -> io::Result<()> {
        for packet in batch.iter_mut() {
            *packet = self.format.in_dialect(dialect, std::mem::take(packet));
        }
        let mut packets = &batch[..];
        while let Some(first) = packets.first() {
            let mut bytes = first.len();
            let fit = packets[1..].iter().take_while(|packet| {
                bytes += packet.len();
                bytes <= JOINED
            });
            let (together, later) = packets.split_at(1 + fit.count());
            packets = later;
            match together {
                [only] => self.write.write_all(only).await?,
                _ => self.write_joined(together).await?,
            }
        }
        batch.clear();
        self.write.flush().await
    }

    async fn close(&mut self, _: CloseReason) {
        // A peer that is gone already has nothing to be told.
        let _ = timeout(CLOSE_WAIT, self.write.shutdown()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{RouteId, Seq};

    #[tokio::test]
    async fn an_idle_connection_holds_no_buffer() {
        let format = Arc::new(Format::new());
        let (near, mut far) = tokio::io::duplex(100_000);
        let mut read = FramedRead::new(near, Arc::clone(&format));
        for len in [10, 5000] {
            let packet = format.encode(RouteId(1), Seq(1), &vec![7; len]).unwrap();
            far.write_all(&packet.repeat(10)).await.unwrap();
            for _ in 0..10 {
                assert!(read.read().await.unwrap().is_some());
            }
            assert_eq!((read.buf.len(), read.buf.capacity()), (0, 0));
        }
    }

    #[tokio::test]
    async fn a_batch_is_written_as_it_is_whatever_its_sizes() {
        let format = Arc::new(Format::new().buffer_bytes(50_000));
        for lens in [vec![], vec![1], vec![40_000], vec![1, 2, 40_000, 3, 16_000, 500, 40_000], vec![900; 100]] {
            let batch: Vec<Bytes> =
                lens.iter().map(|len| format.encode(RouteId(1), Seq(1), &vec![*len as u8; *len]).unwrap()).collect();
            let (near, mut far) = tokio::io::duplex(1 << 20);
            let mut write = FramedWrite::new(near, Arc::clone(&format));
            for (dialect, head) in [(Dialect::Sized, 0), (Dialect::Bare, 4)] {
                let expected: Vec<u8> = batch.iter().flat_map(|packet| packet[head..].to_vec()).collect();
                write.write(&mut batch.clone(), dialect).await.unwrap();
                let mut written = vec![0; expected.len()];
                far.read_exact(&mut written).await.unwrap();
                assert!(written == expected, "{lens:?} {dialect:?}");
            }
            write.close(CloseReason::Normal).await;
            assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        }
    }
}
