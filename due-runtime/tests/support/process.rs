use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to be ready on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks whether it is.
const LOOK: Duration = Duration::from_millis(20);
/// Another process may take a port that was free a moment ago.
const ATTEMPTS: usize = 5;

/// A port of 127.0.0.1 that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server in a process of its own, with a folder of its own. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Process {
    /// Starts `command` with a free port and an empty folder, and waits until `ready` says so of the port.
    pub fn start(command: impl Fn(u16, &Path) -> Command, ready: impl Fn(u16) -> bool) -> Self {
        for _ in 0..ATTEMPTS {
            let folder = tempfile::tempdir().unwrap();
            if let Some(process) = Self::at(free_port(), folder, &command, &ready) {
                return process;
            }
        }
        panic!("the server ended before it was ready, {ATTEMPTS} times");
    }

    /// Kills the server and starts it again with the port and folder it had.
    pub fn restart(self, command: impl Fn(u16, &Path) -> Command, ready: impl Fn(u16) -> bool) -> Self {
        let (port, folder) = self.stop();
        Self::at(port, folder, &command, &ready).expect("the server starts again")
    }

    /// Kills the server; port and folder serve to start it again.
    pub fn stop(mut self) -> (u16, TempDir) {
        self.end();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (self.port, folder)
    }

    /// Starts a server at a port and in a folder that are given; `None` if it ends at once.
    pub fn at(
        port: u16,
        folder: TempDir,
        command: &impl Fn(u16, &Path) -> Command,
        ready: &impl Fn(u16) -> bool,
    ) -> Option<Self> {
        let log = folder.path().join("log");
        let mut command = command(port, folder.path());
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|err| panic!("{}: {}", command.get_program().display(), hint(&err)));
        let mut process = Self { child, port, folder };
        let begun = Instant::now();
        while !ready(port) {
            if let Some(status) = process.child.try_wait().unwrap() {
                eprintln!("{status}: {}", fs::read_to_string(&log).unwrap_or_default());
                return None;
            }
            let log = || fs::read_to_string(&log).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the server is not ready: {}", log());
            thread::sleep(LOOK);
        }
        Some(process)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn hint(err: &io::Error) -> String {
    match err.kind() {
        io::ErrorKind::NotFound => "not installed; `bash .ci/test` installs what the tests need".to_owned(),
        _ => err.to_string(),
    }
}

/// Lets a process stand still, with its connections open; none of its threads runs when this returns.
pub fn freeze(pid: u32) {
    signal(pid, "-STOP");
    let begun = Instant::now();
    while !stands_still(pid) {
        assert!(begun.elapsed() < PATIENCE, "process {pid} goes on");
        thread::sleep(Duration::from_millis(1));
    }
}

pub fn thaw(pid: u32) {
    signal(pid, "-CONT");
}

pub fn signal(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// The state of a thread stands behind its name, which is in parentheses.
fn stands_still(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok())
        .all(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
}
