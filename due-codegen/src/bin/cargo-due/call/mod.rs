//! `cargo due call`.

mod listen;
mod requests;
mod screen;

use std::pin::pin;

use clap::Args;
use due::{Client, Disconnect};
use due_codegen::Config;
use tokio::time::Instant;

use crate::Outcome;
use crate::failure::Failure;
use crate::live::catalog::Catalog;
use crate::live::outcome::{self, Outcome as Answer};
use crate::live::target::{Target, unconnected};
use crate::project::ConfigArg;
use listen::{Listen, Until};
use requests::Request;
use screen::Screen;

/// Packets that may wait to be shown. Further ones are counted, and not shown.
const BACKLOG: usize = 4096;

/// Call a gate that runs: JSON in, JSON out.
///
/// Every SERVICE/METHOD is followed by its request in canonical proto3 JSON: as text, as @FILE, or as - for standard input;
/// nothing is {}. Several calls go out in order over one connection, each after the answer to the one before, so that the
/// first may log in. A SERVICE may lack its package and a METHOD its service where the rest is enough. Nothing is sent
/// before all of it is found to fit the schema.
///
/// Answers go to standard output, one JSON document each. The first call that fails ends it. A route that is `oneway` has no
/// answer; that it was refused is heard of while others are waited for. Gates of due for Go, and such as were told to, say
/// nothing when they refuse: then the call times out.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Call {
    /// Where the gate listens: ws://HOST:PORT/PATH, wss://.., tcp://HOST:PORT, tls://.. or kcp://..
    url: String,
    /// What to call, and with what: Greeter/Greet '{"name": "due"}'
    #[arg(value_name = "SERVICE/METHOD JSON")]
    calls: Vec<String>,
    /// Print pushes as well, one JSON document a line: --listen until Ctrl-C, --listen=5s for so long after the last call,
    /// --listen=3 until so many have come, of which each may take as long as --timeout says.
    #[arg(long, value_name = "SPAN|COUNT", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    listen: Option<Listen>,
    /// Go on after a call that was refused. The exit code is 1 all the same.
    #[arg(long)]
    keep_going: bool,
    /// Write fields that have their default value, too.
    #[arg(long)]
    defaults: bool,
    /// Show the bytes of both ways, on standard error.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    config: ConfigArg,
}

const AFTER_HELP: &str = "\
Examples:
  cargo due call ws://127.0.0.1:3553 Greeter/Greet '{\"name\": \"due\"}'
  cargo due call wss://game.example/ws Lobby/LogIn @login.json Lobby/Enter '{}' --listen=10s

Exit codes:
  0  every call was answered without an error code, or was oneway
  1  the server refused a call: a due.Status, or a due.code that is not 0; also mistakes in the schema
  2  wrong usage, or input that cannot be read or does not fit the schema: nothing was sent
  3  no connection, no answer in time, or one that cannot be read";

impl Call {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        if self.calls.is_empty() && self.listen.is_none() {
            return Err(Failure::text("nothing to do: name a SERVICE/METHOD, or --listen"));
        }
        let config: Config = self.config.load()?.config;
        let manners = self.target.manners(&self.url, &config)?;
        let builder = self.target.client(&self.url, &manners)?;
        let catalog = Catalog::load(config)?;
        let requests = requests::read(&self.calls, &catalog, &manners)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|err| Failure::new("no runtime", err))?;
        runtime.block_on(async {
            let (tap, mut seen) = screen::tap(BACKLOG);
            let client = builder.tap(tap).connect(&self.url).await.map_err(unconnected)?;
            let mut screen = Screen {
                catalog: &catalog,
                manners: &manners,
                listens: self.listen.is_some(),
                defaults: self.defaults,
                verbose: self.verbose,
                pushes: 0,
                refused: false,
            };
            let outcome = self.talk(&client, &requests, &mut screen, &mut seen).await;
            client.close().await;
            drop(client);
            while let Ok(last) = seen.packets.try_recv() {
                screen.show(&last)?;
            }
            seen.admit_losses();
            match outcome {
                Ok(Outcome::Fine) if screen.refused => Ok(Outcome::Findings),
                outcome => outcome,
            }
        })
    }

    async fn talk(
        &self,
        client: &Client,
        requests: &[Request],
        screen: &mut Screen<'_>,
        seen: &mut screen::Backlog,
    ) -> Result<Outcome, Failure> {
        let mut refused = false;
        for (index, request) in requests.iter().enumerate() {
            let mut exchange = pin!(outcome::call(client, &request.route, request.body.clone()));
            let answer = loop {
                tokio::select! {
                    biased;
                    Some(packet) = seen.packets.recv() => screen.show(&packet)?,
                    answer = &mut exchange => break answer,
                }
            };
            let left = requests.len() - index - 1;
            match answer {
                Answer::Sent => {}
                Answer::Answered(answer) => screen.answer(&answer)?,
                Answer::Refused(refusal) => {
                    refused = true;
                    screen.refusal(&request.route, &refusal, if self.keep_going { 0 } else { left })?;
                    if !self.keep_going {
                        return Ok(Outcome::Findings);
                    }
                }
                Answer::Failed(problem) => {
                    // It is about to end: why says more than that it does.
                    let why = if problem.is_loss() { Some(client.closed().await) } else { None };
                    return Err(screen::failed(&request.route, &problem, why.as_ref(), left));
                }
            }
        }
        if let Some(listen) = &self.listen {
            self.listen(client, listen.until(), screen, seen).await?;
        }
        Ok(if refused { Outcome::Findings } else { Outcome::Fine })
    }

    /// Shows what comes until it is enough.
    async fn listen(
        &self,
        client: &Client,
        until: Until,
        screen: &mut Screen<'_>,
        seen: &mut screen::Backlog,
    ) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut newest = (screen.pushes, begin);
        let mut ended = pin!(client.closed());
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        loop {
            if screen.pushes != newest.0 {
                newest = (screen.pushes, Instant::now());
            }
            let deadline = match until {
                Until::Interrupted => None,
                Until::After(span) => Some(begin + span),
                Until::Count(count) if screen.pushes >= count => return Ok(()),
                Until::Count(_) => Some(newest.1 + self.target.timeout),
            };
            let over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(packet) = seen.packets.recv() => screen.show(&packet)?,
                why = &mut ended => return Err(Failure::Unanswered(gone(&why).into())),
                heard = &mut interrupted => return heard.map_err(|err| Failure::new("Ctrl-C cannot be heard", err)),
                () = over => return match until {
                    Until::Count(count) => Err(Failure::Unanswered(
                        format!("{} of {count} pushes came, and none for {:?}", screen.pushes, self.target.timeout).into(),
                    )),
                    _ => Ok(()),
                },
            }
        }
    }
}

fn gone(why: &Disconnect) -> String {
    format!("the connection has ended: {why}")
}
