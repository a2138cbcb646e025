//! What gates are told of their stateful messages: not before their turn comes, or not much later than asked for.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::answer;
use super::frame::op;
use super::outgoing::Outgoing;
use crate::cluster::link::{GateAnswer, LinkError, Receipt};

/// A message that waits for longer is said to be taken, and cannot go back any more, unless its gate is
/// [patient](super::frame::PATIENT): gates of due v2.5.8 give a call up after 3 s, by default, and send the next message of
/// the session after the answer.
const HELD_BACK: Duration = Duration::from_secs(1);

/// Those of one connection that are held back, the oldest first.
#[derive(Default)]
pub(super) struct Receipts {
    held: Mutex<VecDeque<(Instant, Arc<Unsaid>)>>,
    added: Notify,
}

/// The answer to one message.
pub(super) struct Unsaid {
    answers: Arc<Outgoing>,
    seq: u64,
    is_said: AtomicBool,
}

impl Unsaid {
    pub(super) fn new(answers: &Arc<Outgoing>, seq: u64) -> Arc<Self> {
        Arc::new(Self { answers: Arc::clone(answers), seq, is_said: AtomicBool::new(false) })
    }

    /// `false`: it was said before, or cannot be said any more.
    pub(super) fn say(&self, answer: &Result<GateAnswer, LinkError>) -> bool {
        let is_first = !self.is_said.swap(true, Ordering::AcqRel);
        is_first && self.answers.append(|buf| answer::put(buf, op::DELIVER, self.seq, answer)).is_ok()
    }
}

impl Receipt for Unsaid {
    fn taken(&self) {
        self.say(&Ok(GateAnswer::Done));
    }

    fn give_back(&self) -> bool {
        self.say(&Err(LinkError::NoSession))
    }
}

impl Receipts {
    /// Says within a second that the message is taken, unless something else is said before.
    pub(super) fn hold(&self, unsaid: Arc<Unsaid>) {
        if unsaid.is_said.load(Ordering::Acquire) {
            return;
        }
        self.held.lock().unwrap().push_back((Instant::now() + HELD_BACK, unsaid));
        self.added.notify_one();
    }

    /// Does so, for ever.
    pub(super) async fn say_in_time(&self) -> Infallible {
        loop {
            match self.oldest() {
                Some((deadline, answers)) => {
                    sleep_until(deadline).await;
                    // All of a crowd may be due at once; answers that are not only receipts need their room.
                    answers.room().await;
                    self.say_due(Instant::now());
                }
                None => self.added.notified().await,
            }
        }
    }

    /// Forgets those that have been said meanwhile.
    fn oldest(&self) -> Option<(Instant, Arc<Outgoing>)> {
        let mut held = self.held.lock().unwrap();
        while let Some((deadline, unsaid)) = held.front() {
            if !unsaid.is_said.load(Ordering::Acquire) {
                return Some((*deadline, Arc::clone(&unsaid.answers)));
            }
            held.pop_front();
        }
        None
    }

    fn say_due(&self, now: Instant) {
        let mut held = self.held.lock().unwrap();
        let is_due = |(deadline, unsaid): &(Instant, Arc<Unsaid>)| *deadline <= now && !unsaid.answers.is_crowded();
        while held.front().is_some_and(is_due) {
            held.pop_front().inspect(|(_, unsaid)| unsaid.taken());
        }
    }
}
