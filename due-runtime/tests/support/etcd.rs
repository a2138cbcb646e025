use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Value, json};

use super::{Process, free_port, http};

/// An etcd of one member.
#[derive(Debug)]
pub struct Etcd {
    process: Option<Process>,
    port: u16,
    peer: Cell<u16>,
    tls: Option<(PathBuf, PathBuf, PathBuf)>,
    last: Option<tempfile::TempDir>,
}

impl Etcd {
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Serves TLS with a chain and a key, and asks clients for a certificate of these roots.
    pub fn start_with_tls(chain: PathBuf, key: PathBuf, roots: PathBuf) -> Self {
        Self::with(Some((chain, key, roots)))
    }

    fn with(tls: Option<(PathBuf, PathBuf, PathBuf)>) -> Self {
        let mut this = Self { process: None, port: 0, peer: Cell::new(0), tls, last: None };
        let command = |port: u16, folder: &Path| {
            this.peer.set(free_port());
            this.command(port, folder)
        };
        let process = Process::start(command, |port| this.is_ready(port));
        this.port = process.port();
        this.process = Some(process);
        this
    }

    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").pid()
    }

    pub fn kill(&mut self) {
        let (_, folder) = self.process.take().expect("it runs").stop();
        self.last = Some(folder);
    }

    /// With the data it had.
    pub fn start_again(&mut self) {
        let folder = self.last.take().expect("it was killed");
        self.start_in(folder);
    }

    /// Without.
    pub fn start_empty(&mut self) {
        self.last = None;
        self.start_in(tempfile::tempdir().unwrap());
    }

    fn start_in(&mut self, folder: tempfile::TempDir) {
        let started = Process::at(self.port, folder, &|port, folder: &Path| self.command(port, folder), &|port| {
            self.is_ready(port)
        });
        self.process = Some(started.expect("etcd starts again"));
    }

    fn command(&self, port: u16, folder: &Path) -> Command {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let client = format!("{scheme}://127.0.0.1:{port}");
        let peer = format!("http://127.0.0.1:{}", self.peer.get());
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(folder.join("data"));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("default={peer}")]);
        if let Some((chain, key, roots)) = &self.tls {
            command.arg("--cert-file").arg(chain).arg("--key-file").arg(key);
            command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(roots);
        }
        command
    }

    fn is_ready(&self, port: u16) -> bool {
        match self.tls {
            Some(_) => std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(),
            None => http(port, "GET", "/health", &[], "").is_some_and(|answer| answer.body.contains(r#""true""#)),
        }
    }

    /// Asks the server's JSON gateway.
    pub fn ask(&self, path: &str, body: &Value) -> Value {
        let answer = http(self.port, "POST", path, &[], &body.to_string()).expect("etcd answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub fn put(&self, key: &str, value: &str) {
        self.ask("/v3/kv/put", &json!({"key": BASE64.encode(key), "value": BASE64.encode(value)}));
    }

    /// All keys in order, with value and lease.
    pub fn dump(&self) -> Vec<(String, String, i64)> {
        let answer = self.ask("/v3/kv/range", &json!({"key": "AA==", "range_end": "AA=="}));
        let text = |value: &Value| String::from_utf8(BASE64.decode(value.as_str().unwrap_or("")).unwrap()).unwrap();
        let entries = answer["kvs"].as_array().cloned().unwrap_or_default();
        let lease = |entry: &Value| entry["lease"].as_str().map_or(0, |lease| lease.parse().unwrap());
        entries.iter().map(|entry| (text(&entry["key"]), text(&entry["value"]), lease(entry))).collect()
    }

    /// Forgets all revisions but the last.
    pub fn compact(&self) {
        let answer = self.ask("/v3/kv/range", &json!({"key": "AA=="}));
        self.ask("/v3/kv/compaction", &json!({"revision": answer["header"]["revision"], "physical": true}));
    }
}
