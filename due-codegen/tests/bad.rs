//! Wrong schemas and the exact text that they give: one folder per rule, with an `expected.txt`.
//!
//! `UPDATE=1 cargo test -p due-codegen --test bad` writes the texts anew; read the diff.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use due_codegen::{Builder, Diagnostics, Error};

#[test]
fn every_mistake_has_its_text() {
    let update = env::var_os("UPDATE").is_some();
    let mut differences = Vec::new();
    let cases = cases();
    assert!(cases.len() > 20, "the cases are missing");
    for case in cases {
        let actual = run(&case);
        let expected_path = case.join("expected.txt");
        if update {
            fs::write(&expected_path, &actual).unwrap();
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if actual != expected {
            differences.push(format!("== {}\n-- expected\n{expected}-- actual\n{actual}", case.display()));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The findings of a folder, whose `due.toml` is read if it has one.
fn run(case: &Path) -> String {
    let builder = if case.join("due.toml").exists() {
        match Builder::from_config(case.join("due.toml")) {
            Ok(builder) => builder,
            Err(error) => return text(case, "error", &findings(error)),
        }
    } else {
        Builder::new().includes([case])
    };
    match builder.render() {
        Ok(output) => text(case, "ok", output.warnings()),
        Err(error) => text(case, "error", &findings(error)),
    }
}

fn findings(error: Error) -> Diagnostics {
    match error {
        Error::Schema(diagnostics) => diagnostics,
        other => panic!("not a finding: {other:?}"),
    }
}

fn text(case: &Path, outcome: &str, diagnostics: &Diagnostics) -> String {
    let here = format!("{}/", case.display());
    let text = diagnostics.to_string().replace(&here, "").replace(&format!("`{}`", case.display()), "`.`");
    if text.is_empty() { format!("{outcome}\n") } else { format!("{outcome}\n{text}\n") }
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> =
        fs::read_dir("tests/bad").unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}
