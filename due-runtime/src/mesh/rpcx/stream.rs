//! Frames over a stream of bytes.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, FrameError};
use super::limits::FRAME_TIME;

/// Read at a time: what a frame claims to have is not allocated before it comes.
const CHUNK: usize = 16 << 10;
/// Frames, and bytes of them, that are put together to one write.
const BATCH: usize = 32;
const BATCH_BYTES: usize = 64 << 10;

/// Why a stream of frames ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("what came is no frame")]
    Frame(#[from] FrameError),
    #[error("a frame did not come to its end within {FRAME_TIME:?}")]
    Slow,
    #[error("the server says nothing, not even that it lives")]
    Silent,
    #[error("the connection ended within a frame")]
    Cut,
}

pub(super) struct FrameReader<R> {
    stream: R,
    buf: BytesMut,
    /// When the frame at hand has to be complete.
    due: Option<Instant>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buf: BytesMut::new(), due: None }
    }

    /// The next frame; `None` at the end. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, StreamError> {
        loop {
            if let Some(frame) = Frame::take(&mut self.buf)? {
                self.due = None;
                return Ok(Some(frame));
            }
            if self.buf.is_empty() {
                self.due = None;
            } else {
                self.due = self.due.or_else(|| Some(Instant::now() + FRAME_TIME));
            }
            self.buf.reserve(CHUNK);
            let read = self.stream.read_buf(&mut self.buf);
            let read = match self.due {
                Some(due) => timeout_at(due, read).await.map_err(|_| StreamError::Slow)?,
                None => read.await,
            };
            if read? == 0 {
                return if self.buf.is_empty() { Ok(None) } else { Err(StreamError::Cut) };
            }
        }
    }
}

/// Writes what is queued, until nobody can queue any more, or until the end has come and the queue is empty.
pub(super) async fn write_all(
    mut stream: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Bytes>,
    end: CancellationToken,
) -> io::Result<()> {
    let mut frames = Vec::with_capacity(BATCH);
    let mut batch = BytesMut::new();
    loop {
        let queued = tokio::select! {
            biased;
            queued = queue.recv_many(&mut frames, BATCH) => queued,
            () = end.cancelled() => 0,
        };
        if queued == 0 {
            break;
        }
        for frame in frames.drain(..) {
            if batch.len() + frame.len() <= BATCH_BYTES {
                batch.extend_from_slice(&frame);
            } else {
                write(&mut stream, &batch.split()).await?;
                write(&mut stream, &frame).await?;
            }
        }
        write(&mut stream, &batch.split()).await?;
    }
    timeout(FRAME_TIME, stream.shutdown()).await?
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    timeout(FRAME_TIME, async {
        stream.write_all(bytes).await?;
        stream.flush().await
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_queued_is_read_in_order() {
        let (here, there) = tokio::io::duplex(100);
        let (frames, queue) = mpsc::channel(8);
        let writer = tokio::spawn(write_all(here, queue, CancellationToken::new()));
        let sizes = [0, 10, 70_000, 3];
        for (seq, size) in (0..).zip(sizes) {
            let frame = Frame { seq, payload: vec![7; size].into(), ..Frame::default() };
            frames.send(frame.encode().unwrap()).await.unwrap();
        }
        drop(frames);
        let mut reader = FrameReader::new(there);
        for (seq, size) in (0..).zip(sizes) {
            let frame = reader.next().await.unwrap().unwrap();
            assert_eq!((frame.seq, frame.payload.len()), (seq, size));
        }
        assert!(reader.next().await.unwrap().is_none());
        writer.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_has_thirty_seconds() {
        let (mut here, there) = tokio::io::duplex(100);
        let mut reader = FrameReader::new(there);
        here.write_all(&[8]).await.unwrap();
        let began = Instant::now();
        assert!(matches!(reader.next().await, Err(StreamError::Slow)));
        assert_eq!(began.elapsed(), FRAME_TIME);

        let (mut here, there) = tokio::io::duplex(100);
        let mut reader = FrameReader::new(there);
        // Silence between frames is no fault.
        assert!(timeout(10 * FRAME_TIME, reader.next()).await.is_err());
        here.write_all(&[8, 0]).await.unwrap();
        drop(here);
        assert!(matches!(reader.next().await, Err(StreamError::Cut)));
    }
}
