//! Checked-in generated code equals a new run.

use std::fs;
use std::path::Path;

use due_codegen::Builder;

#[test]
fn the_examples_are_up_to_date() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut checked = 0;
    for example in fs::read_dir(examples).unwrap() {
        let file = example.unwrap().path().join("due.toml");
        if !file.exists() {
            continue;
        }
        let staged = Builder::from_config(&file).unwrap().stage().unwrap();
        let stale: Vec<_> = staged.changes().iter().map(|change| change.path.display().to_string()).collect();
        assert!(stale.is_empty(), "run `cargo due generate` in {}: {stale:?}", file.display());
        checked += 1;
    }
    assert!(checked > 0, "no example has generated code");
}
