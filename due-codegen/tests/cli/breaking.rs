//! `cargo due breaking`: one folder per rule, in which that rule is broken once and what stands beside it is not; then
//! refs, folders, locks, and what is none of these.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use due_codegen::breaking_rules;
use serde_json::Value;
use tempfile::TempDir;

use super::git::Repository;
use super::{due, folder, rules_of};

#[test]
fn every_rule_has_a_case_that_breaks_it_alone() {
    let update = env::var_os("UPDATE").is_some();
    let mut differences = Vec::new();
    for rule in breaking_rules() {
        let case = cases().join(rule.id.to_lowercase());
        let project = project(&case);
        let against: &[&str] = if case.join("before").exists() { &["--against", "before"] } else { &[] };
        let run = due(project.path(), &[&["breaking"], against].concat());
        let json = due(project.path(), &[&["breaking", "--format", "json"], against].concat());
        // Whoever takes an id takes it from somebody.
        let also: &[&str] = if rule.id == "ID_REUSED" { &["ROUTE_REMOVED"] } else { &[] };
        let mut found = rules_of(&json);
        found.sort();
        assert_eq!(found, [&[rule.id], also].concat(), "{}: {}", rule.id, run.err);
        let path = case.join("expected.txt");
        if update {
            fs::write(&path, run.text()).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != run.text() {
            differences.push(format!("== {}\n{}", path.display(), run.text()));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(fs::read_dir(cases()).unwrap().count(), breaking_rules().len(), "a folder is no rule's");
}

#[test]
fn a_lock_knows_what_an_older_folder_knows() {
    for rule in breaking_rules() {
        let case = cases().join(rule.id.to_lowercase());
        if !case.join("before").exists() {
            continue;
        }
        let project = project(&case);
        let by_folder = due(project.path(), &["breaking", "--format", "json", "--against", "before"]);
        fs::write(project.path().join("due.toml"), "[proto]\nroots = [\"before\"]\n").unwrap();
        assert_eq!(due(project.path(), &["lock"]).code, 0);
        assert_eq!(due(project.path(), &["breaking"]).code, 0, "{}: nothing has changed yet", rule.id);
        fs::write(project.path().join("due.toml"), "[proto]\nroots = [\"after\"]\n").unwrap();
        let by_lock = due(project.path(), &["breaking", "--format", "json"]);
        assert_eq!(messages(&by_lock.out), messages(&by_folder.out), "{}", rule.id);

        // Accepted once, it is no news; and what the schema of before had is still known.
        assert_eq!(due(project.path(), &["lock"]).code, 1);
        assert_eq!(due(project.path(), &["lock", "--accept"]).code, 0);
        let after = due(project.path(), &["breaking"]);
        assert_eq!(after.code, 0, "{}: {}", rule.id, after.err);
        assert_eq!(due(project.path(), &["lock", "--check"]).code, 0);
    }
}

#[test]
fn rules_and_categories_can_be_ignored() {
    let project = project(&cases().join("route_authorized"));
    let toml = |ignore: &str| format!("[proto]\nroots = [\"after\"]\n[breaking]\nignore = [\"{ignore}\"]\n");
    for (word, code) in [("ROUTE_AUTHORIZED", 0), ("routes", 0), ("FIELD_TYPE", 1)] {
        fs::write(project.path().join("due.toml"), toml(word)).unwrap();
        assert_eq!(due(project.path(), &["breaking", "--against", "before"]).code, code, "{word}");
    }
    fs::write(project.path().join("due.toml"), toml("ROUTE_AUTORIZED")).unwrap();
    let run = due(project.path(), &["breaking", "--against", "before"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("did you mean `ROUTE_AUTHORIZED`?") && run.err.contains("due.toml:4:11"), "{}", run.err);
}

#[test]
fn a_ref_is_the_schema_of_then_with_the_configuration_of_then() {
    let repository = Repository::new();
    repository.write("game/due.toml", "[proto]\nroots = [\"../schema\"]\n");
    repository.write("schema/a.proto", "syntax = \"proto3\";\npackage a;\nmessage A { string name = 1; }\n");
    repository.write("schema/link.txt", "no schema");
    repository.commit("one");
    repository.remove("schema");
    repository.write("game/due.toml", "[proto]\nroots = [\"proto\"]\n");
    repository.write("game/proto/a.proto", "syntax = \"proto3\";\npackage a;\nmessage A { bytes name = 1; }\n");
    let game = repository.path().join("game");
    let run = due(&game, &["breaking", "--against", "HEAD"]);
    insta::assert_snapshot!("a_ref", run.text());
    repository.commit("two");
    assert_eq!(due(&game, &["breaking", "--against", "HEAD"]).code, 0);
    assert_eq!(due(&game, &["breaking", "--against", "HEAD~1"]).code, 1);
    assert_eq!(due(&game, &["breaking", "--against", "main~1"]).code, 1);
    // From another folder, by the configuration's path.
    assert_eq!(due(repository.path(), &["breaking", "--against", "HEAD~1", "--config", "game/due.toml"]).code, 1);
    // Nothing of the checkout has changed.
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
}

#[test]
fn before_there_was_a_configuration_the_one_of_now_counts() {
    let repository = Repository::new();
    repository.write("proto/a.proto", "syntax = \"proto3\";\npackage a;\nmessage A { string name = 1; }\n");
    repository.commit("one");
    repository.write("due.toml", "");
    assert_eq!(due(repository.path(), &["breaking", "--against", "HEAD"]).code, 0);
    repository.write("proto/a.proto", "syntax = \"proto3\";\npackage a;\nmessage A {}\n");
    let run = due(repository.path(), &["breaking", "--against", "HEAD", "--format", "github"]);
    assert_eq!(run.code, 1);
    assert!(run.out.starts_with("::error file=proto/a.proto,line=3,col=9,endLine=3,endColumn=10,title=FIELD_REMOVED::field `a.A.name` (number 1) is gone%0A"), "{}", run.out);
}

#[test]
fn what_is_neither_file_nor_folder_nor_ref_is_wrong_usage() {
    let project = folder(&[("due.toml", ""), ("proto/a.proto", "syntax = \"proto3\";\npackage a;\n")]);
    let run = due(project.path(), &["breaking"]);
    assert_eq!(run.code, 2);
    assert!(run.err.starts_with("error: there is no `due.lock`: `cargo due lock` writes it"), "{}", run.err);
    let run = due(project.path(), &["breaking", "--against", "main"]);
    assert_eq!(run.code, 2);
    assert!(
        run.err.starts_with("error: git finds no repository here, so --against can only name a file or a folder"),
        "{}",
        run.err
    );
    let run = super::due_with(project.path(), &["breaking", "--against", "main"], &[("PATH", "")]);
    assert_eq!(
        (run.code, run.err.as_str()),
        (2, "error: git is not to be found: install it, or give --against a file or a folder\n")
    );

    let repository = Repository::new();
    repository.write("due.toml", "");
    repository.write("proto/a.proto", "syntax = \"proto3\";\npackage a;\n");
    repository.commit("one");
    for name in ["mian", "-h", "--help", "HEAD:proto"] {
        let run = due(repository.path(), &["breaking", &format!("--against={name}")]);
        assert_eq!(run.code, 2, "{name}");
        assert!(
            run.err.starts_with(&format!("error: `{name}` is neither a file nor a folder, and git knows no such ref")),
            "{}",
            run.err
        );
    }
}

#[test]
fn broken_locks_cannot_be_read() {
    let project = folder(&[("due.toml", ""), ("proto/a.proto", "syntax = \"proto3\";\npackage a;\n")]);
    let lock = project.path().join("due.lock");
    let mut texts = Vec::new();
    for text in [
        "due.lock 2\n",
        "hello\n",
        "",
        "due.lock 1\nmessage a.A\n<<<<<<< HEAD\nfield a.A 1 b string\n=======\nfield a.A 1 b bytes\n>>>>>>> other\n",
        "due.lock 1\nfield a.A one b string\nfield a.A 1 b string repeated twice\nroute a.A\nroad a.A\n",
        "due.lock 1\nfield a.A 1 b string\nfield a.A 1 b bytes\n",
    ] {
        fs::write(&lock, text).unwrap();
        for verb in ["breaking", "lock", "id"] {
            let run = due(project.path(), &[verb]);
            assert_eq!((run.code, run.out.as_str()), (2, ""), "{verb}: {text}");
            if verb == "breaking" {
                texts.push(run.err);
            }
        }
        assert_eq!(fs::read_to_string(&lock).unwrap(), text, "a lock that cannot be read is not written");
    }
    insta::assert_snapshot!("broken_locks", texts.join("\n"));
    fs::write(&lock, b"due.lock 1\n\xff\n").unwrap();
    let run = due(project.path(), &["breaking"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("`due.lock` cannot be read: stream did not contain valid UTF-8"), "{}", run.err);
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    for args in [&["breaking", "--against", "due.lock/due.lock"][..], &["lock"], &["lock", "--accept"], &["id"]] {
        let run = due(project.path(), args);
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.err.contains("due.lock` cannot be read: "), "{}", run.err);
    }
}

#[test]
fn rules_are_explained() {
    let empty = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("explained", due(empty.path(), &["breaking", "--explain", "route_authorized"]).text());
    let run = due(empty.path(), &["breaking", "--explain", "ROUTE_AUTORIZED"]);
    assert_eq!(
        (run.code, run.err.as_str()),
        (2, "error: there is no rule `ROUTE_AUTORIZED`; did you mean `ROUTE_AUTHORIZED`?\n")
    );
    let list = due(empty.path(), &["breaking", "--rules"]);
    assert_eq!((list.code, list.out.lines().count()), (0, breaking_rules().len() + 1));
}

fn messages(json: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(json).unwrap();
    let mut messages: Vec<String> =
        document["findings"].as_array().unwrap().iter().map(|found| found["message"].to_string()).collect();
    messages.sort();
    messages
}

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/breaking")
}

/// A copy of a case that reads `after`.
fn project(case: &Path) -> TempDir {
    let project = tempfile::tempdir().unwrap();
    fs::write(project.path().join("due.toml"), "[proto]\nroots = [\"after\"]\n").unwrap();
    for part in ["before", "after"] {
        if case.join(part).exists() {
            fs::create_dir(project.path().join(part)).unwrap();
            fs::copy(case.join(part).join("a.proto"), project.path().join(part).join("a.proto")).unwrap();
        }
    }
    for file in ["due.lock", "due.toml"] {
        if case.join(file).exists() {
            fs::copy(case.join(file), project.path().join(file)).unwrap();
        }
    }
    project
}
