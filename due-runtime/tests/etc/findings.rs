//! Wrong directories and the exact text that they give: one folder per rule, with an `expected.txt`.
//!
//! `UPDATE=1 cargo test -p due-runtime --features etc --test etc` writes the texts anew; read the diff. A file `environment`
//! has variables, a line each. Folders whose findings belong to a part that may not be compiled in say which in `needs`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use due::etc::{Etc, EtcError};

#[test]
fn every_mistake_has_its_text() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut differences = Vec::new();
    let mut cases: Vec<PathBuf> =
        fs::read_dir("tests/etc/findings").unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 20, "the cases are missing");
    for case in cases.iter().filter(|case| is_compiled(case)) {
        let actual = run(case);
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

fn is_compiled(case: &Path) -> bool {
    let needs = fs::read_to_string(case.join("needs")).unwrap_or_default();
    needs.split_whitespace().all(|feature| match feature {
        "tcp" => cfg!(feature = "tcp"),
        "ws" => cfg!(feature = "ws"),
        "kcp" => cfg!(feature = "kcp"),
        "tls" => cfg!(feature = "tls"),
        "link" => cfg!(feature = "link"),
        "mesh" => cfg!(feature = "mesh"),
        "rpcx" => cfg!(feature = "rpcx"),
        "redis" => cfg!(feature = "redis"),
        "nats" => cfg!(feature = "nats"),
        "etcd" => cfg!(feature = "etcd"),
        "consul" => cfg!(feature = "consul"),
        "rsa" => cfg!(feature = "rsa"),
        "ecc" => cfg!(feature = "ecc"),
        other => panic!("no feature: {other}"),
    })
}

fn run(case: &Path) -> String {
    let environment = fs::read_to_string(case.join("environment")).unwrap_or_default();
    let variables = environment.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut text = match Etc::from_dir_with(case, variables) {
        Err(error) => error.to_string(),
        Ok(etc) => parts(&etc),
    };
    text.push('\n');
    text.replace(&format!("{}/", case.display()), "")
}

fn parts(etc: &Etc) -> String {
    let mut text = "loaded".to_owned();
    for warning in etc.warnings() {
        write!(text, "\n{warning}").unwrap();
    }
    let mut say = |part: &str, error: Option<EtcError>| {
        if let Some(error) = error {
            write!(text, "\n{part}: {error}").unwrap();
        }
    };
    say("app", etc.app().err());
    say("gate", etc.gate().err());
    say("node", etc.node().err());
    #[cfg(feature = "mesh")]
    say("mesh", etc.mesh().err());
    text
}
