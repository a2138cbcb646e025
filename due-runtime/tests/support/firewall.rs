//! Packets that are dropped between processes of this machine, as on a network that has come apart. Needs root, and Linux.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// As long as it lives, no packet comes to or from these addresses, and nobody is told.
#[derive(Debug)]
pub(crate) struct Firewall {
    table: String,
}

impl Firewall {
    /// `hosts` are addresses of the loopback interface that nothing but the test uses.
    pub(crate) fn around(hosts: &[&str]) -> Self {
        static TABLES: AtomicU32 = AtomicU32::new(0);
        let table = format!("due_{}_{}", std::process::id(), TABLES.fetch_add(1, Ordering::Relaxed));
        let this = Self { table };
        let hosts = hosts.join(", ");
        let rules = format!(
            "add table ip {table}; add chain ip {table} drops {{ type filter hook input priority 0; }}; \
             add rule ip {table} drops ip daddr {{ {hosts} }} drop; add rule ip {table} drops ip saddr {{ {hosts} }} drop",
            table = this.table
        );
        assert!(nft(&rules), "packets are dropped by nftables (`bash .ci/test` installs it), as root");
        this
    }
}

impl Drop for Firewall {
    fn drop(&mut self) {
        let is_gone = nft(&format!("delete table ip {}", self.table));
        assert!(is_gone || std::thread::panicking(), "packets pass again");
    }
}

fn nft(rules: &str) -> bool {
    Command::new("nft").arg(rules).stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}
