//! One read buffer for all connections of a driver.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::ready;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

const READ: usize = 256 * 1024;

/// Where answers go to be looked at.
pub(crate) struct Scratch(RefCell<Vec<u8>>);

impl Default for Scratch {
    fn default() -> Self {
        Self(RefCell::new(vec![0; READ]))
    }
}

impl Scratch {
    /// Reads once, and shows what came. The end of the stream is an error.
    pub(crate) async fn read<T>(&self, read: &mut OwnedReadHalf, look: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        let mut look = Some(look);
        poll_fn(|cx| {
            let mut scratch = self.0.borrow_mut();
            let mut buf = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut *read).poll_read(cx, &mut buf))?;
            match (buf.filled(), look.take()) {
                (bytes, Some(look)) if !bytes.is_empty() => Ok(look(bytes)).into(),
                _ => Err(io::ErrorKind::UnexpectedEof.into()).into(),
            }
        })
        .await
    }
}
