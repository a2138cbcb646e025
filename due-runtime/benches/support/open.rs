//! The open loop, as due publishes its own figures: every connection writes its messages as fast as its socket takes them, and
//! counts what comes back.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::numbers::{Answers, Faults};
use crate::pen::{Pen, Sheet};
use crate::scratch::Scratch;
use crate::wire::{Wire, connect_all};

/// Messages of one write.
const AT_ONCE: usize = 16;
/// What has not come back so long after the beginning is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one round has shown.
pub(crate) struct Measured {
    pub(crate) answers: u64,
    /// From the first message to the last answer.
    pub(crate) took: Duration,
    pub(crate) faults: Faults,
}

/// `total` messages, the same number on each connection. `mark` is called before the first and after the last.
pub(crate) async fn run(wire: Rc<Wire>, connections: usize, total: usize, mut mark: impl FnMut()) -> Measured {
    let sockets = connect_all(&wire, connections).await;
    let (sheet, scratch) = (Sheet::new(&wire, AT_ONCE), Rc::new(Scratch::default()));
    let share = (total / connections).max(1);
    let (answered, misplaced) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(0_u64)));
    let mut tasks = JoinSet::new();
    let since = Instant::now();
    mark();
    for socket in sockets {
        let (mut read, write) = socket.into_split();
        let mut pen = Pen::new(&sheet, write);
        tasks.spawn_local(async move {
            let mut left = share;
            while left > 0 {
                let count = left.min(AT_ONCE);
                pen.write(count).await.expect("no connection is lost");
                left -= count;
                // Everybody has a turn.
                tokio::task::yield_now().await;
            }
            // Dropped, it would close this side of the connection.
            Some(pen)
        });
        let (scratch, mut answers) = (Rc::clone(&scratch), Answers::new(&wire));
        let (answered, misplaced) = (Rc::clone(&answered), Rc::clone(&misplaced));
        tasks.spawn_local(async move {
            let mut left = share;
            while left > 0 {
                let come = scratch.read(&mut read, |bytes| answers.take(bytes)).await.expect("no connection is lost");
                left -= come;
                answered.set(answered.get() + come as u64);
            }
            misplaced.set(misplaced.get() + answers.misplaced);
            None
        });
    }
    let mut pens = Vec::new();
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            pens.extend(ended.expect("no task panics"));
        }
    };
    // What is missing then is counted below.
    let _ = timeout(PATIENCE, all).await;
    let took = since.elapsed();
    mark();
    let (answers, sent) = (answered.get(), (share * connections) as u64);
    Measured { answers, took, faults: Faults { lost: sent - answers, misplaced: misplaced.get() } }
}
