use std::io::{BufRead, BufReader as BlockingReader, Write};
use std::net::TcpStream as BlockingStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use due::redis::Redis;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Process, free_port, freeze, thaw};

/// How long anything may take to happen on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A redis-server. What it holds outlives [`kill`](Self::kill).
pub struct Server {
    process: Option<Process>,
    gone: Option<(u16, tempfile::TempDir)>,
    args: Vec<String>,
    is_tls: bool,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(args: &[&str]) -> Self {
        Self::run(args.iter().map(ToString::to_string).collect(), false)
    }

    /// Speaks TLS only.
    pub fn start_tls(args: &[&str]) -> Self {
        Self::run(args.iter().map(ToString::to_string).collect(), true)
    }

    fn run(args: Vec<String>, is_tls: bool) -> Self {
        let process = Process::start(command(&args, is_tls), ready(is_tls));
        Self { process: Some(process), gone: None, args, is_tls }
    }

    pub fn port(&self) -> u16 {
        match (&self.process, &self.gone) {
            (Some(process), _) => process.port(),
            (None, Some((port, _))) => *port,
            (None, None) => unreachable!("a server runs or is gone"),
        }
    }

    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// A new connection to it.
    pub fn redis(&self) -> Redis {
        Redis::builder().addr(self.addr()).build().unwrap()
    }

    pub async fn raw(&self) -> Raw {
        Raw::connect(&self.addr()).await
    }

    /// As a crash does.
    pub fn kill(&mut self) {
        self.gone = self.process.take().map(Process::stop);
    }

    /// Starts again at the same port, with what it held.
    pub fn revive(&mut self) {
        let (port, folder) = self.gone.take().expect("it was killed");
        let started = Process::at(port, folder, &command(&self.args, self.is_tls), &ready(self.is_tls));
        self.process = Some(started.expect("redis starts again"));
    }

    /// Lets it stand still, with its connections open.
    pub fn freeze(&self) {
        freeze(self.process.as_ref().expect("it runs").pid());
    }

    pub fn thaw(&self) {
        thaw(self.process.as_ref().expect("it runs").pid());
    }
}

fn command(args: &[String], is_tls: bool) -> impl Fn(u16, &Path) -> Command {
    move |port, folder| {
        let mut command = Command::new("redis-server");
        let (plain, tls) = if is_tls { (0, port) } else { (port, 0) };
        command
            .args(["--port", &plain.to_string(), "--tls-port", &tls.to_string()])
            // Never synced: a write would wait for a sync that goes on, and be lost with the process.
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "no", "--dir"])
            .arg(folder)
            .args(args);
        command
    }
}

fn ready(is_tls: bool) -> impl Fn(u16) -> bool {
    move |port| {
        let Ok(mut stream) = BlockingStream::connect(("127.0.0.1", port)) else { return false };
        if is_tls {
            return true;
        }
        let mut line = String::new();
        let asked = stream.write_all(b"PING\r\n").and_then(|()| BlockingReader::new(stream).read_line(&mut line));
        // One with a password says so.
        asked.is_ok() && (line == "+PONG\r\n" || line.starts_with("-NOAUTH"))
    }
}

/// A redis cluster of three masters.
pub struct Cluster {
    pub servers: Vec<Server>,
}

impl Cluster {
    /// Three servers that share the slots.
    pub async fn start() -> Self {
        let mut servers = Vec::new();
        for _ in 0..3 {
            let bus = free_port().to_string();
            let args = ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no", "--cluster-port", &bus];
            let server = Server::start_with(&args);
            servers.push((server, bus));
        }
        let (first, first_bus) = (servers[0].0.port().to_string(), servers[0].1.clone());
        for ((server, _), slots) in servers.iter().zip([["0", "5460"], ["5461", "10922"], ["10923", "16383"]]) {
            let mut raw = server.raw().await;
            assert_eq!(raw.ask(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]).await, "+OK\r\n");
            if server.port() != servers[0].0.port() {
                assert_eq!(raw.ask(&["CLUSTER", "MEET", "127.0.0.1", &first, &first_bus]).await, "+OK\r\n");
            }
        }
        let this = Self { servers: servers.into_iter().map(|(server, _)| server).collect() };
        this.settle().await;
        this
    }

    /// Waits until every server knows the others and all slots.
    pub async fn settle(&self) {
        for server in &self.servers {
            let mut raw = server.raw().await;
            until(async || {
                let info = raw.ask(&["CLUSTER", "INFO"]).await;
                ["cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:3"]
                    .iter()
                    .all(|it| info.contains(it))
            })
            .await;
        }
    }

    pub fn redis(&self) -> Redis {
        Redis::builder().addrs(self.servers.iter().map(Server::addr)).build().unwrap()
    }
}

/// A connection on which every byte of a reply is seen.
pub struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    pub async fn connect(addr: &str) -> Self {
        Self { stream: BufReader::new(TcpStream::connect(addr).await.unwrap()) }
    }

    pub async fn ask(&mut self, words: &[&str]) -> String {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.reply().await
    }

    /// The next reply or message, as it was written.
    pub async fn reply(&mut self) -> String {
        timeout(PATIENCE, self.read()).await.expect("redis answers")
    }

    async fn read(&mut self) -> String {
        let mut text = String::new();
        let mut values = 1;
        while values > 0 {
            let mut line = String::new();
            assert_ne!(self.stream.read_line(&mut line).await.unwrap(), 0, "redis hung up after {text:?}");
            text += &line;
            values -= 1;
            let len = || line[1..].trim_end().parse::<i64>().unwrap();
            match line.as_bytes()[0] {
                b'*' => values += len(),
                b'$' if len() >= 0 => {
                    let mut bytes = vec![0; len() as usize + 2];
                    self.stream.read_exact(&mut bytes).await.unwrap();
                    text += &String::from_utf8_lossy(&bytes);
                }
                _ => {}
            }
        }
        text
    }
}

/// Waits until something is so.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let looks = async {
        while !is_so().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, looks).await.expect("it becomes so");
}
