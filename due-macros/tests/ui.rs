//! Every right and every wrong use of the macros, each with what the compiler says.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The compiler whose own words the expected errors repeat.
const WORDED_BY: &str = "rustc 1.95.";

#[test]
fn route() {
    run("tests/route");
}

#[test]
fn routes() {
    run("tests/routes");
}

/// Errors with a number (`error[E0428]`) are the compiler's, and others than [`WORDED_BY`] may word them differently:
/// those run only there. Errors without one are ours, and run everywhere.
fn run(folder: &str) {
    let cases = trybuild::TestCases::new();
    cases.pass(format!("{folder}/pass/*.rs"));
    let version = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into())).arg("--version").output().unwrap();
    let same_words = String::from_utf8_lossy(&version.stdout).starts_with(WORDED_BY);
    let fail = Path::new(folder).join("fail");
    for case in fs::read_dir(fail).unwrap().map(|entry| entry.unwrap().path()) {
        if case.extension().is_some_and(|extension| extension == "rs") {
            let expected = fs::read_to_string(case.with_extension("stderr")).unwrap();
            if same_words || !expected.contains("error[E") {
                cases.compile_fail(case);
            }
        }
    }
}
