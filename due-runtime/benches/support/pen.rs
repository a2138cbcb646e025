//! A connection's way out: ready requests, each with a seq of its own.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use crate::numbers::Seqs;
use crate::wire::Wire;

/// Room for requests that is shared by all connections of a driver: what a socket does not take at once is copied.
pub(crate) struct Sheet {
    wire: Rc<Wire>,
    requests: RefCell<Vec<u8>>,
}

impl Sheet {
    /// Of so many requests at once.
    pub(crate) fn new(wire: &Rc<Wire>, requests: usize) -> Rc<Self> {
        Rc::new(Self { wire: Rc::clone(wire), requests: RefCell::new(wire.request.repeat(requests)) })
    }
}

pub(crate) struct Pen {
    sheet: Rc<Sheet>,
    write: OwnedWriteHalf,
    seqs: Seqs,
}

impl Pen {
    pub(crate) fn new(sheet: &Rc<Sheet>, write: OwnedWriteHalf) -> Self {
        Self { sheet: Rc::clone(sheet), write, seqs: Seqs::of(&sheet.wire) }
    }

    /// The next `count` requests, which has to fit on the sheet.
    pub(crate) async fn write(&mut self, count: usize) -> io::Result<()> {
        let left = {
            let mut requests = self.sheet.requests.borrow_mut();
            let requests = &mut requests[..count * self.sheet.wire.request.len()];
            self.seqs.number(requests);
            let taken = match self.write.try_write(requests) {
                Ok(len) => len,
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => 0,
                Err(err) => return Err(err),
            };
            if taken == requests.len() {
                return Ok(());
            }
            requests[taken..].to_vec()
        };
        self.write.write_all(&left).await
    }
}
