//! From an annotated `.proto` to typed code: Rust for the `due` runtime (handlers, routes, pushes, clients, mesh services)
//! and TypeScript for its clients (messages, calls, pushes).
//!
//! ```proto
//! syntax = "proto3";
//! package hello;
//! import "due/options.proto"; // found without a copy
//!
//! service Greeter {
//!   option (due.node) = { name: "hello" };
//!   rpc Greet(GreetRequest) returns (GreetResponse) { option (due.route) = { id: 1 }; }
//! }
//! message GreetRequest { string name = 1; }
//! message GreetResponse { int32 code = 1 [(due.code) = true]; string message = 2; }
//! ```
//!
//! From a build script, into `OUT_DIR`:
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), due_codegen::Error> {
//!     due_codegen::Builder::new().files(["proto/hello.proto"]).includes(["proto"]).generate()
//! }
//! ```
//!
//! Or into folders that are checked in: `cargo due generate` reads [`due.toml`](Config), writes Rust, TypeScript or both,
//! and its `--check` tells in CI whether the folders are up to date. Neither needs protoc.
//!
//! [`Builder::schema`] reads a schema for what asks about it: its [routes](Schema::routes) and [ids](Schema::ids), what breaks
//! a rule of [lint](Schema::lint), and a [`Lock`] that knows what [breaks](Lock::breaks) old clients. The verbs of `cargo due`
//! are made of these.
//!
//! [`Memo`] is how `cargo due generate` knows that nothing has changed since the last run.
//!
//! What is wrong with a schema is reported in one run, as [`Diagnostic`]s with file, line, column and source line.
//! Same input gives the same bytes; files that did not change are not written.
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | the `cargo-due` command, and `due-runtime` for it; build scripts turn it off with `default-features = false` |

mod breaking;
mod builder;
mod calls;
mod check;
#[cfg(feature = "cli")]
mod codes;
mod config;
#[cfg(feature = "cli")]
mod decode;
mod diagnostic;
mod doc;
#[cfg(feature = "cli")]
mod docs;
mod ids;
mod languages;
mod lint;
mod lock;
mod lower;
mod memo;
mod mesh;
mod messages;
mod model;
mod naming;
mod nearest;
mod open;
mod options;
mod output;
mod parallel;
mod pretty;
mod render;
mod routes;
mod rule;
mod schema;
mod shape;
mod source;
mod stage;
mod structs;
mod typescript;
mod write;

pub use breaking::breaking_rules;
pub use builder::{Builder, Error, Output};
pub use calls::{CodeFields, FindRouteError};
pub use config::{
    ClientCodec, Config, FILE_NAME, LintOptions, PacketOptions, Parts, RustOptions, TypeScriptOptions, View,
};
#[cfg(feature = "cli")]
pub use decode::{
    Body, BodyCodec, DecodeOptions, Decoded, Dialect, Direction, Fault, Frame, HexError, Input, Part, Wire, decode,
};
pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity, plain};
#[cfg(feature = "cli")]
pub use docs::{Docs, DocsOptions};
pub use ids::{Assigned, Assignment, IdBlock, Ids, IdsError};
pub use lint::lint_rules;
pub use lock::{LOCK_NAME, Lock, LockChanges};
pub use memo::{Memo, UpToDate};
pub use nearest::nearest;
pub use open::{OpenModel, Per, TemplateFile, TemplateOptions, Var};
pub use output::{GeneratedFile, Language, Tree, WriteError};
pub use render::RenderError;
pub use routes::{RouteInfo, RouteKind};
pub use rule::Rule;
pub use schema::Schema;
pub use stage::{Change, ChangeKind, Staged};
pub use write::write_whole;
