#!/bin/sh
# How long the release build of generated code takes after an edit: a crate with handlers of 300 routes, and one with a
# mesh service of 300 rpcs, with their messages in a crate of their own. Prints the seconds beside their budgets and
# fails if one is exceeded.
#
#     due-codegen/benches/compile_time.sh [rpcs]
set -eu

rpcs=${1:-300}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
target=${CARGO_TARGET_DIR:-$root/target}/compile-time
mkdir -p "$work/messages/src" "$work/node/src" "$work/mesh/src" "$work/proto"

cat > "$work/Cargo.toml" <<TOML
[workspace]
members = ["messages", "node", "mesh"]
resolver = "3"

[workspace.dependencies]
due-runtime = { path = "$root/due-runtime" }
due-codegen = { path = "$root/due-codegen", default-features = false }
TOML
cp "$root/Cargo.lock" "$work/Cargo.lock"

krate() {
    cat > "$work/$1/Cargo.toml" <<TOML
[package]
name = "bench-$1"
version = "0.0.0"
edition = "2024"

[dependencies]
due-runtime.workspace = true
$2

[build-dependencies]
due-codegen.workspace = true
TOML
    cat > "$work/$1/build.rs" <<RUST
fn main() -> Result<(), due_codegen::Error> {
    due_codegen::Builder::new().files(["../proto/$1.proto"]).includes(["../proto"])$3.generate()
}
RUST
}
extern='.extern_path(".bench.messages", "::bench_messages::bench::messages")'
dependency='bench-messages = { path = "../messages" }'
krate messages "" ""
krate node "$dependency" "$extern"
krate mesh "$dependency" "$extern"
echo 'due::include_proto!();' > "$work/messages/src/lib.rs"

awk -v n="$rpcs" -v dir="$work" 'BEGIN {
    head = "syntax = \"proto3\";\n"
    options = "import \"due/options.proto\";\nimport \"messages.proto\";\n"
    messages = dir "/proto/messages.proto"; node = dir "/proto/node.proto"; mesh = dir "/proto/mesh.proto"
    print head "package bench.messages;\nimport \"due/options.proto\";" > messages
    print head "package bench.node;\n" options "service Game { option (due.node) = { name: \"game\" };" > node
    print head "package bench.mesh;\n" options "service Bank { option (due.mesh) = { name: \"bank\" };" > mesh
    handlers = dir "/node/src/lib.rs"; services = dir "/mesh/src/lib.rs"
    print "//! Handlers.\ndue::include_proto!();\nuse bench_messages::bench::messages::*;\npub struct Handlers;" > handlers
    print "pub fn node() -> due::NodeBuilder { due::Node::builder().serve(bench::node::GameRoutes::new(Handlers)) }" > handlers
    print "impl bench::node::Game for Handlers {" > handlers
    print "//! Services.\ndue::include_proto!();\nuse bench_messages::bench::messages::*;\npub struct Services;" > services
    print "pub fn mesh() -> due::Mesh { due::Mesh::builder().serve(bench::mesh::BankServer::new(Services)).build() }" > services
    print "use due::mesh::{Request, Response, Status};\nimpl bench::mesh::Bank for Services {" > services
    for (i = 0; i < n; i++) {
        print "message Request" i " { int64 uid = 1; string name = 2; repeated int32 list = 3; }" > messages
        print "message Response" i " { int32 code = 1 [(due.code) = true]; string text = 2; map<string, int64> gold = 3; }" > messages
        types = "(bench.messages.Request" i ") returns (bench.messages.Response" i ")"
        print "  rpc Call" i types " { option (due.route) = { id: " i + 1 " }; }" > node
        print "  rpc Call" i types ";" > mesh
        print "async fn call" i "(&self, _: &mut due::Context, request: Request" i ") -> due::Result<Response" i "> { Ok(Response" i " { text: request.name, ..Default::default() }) }" > handlers
        print "async fn call" i "(&self, request: Request<Request" i ">) -> Result<Response<Response" i ">, Status> { Ok(Response::new(Response" i " { text: request.into_inner().name, ..Default::default() })) }" > services
    }
    print "}" > node; print "}" > mesh; print "}" > handlers; print "}" > services
}'

cd "$work"
export CARGO_TARGET_DIR="$target"
cargo build --release --quiet
failed=0
measure() {
    touch "$work/$1/src/lib.rs"
    start=$(date +%s%N)
    cargo build --release --quiet -p "bench-$1"
    tenths=$(( ($(date +%s%N) - start) / 100000000 ))
    printf '%-9s %4d rpcs: %3d.%d s  (budget %d s)\n' "$1" "$rpcs" $((tenths / 10)) $((tenths % 10)) "$2"
    [ "$tenths" -le $(($2 * 10)) ] || failed=1
}
measure node 10
measure mesh 12
start=$(date +%s%N)
touch "$work/messages/src/lib.rs"
cargo build --release --quiet -p bench-messages
echo "messages  $((rpcs * 2)) types: $((($(date +%s%N) - start) / 1000000)) ms  (no budget)"
exit $failed
