//! The README's smallest game, built as a crate of its own with the published steps, and run.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_smallest_game_of_the_readme_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let game = tempfile::tempdir().unwrap();
    for file in ["Cargo.toml", "proto/lobby.proto", "build.rs", "src/main.rs"] {
        let path = game.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut text = block(&readme, file).to_owned();
        if file == "Cargo.toml" {
            for krate in ["due-runtime", "due-codegen"] {
                let here = format!("path = \"{krate}\"");
                assert!(text.contains(&here), "{text}");
                text = text.replace(&here, &format!("path = {:?}", root.join(krate)));
            }
            text.push_str("\n[workspace]\n\n[profile.dev]\ndebug = \"line-tables-only\"\n");
        }
        fs::write(path, text).unwrap();
    }
    // The same versions of everything, so that nothing is fetched twice.
    fs::copy(root.join("Cargo.lock"), game.path().join("Cargo.lock")).unwrap();

    // One folder for all projects that tests build: `cli/new.rs`, too.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("games");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .current_dir(game.path())
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "seat 7\ndue entered\n");
}

/// The first fenced block after the line that begins with the file's name.
fn block<'a>(readme: &'a str, file: &str) -> &'a str {
    let (_, after) = readme.split_once(&format!("\n`{file}`")).unwrap_or_else(|| panic!("{file} is not in the README"));
    let (_, fenced) = after.split_once("\n```").unwrap();
    let (_, text) = fenced.split_once('\n').unwrap();
    text.split_once("```").unwrap().0
}
