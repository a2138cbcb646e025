//! What is published on channels, followed for ever.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use ::redis::aio::{PubSubSink, PubSubStream};
use ::redis::{RedisError, RedisResult};
use futures_util::Stream;
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep, timeout};

use super::{Failure, Redis};
use crate::backoff::Backoff;

/// Between two attempts to subscribe.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a silent connection is asked whether it is one. One that lived so long is in order: the next one that breaks
/// is connected again after the first pause.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The channels that somebody listens to; they may change at any time.
#[derive(Clone, Default)]
pub(crate) struct Channels {
    pub(crate) names: BTreeSet<String>,
    /// Counts the changes of the names.
    pub(crate) version: u64,
}

pub(crate) enum Heard<'a> {
    /// The channels of this version are listened to from here on. After [`Lost`](Self::Lost) there is a gap.
    Listening(u64),
    Message {
        channel: &'a str,
        payload: &'a [u8],
    },
    /// There will be no messages until channels are listened to again.
    Lost(Failure),
}

impl Redis {
    /// Listens to channels, and goes on when redis was away: says so once in the log, and when it is back.
    pub(crate) async fn follow(
        &self,
        mut channels: watch::Receiver<Channels>,
        mut heard: impl FnMut(Heard<'_>),
    ) -> Infallible {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut is_away = false;
        for attempt in 0.. {
            let server = self.inner.server.name();
            let failure = match self.listen(attempt, &mut channels).await {
                Ok(mut line) => {
                    if std::mem::take(&mut is_away) {
                        tracing::info!(%server, "redis is heard again");
                    }
                    heard(Heard::Listening(line.channels.version));
                    let begun = Instant::now();
                    let failure = self.hear(&mut line, &mut channels, &mut heard).await;
                    if begun.elapsed() >= HEARTBEAT {
                        pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
                    }
                    failure
                }
                Err(failure) => failure,
            };
            if !std::mem::replace(&mut is_away, true) {
                let error = &failure as &dyn std::error::Error;
                tracing::warn!(%server, error, "redis is not heard; this is tried until it is");
            }
            heard(Heard::Lost(failure));
            sleep(pauses.pause()).await;
        }
        unreachable!("attempts are not counted so far")
    }

    async fn listen(&self, attempt: usize, channels: &mut watch::Receiver<Channels>) -> Result<Line, Failure> {
        let connect = async {
            let (sink, stream) = self.inner.server.listen(attempt).await?.split();
            let mut line = Line { sink, stream, channels: Channels::default() };
            let wanted = channels.borrow_and_update().clone();
            line.listen_to(&wanted).await?;
            Ok(line)
        };
        match timeout(self.inner.timeout, connect).await {
            Ok(connected) => connected.map_err(|error| self.failed(error)),
            Err(_) => Err(self.late()),
        }
    }

    async fn hear(
        &self,
        line: &mut Line,
        channels: &mut watch::Receiver<Channels>,
        heard: &mut impl FnMut(Heard<'_>),
    ) -> Failure {
        let mut heartbeat = interval(HEARTBEAT);
        loop {
            let asked = tokio::select! {
                message = next(&mut line.stream) => match message {
                    Some(message) => {
                        heard(Heard::Message { channel: message.get_channel_name(), payload: message.get_payload_bytes() });
                        continue;
                    }
                    None => return self.failed(closed()),
                },
                _ = heartbeat.tick() => timeout(self.inner.timeout, line.sink.ping()).await,
                Ok(()) = channels.changed() => {
                    let wanted = channels.borrow_and_update().clone();
                    let asked = timeout(self.inner.timeout, line.listen_to(&wanted)).await;
                    if matches!(asked, Ok(Ok(()))) {
                        heard(Heard::Listening(line.channels.version));
                    }
                    asked
                }
            };
            match asked {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return self.failed(error),
                Err(_) => return self.late(),
            }
        }
    }
}

/// A connection that listens.
struct Line {
    sink: PubSubSink,
    stream: PubSubStream,
    channels: Channels,
}

impl Line {
    async fn listen_to(&mut self, wanted: &Channels) -> RedisResult<()> {
        let more: Vec<&String> = wanted.names.difference(&self.channels.names).collect();
        if !more.is_empty() {
            self.sink.subscribe(more).await?;
        }
        let less: Vec<&String> = self.channels.names.difference(&wanted.names).collect();
        if !less.is_empty() {
            self.sink.unsubscribe(less).await?;
        }
        self.channels.clone_from(wanted);
        Ok(())
    }
}

fn next(stream: &mut PubSubStream) -> impl Future<Output = Option<::redis::Msg>> {
    std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx))
}

fn closed() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the connection was closed").into()
}
