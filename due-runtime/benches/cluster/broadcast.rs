//! One push of 256 bytes to everybody: from the order to the node until the last client has the last byte.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::clients;
use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::proc::{self, Again};
use crate::report::{Better, Metric, Report};
use crate::shapes::Running;

/// What the first argument says in the process of the clients.
pub(crate) const ROLE: &str = "hear";
/// The route of the broadcasts.
pub(crate) const NEWS: i32 = 50;
const METRICS: [Metric; 2] = [
    Metric { name: "messages/s", better: Better::Higher },
    Metric { name: "server ns/message", better: Better::Lower },
];
const BODY: usize = 256;
const HEAD: usize = 9;
/// Files that are no clients.
const OWN_FILES: usize = 50;

pub(crate) async fn measure(plan: &Plan, running: &mut Running, report: &mut Report) {
    let crowd = plan.crowd.min(proc::file_limit() - OWN_FILES);
    let shape = format!("broadcast-{crowd}");
    if !plan.wants(&shape) {
        return;
    }
    // The same crowd all the time: a gate of due v2.5.8 that 10,000 clients leave at once may never serve again.
    let crowd_of = |fleet: &mut Fleet| (clients::start(ROLE, &fleet.url, BODY, crowd), 0);
    let mut crowds: Vec<(Again, u64)> = running.fleets().map(crowd_of).collect();
    let kinds = running.kinds(true);
    let measured = running
        .servers(plan.rounds, async |fleet| {
            let index = kinds.iter().position(|kind| *kind == fleet.kind).expect("it has a crowd");
            let (clients, number) = &mut crowds[index];
            let mut begun = (Instant::now(), fleet.cpu_time());
            // The first one finds nothing ready.
            for turn in 0..=plan.broadcasts {
                if turn == 1 {
                    begun = (Instant::now(), fleet.cpu_time());
                }
                let mut body = vec![7; BODY];
                body[..8].copy_from_slice(&number.to_be_bytes());
                fleet.broadcast(NEWS, &body).await;
                assert_eq!(clients.told(), format!("all have {number}"));
                *number += 1;
            }
            let messages = (plan.broadcasts * crowd) as f64;
            let nanos = (fleet.cpu_time() - begun.1).as_nanos() as f64;
            vec![messages / begun.0.elapsed().as_secs_f64(), nanos / messages]
        })
        .await;
    report.add(&shape, &METRICS, &kinds, measured);
}

/// Says when every client has one more broadcast; each has to have them all, in order.
pub(crate) async fn receive(sockets: Vec<TcpStream>) {
    let (all, missing) = (sockets.len(), Rc::new(Cell::new(sockets.len())));
    for mut socket in sockets {
        let missing = Rc::clone(&missing);
        spawn_local(async move {
            let (mut buf, mut number) = ([0; HEAD + BODY], 0_u64);
            while socket.read_exact(&mut buf).await.is_ok() {
                assert_eq!(buf[5..7], (NEWS as u16).to_be_bytes(), "the route of a broadcast");
                assert_eq!(buf[HEAD..HEAD + 8], number.to_be_bytes(), "a broadcast is lost or out of order");
                missing.set(missing.get() - 1);
                if missing.get() == 0 {
                    missing.set(all);
                    println!("all have {number}");
                }
                number += 1;
            }
        });
    }
    std::future::pending().await
}
