use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{Answer, Process, free_port, http};

/// A consul agent that is its own server. The test command builds it from `tests/support/consul`.
#[derive(Debug)]
pub struct Consul {
    process: Option<Process>,
    port: u16,
    ports: Cell<[u16; 2]>,
    last: Option<tempfile::TempDir>,
    /// More configuration, in HCL.
    config: String,
    token: String,
    https: bool,
}

impl Consul {
    pub fn start() -> Self {
        Self::with("", "", false)
    }

    /// Refuses everything without this token.
    pub fn start_with_token(token: &str) -> Self {
        let config =
            format!(r#"acl {{ enabled = true default_policy = "deny" tokens {{ initial_management = "{token}" }} }}"#);
        Self::with(&config, token, false)
    }

    /// Serves HTTPS with a chain and a key, and asks clients for a certificate of these roots.
    pub fn start_with_tls(chain: &Path, key: &Path, roots: &Path) -> Self {
        let config = format!(
            r#"tls {{ https {{ cert_file = "{}" key_file = "{}" ca_file = "{}" verify_incoming = true }} }}"#,
            chain.display(),
            key.display(),
            roots.display()
        );
        Self::with(&config, "", true)
    }

    fn with(config: &str, token: &str, https: bool) -> Self {
        let (config, token) = (config.to_owned(), token.to_owned());
        let mut this = Self { process: None, port: 0, ports: Cell::default(), last: None, config, token, https };
        let command = |port: u16, folder: &Path| {
            this.ports.set([free_port(), free_port()]);
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
        self.process = Some(started.expect("consul starts again"));
    }

    fn command(&self, port: u16, folder: &Path) -> Command {
        let [server, serf] = self.ports.get();
        let mut command = Command::new(program());
        command.args(["agent", "-server", "-bootstrap-expect=1", "-bind=127.0.0.1", "-client=127.0.0.1", "-node=due"]);
        command.args(["-disable-host-node-id", "-disable-keyring-file", "-log-level=warn"]);
        command.arg("-data-dir").arg(folder.join("data"));
        let (http, https) = if self.https { (-1, i32::from(port)) } else { (i32::from(port), -1) };
        let hcl = format!(
            "ports {{ http = {http} https = {https} server = {server} serf_lan = {serf} serf_wan = -1 dns = -1 \
             grpc = -1 grpc_tls = -1 }} performance {{ raft_multiplier = 1 }} disable_update_check = true {}",
            self.config
        );
        command.args(["-hcl", &hcl]);
        command
    }

    fn is_ready(&self, port: u16) -> bool {
        if self.https {
            return std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        }
        let answer = http(port, "GET", "/v1/health/node/due", &[("X-Consul-Token", &self.token)], "");
        answer.is_some_and(|answer| answer.status == 200 && answer.body.contains("serfHealth"))
    }

    /// Asks the agent.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let answer = http(self.port, method, path, &[("X-Consul-Token", &self.token)], body);
        answer.expect("consul answers")
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub fn put(&self, path: &str, body: &Value) {
        let answer = self.ask("PUT", path, &body.to_string());
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }

    /// Takes all services off the agent.
    pub fn clear(&self) {
        let services = self.get("/v1/agent/services");
        for id in services.as_object().expect("a map").keys() {
            self.ask("PUT", &format!("/v1/agent/service/deregister/{id}"), "");
        }
        let left =
            |kind| self.get(&format!("/v1/catalog/service/{kind}")).as_array().is_some_and(|list| !list.is_empty());
        while ["gate", "node", "mesh"].into_iter().any(left) {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("consul")
}
