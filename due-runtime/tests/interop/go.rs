use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::ears::{Ears, PATIENCE};

/// Waits for an answer.
type Asker = oneshot::Sender<Result<Value, String>>;

/// A gate, node, mesh or client of Go, in a process of its own; see `go/main.go`. Killed when dropped.
pub(crate) struct Go {
    child: Child,
    stdin: Mutex<ChildStdin>,
    folder: TempDir,
    askers: Arc<Mutex<HashMap<u64, Asker>>>,
    next: AtomicU64,
    pub(crate) ears: Arc<Ears>,
    pub(crate) addr: String,
}

impl Go {
    /// Starts it, and waits until it says that it is ready. `packet` is its `[packet]`, how it writes packets.
    pub(crate) async fn start(config: &Value, packet: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/etc.toml"), format!("[packet]\n{packet}")).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program());
        // due writes a log file into its folder.
        command.arg(config.to_string()).current_dir(folder.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdin = Mutex::new(child.stdin.take().expect("a pipe"));
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (ears, askers) = (Arc::new(Ears::default()), Arc::<Mutex<HashMap<u64, Asker>>>::default());
        let mut this = Self {
            child,
            stdin,
            folder,
            askers: Arc::clone(&askers),
            next: AtomicU64::new(1),
            ears: Arc::clone(&ears),
            addr: String::new(),
        };
        // Ends with the process.
        thread::spawn(move || {
            for line in stdout.lines() {
                let line: Value = serde_json::from_str(&line.expect("a pipe")).expect("JSON");
                match line["answer"].as_u64() {
                    Some(number) => {
                        let answer = match line["error"].as_str() {
                            Some(error) => Err(error.to_owned()),
                            None => Ok(line["value"].clone()),
                        };
                        let asker = askers.lock().unwrap().remove(&number);
                        // Nobody waits any longer for an answer that took too long.
                        asker.expect("an answer to a question").send(answer).ok();
                    }
                    None => ears.say(line),
                }
            }
            ears.say(json!({ "say": "ended" }));
        });
        let ready = this.ears.hear(|line| line["say"] == "ready" || line["say"] == "ended").await;
        assert_eq!(ready["say"], "ready", "{config}: {}", this.log());
        this.addr = ready["addr"].as_str().unwrap_or_default().to_owned();
        this
    }

    /// Has it do something. The error is what due said.
    pub(crate) async fn ask(&self, mut command: Value) -> Result<Value, String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        command["number"] = json!(number);
        let (asker, answer) = oneshot::channel();
        self.askers.lock().unwrap().insert(number, asker);
        writeln!(self.stdin.lock().unwrap(), "{command}").unwrap_or_else(|error| panic!("{error}: {}", self.log()));
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            _ => panic!("no answer to {command}: {}", self.log()),
        }
    }

    /// Waits until it has dealt with the news that a user is bound to a node: until then Go sends on to the node before, and
    /// what that one refuses is lost.
    pub(crate) async fn hears_of_node(&self, uid: i64, nid: &str) {
        const NODE_BOUND: i64 = 2;
        let is_it = |line: &Value| {
            let told = &line["change"];
            line["say"] == "located" && told["type"] == NODE_BOUND && told["uid"] == uid && told["insID"] == nid
        };
        self.ears.hear(is_it).await;
    }

    /// Tells it to stop, as an operator does.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits until it has stopped in good order.
    pub(crate) async fn stopped(mut self) {
        self.ears.hear_a("stopped").await;
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Waits until the process has ended, however that comes.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.ears.hear_a("ended").await;
        self.child.wait().unwrap()
    }

    #[allow(dead_code, reason = "of the benchmarks")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process lives.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Go program, built once per run of the suite; Go knows whether there is anything to do.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("due-go-peer");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/go");
        let mut go = Command::new("go");
        go.args(["build", "-trimpath", "-o"]).arg(&program).arg(".").current_dir(source);
        let built = go.output().unwrap_or_else(|error| {
            panic!("no Go ({error}): this suite builds a peer of due with Go 1.25 or newer, and is nothing without")
        });
        assert!(built.status.success(), "the Go peer does not build:\n{}", String::from_utf8_lossy(&built.stderr));
        program
    })
}
