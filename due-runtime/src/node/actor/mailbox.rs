//! Turns: one at a time, in the order in which they were asked for, with a bound on how many wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

/// No task belongs to it: whoever has the turn works where it is, and dropping the [`Turn`] calls the next one.
#[derive(Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: bool,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// The right to work on the actor, until it is dropped.
pub(in crate::node) struct Turn {
    /// `None`: it was handed on.
    mailbox: Option<Arc<Mailbox>>,
}

/// A place in the order. Dropping it gives the place up.
pub(in crate::node) enum Ticket {
    Now(Turn),
    Later(oneshot::Receiver<Turn>),
}

/// As many as may wait do.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Full;

impl Mailbox {
    /// Takes a place behind all that were taken before, unless `limit` others wait.
    pub(super) fn enter(self: &Arc<Self>, limit: usize) -> Result<Ticket, Full> {
        let mut state = self.state.lock().unwrap();
        if let Some(turn) = self.take(&mut state) {
            return Ok(Ticket::Now(turn));
        }
        if state.waiting.len() >= limit {
            state.waiting.retain(|waiting| !waiting.is_closed());
            if state.waiting.len() >= limit {
                return Err(Full);
            }
        }
        let (call, called) = oneshot::channel();
        state.waiting.push_back(call);
        Ok(Ticket::Later(called))
    }

    /// Takes the place before all others.
    pub(super) fn enter_first(self: &Arc<Self>) -> Ticket {
        let mut state = self.state.lock().unwrap();
        if let Some(turn) = self.take(&mut state) {
            return Ticket::Now(turn);
        }
        let (call, called) = oneshot::channel();
        state.waiting.push_front(call);
        Ticket::Later(called)
    }

    fn take(self: &Arc<Self>, state: &mut State) -> Option<Turn> {
        let is_free = !std::mem::replace(&mut state.taken, true);
        is_free.then(|| Turn { mailbox: Some(Arc::clone(self)) })
    }

    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut state = self.state.lock().unwrap();
        let next = state.waiting.pop_front();
        state.taken = next.is_some();
        next
    }
}

impl Ticket {
    /// Waits for its turn.
    pub(super) async fn turn(self) -> Turn {
        match self {
            Self::Now(turn) => turn,
            Self::Later(called) => called.await.expect("who has the turn keeps the mailbox, and calls the next"),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(mailbox) = self.mailbox.take() else { return };
        while let Some(next) = mailbox.next() {
            match next.send(Self { mailbox: Some(Arc::clone(&mailbox)) }) {
                Ok(()) => return,
                // It has given its place up.
                Err(mut turn) => turn.mailbox = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn enter(mailbox: &Arc<Mailbox>, limit: usize) -> Ticket {
        mailbox.enter(limit).unwrap_or_else(|Full| panic!("there was room"))
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_their_tickets() {
        let mailbox = Arc::new(Mailbox::default());
        let first = enter(&mailbox, 8).turn().await;
        let (second, third) = (enter(&mailbox, 8), enter(&mailbox, 8));
        let (mut third, mut second) = (pin!(third.turn()), pin!(second.turn()));
        assert!(poll(third.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        drop(first);
        assert!(poll(third.as_mut()).is_pending(), "it is not its turn");
        let Poll::Ready(turn) = poll(second.as_mut()) else { panic!("its turn has come") };
        drop(turn);
        let Poll::Ready(third) = poll(third.as_mut()) else { panic!("its turn has come") };
        let (mut later, mut first) = (pin!(enter(&mailbox, 8).turn()), pin!(mailbox.enter_first().turn()));
        drop(third);
        assert!(poll(later.as_mut()).is_pending() && poll(first.as_mut()).is_ready());
        drop(later.await);
        assert!(matches!(enter(&mailbox, 0), Ticket::Now(_)), "nobody has the turn");
    }

    #[tokio::test]
    async fn who_gave_up_is_passed_over_and_makes_room() {
        let mailbox = Arc::new(Mailbox::default());
        let first = enter(&mailbox, 2).turn().await;
        let (second, third) = (enter(&mailbox, 2), enter(&mailbox, 2));
        assert_eq!(mailbox.enter(2).err(), Some(Full));
        drop(second);
        let fourth = enter(&mailbox, 2);
        let mut called = pin!(third.turn());
        assert!(poll(called.as_mut()).is_pending());
        drop(fourth);
        drop(first);
        let Poll::Ready(turn) = poll(called.as_mut()) else { panic!("the place before it was given up") };
        drop(turn);
        assert!(matches!(enter(&mailbox, 0), Ticket::Now(_)));
    }

    #[tokio::test]
    async fn a_turn_that_nobody_fetches_is_handed_on() {
        let mailbox = Arc::new(Mailbox::default());
        let first = enter(&mailbox, 2).turn().await;
        let (second, third) = (enter(&mailbox, 2), enter(&mailbox, 2));
        drop(first);
        drop(second);
        drop(third.turn().await);
        assert!(matches!(enter(&mailbox, 0), Ticket::Now(_)));
    }

    /// A lost turn is a test that does not end.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_threads_never_share_a_turn() {
        const TURNS: usize = 500;
        let mailbox = Arc::new(Mailbox::default());
        let shared = Arc::new(tokio::sync::Mutex::new(0));
        let workers: Vec<_> = (0..32)
            .map(|_| {
                let (mailbox, shared) = (Arc::clone(&mailbox), Arc::clone(&shared));
                tokio::spawn(async move {
                    for _ in 0..TURNS {
                        let _turn = enter(&mailbox, 64).turn().await;
                        let mut count = shared.try_lock().expect("nobody else has the turn");
                        tokio::task::yield_now().await;
                        *count += 1;
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        assert_eq!(*shared.lock().await, 32 * TURNS);
    }
}
