//! `hello` starts a gate, a node and a mesh in one process and drives them once; `hello serve` keeps serving.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use due::{Audience, Client, Codec, PushExt as _};
use hello::v1::{Announcement, GreetRequest, GreeterClient, MannersClient, PhraseRequest};

#[derive(Parser)]
#[command(about = "Gate, node and mesh in one process: a tour, or a server")]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until Ctrl-C
    Serve {
        /// Where ws clients connect
        #[arg(long, default_value = "127.0.0.1:3553")]
        ws: String,
        /// Where tcp clients connect
        #[arg(long, default_value = "127.0.0.1:3554")]
        tcp: String,
        /// How bodies are written: json, proto or msgpack
        #[arg(long, default_value = "json", value_parser = codec)]
        codec: Codec,
    },
}

fn codec(name: &str) -> Result<Codec, String> {
    Codec::named(name).map_err(|error| error.to_string())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::WARN.into());
    tracing_subscriber::fmt().with_env_filter(filter.from_env_lossy()).with_writer(std::io::stderr).init();
    match Args::parse().command {
        None => tour().await,
        Some(Command::Serve { ws, tcp, codec }) => serve(&ws, &tcp, codec).await,
    }
}

async fn serve(ws: &str, tcp: &str, codec: Codec) -> anyhow::Result<()> {
    let name = codec.name().to_owned();
    let app = hello::app(codec, ws, tcp)?;
    app.run_with(|app| {
        for address in app.addresses() {
            say(&format!("serving {address} ({name}); Ctrl-C stops"));
        }
    })
    .await
    .context("hello cannot serve")
}

/// Everything once, through the generated client, over both transports.
async fn tour() -> anyhow::Result<()> {
    let app = hello::app(Codec::Json, "127.0.0.1:0", "127.0.0.1:0")?.start().await?;
    let cluster = app.cluster().context("hello has a node")?.clone();
    let addresses: Vec<String> = app.addresses().map(str::to_owned).collect();
    say("gate, node and mesh are up, all in this process");

    for address in &addresses {
        let client = Client::builder().codec(Codec::Json).connect(address).await?;
        say(&format!("connected to {address}"));

        let greeter = GreeterClient::new(client.clone());
        let response = greeter.greet(GreetRequest { name: "due".to_owned() }).await?;
        say(&format!("  route 1, Greet: code {}, {:?}", response.code, response.message));

        let mut announcements = client.pushes::<Announcement>();
        let tally =
            Announcement { text: format!("{address} was greeted") }.broadcast(&cluster, Audience::Sessions).await?;
        let announcement = announcements.next().await.context("the connection ended")??;
        say(&format!("  push 2, Announcement: {:?}, told to {} session", announcement.text, tally.delivered));

        client.close().await;
    }

    let manners = MannersClient::connect(app.backends(), "discovery://manners").await?;
    let phrase = manners.phrase(PhraseRequest { hour: 9 }).await?.into_inner().phrase;
    say(&format!("mesh discovery://manners, Phrase at nine: {phrase:?}"));

    app.stop().await;
    say("stopped");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what this program is for")]
fn say(line: &str) {
    println!("{line}");
}
