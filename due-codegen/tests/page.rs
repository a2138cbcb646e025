//! The examples in Rust on the page of `cargo due docs`, built against the runtime as the README's game is.

use std::fs;
use std::path::Path;
use std::process::Command;

use due_codegen::{Builder, DocsOptions};

const LOBBY: &str = r#"syntax = "proto3";
package lobby.v1;
import "due/options.proto";
import "google/protobuf/empty.proto";
service Lobby {
  option (due.node) = { name: "lobby" };
  rpc Enter(EnterRequest) returns (EnterResponse) { option (due.route) = { id: 1 }; }
  rpc Leave(google.protobuf.Empty) returns (google.protobuf.Empty) { option (due.route) = { id: 2 oneway: true }; }
  rpc Audit(Seat.Place) returns (EnterResponse) { option (due.route) = { id: 3 internal: true }; }
  rpc New(Seat) returns (Seat) { option (due.route) = { id: 4 }; }
}
message EnterRequest {
  string name = 1;
  optional int64 type = 2;
  bytes picture = 3;
  oneof how { bool fast = 4; float slow = 5; }
}
message EnterResponse { int32 code = 1 [(due.code) = true]; }
message Seat {
  message Place { int32 row = 1; }
  repeated Place places = 1;
}
message Entered { option (due.push) = { id: 5 }; string name = 1; }
"#;

#[test]
fn the_examples_in_rust_are_rust() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let krate = tempfile::tempdir().unwrap();
    for folder in ["proto", "src"] {
        fs::create_dir(krate.path().join(folder)).unwrap();
    }
    let write = |path: &str, text: &str| fs::write(krate.path().join(path), text).unwrap();
    write("proto/lobby.proto", LOBBY);
    let schema = Builder::new().includes([krate.path().join("proto")]).schema().unwrap();
    let page = schema.docs(&DocsOptions::default()).unwrap().to_string();
    let examples: Vec<String> = page
        .split("<details><summary>Rust</summary><pre><code>")
        .skip(1)
        .map(|rest| text(rest.split("</code>").next().unwrap()))
        .collect();
    assert_eq!(examples.len(), 5, "{examples:#?}");
    let mut main = "#![allow(unused)]\ndue::include_proto!();\n".to_owned();
    for (index, example) in examples.iter().enumerate() {
        // The page's reader has the packages at the root of the crate.
        let example = example.replace("use lobby::", "use crate::lobby::");
        main.push_str(&format!(
            "async fn example{index}(ctx: &mut due::Context, client: due::Client) -> Result<(), Box<dyn std::error::Error>> {{\n\
             {example}Ok(())\n}}\n"
        ));
    }
    main.push_str("fn main() {}\n");
    write("src/main.rs", &main);
    write(
        "build.rs",
        "fn main() -> Result<(), due_codegen::Error> { due_codegen::Builder::new().files([\"proto/lobby.proto\"]).includes([\"proto\"]).generate() }\n",
    );
    // As the README's game, so that both are built with the same dependencies.
    let path = |name: &str| format!("{{ path = {:?}", root.join(name));
    let manifest = format!(
        "[package]\nname = \"page\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\ndue-runtime = {} }}\n\
         tokio = {{ version = \"1\", features = [\"rt-multi-thread\", \"macros\"] }}\n\n[build-dependencies]\n\
         due-codegen = {}, default-features = false }}\n\n[workspace]\n\n[profile.dev]\ndebug = \"line-tables-only\"\n",
        path("due-runtime"),
        path("due-codegen"),
    );
    write("Cargo.toml", &manifest);
    fs::copy(root.join("Cargo.lock"), krate.path().join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline"])
        .current_dir(krate.path())
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("games"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{main}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Text out of HTML.
fn text(html: &str) -> String {
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    escapes.iter().fold(html.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}
