//! One read buffer for all connections of a driver.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::ready;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

const READ: usize = 256 * 1024;

/// Where answers go to be counted; nobody reads them.
pub(crate) struct Scratch(RefCell<Vec<u8>>);

impl Default for Scratch {
    fn default() -> Self {
        Self(RefCell::new(vec![0; READ]))
    }
}

impl Scratch {
    /// Reads once. The end of the stream is an error.
    pub(crate) async fn read(&self, read: &mut OwnedReadHalf) -> io::Result<usize> {
        poll_fn(|cx| {
            let mut scratch = self.0.borrow_mut();
            let mut buf = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut *read).poll_read(cx, &mut buf))?;
            match buf.filled().len() {
                0 => Err(io::ErrorKind::UnexpectedEof.into()).into(),
                len => Ok(len).into(),
            }
        })
        .await
    }
}
