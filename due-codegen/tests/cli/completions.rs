//! `cargo due completions`.

use super::due;

#[test]
fn every_shell_has_a_script_that_knows_the_verbs() {
    let empty = tempfile::tempdir().unwrap();
    for (shell, begins) in [
        ("bash", "_cargo__due() {"),
        ("zsh", "#compdef cargo-due"),
        ("fish", "# Print"),
        ("powershell", "\nusing namespace"),
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
