//! What the verbs of `cargo due` cost on a schema of 4,000 messages and 32,000 fields, beside parsing it with protox alone.
//!
//! `cargo bench -p due-codegen --bench verbs`

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use due_codegen::{Builder, Config, LintOptions, Lock, Memo};
use tempfile::TempDir;

const RUNS: u32 = 5;

fn main() {
    let project = schema();
    let root = project.path().join("proto");
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/proto"));
    let files: Vec<String> = (0..100).map(|i| format!("big/v1/f{i}.proto")).collect();
    report("protox alone", || {
        let set = protox::compile(&files, [&root, &own]).expect("the schema is right");
        // With the options and descriptor.proto.
        assert_eq!(set.file.len(), 102);
    });
    let path = project.path().join("due.toml");
    let (config, _) = Config::load(&path).expect("the configuration is right");
    let builder = Builder::from(config.clone());
    report("schema, checked", || drop(builder.schema().expect("the schema is right")));
    let schema = builder.schema().expect("the schema is right");
    report("routes", || assert_eq!(schema.routes().len(), 2000));
    report("lint", || assert!(schema.lint(&LintOptions::default()).is_empty()));
    report("lock", || assert_eq!(schema.lock().to_string().lines().count(), 38_104));
    let text = schema.lock().to_string();
    report("lock, read", || drop(Lock::parse("due.lock", text.clone()).expect("it was just written")));
    let (before, now) = (Lock::parse("due.lock", text).expect("it was just written"), schema.lock());
    report("breaking", || assert!(before.breaks(&now, &[]).is_empty()));
    report("ids", || assert_eq!(schema.ids(Some(&before)).next(), Ok(9921)));

    let files = || builder.render().expect("the schema is right").files().count();
    let all = files();
    report("generated", || assert_eq!(files(), all));
    let memo = || Memo::begin(&path, &config);
    let (begun, staged) = (memo(), builder.stage().expect("the schema is right"));
    staged.commit().expect("a folder to write to");
    let stored = begun.finish(&staged).expect("paths are UTF-8");
    report("nothing to do", || assert_eq!(memo().up_to_date(&stored).map(|same| same.files), Some(all)));
}

/// The best of some runs: the machine does other things, too.
fn report(what: &str, mut run: impl FnMut()) {
    let time = |run: &mut dyn FnMut()| {
        let begun = Instant::now();
        run();
        begun.elapsed()
    };
    let best: Duration = (0..RUNS).map(|_| time(&mut run)).min().unwrap_or_default();
    eprintln!("{what:16} {best:>10.1?}");
}

fn schema() -> TempDir {
    let project = tempfile::tempdir().expect("a folder");
    let folder = project.path().join("proto/big/v1");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(project.path().join("due.toml"), "[rust]\nout = \"rust\"\n[typescript]\nout = \"ts\"\n").expect("a file");
    for file in 0..100 {
        let mut text = String::from("syntax = \"proto3\";\n\npackage big.v1;\n\nimport \"due/options.proto\";\n\n");
        let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a string takes all");
        add(format_args!("service S{file} {{\n  option (due.node) = {{ name: \"n{file}\" }};\n"));
        for rpc in 0..20 {
            let (name, id) = (format!("R{rpc}F{file}"), file * 100 + rpc + 1);
            add(format_args!("  // Does it.\n  rpc {name}({name}Request) returns ({name}Response) {{\n"));
            add(format_args!("    option (due.route) = {{ id: {id} authorized: true }};\n  }}\n"));
        }
        add(format_args!("}}\n\n"));
        for message in (0..20).flat_map(|rpc| ["Request", "Response"].map(|end| format!("R{rpc}F{file}{end}"))) {
            add(format_args!("message {message} {{\n"));
            for field in 1..=8 {
                add(format_args!("  // Field.\n  string field_{field} = {field};\n"));
            }
            add(format_args!("}}\n\n"));
        }
        fs::write(folder.join(format!("f{file}.proto")), text).expect("a file");
    }
    project
}
