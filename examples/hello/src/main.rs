//! `hello` starts a gate, a node and a mesh in one process and drives them once; `hello serve` keeps serving. `hello gate`,
//! `hello node` and `hello mesh` are the same servers in processes of their own, and `hello visit` drives those.

mod args;
mod tour;

use std::io::Write as _;

use anyhow::Context as _;
use args::{Args, Command};
use clap::Parser as _;
use due::{App, Codec};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::WARN.into());
    tracing_subscriber::fmt().with_env_filter(filter.from_env_lossy()).with_writer(std::io::stderr).init();
    match Args::parse().command {
        None => tour().await,
        Some(Command::Serve { doors, codec }) => {
            let app = hello::app(codec, &doors.ws, &doors.tcp)?;
            run(app, "hello").await
        }
        Some(Command::Gate { doors, member }) => {
            let (id, app) = member.join("gate");
            run(app.gate(hello::gate(&id, &doors.ws, &doors.tcp)), &id).await
        }
        Some(Command::Node { member }) => {
            let (id, app) = member.join("node");
            run(app.node(hello::node(&id)?), &id).await
        }
        Some(Command::Mesh { member }) => {
            let (id, app) = member.join("mesh");
            run(app.mesh(hello::mesh(&id)), &id).await
        }
        Some(Command::Visit { urls, shared }) => tour::visit(&shared.backends(), &urls).await,
    }
}

/// Serves until a signal comes, and stops without losing anything.
async fn run(app: App, id: &str) -> anyhow::Result<()> {
    let started = app.run_with(|app| {
        for address in app.addresses() {
            say(&format!("serving {address}"));
        }
        say(&format!("{id} is up; Ctrl-C stops"));
    });
    started.await.with_context(|| format!("{id} cannot serve"))?;
    say("stopped");
    Ok(())
}

/// Everything once, in this process.
async fn tour() -> anyhow::Result<()> {
    let app = hello::app(Codec::Json, "127.0.0.1:0", "127.0.0.1:0")?.start().await?;
    say("gate, node and mesh are up, all in this process");
    let urls: Vec<String> = app.addresses().map(str::to_owned).collect();
    tour::visit(app.backends(), &urls).await?;
    app.stop().await;
    say("stopped");
    Ok(())
}

/// Whether anybody reads it or not.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
