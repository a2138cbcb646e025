//! What is generated, as text: one folder per feature, with its `.snap`.
//!
//! `INSTA_UPDATE=always cargo test -p due-codegen --test golden` writes the texts anew; read the diff.

use std::fs;
use std::path::{Path, PathBuf};

use due_codegen::Builder;

#[test]
fn every_feature_has_its_text() {
    let folders = folders();
    assert!(folders.len() > 10, "the features are missing");
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let text = generated(&folder, name == "mocks");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

#[test]
fn the_same_schema_gives_the_same_bytes() {
    for folder in folders() {
        assert_eq!(generated(&folder, true), generated(&folder, true), "{}", folder.display());
    }
}

fn generated(folder: &Path, mocks: bool) -> String {
    let config = folder.join("due.toml");
    let builder = match config.exists() {
        true => Builder::from_config(config).unwrap(),
        false => Builder::new().includes([folder]).mocks(mocks),
    };
    let output = builder.render().unwrap();
    let files = output.files();
    files.map(|file| format!("==== {}\n{}", file.path.display(), file.contents)).collect()
}

fn folders() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}
