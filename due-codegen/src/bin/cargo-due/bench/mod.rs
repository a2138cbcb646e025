//! `cargo due bench`.

mod crowd;
mod html;
mod pace;
mod player;
mod plot;
mod progress;
mod random;
mod report;
mod run;
mod scenario;
mod stage;
mod tally;
mod template;
mod text;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use due_codegen::write_whole;

use crate::Outcome;
use crate::failure::Failure;
use crate::live::catalog::Catalog;
use crate::live::span;
use crate::live::target::Target;
use crate::output::tell;
use crate::project::ConfigArg;
use report::Report;
use scenario::{File, Span};
use verdict::Limits;

/// Put load on a gate that runs, and measure how it bears it.
///
/// Without --rate, each connection makes its next call when it has the answer to one before: as many calls as the gate can
/// bear. With --rate, calls are due at a fixed pace whatever the gate does, and a latency counts from when its call was due,
/// so that a pause of the gate shows in full (no coordinated omission). Connections open and log in first; what is lost
/// later opens again. Ctrl-C ends it with the report of what was measured, a second one at once.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Bench {
    /// Where the gate listens: ws://HOST:PORT/PATH, wss://.., tcp://HOST:PORT, tls://.. or kcp://..
    url: String,
    /// One call to make, in place of a scenario, or beside its mix.
    #[arg(value_name = "SERVICE/METHOD")]
    call: Option<String>,
    /// The request of that call: canonical proto3 JSON, with placeholders. Default: {}
    #[arg(value_name = "JSON", requires = "call")]
    json: Option<String>,
    /// What to do, in TOML. Options overrule it.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Connections. Default: 10.
    #[arg(short, long, value_name = "COUNT")]
    connections: Option<u64>,
    /// The span over which connections open. Default: at once.
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    ramp: Option<Duration>,
    /// How long calls are made, once connections are open. Default: 10s.
    #[arg(short, long, value_name = "SPAN", value_parser = span::positive)]
    duration: Option<Duration>,
    /// Calls per second of all connections together. Default: as many as are answered.
    #[arg(short, long, value_name = "NUMBER")]
    rate: Option<f64>,
    /// Calls of one connection that may wait for their answers. Default: 1, with a rate 64.
    #[arg(long, value_name = "COUNT")]
    in_flight: Option<u64>,
    /// Write the report as a JSON document, with latencies in microseconds.
    #[arg(long = "json", value_name = "FILE", help_heading = "Reports")]
    json_report: Option<PathBuf>,
    /// Write the report as one page with plots.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    html: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    config: ConfigArg,
}

const AFTER_HELP: &str = "\
A scenario:
  connections = 200
  ramp = \"5s\"
  duration = \"1m\"
  rate = 5000                  # without it: a closed loop of `in_flight` calls on each connection
  [[login]]                    # first on each connection, in order; not measured
  call = \"Lobby/LogIn\"
  json = '{\"uid\": {{ conn }}, \"password\": \"secret\"}'
  [[mix]]
  call = \"Lobby/Enter\"
  weight = 3                   # three times as often as those of weight 1, the default
  json = { table = \"{{ random 1..8 }}\" }

Placeholders: {{ conn }} is the number of the connection, {{ n }} that of the call on its connection, {{ random }} and
{{ random 1..6 }} are numbers that are the same in every run of one `seed`.

Exit codes:
  0  calls were made, and all limits hold
  1  a limit does not hold; also mistakes in the schema
  2  wrong usage, or input that cannot be read or does not fit the schema: nothing was sent
  3  no connection could be opened, or not log in";

impl Bench {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let config = self.config.load()?.config;
        let manners = self.target.manners(&self.url, &config)?;
        let builder = self.target.client(&self.url, &manners)?;
        let catalog = Catalog::load(config)?;
        let scenario = self.file()?.checked(&catalog, &manners.codec)?;
        for path in self.json_report.iter().chain(&self.html) {
            writable(path)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|err| Failure::new("no runtime", err))?;
        let stage = run::stage(self.url.clone(), builder, manners.codec, scenario);
        let mut report = runtime.block_on(run::run(stage, self.target.timeout))?;
        report.failed = self.limits.broken(&report);
        tell(|out| text::write(out, &report))?;
        self.write(&report)?;
        for broken in &report.failed {
            say!("failed: {broken}");
        }
        Ok(if report.failed.is_empty() { Outcome::Fine } else { Outcome::Findings })
    }

    fn file(&self) -> Result<File, Failure> {
        let mut file = match &self.scenario {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        file.connections = self.connections.or(file.connections);
        file.ramp = self.ramp.map(Span).or(file.ramp);
        file.duration = self.duration.map(Span).or(file.duration);
        file.rate = self.rate.or(file.rate);
        file.in_flight = self.in_flight.or(file.in_flight);
        if let Some(call) = &self.call {
            file.add(call, self.json.clone());
        }
        Ok(file)
    }

    fn write(&self, report: &Report) -> Result<(), Failure> {
        let put = |path: &Path, text: &str| {
            write_whole(path, text).map_err(|err| Failure::new(&format!("`{}` cannot be written", path.display()), err))
        };
        if let Some(path) = &self.json_report {
            let text = serde_json::to_string_pretty(report).map_err(|error| Failure::Other(Box::new(error)))?;
            put(path, &(text + "\n"))?;
        }
        if let Some(path) = &self.html {
            put(path, &html::page(report)?)?;
        }
        Ok(())
    }
}

/// Before minutes of measuring, and not after.
fn writable(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() && !path.is_dir() {
        return Ok(());
    }
    Err(Failure::text(format!("`{}` cannot be written: name a file in a folder that is there", path.display())))
}
