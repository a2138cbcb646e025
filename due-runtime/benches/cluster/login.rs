//! The login storm: many users connect at once, and each has the node bind him, which the gate writes into redis.

use std::rc::Rc;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::plan::Plan;
use crate::report::{Better, Metric, Report};
use crate::shapes::Running;
use crate::stats::Histogram;
use crate::support::redis::until;
use crate::wire::Wire;

const SHAPE: &str = "login";
const METRICS: [Metric; 2] =
    [Metric { name: "logins/s", better: Better::Higher }, Metric { name: "p99 ms", better: Better::Lower }];
const BIND: u16 = 3;
/// Users who are on their way at the same time.
const AT_ONCE: usize = 500;

pub(crate) async fn measure(plan: &Plan, running: &mut Running, report: &mut Report) {
    if !plan.wants(SHAPE) {
        return;
    }
    let measured = running
        .servers(plan.rounds, async |fleet| {
            let (url, mut uids) = (fleet.url.clone(), 1..=plan.logins);
            let (mut coming, mut took) = (JoinSet::new(), Histogram::new());
            let mut sockets = Vec::new();
            let since = Instant::now();
            loop {
                for uid in uids.by_ref().take(AT_ONCE - coming.len()) {
                    let wire = Rc::new(Wire::with(&url, BIND, format!("{uid:<20}").as_bytes()));
                    coming.spawn_local(async move {
                        let begun = Instant::now();
                        let mut socket = wire.connect().await.expect("the gate listens");
                        wire.exchange(&mut socket).await.expect("the user is bound");
                        (socket, begun.elapsed())
                    });
                }
                let Some(come) = coming.join_next().await else { break };
                let (socket, latency) = come.expect("no user fails");
                took.add(latency, 1);
                sockets.push(socket);
            }
            let rate = plan.logins as f64 / since.elapsed().as_secs_f64();
            let mut redis = fleet.world().redis.raw().await;
            let bound = redis.ask(&["DBSIZE"]).await;
            assert_eq!(bound.trim_end(), format!(":{}", plan.logins), "{} has bound them all", fleet.kind.name());
            drop(sockets);
            // The next one is not to be disturbed by those who leave.
            until(async || redis.ask(&["DBSIZE"]).await.trim_end() == ":0").await;
            vec![rate, took.micros(0.99) / 1000.0]
        })
        .await;
    report.add(SHAPE, &METRICS, &running.kinds(true), measured);
}
