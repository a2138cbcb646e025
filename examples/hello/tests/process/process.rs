use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) const HELLO: &str = env!("CARGO_BIN_EXE_hello");

/// For whatever takes no time unless something is wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// One running `hello`, killed when it is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    /// What it said until it was up.
    said: Vec<String>,
    lines: Receiver<String>,
    log: TempDir,
}

impl Process {
    /// Waits until it says that it is up.
    pub(crate) fn start(args: &[&str]) -> Self {
        let log = tempfile::tempdir().unwrap();
        let stderr = std::fs::File::create(log.path().join("stderr")).unwrap();
        let mut child = Command::new(HELLO)
            .args(args)
            .env("RUST_LOG", "due=debug")
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (say, lines) = mpsc::channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        let mut process = Self { name: args.join(" "), child, said: Vec::new(), lines, log };
        while !process.said.last().is_some_and(|line| line.ends_with("is up; Ctrl-C stops")) {
            let line = process.lines.recv_timeout(DEADLINE);
            process.said.push(line.expect("it says that it is up"));
        }
        process
    }

    /// A server that meets the others in a directory.
    pub(crate) fn member(kind: &str, id: &str, dir: &Path) -> Self {
        let mut args = vec![kind, "--id", id, "--dir", dir.to_str().unwrap()];
        if kind == "gate" {
            args.extend(["--ws", "127.0.0.1:0", "--tcp", "127.0.0.1:0"]);
        }
        Self::start(&args)
    }

    /// `host:port` of a listener; `scheme` is `tcp://` or `ws://`.
    pub(crate) fn address(&self, scheme: &str) -> &str {
        self.url(scheme).strip_prefix(scheme).unwrap()
    }

    pub(crate) fn url(&self, scheme: &str) -> &str {
        self.said.iter().find_map(|line| line.strip_prefix("serving ").filter(|url| url.starts_with(scheme))).unwrap()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let (signal, pid) = (format!("-{signal}"), self.child.id().to_string());
        assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
    }

    /// Without a chance to say anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until a process that was told to stop has done so.
    pub(crate) fn ended_well(mut self) {
        let mut said = self.lines.recv_timeout(DEADLINE);
        while said.as_ref().is_ok_and(|line| line != "stopped") {
            said = self.lines.recv_timeout(DEADLINE);
        }
        assert_eq!(said.as_deref(), Ok("stopped"));
        // Its output ends with it.
        assert!(self.lines.recv_timeout(DEADLINE).is_err());
        assert!(self.wait().success());
    }

    fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if began.elapsed() < DEADLINE => std::thread::yield_now(),
                None => panic!("{} does not end", self.name),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, as it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log.path().join("stderr")).unwrap_or_default();
            eprintln!("-- {} (process {})\n{log}", self.name, self.child.id());
        }
    }
}
