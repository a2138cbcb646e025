//! What people see: answers and pushes on standard output, everything else on standard error.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use due::packet::Packet;
use due::{Body as _, Code, Disconnect, RouteId, Status, Traffic};
use due_codegen::plain;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::live::body;
use crate::live::catalog::{Catalog, Known, Route, slashed};
use crate::live::outcome::{Problem, Refusal};
use crate::live::target::Manners;
use crate::live::wire::{Anatomy, Seen};
use crate::output::{count, json as document, tell};

/// What was seen and is not shown yet.
pub(super) struct Backlog {
    pub(super) packets: mpsc::Receiver<Seen>,
    lost: Arc<AtomicU64>,
}

/// A tap, and where it leads: to a queue of `capacity`, beyond which packets are counted alone.
pub(super) fn tap(capacity: usize) -> (impl Fn(Traffic<'_>) + Send + Sync + 'static, Backlog) {
    let (sender, packets) = mpsc::channel(capacity);
    let lost = Arc::new(AtomicU64::new(0));
    let backlog = Backlog { packets, lost: Arc::clone(&lost) };
    let tap = move |traffic: Traffic<'_>| {
        if sender.try_send(traffic.into()).is_err() {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    };
    (tap, backlog)
}

impl Backlog {
    pub(super) fn admit_losses(&self) {
        match self.lost.load(Ordering::Relaxed) {
            0 => {}
            lost => say!("{lost} packets came faster than they could be shown, and were not"),
        }
    }
}

/// What is shown, and how much of it.
pub(super) struct Screen<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) manners: &'a Manners,
    pub(super) listens: bool,
    pub(super) defaults: bool,
    pub(super) verbose: bool,
    /// How many were shown.
    pub(super) pushes: u64,
    /// A oneway message was, which nobody waits to hear.
    pub(super) refused: bool,
}

impl Screen<'_> {
    /// Bytes, if they are wanted, and what was pushed.
    pub(super) fn show(&mut self, seen: &Seen) -> Result<(), Failure> {
        if self.verbose {
            let anatomy = Anatomy { catalog: self.catalog, manners: self.manners };
            // Whoever closed standard error does not miss it.
            let _ = write!(io::stderr(), "{}", anatomy.show(seen));
        }
        match seen.received(self.manners) {
            Some(packet) if packet.route == RouteId::STATUS => {
                self.status(&packet);
                Ok(())
            }
            Some(packet) if self.listens => self.push(&packet),
            _ => Ok(()),
        }
    }

    /// Statuses about requests are the answers of calls, those about nothing say why the connection ends: this is about
    /// those in between.
    fn status(&mut self, packet: &Packet) {
        let Ok(status) = Status::decode_body(&self.manners.codec, &packet.body) else {
            return;
        };
        let Known::Route(info) = self.catalog.known(RouteId(status.route)) else {
            return;
        };
        if info.flags.contains(&"oneway") {
            self.refused = true;
            say!("{}", plain(format!("refused: {} answers {}", slashed(info), Refusal::from(status))));
        }
    }

    fn push(&mut self, packet: &Packet) -> Result<(), Failure> {
        let line = match self.catalog.known(packet.route) {
            Known::Push(info) => {
                let message = self.catalog.message(&info.response)?;
                match body::decode(&self.manners.codec, &message, &packet.body).and_then(|push| self.value(&push)) {
                    Ok(body) => json!({ "push": info.name, "id": packet.route.0, "body": body }),
                    Err(error) => {
                        json!({ "push": info.name, "id": packet.route.0, "error": error, "hex": hex(&packet.body) })
                    }
                }
            }
            Known::Nothing => {
                json!({ "push": null, "id": packet.route.0, "error": "not in the schema", "hex": hex(&packet.body) })
            }
            Known::Route(_) => return Ok(()),
        };
        self.pushes += 1;
        tell(|out| writeln!(out, "{line}"))
    }

    pub(super) fn answer(&self, answer: &DynamicMessage) -> Result<(), Failure> {
        document(&self.value(answer).map_err(Failure::text)?)
    }

    pub(super) fn refusal(&self, route: &Route, refusal: &Refusal, left: usize) -> Result<(), Failure> {
        if let Some(answer) = &refusal.answer {
            self.answer(answer)?;
        }
        say!("{}", plain(format!("refused: {} answers {refusal}{}", route.name, unsent(left))));
        if Code(refusal.code) == Code::UNAUTHORIZED && route.authorized {
            say!("help: the route needs a user: name the call that logs in before it");
        } else if route.internal {
            say!("help: the route is `internal`: gates refuse it from clients");
        }
        Ok(())
    }

    fn value(&self, message: &DynamicMessage) -> Result<Value, String> {
        body::to_value(message, self.defaults)
    }
}

/// A call without an answer that could be used.
pub(super) fn failed(route: &Route, problem: &Problem, why: Option<&Disconnect>, left: usize) -> Failure {
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Failure::Unanswered(format!("{}: {problem}{why}{}", route.name, unsent(left)).into())
}

fn unsent(left: usize) -> String {
    if left == 0 { String::new() } else { format!("; {} after it not sent", count(left, "call")) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
