use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What one read takes at most.
const READ_CHUNK: usize = 64 * 1024;

/// Reads much at a time for someone who asks for little, and holds no buffer while nothing is on its way: tungstenite's own
/// buffer, which every connection has all the time, can then be small.
#[derive(Debug)]
pub(super) struct ReadAhead<S> {
    stream: S,
    ahead: BytesMut,
}

impl<S> ReadAhead<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, ahead: BytesMut::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            let mut chunk = [MaybeUninit::uninit(); READ_CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut chunk))?;
            let (now, later) = chunk.filled().split_at(buf.remaining().min(chunk.filled().len()));
            buf.put_slice(now);
            this.ahead.extend_from_slice(later);
        } else {
            let len = buf.remaining().min(this.ahead.len());
            buf.put_slice(&this.ahead[..len]);
            this.ahead.advance(len);
            if this.ahead.is_empty() {
                this.ahead = BytesMut::new();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn small_reads_see_every_byte_and_nothing_is_kept_at_the_end() {
        let (near, mut far) = tokio::io::duplex(100_000);
        let sent: Vec<u8> = (0..90_000_u32).map(|number| number as u8).collect();
        far.write_all(&sent).await.unwrap();
        drop(far);
        let mut read = ReadAhead::new(near);
        let mut received = Vec::new();
        for len in (1..).map(|turn| turn * 37 % 600 + 1) {
            let mut part = vec![0; len];
            match read.read(&mut part).await.unwrap() {
                0 => break,
                len => received.extend_from_slice(&part[..len]),
            }
        }
        assert!(received == sent);
        assert_eq!(read.ahead.capacity(), 0);
    }
}
