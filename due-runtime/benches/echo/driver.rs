//! What both drivers need: connections that work, and one read buffer for all of them.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::ready;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::JoinSet;

use crate::wire::Wire;

const READ: usize = 256 * 1024;

/// Each has sent one message and got it back.
pub(crate) async fn connect_all(wire: &Rc<Wire>, connections: usize) -> Vec<TcpStream> {
    let mut connecting = JoinSet::new();
    for number in 0..connections {
        let wire = Rc::clone(wire);
        connecting.spawn_local(async move {
            let mut socket = wire.connect(number).await.expect("the server listens");
            wire.exchange(&mut socket).await.expect("the server answers");
            socket
        });
    }
    connecting.join_all().await
}

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
