//! Sized packets over any byte stream.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::vec::Drain;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::{CLOSE_WAIT, CloseReason, Inbound, PacketRead, PacketWrite, ReadError};
use crate::packet::{Dialect, Format};

/// What one read takes at most: 64 packets of 1 KiB and some. With the beginning of a packet before it less than glibc would
/// ask the system for each time.
const READ_CHUNK: usize = 96 * 1024;
/// Packets of a batch are copied together up to this many bytes per write; longer ones are written from where they are.
const JOINED: usize = 128 * 1024;
/// From so many bytes on, what was read stays in the shared buffer.
const SHARED: usize = 16 * 1024;
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
    /// Of a buffer that is empty.
    fn let_go(&mut self) {
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        if self.buf.len() > BEGINNING {
            // A large packet is on its way: it gets a buffer of its own, which doubles with what has come.
            self.buf.reserve(READ_CHUNK.min(self.buf.len()));
            return self.read.read_buf(&mut self.buf).await;
        }
        // Into the shared buffer for the time of one poll, so that an idle connection has none.
        poll_fn(|cx| {
            let beginning = self.buf.to_vec();
            // Its own hold on the buffer would keep it from being used again.
            self.buf = BytesMut::new();
            let mut to = READ_TO.take();
            to.clear();
            if !to.try_reclaim(BEGINNING + READ_CHUNK) {
                to = BytesMut::with_capacity(BEGINNING + READ_CHUNK);
            }
            to.extend_from_slice(&beginning);
            let read = pin!(self.read.read_buf(&mut to)).poll(cx);
            self.buf = match to.len() {
                0 => BytesMut::new(),
                // A little gets a buffer of its own: it may wait for long.
                1..SHARED => BytesMut::from(&to[..]),
                _ => to.split(),
            };
            READ_TO.set(to);
            read
        })
        .await
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
        self.let_go();
        Some(unit.map(Inbound::Unit).map_err(ReadError::from))
    }

    fn take_packets(&mut self, take: impl FnOnce(&[u8]) -> usize) -> usize {
        let taken = take(&self.buf);
        self.buf.advance(taken);
        self.let_go();
        taken
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
    /// What the stream does not take at once is copied: packets may be parts of something larger.
    async fn write_joined(&mut self, mut packets: Drain<'_, Bytes>) -> io::Result<()> {
        let rest = poll_fn(|cx| {
            let mut joint = JOINT.take();
            packets.by_ref().for_each(|packet| joint.extend_from_slice(&packet));
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
        drop(packets);
        self.write.write_all(&rest).await
    }
}

impl<W: AsyncWrite + Unpin + Send + 'static> PacketWrite for FramedWrite<W> {
    async fn write(&mut self, batch: &mut Vec<Bytes>, dialect: Dialect) -> io::Result<()> {
        for packet in batch.iter_mut() {
            *packet = self.format.in_dialect(dialect, std::mem::take(packet));
        }
        while let Some(first) = batch.first() {
            let mut bytes = first.len();
            if bytes > JOINED {
                self.write.write_all(&batch.remove(0)).await?;
                continue;
            }
            let fit = batch[1..].iter().take_while(|packet| {
                bytes += packet.len();
                bytes <= JOINED
            });
            let together = 1 + fit.count();
            self.write_joined(batch.drain(..together)).await?;
        }
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
