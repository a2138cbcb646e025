use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args as Flags, Parser, Subcommand};

/// What `lobby` runs on where nothing else is said: memory.
pub(crate) const MEMORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/etc/memory");

#[derive(Debug, Parser)]
#[command(about = "Accounts, rooms and notices: all servers in one process without a command, or each in its own")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The directory of etc.toml, and of lobby.toml if there is one
    #[arg(long, value_name = "DIR", default_value = MEMORY, env = "DUE_ETC")]
    pub(crate) etc: PathBuf,
    /// How many gates there are; more than one need port 0
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) gates: u16,
    /// How many game nodes there are
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) games: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keeps the clients
    Gate(Member),
    /// Knows who is who
    Login(Member),
    /// Has rooms. Start as many as you like
    Game(Member),
    /// Keeps the coins
    Wallet(Member),
    /// Shows and steers the others over HTTP, and takes notices
    Admin(Member),
    /// A client that plays everything once
    Play {
        /// Where a gate serves [default: servers of its own, in memory, which end with it]
        url: Option<String>,
        /// The page of admin, as its log names it, for a notice [default: none is told]
        #[arg(long, value_name = "http://ADDR/#TOKEN", requires = "url")]
        admin: Option<String>,
    },
}

/// One server in a process of its own, until Ctrl-C.
#[derive(Debug, Flags)]
pub(crate) struct Member {
    /// The directory of etc.toml, and of lobby.toml if there is one
    #[arg(long, value_name = "DIR", env = "DUE_ETC")]
    pub(crate) etc: PathBuf,
    /// Its name among the others [default: what it is, and a random number]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) id: Option<String>,
}
