//! The connection to nats: made when it is needed, made anew by the client beneath, and asked whether it has what it was
//! given.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{Client, Event, ServerError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::Failure;
use super::builder::Setup;
use crate::backoff::jittered;

/// Between two attempts to connect again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How often a silent connection is asked whether it is one; it is given up when it does not answer twice.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Complaints of the server that a call may be behind.
const COMPLAINTS: usize = 32;

#[derive(Clone)]
pub(super) struct Line {
    client: Client,
    timeout: Duration,
    servers: Arc<str>,
    is_connected: watch::Receiver<bool>,
    complaints: broadcast::Sender<Arc<str>>,
    echo: Arc<Echo>,
}

/// What the server has sent back of what was sent to ourselves: everything that was sent before has arrived, too.
struct Echo {
    subject: String,
    sent: AtomicU64,
    heard: watch::Receiver<u64>,
    listener: AbortOnDropHandle<()>,
}

impl Line {
    pub(super) async fn connect(setup: &Setup, deadline: Instant) -> Result<Self, Failure> {
        let servers: Arc<str> = setup.names().into();
        let (connected, is_connected) = watch::channel(true);
        let (complaints, mut heard_at_once) = broadcast::channel(COMPLAINTS);
        let (told, names) = (complaints.clone(), Arc::clone(&servers));
        let options =
            setup.options().ping_interval(HEARTBEAT).reconnect_delay_callback(pause).event_callback(move |event| {
                hear(&event, &names, &connected, &told);
                std::future::ready(())
            });
        let late = || Failure::late(&servers, setup.timeout);
        let connect = options.connect(&setup.servers[..]);
        let client = timeout_at(deadline, connect).await.map_err(|_| late())?;
        let client = client.map_err(|error| Failure::connecting(&servers, error))?;
        let subject = client.new_inbox();
        let echoes = client.subscribe(format!("{subject}.*")).await;
        let echoes = echoes.map_err(|error| Failure::lost(&servers, error))?;
        let (sender, heard) = watch::channel(0);
        let listener = AbortOnDropHandle::new(tokio::spawn(listen(echoes, sender)));
        let echo = Arc::new(Echo { subject, sent: AtomicU64::new(0), heard, listener });
        let line = Self { client, timeout: setup.timeout, servers, is_connected, complaints, echo };
        line.settle("", &mut heard_at_once, deadline).await?;
        Ok(line)
    }

    /// It will never be connected again: its runtime has ended.
    pub(super) fn is_over(&self) -> bool {
        self.echo.listener.is_finished()
    }

    async fn is_ready(&self, deadline: Instant) -> Result<(), Failure> {
        let mut is_connected = self.is_connected.clone();
        match timeout_at(deadline, is_connected.wait_for(|is_connected| *is_connected)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(closed)) => Err(Failure::lost(&self.servers, closed)),
            Err(_) => Err(Failure::Away { servers: Arc::clone(&self.servers), timeout: self.timeout }),
        }
    }

    /// `Ok`: the server has it.
    pub(super) async fn publish(&self, subject: &str, payload: Bytes, deadline: Instant) -> Result<(), Failure> {
        self.is_ready(deadline).await?;
        let statistics = self.client.statistics();
        let connects = statistics.connects.load(Ordering::Relaxed);
        let mut complaints = self.complaints.subscribe();
        let sent = timeout_at(deadline, self.client.publish(subject.to_owned(), payload)).await;
        sent.map_err(|_| self.late())?.map_err(|error| Failure::publishing(&self.servers, error))?;
        self.settle(subject, &mut complaints, deadline).await?;
        match statistics.connects.load(Ordering::Relaxed) == connects {
            true => Ok(()),
            false => Err(Failure::lost(&self.servers, "the connection was lost meanwhile")),
        }
    }

    /// `Ok`: what is published from now on is heard.
    pub(super) async fn subscribe(&self, subject: &str, deadline: Instant) -> Result<Subscriber, Failure> {
        self.is_ready(deadline).await?;
        let mut complaints = self.complaints.subscribe();
        let subscribed = timeout_at(deadline, self.client.subscribe(subject.to_owned())).await;
        let messages = subscribed.map_err(|_| self.late())?.map_err(|error| Failure::lost(&self.servers, error))?;
        self.settle(subject, &mut complaints, deadline).await?;
        Ok(messages)
    }

    /// Waits until the server has everything that was sent.
    async fn settle(
        &self,
        subject: &str,
        complaints: &mut broadcast::Receiver<Arc<str>>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let number = self.echo.sent.fetch_add(1, Ordering::Relaxed) + 1;
        let mut heard = self.echo.heard.clone();
        let asked = async {
            let subject = format!("{}.{number}", self.echo.subject);
            self.client
                .publish(subject, Bytes::new())
                .await
                .map_err(|error| Failure::publishing(&self.servers, error))?;
            let heard = heard.wait_for(|heard| *heard >= number).await;
            heard.map(drop).map_err(|closed| Failure::lost(&self.servers, closed))
        };
        tokio::pin!(asked);
        let is_ours =
            |complaint: &str| complaint.contains(&format!("\"{subject}\"")) || complaint.contains(&*self.echo.subject);
        loop {
            tokio::select! {
                biased;
                complaint = complaints.recv() => match complaint {
                    Ok(complaint) if is_ours(&complaint) => return Err(Failure::refused(&self.servers, complaint)),
                    // Somebody else's, or some that nobody can tell any more; `self` keeps the sender.
                    Ok(_) | Err(_) => {}
                },
                asked = timeout_at(deadline, &mut asked) => return asked.map_err(|_| self.late())?,
            }
        }
    }

    fn late(&self) -> Failure {
        Failure::late(&self.servers, self.timeout)
    }
}

fn pause(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(2)).unwrap_or(u32::MAX).min(8);
    if attempt <= 1 { Duration::ZERO } else { jittered((FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)) }
}

async fn listen(mut echoes: Subscriber, heard: watch::Sender<u64>) {
    while let Some(echo) = echoes.next().await {
        let number = echo.subject.rsplit('.').next().and_then(|number| number.parse().ok());
        heard.send_if_modified(|heard| number.is_some_and(|number| std::mem::replace(heard, number) != number));
    }
}

fn hear(event: &Event, servers: &str, connected: &watch::Sender<bool>, complaints: &broadcast::Sender<Arc<str>>) {
    match event {
        Event::Connected if !connected.send_replace(true) => tracing::info!(servers, "nats is heard again"),
        Event::Disconnected => {
            connected.send_replace(false);
            tracing::warn!(servers, "nats is not heard; this is tried until it is");
        }
        Event::ServerError(ServerError::Other(complaint)) => {
            tracing::warn!(servers, complaint, "nats complains");
            // An error: nobody waits for anything.
            let _ = complaints.send(complaint.as_str().into());
        }
        Event::SlowConsumer(_) => tracing::warn!(servers, "events come faster than they are passed on; some are lost"),
        // Attempts to connect, which are told when they succeed.
        _ => {}
    }
}
