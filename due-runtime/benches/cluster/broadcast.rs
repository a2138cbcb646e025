//! Pushes of 256 bytes to everybody: from the order to the node until the last client has the last byte of the last one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::clients;
use crate::fleet::{Fleet, Kind};
use crate::plan::{BROADCASTS, Plan};
use crate::proc::{self, Again};
use crate::report::{Better, Metric, Report};
use crate::scratch::Scratch;
use crate::shapes::Running;

/// What the first argument says in the process of the clients.
pub(crate) const ROLE: &str = "hear";
/// The route of the broadcasts.
pub(crate) const NEWS: i32 = 50;
const METRICS: [Metric; 3] = [
    Metric { name: "messages/s", better: Better::Higher },
    Metric { name: "server ns/message", better: Better::Lower },
    Metric { name: "out of order", better: Better::Untold },
];
const BODY: usize = 256;
const HEAD: usize = 9;
/// Files that are no clients.
const OWN_FILES: usize = 50;

/// Who hears the broadcasts of one server. The same ones all the time: a gate of due v2.5.8 that 10,000 clients leave at once
/// may never serve again.
struct Crowd {
    clients: Again,
    /// Of the next broadcast.
    number: u64,
    /// Messages that came before one that was sent earlier, or after.
    misplaced: u64,
}

pub(crate) async fn measure(plan: &Plan, running: &mut Running, report: &mut Report) {
    let size = plan.crowd.min(proc::file_limit() - OWN_FILES);
    let shape = |at_once: usize| match at_once {
        1 => format!("broadcast-{size}"),
        _ => format!("broadcast-{size}x{at_once}"),
    };
    if !BROADCASTS.into_iter().any(|at_once| plan.wants(&shape(at_once))) {
        return;
    }
    let crowd_of =
        |fleet: &mut Fleet| Crowd { clients: clients::start(ROLE, &fleet.url, BODY, size), number: 0, misplaced: 0 };
    let mut crowds: Vec<Crowd> = running.fleets().map(crowd_of).collect();
    let kinds = running.kinds(true);
    for at_once in BROADCASTS.into_iter().filter(|at_once| plan.wants(&shape(*at_once))) {
        let turns = (plan.broadcasts / at_once).max(1);
        let measured = running
            .servers(plan.rounds, async |fleet| {
                let index = kinds.iter().position(|kind| *kind == fleet.kind).expect("it has a crowd");
                let crowd = &mut crowds[index];
                let mut begun = (Instant::now(), fleet.cpu_time(), crowd.misplaced);
                // The first one finds nothing ready.
                for turn in 0..=turns {
                    if turn == 1 {
                        begun = (Instant::now(), fleet.cpu_time(), crowd.misplaced);
                    }
                    crowd.hears(fleet, at_once).await;
                }
                let misplaced = crowd.misplaced - begun.2;
                assert!(misplaced == 0 || fleet.kind == Kind::Go, "{misplaced} messages are out of order");
                let messages = (turns * at_once * size) as f64;
                let nanos = (fleet.cpu_time() - begun.1).as_nanos() as f64;
                vec![messages / begun.0.elapsed().as_secs_f64(), nanos / messages, misplaced as f64]
            })
            .await;
        report.add(&shape(at_once), &METRICS, &kinds, measured);
    }
}

impl Crowd {
    /// So many broadcasts, one right after another, to everybody.
    async fn hears(&mut self, fleet: &mut Fleet, at_once: usize) {
        let mut body = vec![7; BODY];
        body[..8].copy_from_slice(&self.number.to_be_bytes());
        fleet.broadcast(NEWS, &body, at_once).await;
        for _ in 0..at_once {
            let told = self.clients.told();
            self.misplaced = told.parse().unwrap_or_else(|error| panic!("{told}: {error}"));
            self.number += 1;
        }
    }
}

/// Says when every client has one more broadcast, and how many messages have been out of order by then.
pub(crate) async fn receive(sockets: Vec<TcpStream>) {
    let heard = Rc::new(RefCell::new(Heard { all: sockets.len(), ..Heard::default() }));
    let scratch = Rc::new(Scratch::default());
    for socket in sockets {
        let (heard, scratch) = (Rc::clone(&heard), Rc::clone(&scratch));
        spawn_local(async move {
            let (mut read, _write) = socket.into_split();
            let mut number = 0_u64;
            let mut hear = |packet: &[u8]| {
                assert_eq!(packet[5..7], (NEWS as u16).to_be_bytes(), "the route of a broadcast");
                heard.borrow_mut().hear(number, packet[HEAD..HEAD + 8] == number.to_be_bytes());
                number += 1;
            };
            let mut beginning = Vec::with_capacity(HEAD + BODY);
            let mut take = |bytes: &[u8]| {
                let (rest, others) = bytes.split_at(bytes.len().min(HEAD + BODY - beginning.len()));
                beginning.extend_from_slice(rest);
                if beginning.len() == HEAD + BODY {
                    hear(&beginning);
                    let mut others = others.chunks_exact(HEAD + BODY);
                    (&mut others).for_each(&mut hear);
                    beginning.clear();
                    beginning.extend_from_slice(others.remainder());
                }
            };
            while scratch.read(&mut read, &mut take).await.is_ok() {}
        });
    }
    std::future::pending().await
}

/// How many clients miss which broadcasts.
#[derive(Default)]
struct Heard {
    all: usize,
    /// Of the oldest one that somebody misses.
    first: u64,
    missing: VecDeque<usize>,
    misplaced: u64,
}

impl Heard {
    fn hear(&mut self, number: u64, is_it: bool) {
        self.misplaced += u64::from(!is_it);
        let index = (number - self.first) as usize;
        if index == self.missing.len() {
            self.missing.push_back(self.all);
        }
        self.missing[index] -= 1;
        while self.missing.front() == Some(&0) {
            self.missing.pop_front();
            println!("{}", self.misplaced);
            self.first += 1;
        }
    }
}
