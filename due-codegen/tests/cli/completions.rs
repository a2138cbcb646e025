//! `cargo due completions`, in the shells themselves: CI has bash, zsh and fish.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{at_terminal, due};

#[test]
fn every_shell_has_a_script_that_knows_the_verbs() {
    let empty = tempfile::tempdir().unwrap();
    for (shell, begins) in [
        ("bash", "_cargo_due() {"),
        ("zsh", "#compdef cargo-due"),
        ("fish", "# Print"),
        ("powershell", "\nusing namespace"),
        ("elvish", "\nuse builtin;"),
    ] {
        let run = due(empty.path(), &["completions", shell]);
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        assert!(run.out.starts_with(begins), "{shell}: {}", &run.out[..200]);
        for verb in ["generate", "routes", "call", "bench", "completions"] {
            assert!(run.out.contains(verb), "{shell}: {verb}");
        }
    }
    assert_eq!(due(empty.path(), &["completions", "tcsh"]).code, 2);
}

/// What a shell prints, in a folder with its completions in the file `due`.
fn shell(name: &str, args: &[&str], script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let run = due(folder.path(), &["completions", name]);
    fs::write(folder.path().join("due"), run.out).unwrap();
    let file = folder.path().join("script");
    fs::write(&file, script).unwrap();
    let mut command = Command::new(name);
    command.args(args).arg(&file).current_dir(folder.path()).env("HOME", folder.path()).env_remove("ZDOTDIR");
    // Where `cargo-due` is found.
    let program = Path::new(env!("CARGO_BIN_EXE_cargo-due")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([program].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let output = command.env("PATH", path).output().unwrap_or_else(|err| panic!("{name} is not installed: {err}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && err.is_empty(), "{out}{err}");
    out.into_owned()
}

const BASH: &str = r#"
ask() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    [[ $(complete -p "$1") =~ -F\ ([^ ]+) ]]
    "${BASH_REMATCH[1]}" "$1" "${@: -1}" "${@: -2:1}"
    echo "${COMPREPLY[*]}"
}
"#;

#[test]
fn bash_completes_cargo_due() {
    let asked = "ask cargo-due ge\nask cargo due ge\nask cargo due generate --ch\nask cargo due completions z\n";
    let answers = "generate\ngenerate\n--check\nzsh\n";
    // Alone.
    let out = shell("bash", &["--norc"], &format!("{BASH}source ./due\n{asked}ask cargo d\nask cargo build --re\n"));
    assert_eq!(out, format!("{answers}due\n\n"));
    // After what cargo's own completions do.
    let before = "other() { COMPREPLY=(other); }\ncomplete -F other cargo\nsource ./due\nsource ./due\n";
    let out = shell("bash", &["--norc"], &format!("{BASH}{before}{asked}ask cargo b\n"));
    assert_eq!(out, format!("{answers}other\n"));
    // Before they are loaded, as bash-completion does it.
    let later = "source ./due\nother() { COMPREPLY=(other); }\n_completion_loader() { complete -F other cargo; }\n";
    let out = shell("bash", &["--norc"], &format!("{BASH}{later}ask cargo b\nask cargo b\n{asked}"));
    assert_eq!(out, format!("other\nother\n{answers}"));
}

#[test]
fn fish_completes_cargo_due() {
    let script = r#"
source ./due
for line in 'cargo-due ge' 'cargo due ge' 'cargo due generate --ch' 'cargo due lint --format g'
    complete -C "$line" | string replace -r '\t.*' ''
end
"#;
    assert_eq!(shell("fish", &["--no-config"], script), "generate\ngenerate\n--check\ngithub\n");
}

#[test]
fn zsh_completes_cargo_due() {
    // A terminal in which somebody presses the tab key; ^X prints what the line is then.
    let script = r#"
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= PS2=; unsetopt zle_bracketed_paste beep; autoload -Uz compinit; compinit -u -D; BEFORE
source ./due
show() { print -r -- \"<\$BUFFER>\"; zle kill-whole-line }; zle -N show; bindkey '^X' show; print ready"
zpty -r shell text $'*ready\r\n*'
for line in 'cargo-due compl' 'cargo due gener' 'cargo due generate --ch' 'cargo due completions zs'; do
    zpty -w -n shell "$line"$'\t\x18'
    zpty -r shell text $'*<*>\r\n*'
    print -r -- "${${text##*<}%%>*}"
done
zpty -d shell
"#;
    let answers =
        "cargo-due completions \ncargo due generate \ncargo due generate --check \ncargo due completions zsh \n";
    // Alone, and behind cargo's own completions, which ask `_cargo-due`.
    let own = "_cargo() { shift words; (( CURRENT-- )); _call_function ret _cargo-${words[1]} }; compdef _cargo cargo";
    for before in ["", own] {
        let before = before.replace('$', r"\$");
        assert_eq!(shell("zsh", &["-f"], &script.replace("BEFORE", &before)), answers, "{before}");
    }
}

#[test]
fn elvish_completes_cargo_due() {
    // Only at a terminal elvish completes anything. It leaves out by itself what does not begin with the last word.
    let rc = r#"
use str
BEFORE
eval (slurp < due)
for words [[cargo-due ge] [cargo due ge] [cargo due generate --ch] [cargo d] [cargo build --re]] {
    var found = [($edit:completion:arg-completer[$words[0]] $@words)]
    var stems = [(for it $found { if (eq (kind-of $it) string) { put $it } else { put $it[stem] } })]
    echo (str:join ' ' [(each {|stem| if (str:has-prefix $stem $words[-1]) { put $stem } } $stems)])
}
exit
"#;
    for (before, other) in
        [("", ""), ("set edit:completion:arg-completer[cargo] = {|@words| put --release }", "--release")]
    {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("due"), due(folder.path(), &["completions", "elvish"]).out).unwrap();
        fs::write(folder.path().join("rc.elv"), rc.replace("BEFORE", before)).unwrap();
        let out = at_terminal("elvish -rc rc.elv", folder.path(), &[("HOME", folder.path().to_str().unwrap())]);
        assert_eq!(out.replace('\r', ""), format!("generate\ngenerate\n--check\ndue\n{other}\n"), "{before}");
    }
}

#[test]
fn powershell_is_told_of_both_commands() {
    // Nobody runs it here; what the script of clap is taken for has to be there.
    let folder = tempfile::tempdir().unwrap();
    let script = due(folder.path(), &["completions", "powershell"]).out;
    let position = |text: &str| {
        assert_eq!(script.matches(text).count(), 1, "{text}");
        script.find(text).unwrap()
    };
    let places = [
        "$__cargoDue = {",
        "$first = 2",
        "for ($i = $first; $i -lt $commandElements.Count; $i++) {",
        "'cargo-due;generate' {",
        "Register-ArgumentCompleter -Native -CommandName 'cargo-due', 'cargo' -ScriptBlock $__cargoDue\n",
    ]
    .map(position);
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(script.matches('{').count(), script.matches('}').count());
}
