use std::io::{BufRead, BufReader as BlockingReader};
use std::net::TcpStream as BlockingStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use due::event::{NatsBuilder, NatsBus};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Process, freeze, thaw};

/// How long anything may take to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A nats-server.
pub struct Nats {
    process: Option<Process>,
    gone: Option<(u16, tempfile::TempDir)>,
    config: String,
}

impl Nats {
    pub fn start() -> Self {
        Self::with("")
    }

    /// With a configuration of its own besides.
    pub fn with(config: &str) -> Self {
        let process = Process::start(command(config), is_ready);
        Self { process: Some(process), gone: None, config: config.to_owned() }
    }

    pub fn addr(&self) -> String {
        let port = self.process.as_ref().map(Process::port).or(self.gone.as_ref().map(|(port, _)| *port));
        format!("127.0.0.1:{}", port.expect("a server runs or is gone"))
    }

    pub fn builder(&self) -> NatsBuilder {
        NatsBus::builder().url(format!("nats://{}", self.addr()))
    }

    pub fn bus(&self) -> NatsBus {
        self.builder().build().unwrap()
    }

    /// As a crash does.
    pub fn kill(&mut self) {
        self.gone = self.process.take().map(Process::stop);
    }

    /// Starts again at the same port.
    pub fn revive(&mut self) {
        let (port, folder) = self.gone.take().expect("it was killed");
        let started = Process::at(port, folder, &command(&self.config), &is_ready);
        self.process = Some(started.expect("nats starts again"));
    }

    /// Lets it stand still, with its connections open.
    pub fn freeze(&self) {
        freeze(self.process.as_ref().expect("it runs").pid());
    }

    pub fn thaw(&self) {
        thaw(self.process.as_ref().expect("it runs").pid());
    }

    pub async fn raw(&self) -> RawNats {
        let mut raw = RawNats { stream: BufReader::new(TcpStream::connect(self.addr()).await.unwrap()) };
        assert!(raw.line().await.starts_with("INFO {"));
        raw.ask("CONNECT {\"verbose\":false,\"pedantic\":true}\r\n").await;
        raw
    }
}

fn command(config: &str) -> impl Fn(u16, &Path) -> Command {
    move |port, folder| {
        let file = folder.join("nats.conf");
        std::fs::write(&file, format!("listen: \"127.0.0.1:{port}\"\n{config}\n")).unwrap();
        let mut command = Command::new("nats-server");
        command.arg("--config").arg(file);
        command
    }
}

fn is_ready(port: u16) -> bool {
    let mut line = String::new();
    let connected = BlockingStream::connect(("127.0.0.1", port));
    connected.is_ok_and(|stream| BlockingReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("INFO "))
}

/// A connection on which every byte is seen.
pub struct RawNats {
    stream: BufReader<TcpStream>,
}

impl RawNats {
    /// Sends lines, and waits until the server has them.
    pub async fn ask(&mut self, lines: &str) {
        self.stream.write_all(format!("{lines}PING\r\n").as_bytes()).await.unwrap();
        assert_eq!(self.line().await, "PONG\r\n");
    }

    pub async fn publish(&mut self, subject: &str, payload: &str) {
        self.ask(&format!("PUB {subject} {}\r\n{payload}\r\n", payload.len())).await;
    }

    /// The next line, as it was written.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.stream.read_line(&mut line)).await;
        assert_ne!(read.expect("nats writes").unwrap(), 0, "nats hung up");
        line
    }

    /// Some bytes that follow a line.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        timeout(PATIENCE, self.stream.read_exact(&mut bytes)).await.expect("nats writes").unwrap();
        bytes
    }
}
