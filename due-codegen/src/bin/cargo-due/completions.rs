//! `cargo due completions`.

use std::io::Write as _;

use clap::{Args, ValueEnum};

use crate::Outcome;
use crate::failure::Failure;
use crate::output::tell;

/// Print what makes a shell complete `cargo due`.
///
/// bash, in ~/.bashrc: `source <(cargo due completions bash)`
///
/// zsh, in ~/.zshrc behind `compinit`: `source <(cargo due completions zsh)`; or as a file `_cargo-due` in $fpath, if cargo's
/// own completions are there
///
/// fish: `cargo due completions fish > ~/.config/fish/conf.d/cargo-due.fish`
///
/// powershell, in $PROFILE: `cargo due completions powershell | Out-String | Invoke-Expression`
///
/// elvish, in ~/.config/elvish/rc.elv: `eval (cargo due completions elvish | slurp)`
#[derive(Args)]
pub(crate) struct Completions {
    shell: Shell,
}

/// What cargo runs for `cargo due`.
const PROGRAM: &str = "cargo-due";

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}

impl Completions {
    pub(crate) fn run(&self, command: clap::Command) -> Result<Outcome, Failure> {
        let shell = match self.shell {
            Shell::Bash => clap_complete::Shell::Bash,
            Shell::Zsh => clap_complete::Shell::Zsh,
            Shell::Fish => clap_complete::Shell::Fish,
            Shell::Powershell => clap_complete::Shell::PowerShell,
            Shell::Elvish => clap_complete::Shell::Elvish,
        };
        let of_cargo = match self.shell {
            Shell::Bash => include_str!("completions/cargo.bash"),
            Shell::Zsh => include_str!("completions/cargo.zsh"),
            Shell::Fish => include_str!("completions/cargo.fish"),
            Shell::Powershell => include_str!("completions/register.ps1"),
            Shell::Elvish => include_str!("completions/cargo.elv"),
        };
        let mut script = Vec::new();
        // clap_complete writes bash names of two kinds for a program with a hyphen, which then do not meet.
        let name = if shell == clap_complete::Shell::Bash { "cargo_due" } else { PROGRAM };
        // What people read says `cargo due`, and the verbs have that in their names, too.
        let mut command = command.name(name).bin_name(name).mut_subcommands(|verb| {
            let name = format!("{name} {}", verb.get_name());
            verb.bin_name(name)
        });
        clap_complete::generate(shell, &mut command, name, &mut script);
        let script = String::from_utf8_lossy(&script).replace(" default cargo_due\n", " default cargo-due\n");
        let script = if shell == clap_complete::Shell::PowerShell { of_cargo_too(&script) } else { script };
        tell(|out| out.write_all(script.as_bytes()).and_then(|()| out.write_all(of_cargo.as_bytes())))?;
        Ok(Outcome::Fine)
    }
}

/// A PowerShell script whose block serves two commands, and is yet to be registered.
fn of_cargo_too(script: &str) -> String {
    let elements = "    $commandElements = $commandAst.CommandElements\n";
    script
        .replacen("Register-ArgumentCompleter -Native -CommandName 'cargo-due' -ScriptBlock {", "$__cargoDue = {", 1)
        .replacen(elements, &format!("{elements}{}", include_str!("completions/cargo.ps1")), 1)
        .replacen("for ($i = 1; ", "for ($i = $first; ", 1)
}
