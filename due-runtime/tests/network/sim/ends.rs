//! What gate and client hold of a line.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use due::packet::{Dialect, Format};
use due::transport::mem::{MemRead, MemWrite};
use due::transport::{CloseReason, Inbound, Incoming, Opened, PacketRead, PacketWrite, ReadError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Flow, SimIncoming, Way, Weather};

/// Packets that are held back at most, beside those in `mem`; then the sender has to wait.
const WINDOW: usize = 64;

impl Incoming for SimIncoming {
    type Read = SimRead;
    type Write = SimWrite;

    async fn open(self, format: Arc<Format>) -> io::Result<Opened<SimRead, SimWrite>> {
        let Opened { read, write, .. } = self.mem.open(format).await?;
        Ok(Opened::new(SimRead::new(read, &self.line.up), SimWrite::new(write, &self.line.down)))
    }
}

pub(crate) struct SimRead {
    mem: MemRead,
    way: Arc<Way>,
    now: watch::Receiver<(Flow, Weather)>,
    under_way: VecDeque<(Instant, Option<Inbound>)>,
    /// The sender's end is among what is under way, or was.
    ended: bool,
}

impl SimRead {
    pub(super) fn new(mem: MemRead, way: &Arc<Way>) -> Self {
        Self { mem, now: way.now.subscribe(), way: Arc::clone(way), under_way: VecDeque::new(), ended: false }
    }

    fn set_out(&mut self, inbound: Option<Inbound>) {
        self.ended = inbound.is_none();
        // An end is never lost: it stands for a segment that is sent again.
        let Some(arrival) = self.way.arrival().or(self.ended.then(Instant::now)) else { return };
        let last = self.under_way.back().map_or(arrival, |(last, _)| arrival.max(*last));
        self.under_way.push_back((last, inbound));
    }

    fn arrived(&mut self) -> Option<Option<Inbound>> {
        let (at, _) = self.under_way.front()?;
        if *at > Instant::now() {
            return None;
        }
        self.under_way.pop_front().map(|(_, inbound)| inbound)
    }
}

impl PacketRead for SimRead {
    const HALF_CLOSES: bool = MemRead::HALF_CLOSES;

    async fn read(&mut self) -> Result<Option<Inbound>, ReadError> {
        loop {
            let (flow, _) = *self.now.borrow_and_update();
            match flow {
                Flow::Cut => return Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
                Flow::Stalled | Flow::Swallowed => {
                    self.now.changed().await.expect("the way holds the sender");
                    continue;
                }
                Flow::Open => {}
            }
            if let Some(inbound) = self.arrived() {
                return Ok(inbound);
            }
            if self.ended && self.under_way.is_empty() {
                return Ok(None);
            }
            let next = self.under_way.front().map(|(at, _)| *at);
            let may_take = !self.ended && self.under_way.len() < WINDOW;
            tokio::select! {
                biased;
                _ = self.now.changed() => {}
                inbound = self.mem.read(), if may_take => self.set_out(inbound?),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }

    fn buffered(&mut self) -> Option<Result<Inbound, ReadError>> {
        if self.now.borrow().0 != Flow::Open {
            return None;
        }
        while self.under_way.len() < WINDOW
            && let Some(inbound) = self.mem.buffered()
        {
            match inbound {
                Ok(inbound) => self.set_out(Some(inbound)),
                Err(error) => return Some(Err(error)),
            }
        }
        // An end is for `read`.
        self.under_way.front().filter(|(_, inbound)| inbound.is_some())?;
        self.arrived().flatten().map(Ok)
    }
}

pub(crate) struct SimWrite {
    mem: MemWrite,
    now: watch::Receiver<(Flow, Weather)>,
    _way: Arc<Way>,
}

impl SimWrite {
    pub(super) fn new(mem: MemWrite, way: &Arc<Way>) -> Self {
        Self { mem, now: way.now.subscribe(), _way: Arc::clone(way) }
    }
}

impl PacketWrite for SimWrite {
    async fn write(&mut self, batch: &mut Vec<Bytes>, dialect: Dialect) -> io::Result<()> {
        let mut now = self.now.clone();
        let faulty = now.wait_for(|(flow, _)| matches!(flow, Flow::Cut | Flow::Swallowed));
        tokio::select! {
            biased;
            flow = faulty => match flow.expect("the way holds the sender").0 {
                Flow::Cut => Err(io::ErrorKind::ConnectionReset.into()),
                _ => {
                    batch.clear();
                    Ok(())
                }
            },
            written = self.mem.write(batch, dialect) => written,
        }
    }

    async fn close(&mut self, reason: CloseReason) {
        self.mem.close(reason).await;
    }
}
