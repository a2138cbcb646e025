//! Frames out of a byte stream, many per read.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::answer::PUBLISH_SIZE;
use super::frame::{self, Frame, HEAD, Impossible, op};

/// What one read takes: the more, the more there was before.
const READ: std::ops::RangeInclusive<usize> = 4 * 1024..=256 * 1024;
/// Longest beginning of a frame that is copied to where its rest is read.
const BEGINNING: usize = 4 * 1024;
/// Buffers that a thread keeps for when nobody holds a part of them any more.
const MOST_LEFT: usize = 8;
/// How long the rest of an answer to a publish may take: a gate of due v2.5.8 forgets it when it is zero.
const GRACE: Duration = Duration::from_millis(50);
/// Head and code.
const SHORT_ANSWER: usize = HEAD + 2;
const TOTAL: usize = 8;

thread_local! {
    /// Buffers that somebody held a part of when there was more to read. New ones would cost page faults each time.
    static LEFT: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Incoming<R> {
    read: R,
    buf: BytesMut,
    /// Bytes of `buf` that the caller has seen.
    seen: usize,
    /// Length of the frame that comes next, once it is there.
    known: Option<usize>,
    limit: usize,
    /// Bytes of the next read.
    chunk: usize,
    answers: Answers,
}

/// Whether the frames are answers, which a Go gate may cut short.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    No,
    Yes,
    /// One was taken for a short one; what comes next may be its rest.
    OneShort,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Impossible(#[from] Impossible),
}

/// How much of a stream is its first frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Length {
    Known(usize),
    /// Of an answer without its rest, which may still come.
    Short,
    Unknown,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    /// Frames of at most `limit` bytes after the size field.
    pub(super) fn requests(read: R, limit: usize) -> Self {
        Self { read, buf: BytesMut::new(), seen: 0, known: None, limit, chunk: *READ.start(), answers: Answers::No }
    }

    pub(super) fn answers(read: R, limit: usize) -> Self {
        Self { answers: Answers::Yes, ..Self::requests(read, limit) }
    }

    /// The next frame; `None` if the other side has closed between two.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<Unit<'_>>, ReadError> {
        if !self.ready().await? {
            return Ok(None);
        }
        self.buffered()
    }

    /// Waits for a frame, which [`buffered`](Self::buffered) then gives; `false` if the other side has closed.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn ready(&mut self) -> Result<bool, ReadError> {
        loop {
            let read = match self.measure()? {
                Length::Known(_) => return Ok(true),
                Length::Unknown => self.fill().await?,
                Length::Short => match timeout(GRACE, self.fill()).await {
                    Ok(read) => read?,
                    Err(_) => {
                        self.known = Some(SHORT_ANSWER);
                        self.answers = Answers::OneShort;
                        return Ok(true);
                    }
                },
            };
            if read == 0 {
                return match self.buf.is_empty() {
                    true => Ok(false),
                    false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                };
            }
        }
    }

    /// The next frame of those that were read already.
    pub(super) fn buffered(&mut self) -> Result<Option<Unit<'_>>, ReadError> {
        let Length::Known(len) = self.measure()? else { return Ok(None) };
        self.known = None;
        self.seen = len;
        Ok(Some(frame::parse(&self.buf[..len]).map_or(Unit::Heartbeat, Unit::Frame)))
    }

    /// The bytes of the frame that was given last. They are a part of what was read with it, all of which stays until
    /// nobody holds any.
    pub(super) fn share(&mut self) -> Bytes {
        self.buf.split_to(std::mem::take(&mut self.seen)).freeze()
    }

    fn measure(&mut self) -> Result<Length, Impossible> {
        self.buf.advance(std::mem::take(&mut self.seen));
        if let Some(len) = self.known {
            return Ok(Length::Known(len));
        }
        let length = self.measure_first()?;
        if let Length::Known(len) = length {
            self.known = Some(len);
        }
        Ok(length)
    }

    fn measure_first(&mut self) -> Result<Length, Impossible> {
        if self.answers == Answers::OneShort {
            match self.buf.first_chunk() {
                None => return Ok(Length::Unknown),
                // No frame begins like this.
                Some([0, 0, 0, 0]) if self.buf.len() < TOTAL => return Ok(Length::Unknown),
                Some([0, 0, 0, 0]) => self.buf.advance(TOTAL),
                Some(_) => {}
            }
            self.answers = Answers::Yes;
        }
        if self.answers == Answers::Yes && self.buf.len() >= SHORT_ANSWER && self.answers_publish() {
            match self.buf[SHORT_ANSWER..].first_chunk() {
                Some([0, 0, 0, 0]) => {}
                Some(_) => return Ok(Length::Known(SHORT_ANSWER)),
                None if self.buf[HEAD..SHORT_ANSWER] == [0, 0] => return Ok(Length::Short),
                None => {
                    self.answers = Answers::OneShort;
                    return Ok(Length::Known(SHORT_ANSWER));
                }
            }
        }
        Ok(frame::measure(&self.buf, self.limit)?.map_or(Length::Unknown, Length::Known))
    }

    fn answers_publish(&self) -> bool {
        self.buf.starts_with(&PUBLISH_SIZE.to_be_bytes())
            && frame::parse(&self.buf[..HEAD]).is_some_and(|frame| frame.op == op::PUBLISH)
    }

    async fn fill(&mut self) -> io::Result<usize> {
        if self.buf.is_empty() && self.buf.capacity() > 2 * self.chunk {
            self.buf = BytesMut::new();
        }
        // A peer that announces much and sends little costs little: the buffer doubles with what has come.
        if self.buf.len() > BEGINNING {
            self.buf.reserve(self.chunk);
        } else if !self.buf.try_reclaim(self.chunk) {
            self.leave_buffer();
        }
        // What comes behind a large frame has to wait, or all of it would be answered at once.
        let missing = frame::announced(&self.buf).saturating_sub(self.buf.len());
        let room = (self.buf.capacity() - self.buf.len()).min(missing.max(self.chunk));
        let read = (&mut self.read).take(room as u64).read_buf(&mut self.buf).await?;
        if read == room {
            self.chunk = (2 * self.chunk).min(*READ.end());
        } else if read < self.chunk / 8 {
            self.chunk = (self.chunk / 2).max(*READ.start());
        }
        Ok(read)
    }

    /// Goes on in another buffer: somebody still holds a part of this one, or it is too small.
    fn leave_buffer(&mut self) {
        let room = self.chunk + self.buf.len();
        LEFT.with_borrow_mut(|left| {
            let free = left.iter_mut().position(|left| left.try_reclaim(room));
            let mut next = match free {
                Some(index) => left.remove(index),
                None => BytesMut::with_capacity(room.max(self.chunk + BEGINNING)),
            };
            next.extend_from_slice(&self.buf);
            let mut last = std::mem::replace(&mut self.buf, next);
            last.clear();
            if left.len() == MOST_LEFT {
                left.remove(0);
            }
            left.push(last);
        });
    }
}

/// What follows a size field.
pub(super) enum Unit<'a> {
    Heartbeat,
    Frame(Frame<'a>),
}
