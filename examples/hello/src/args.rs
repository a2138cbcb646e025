use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args as Flags, Parser, Subcommand};
use due::{App, Backends, Codec};

#[derive(Parser)]
#[command(about = "Gate, node and mesh: a tour without a command, or servers that keep serving")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Gate, node and mesh in one process, until Ctrl-C
    Serve {
        #[command(flatten)]
        doors: Doors,
        #[arg(long, help = CODEC, default_value = "json", value_parser = codec)]
        codec: Codec,
    },
    /// A gate in a process of its own, until Ctrl-C: keeps the clients
    Gate {
        #[command(flatten)]
        doors: Doors,
        #[command(flatten)]
        member: Member,
    },
    /// A node in a process of its own, until Ctrl-C: greets. Start as many as you like
    Node {
        #[command(flatten)]
        member: Member,
    },
    /// A mesh in a process of its own, until Ctrl-C: knows how to be polite
    Mesh {
        #[command(flatten)]
        member: Member,
    },
    /// The tour of servers that run already
    Visit {
        /// Where gates serve
        #[arg(default_values = ["ws://127.0.0.1:3553", "tcp://127.0.0.1:3554"])]
        urls: Vec<String>,
        #[command(flatten)]
        shared: Shared,
    },
}

/// The listeners of a gate.
#[derive(Flags)]
pub(crate) struct Doors {
    /// Where ws clients connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3553")]
    pub(crate) ws: String,
    /// Where tcp clients connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3554")]
    pub(crate) tcp: String,
}

/// One of several processes.
#[derive(Flags)]
pub(crate) struct Member {
    /// Its name among the others [default: what it is, and its process id]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,
    #[command(flatten)]
    shared: Shared,
}

/// What every process has to be told alike.
#[derive(Flags)]
pub(crate) struct Shared {
    /// Where the processes find each other; made if it is missing [default: due-hello where temporary files are]
    #[arg(long)]
    dir: Option<PathBuf>,
    #[arg(long, help = CODEC, default_value = "json", value_parser = codec)]
    codec: Codec,
}

const CODEC: &str = "How bodies are written: json, proto or msgpack";

fn codec(name: &str) -> Result<Codec, String> {
    Codec::named(name).map_err(|error| error.to_string())
}

impl Member {
    /// The name, and a process among the others that has no server yet.
    pub(crate) fn join(self, kind: &str) -> (String, App) {
        let id = self.id.unwrap_or_else(|| format!("{kind}-{}", std::process::id()));
        (id, App::new().backends(self.shared.backends()))
    }
}

impl Shared {
    pub(crate) fn backends(self) -> Backends {
        let dir = self.dir.unwrap_or_else(|| std::env::temp_dir().join("due-hello"));
        crate::say(&format!("meeting the others in {} ({})", dir.display(), self.codec.name()));
        Backends::dir(dir).codec(self.codec)
    }
}
