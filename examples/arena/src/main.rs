//! `arena` serves a gate, a node and a page in one process, until Ctrl-C.

mod args;

use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use arena::{Page, World};
use args::Args;
use clap::Parser as _;
use due::RunningApp;
use tokio::sync::oneshot;

/// How long the end waits for browsers that are loading the page.
const LOADING: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::WARN.into());
    tracing_subscriber::fmt().with_env_filter(filter.from_env_lossy()).with_writer(std::io::stderr).init();

    let args = Args::parse();
    let page = Page::bind(args.listen).await.with_context(|| {
        format!(
            "cannot listen on {}; another port is chosen by --listen, as --listen 127.0.0.1:0 for any free one",
            args.listen
        )
    })?;
    let app = arena::app(&args.ws().to_string(), World::new(RandomState::new().hash_one("arena")))?;

    let mut serving = None;
    let (stop, stopped) = oneshot::channel();
    let started = app.run_with(|app| serving = serve(app, page, stopped));
    started.await.with_context(|| {
        format!("cannot play on {}; another port is chosen by --ws, as --ws 127.0.0.1:0 for any free one", args.ws())
    })?;
    drop(stop);
    if let Some(serving) = serving {
        match tokio::time::timeout(LOADING, serving).await {
            Ok(ended) => ended??,
            Err(_) => say("somebody is still loading the page"),
        }
    }
    say("stopped");
    Ok(())
}

/// The page begins when its gate is there.
fn serve(app: &RunningApp, page: Page, stopped: oneshot::Receiver<()>) -> Option<Serving> {
    let gate: SocketAddr = app.addresses().find_map(|url| url.strip_prefix("ws://")?.parse().ok())?;
    say(&format!("arena: {}", page.url()));
    if page.address().ip().is_unspecified() {
        say(&format!("elsewhere: http://ADDRESS-OF-THIS-MACHINE:{}/", page.address().port()));
    }
    say(&format!("gate: ws://{gate}; Ctrl-C stops"));
    Some(tokio::spawn(page.serve(gate, async {
        // It is dropped, not sent.
        let _ = stopped.await;
    })))
}

type Serving = tokio::task::JoinHandle<std::io::Result<()>>;

/// Whether anybody reads it or not.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
