use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Parser;

/// The documented port of gates.
const GATE: u16 = 3553;

#[derive(Parser)]
#[command(about = "A small multiplayer page: gate, node and page in one process, until Ctrl-C")]
pub(crate) struct Args {
    /// Where browsers find the page; port 0 takes any free one. 0.0.0.0:8080 lets phones in the same network in
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080))]
    pub(crate) listen: SocketAddr,
    /// Where the gate listens [default: the address of the page, port 3553]
    #[arg(long, value_name = "ADDR")]
    ws: Option<SocketAddr>,
}

impl Args {
    pub(crate) fn ws(&self) -> SocketAddr {
        self.ws.unwrap_or_else(|| SocketAddr::new(self.listen.ip(), GATE))
    }
}
