//! The floor: what gate and node do at least. A front end numbers its clients and carries their frames over a few links to
//! a back end, which answers over the same links. Two threads, nothing shared but sockets, many frames per system call.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::ready;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::spawn_local;

const LINKS: usize = 5;
/// Every frame, of a client or of a link, begins with the number of bytes after it.
const SIZE: usize = 4;
const READ: usize = 256 * 1024;

/// Answers every frame of every link.
pub(crate) async fn back(listener: TcpListener) {
    let scratch = Scratch::default();
    while let Ok((link, _)) = listener.accept().await {
        spawn_local(answer(link, scratch.clone()));
    }
}

async fn answer(link: TcpStream, scratch: Scratch) -> io::Result<()> {
    link.set_nodelay(true)?;
    let (mut read, mut write) = link.into_split();
    let (mut frames, mut out) = (Frames::default(), Vec::new());
    while frames.read(&mut read, &scratch, |frame| out.extend_from_slice(frame)).await? {
        write.write_all(&out).await?;
        out.clear();
    }
    Ok(())
}

/// Accepts clients, and carries their frames to `back` and the answers to them.
pub(crate) async fn front(listener: TcpListener, back: SocketAddr) {
    let (clients, scratch) = (Clients::default(), Scratch::default());
    let mut links = Vec::new();
    for _ in 0..LINKS {
        let link = TcpStream::connect(back).await.expect("the back end listens");
        link.set_nodelay(true).expect("a socket takes options");
        let (read, write) = link.into_split();
        let out = Rc::new(LinkOut::default());
        spawn_local(write_link(Rc::clone(&out), write));
        spawn_local(read_link(read, clients.clone(), scratch.clone()));
        links.push(out);
    }
    for number in 0_u32.. {
        let Ok((client, _)) = listener.accept().await else { return };
        let (link, clients, scratch) = (Rc::clone(&links[number as usize % LINKS]), clients.clone(), scratch.clone());
        spawn_local(async move {
            client.set_nodelay(true)?;
            let (read, write) = client.into_split();
            clients
                .borrow_mut()
                .insert(number, Rc::new(Client { write, out: RefCell::default(), stuck: Cell::default() }));
            let done = read_client(read, number, &link, &scratch).await;
            clients.borrow_mut().remove(&number);
            done
        });
    }
}

/// Frames that wait for a link: whatever comes while one write is under way leaves with the next.
#[derive(Default)]
struct LinkOut {
    waiting: RefCell<Vec<u8>>,
    filled: Notify,
}

async fn read_client(mut read: OwnedReadHalf, number: u32, link: &LinkOut, scratch: &Scratch) -> io::Result<()> {
    let mut frames = Frames::default();
    let mut carry = |frame: &[u8]| {
        let mut waiting = link.waiting.borrow_mut();
        waiting.extend_from_slice(&((SIZE + frame.len()) as u32).to_be_bytes());
        waiting.extend_from_slice(&number.to_be_bytes());
        waiting.extend_from_slice(frame);
    };
    while frames.read(&mut read, scratch, &mut carry).await? {
        link.filled.notify_one();
    }
    Ok(())
}

async fn write_link(link: Rc<LinkOut>, mut write: OwnedWriteHalf) -> io::Result<()> {
    let mut batch = Vec::new();
    loop {
        link.filled.notified().await;
        while !link.waiting.borrow().is_empty() {
            std::mem::swap(&mut *link.waiting.borrow_mut(), &mut batch);
            write.write_all(&batch).await?;
            batch.clear();
        }
    }
}

type Clients = Rc<RefCell<HashMap<u32, Rc<Client>>>>;

struct Client {
    write: OwnedWriteHalf,
    out: RefCell<Vec<u8>>,
    /// A task writes, because the socket took no more.
    stuck: Cell<bool>,
}

async fn read_link(mut read: OwnedReadHalf, clients: Clients, scratch: Scratch) -> io::Result<()> {
    let (mut frames, mut answered) = (Frames::default(), Vec::new());
    loop {
        let more = frames.read(&mut read, &scratch, |frame| {
            let (number, answer) = frame[SIZE..].split_first_chunk().expect("the back end sends back what it got");
            let clients = clients.borrow();
            let Some(client) = clients.get(&u32::from_be_bytes(*number)) else { return };
            let mut out = client.out.borrow_mut();
            if out.is_empty() {
                answered.push(Rc::clone(client));
            }
            out.extend_from_slice(answer);
        });
        if !more.await? {
            return Ok(());
        }
        for client in answered.drain(..) {
            if !client.stuck.get() && !client.write_some() {
                client.stuck.set(true);
                spawn_local(async move {
                    while client.write.writable().await.is_ok() && !client.write_some() {}
                    client.stuck.set(false);
                });
            }
        }
    }
}

impl Client {
    /// `false`: the socket takes no more for now.
    fn write_some(&self) -> bool {
        let mut out = self.out.borrow_mut();
        while !out.is_empty() {
            match self.write.try_write(&out) {
                Ok(len) => drop(out.drain(..len)),
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => return false,
                // Whoever reads this client will notice.
                Err(_) => out.clear(),
            }
        }
        true
    }
}

/// One read buffer for all connections of a thread: it stays in the cache.
#[derive(Clone)]
struct Scratch(Rc<RefCell<Vec<u8>>>);

impl Default for Scratch {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(vec![0; READ])))
    }
}

/// Takes a byte stream apart.
#[derive(Default)]
struct Frames {
    /// The beginning of a frame whose end has not come.
    begun: Vec<u8>,
}

impl Frames {
    /// Reads once, and shows every frame that is complete; `false` at the end of the stream.
    async fn read(
        &mut self,
        read: &mut OwnedReadHalf,
        scratch: &Scratch,
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<bool> {
        poll_fn(|cx| {
            let mut scratch = scratch.0.borrow_mut();
            let mut buf = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut *read).poll_read(cx, &mut buf))?;
            self.split(buf.filled(), &mut each);
            Ok(!buf.filled().is_empty()).into()
        })
        .await
    }

    fn split(&mut self, mut bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        while !self.begun.is_empty() && !bytes.is_empty() {
            let wanted = whole(&self.begun).unwrap_or(SIZE);
            let taken = bytes.split_off(..(wanted - self.begun.len()).min(bytes.len())).unwrap_or_default();
            self.begun.extend_from_slice(taken);
            if whole(&self.begun) == Some(self.begun.len()) {
                each(&self.begun);
                self.begun.clear();
            }
        }
        while let Some(frame) = whole(bytes).and_then(|len| bytes.split_off(..len)) {
            each(frame);
        }
        self.begun.extend_from_slice(bytes);
    }
}

/// Length of the frame that begins here, once its size is known.
fn whole(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk().map(|size| SIZE + u32::from_be_bytes(*size) as usize)
}
