use std::future::pending;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::outages::Outages;
use super::retry::Backoff;
use super::{Backend, Failure};
use crate::registry::{Instance, Kind};

pub(super) enum Command {
    Put(Box<Instance>, oneshot::Sender<Result<(), Failure>>),
    Remove(oneshot::Sender<Result<(), Failure>>),
}

/// One entry of this registry: written, refreshed, and written again whenever the server has lost it.
pub(super) struct Entry<B: Backend> {
    backend: Arc<B>,
    outages: Arc<Outages>,
    subject: String,
    kind: Kind,
    id: String,
    hold: B::Hold,
    /// What the server shall have.
    instance: Option<Instance>,
    /// Whether it has it, as far as is known.
    is_written: bool,
    next: Instant,
    backoff: Backoff,
}

impl<B: Backend> Entry<B> {
    pub(super) fn new(backend: &Arc<B>, outages: &Arc<Outages>, kind: Kind, id: &str) -> Self {
        Self {
            backend: Arc::clone(backend),
            outages: Arc::clone(outages),
            subject: format!("{kind} {id}"),
            kind,
            id: id.to_owned(),
            hold: B::Hold::default(),
            instance: None,
            is_written: false,
            next: Instant::now(),
            // A lease begins anew with the server, and is refreshed in time.
            backoff: Backoff::below(backend.refresh_interval()),
        }
    }

    /// Ends with the registry. What is written then lapses as that of a process that ends.
    pub(super) async fn keep(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let command = tokio::select! {
                biased;
                command = commands.recv() => command,
                () = self.attend() => continue,
            };
            match command {
                None => break,
                // Nobody waits for them any more: they count as never asked.
                Some(Command::Put(_, reply)) if reply.is_closed() => {}
                Some(Command::Put(instance, reply)) => {
                    let result = self.put(*instance).await;
                    let has_failed = result.is_err();
                    // Whoever does not wait for the answer does not need it.
                    let _ = reply.send(result);
                    if has_failed && self.instance.is_none() {
                        self.clean().await;
                    }
                }
                Some(Command::Remove(reply)) => {
                    let result = self.remove().await;
                    let _ = reply.send(result);
                }
            }
        }
    }

    /// The old one stays the right one until the new one is written.
    async fn put(&mut self, instance: Instance) -> Result<(), Failure> {
        // One that is new may hang on a lease that is about to end. One that is not keeps its turn.
        if !self.is_written {
            self.next = Instant::now();
        }
        self.is_written = false;
        match self.backend.put(&instance, &mut self.hold).await {
            // The lease may have ended since the last look.
            Err(Failure::Gone(_)) => self.backend.put(&instance, &mut self.hold).await?,
            result => result?,
        }
        self.instance = Some(instance);
        self.written();
        Ok(())
    }

    async fn remove(&mut self) -> Result<(), Failure> {
        self.instance = None;
        self.is_written = false;
        self.outages.forget(&self.subject);
        self.backend.remove(self.kind, &self.id, &mut self.hold).await
    }

    /// What was refused or came late may be there all the same.
    async fn clean(&mut self) {
        if let Err(failure) = self.remove().await {
            tracing::debug!(entry = self.subject, ?failure, "what may have been written is left to lapse");
        }
    }

    /// Waits for the next thing to do, and does it. Cancel safe: what was not finished is done again.
    async fn attend(&mut self) {
        let Some(instance) = &self.instance else { return pending().await };
        sleep_until(self.next).await;
        let was_written = self.is_written;
        let result = match was_written {
            true => self.backend.refresh(self.kind, &self.id, &mut self.hold).await,
            false => self.backend.put(instance, &mut self.hold).await,
        };
        match result {
            Ok(()) if was_written => {
                self.next = Instant::now() + self.backend.refresh_interval();
                self.written();
            }
            Ok(()) => {
                self.next = Instant::now();
                self.written();
            }
            Err(Failure::Gone(cause)) if was_written => {
                let error = &*cause as &dyn std::error::Error;
                tracing::info!(entry = self.subject, error, "the registry has lost the entry, which is written again");
                self.is_written = false;
            }
            Err(failure) => {
                self.outages.begin(&self.subject, failure.into_cause());
                self.next = Instant::now() + self.backoff.pause();
            }
        }
    }

    fn written(&mut self) {
        self.is_written = true;
        self.backoff.reset();
        self.outages.over(&self.subject);
    }
}
