//! `cargo due completions`.

use std::io::Write as _;

use clap::{Args, ValueEnum};

use crate::Outcome;
use crate::failure::Failure;
use crate::output::tell;

/// Print a shell's completions of `cargo-due`.
///
/// For bash: `cargo due completions bash > ~/.local/share/bash-completion/completions/cargo-due`.
#[derive(Args)]
pub(crate) struct Completions {
    shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

impl Completions {
    pub(crate) fn run(&self, command: clap::Command) -> Result<Outcome, Failure> {
        let shell = match self.shell {
            Shell::Bash => clap_complete::Shell::Bash,
            Shell::Zsh => clap_complete::Shell::Zsh,
            Shell::Fish => clap_complete::Shell::Fish,
            Shell::Powershell => clap_complete::Shell::PowerShell,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command.name("cargo-due").bin_name("cargo-due"), "cargo-due", &mut script);
        tell(|out| out.write_all(&script))?;
        Ok(Outcome::Fine)
    }
}
