//! `cargo due lint`: one folder per rule, in which that rule is broken once and what stands beside it is not; then what
//! hides findings, and how they are written.

use std::env;
use std::fs;
use std::path::Path;

use due_codegen::lint_rules;
use tempfile::TempDir;

use super::{Run, due, due_with, folder, rules_of};

const FAULTY: &str =
    "syntax = \"proto3\";\npackage a.v1;\nmessage Item {\n  string itemName = 1;\n  enum kind { KIND_NONE = 0; }\n}\n";

#[test]
fn every_rule_has_a_case_that_breaks_it_alone() {
    let update = env::var_os("UPDATE").is_some();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/lint");
    let mut differences = Vec::new();
    for rule in lint_rules() {
        let case = cases.join(rule.id.to_lowercase());
        let run = due(&case, &["lint"]);
        assert_eq!(rules_of(&due(&case, &["lint", "--format", "json"])), [rule.id], "{}", run.err);
        let path = case.join("expected.txt");
        if update {
            fs::write(&path, run.text()).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != run.text() {
            differences.push(format!("== {}\n{}", path.display(), run.text()));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(fs::read_dir(cases).unwrap().count(), lint_rules().len(), "a folder is no rule's");
}

#[test]
fn the_examples_have_nothing_to_find_fault_with() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut checked = 0;
    for example in fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()) {
        if example.join("due.toml").exists() {
            let run = due(&example, &["lint"]);
            assert_eq!((run.code, run.out.as_str()), (0, "nothing to find fault with\n"), "{}", run.err);
            checked += 1;
        }
    }
    assert!(checked > 1);
}

#[test]
fn a_comment_hides_a_rule_for_an_element_its_inside_a_line_or_the_file() {
    let hidden = |text: &str| rules(text, "");
    assert_eq!(hidden(FAULTY), ["FIELD_SNAKE_CASE", "ENUM_PASCAL_CASE"]);
    let above = "  // due:lint-ignore FIELD_SNAKE_CASE as it was\n  string itemName";
    assert_eq!(hidden(&FAULTY.replace("  string itemName", above)), ["ENUM_PASCAL_CASE"]);
    let behind = "string itemName = 1; // due:lint-ignore FIELD_SNAKE_CASE 就是这样";
    assert_eq!(hidden(&FAULTY.replace("string itemName = 1;", behind)), ["ENUM_PASCAL_CASE"]);
    let both = "// Documented.\n// due:lint-ignore FIELD_SNAKE_CASE as it was\n//\n// due:lint-ignore ENUM_PASCAL_CASE as it was\n\n// More.\nmessage Item";
    assert!(hidden(&FAULTY.replace("message Item", both)).is_empty());
    let file = "// due:lint-ignore ENUM_PASCAL_CASE as it was\npackage";
    assert_eq!(hidden(&FAULTY.replace("package", file)), ["FIELD_SNAKE_CASE"]);
    let file = "// due:lint-ignore ENUM_PASCAL_CASE as it was\nsyntax";
    assert_eq!(hidden(&FAULTY.replace("syntax", file)), ["FIELD_SNAKE_CASE"]);
    let text = "string itemName = 1 [json_name = \"// due:lint-ignore FIELD_SNAKE_CASE no\"]; /* due:lint-ignore FIELD_SNAKE_CASE no */";
    assert_eq!(hidden(&FAULTY.replace("string itemName = 1;", text)), ["FIELD_SNAKE_CASE", "ENUM_PASCAL_CASE"]);
}

#[test]
fn a_comment_that_hides_nothing_or_says_too_little_is_a_finding() {
    let text = "syntax = \"proto3\";\npackage a.v1;\nmessage Item {\n  // due:lint-ignore FIELD_SNAKE_CASE\n  string itemName = 1;\n  \
                // due:lint-ignore FIELD_SNAKECASE why\n  string other = 2;\n  // due:lint-ignore\n  string third = 3;\n  \
                // due:lint-ignore VALUE_PREFIX there is no value\n}\n// due:lint-ignore FIELD_COMMENT the rule is off, so this may be right tomorrow\n";
    let project = folder(&[("due.toml", ""), ("proto/a.proto", text)]);
    insta::assert_snapshot!("ignore_comments", due(project.path(), &["lint"]).text());
}

#[test]
fn comments_that_hide_are_no_documentation() {
    let text = "syntax = \"proto3\";\npackage a.v1;\n// A thing.\n// due:lint-ignore MESSAGE_PASCAL_CASE as it was\nmessage some_Item {}\n";
    let project = folder(&[("due.toml", "[rust]\n"), ("proto/a.proto", text)]);
    assert_eq!(due(project.path(), &["lint"]).code, 0);
    assert_eq!(due(project.path(), &["generate"]).code, 0);
    let generated = fs::read_to_string(project.path().join("src/gen/a.v1.rs")).unwrap();
    assert!(generated.contains("/// A thing.\n") && !generated.contains("lint-ignore"), "{generated}");
}

#[test]
fn the_configuration_says_which_rules_hold_where() {
    assert_eq!(rules(FAULTY, "ignore = [\"FIELD_SNAKE_CASE\"]"), ["ENUM_PASCAL_CASE"]);
    assert_eq!(rules(FAULTY, "ignore = [\"naming\"]"), [""; 0]);
    assert_eq!(rules(FAULTY, "only = [\"FIELD_SNAKE_CASE\"]"), ["FIELD_SNAKE_CASE"]);
    assert_eq!(rules(FAULTY, "only = [\"layout\"]"), [""; 0]);
    assert_eq!(rules(FAULTY, "only = [\"naming\"]\nignore = [\"FIELD_SNAKE_CASE\"]"), ["ENUM_PASCAL_CASE"]);
    assert_eq!(rules(FAULTY, "only = [\"layout\"]\nalso = [\"ENUM_COMMENT\"]"), ["ENUM_COMMENT"]);
    assert_eq!(rules(FAULTY, "except = { \"*.proto\" = [\"FIELD_SNAKE_CASE\"] }"), ["ENUM_PASCAL_CASE"]);
    assert_eq!(rules(FAULTY, "except = { \"other/**\" = [\"naming\"] }"), ["FIELD_SNAKE_CASE", "ENUM_PASCAL_CASE"]);
}

#[test]
fn unknown_rules_in_the_configuration_name_their_neighbour() {
    let toml = "[lint]\nignore = [\"FIELD_SNAKECASE\"]\nonly = [\"namin\"]\nexcept = { \"x/**\" = [\"WHATEVER\"] }\nalways = []\n";
    let project = folder(&[("due.toml", toml), ("proto/a.proto", FAULTY)]);
    insta::assert_snapshot!("unknown_rules", due(project.path(), &["lint"]).text());
}

#[test]
fn json_and_github_have_a_stable_shape() {
    let project = faulty("");
    insta::assert_snapshot!("json", due(project.path(), &["lint", "--format", "json"]).text());
    insta::assert_snapshot!("github", due(project.path(), &["lint", "--format", "github"]).text());
    // GitHub knows files by their paths in the repository.
    let workspace = project.path().parent().unwrap().to_str().unwrap();
    let github = due_with(project.path(), &["lint", "--format", "github"], &[("GITHUB_WORKSPACE", workspace)]);
    let name = project.path().file_name().unwrap().to_str().unwrap();
    assert!(github.out.starts_with(&format!("::error file={name}/proto/a.proto,line=4,")), "{}", github.out);
    // Mistakes that no schema may have, too.
    fs::write(project.path().join("proto/a.proto"), FAULTY.replace("itemName = 1", "item_name = 0")).unwrap();
    insta::assert_snapshot!("json_of_mistakes", due(project.path(), &["lint", "--format", "json"]).text());
    let github = due(project.path(), &["lint", "--format", "github"]);
    assert_eq!((github.code, github.err.as_str()), (1, ""));
    assert!(github.out.starts_with("::error file=proto/a.proto,line=4,col="), "{}", github.out);
    // What cannot be read is no finding.
    fs::write(project.path().join("proto/a.proto"), b"\xff").unwrap();
    let run = due(project.path(), &["lint", "--format", "json"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
}

#[test]
fn rules_are_listed_and_explained() {
    let empty = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("rules", due(empty.path(), &["lint", "--rules"]).text());
    let run = due(empty.path(), &["lint", "--explain", "VALUE_PREFIX"]);
    assert_eq!(run.code, 0);
    assert!(run.out.starts_with("VALUE_PREFIX (naming, on by default)\n\n"), "{}", run.out);
    assert_eq!(due(empty.path(), &["lint", "--explain", "VALUE_PREFIXES"]).code, 2);
    assert_eq!(due(empty.path(), &["lint", "--explain", "VALUE_PREFIX", "--format", "json"]).code, 2);
}

fn rules(text: &str, lint: &str) -> Vec<String> {
    let project = folder(&[("due.toml", &format!("[lint]\n{lint}\n")), ("proto/a.proto", text)]);
    let run: Run = due(project.path(), &["lint", "--format", "json"]);
    let rules = rules_of(&run);
    assert_eq!(run.code, i32::from(!rules.is_empty()));
    rules
}

fn faulty(toml: &str) -> TempDir {
    folder(&[("due.toml", toml), ("proto/a.proto", FAULTY)])
}
