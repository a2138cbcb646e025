//! Where a run took place.

use std::fs;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

pub(crate) fn describe() -> Value {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, model)| model);
    let cores = thread::available_parallelism().map_or(0, |cores| cores.get());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "cpu": cpu.unwrap_or("unknown"),
        "cores": cores,
        "kernel": kernel.trim(),
        "rust": version("rustc", &["--version"]),
        "go": version("go", &["version"]),
        "go due": "v2.5.8",
        "redis": version("redis-server", &["--version"]),
        "etcd": version("etcd", &["--version"]),
    })
}

/// The first line that a program says of itself.
fn version(program: &str, args: &[&str]) -> String {
    let said = Command::new(program).args(args).output().map(|said| said.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).lines().next().unwrap_or("unknown").to_owned()
}
