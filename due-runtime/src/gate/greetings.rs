//! Clients that say what schema they were generated from, and what a gate that knows its own one answers.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::id::Cid;
use crate::session::Session;
use crate::skew::compare::KnownSchema;
use crate::skew::wire::{Answer, Greeting, Verdict, body};
use crate::skew::{MAX_SHAPE, Shape, hash_of};

/// Clients that may send their shapes at a time. Of each schema one has to, so that few do; further ones are not compared.
const COMING: usize = 16;
/// How long a client may take to send its shape while others want its place.
const PATIENCE: Duration = Duration::from_secs(10);
/// Schemas of clients whose differences are kept; the oldest are forgotten first.
const COMPARED: usize = 64;
/// What a packet has besides the part of a shape: the mark, two tags, a number and a length.
const AROUND_PART: usize = 16;

/// A session greets once. What clients of one schema are told is found out once, by the first of them that sends its shape;
/// as a schema is known by a cryptographic hash, nobody can have others told what is true of another one.
pub(super) struct Greetings {
    known: KnownSchema,
    by_name: bool,
    /// Longest body of a packet, both ways.
    room: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    coming: Vec<Coming>,
    compared: VecDeque<(u64, Bytes)>,
}

struct Coming {
    cid: Cid,
    hash: u64,
    size: usize,
    shape: Vec<u8>,
    since: Instant,
}

/// What is to be done about a greeting.
enum Next {
    Say(Bytes),
    Compare(Coming),
}

impl Greetings {
    pub(super) fn new(known: KnownSchema, by_name: bool, room: usize) -> Self {
        Self { known, by_name, room, state: Mutex::default() }
    }

    /// The body of the answer; `None`: nothing was asked that may be asked now. Takes milliseconds at most, once per schema.
    pub(super) fn hear(&self, session: &Session, greeting: Greeting) -> Option<Bytes> {
        let next =
            if greeting.part.is_empty() { self.begin(session, &greeting) } else { self.go_on(session, greeting) };
        Some(match next? {
            Next::Say(answer) => answer,
            Next::Compare(coming) => self.compare(&coming),
        })
    }

    pub(super) fn forget(&self, session: &Session) {
        if session.has_greeted() {
            self.state().coming.retain(|coming| coming.cid != session.cid());
        }
    }

    fn begin(&self, session: &Session, greeting: &Greeting) -> Option<Next> {
        let hash = u64::from_str_radix(&greeting.hash, 16).ok()?;
        if !session.greets() {
            return None;
        }
        if hash == self.known.hash {
            return Some(Next::Say(body(&Answer::just(Verdict::Same))));
        }
        let size = greeting.size as usize;
        let mut state = self.state();
        if let Some((_, answer)) = state.compared.iter().find(|(known, _)| *known == hash) {
            return Some(Next::Say(answer.clone()));
        }
        if state.coming.len() >= COMING {
            state.coming.retain(|coming| coming.since.elapsed() < PATIENCE);
        }
        if state.coming.len() >= COMING || !(1..=MAX_SHAPE).contains(&size) {
            return Some(Next::Say(uncompared()));
        }
        let coming = Coming { cid: session.cid(), hash, size, shape: Vec::new(), since: Instant::now() };
        let answer = self.more(&coming);
        state.coming.push(coming);
        Some(Next::Say(answer))
    }

    fn go_on(&self, session: &Session, greeting: Greeting) -> Option<Next> {
        let mut state = self.state();
        let at = state.coming.iter().position(|coming| coming.cid == session.cid())?;
        let Coming { size, shape, .. } = &mut state.coming[at];
        let fits = greeting.offset as usize == shape.len() && greeting.part.len() <= *size - shape.len();
        if !fits {
            state.coming.swap_remove(at);
            return Some(Next::Say(uncompared()));
        }
        shape.extend_from_slice(&greeting.part);
        if shape.len() < *size {
            return Some(Next::Say(self.more(&state.coming[at])));
        }
        Some(Next::Compare(state.coming.swap_remove(at)))
    }

    fn more(&self, coming: &Coming) -> Bytes {
        let limit = self.room.saturating_sub(AROUND_PART).max(1) as u32;
        body(&Answer { offset: coming.shape.len() as u32, limit, ..Answer::just(Verdict::More) })
    }

    fn compare(&self, Coming { cid, hash, shape, .. }: &Coming) -> Bytes {
        let refused = |why: &dyn std::fmt::Display| {
            tracing::debug!(%cid, %why, "the client's schema is not compared");
            uncompared()
        };
        if hash_of(shape) != *hash {
            return refused(&"it is not the one that the client has announced");
        }
        let client = match Shape::read(shape) {
            Ok(client) => client,
            Err(bad) => return refused(&bad),
        };
        let answer = match self.known.compare(&client, self.by_name) {
            Some(differences) => body(&Answer::differs(differences, self.room)),
            None => refused(&"it is too intricate"),
        };
        let mut state = self.state();
        if state.compared.iter().all(|(known, _)| known != hash) {
            if state.compared.len() == COMPARED {
                state.compared.pop_front();
            }
            state.compared.push_back((*hash, answer.clone()));
        }
        answer
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing in it is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn uncompared() -> Bytes {
    body(&Answer::just(Verdict::Uncompared))
}
