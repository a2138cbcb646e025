#!/usr/bin/env bash
# How long it takes to generate the messages of a large schema in Rust and TypeScript, from nothing, and how much memory
# at most: `cargo due generate` beside buf with protoc-gen-prost and protoc-gen-es, in turn. Everything goes to target/; the
# first run installs the peers there. Fails if we are not faster. Needs GNU time.
#
#     due-codegen/benches/corpus.sh [FOLDER] [RUNS]
#
# FOLDER is one of google-proto-files 6.0.1, by default google/cloud/aiplatform with 3,000 messages; `google` has all. RUNS
# is 3 by default.
set -euo pipefail

folder=${1:-google/cloud/aiplatform}
runs=${2:-3}
root=$(cd "$(dirname "$0")/../.." && pwd)
target=$(mkdir -p "${CARGO_TARGET_DIR:-$root/target}" && cd "${CARGO_TARGET_DIR:-$root/target}" && pwd)
peers=$target/peers
work=$target/corpus
mkdir -p "$peers" "$work"

[ -x "$peers/bin/protoc-gen-prost" ] || CARGO_TARGET_DIR=$peers/target \
    cargo install --quiet --locked --root "$peers" protoc-gen-prost --version 0.5.0
[ -d "$peers/node_modules/google-proto-files" ] || npm install --prefix "$peers" --no-audit --no-fund --ignore-scripts \
    google-proto-files@6.0.1 @bufbuild/buf@1.75.0 @bufbuild/protoc-gen-es@2.13.0 @bufbuild/protobuf@2.13.0
(cd "$root" && cargo build --release --locked --quiet -p due-codegen)

rm -rf "$work/proto"
mkdir -p "$work/proto"
cp -r "$peers/node_modules/google-proto-files/"{google,grafeas} "$work/proto/"
# All of them have these types themselves.
rm -rf "$work/proto/google/protobuf"

cat > "$work/due.toml" <<TOML
[proto]
roots = ["proto"]
files = ["$folder/**"]
[rust]
out = "due/rust"
[typescript]
out = "due/ts"
parts = ["messages"]
view = "full"
TOML
cat > "$work/buf.yaml" <<YAML
version: v2
modules: [{ path: proto }]
YAML
# One process for each plugin: a Node for each of the folders takes longer.
cat > "$work/buf.gen.yaml" <<YAML
version: v2
plugins:
  - local: $peers/bin/protoc-gen-prost
    out: buf/rust
    strategy: all
    include_imports: true
  - local: $peers/node_modules/.bin/protoc-gen-es
    out: buf/ts
    opt: [target=ts]
    strategy: all
    include_imports: true
YAML

cd "$work"
seconds() { sed 's/ .*//' "$1" | sort -n | head -n 1; }
# The peak is that of the largest process: of buf and its plugins, Node is by far.
measured() { /usr/bin/time -a -o "$1" -f '%e s, of processors %U s, at most %M kB in a process' "${@:2}"; }
rm -f ours.time theirs.time
for ((run = 0; run < runs; run++)); do
    rm -rf due buf cache
    # What is remembered of an earlier run would be no work.
    XDG_CACHE_HOME=$work/cache measured ours.time "$target/release/cargo-due" generate >ours.log 2>&1 || { cat ours.log; exit 1; }
    measured theirs.time "$peers/node_modules/.bin/buf" generate --path "proto/$folder" >theirs.log 2>&1 || { cat theirs.log; exit 1; }
    printf 'cargo due: %s\nbuf:       %s\n' "$(tail -n 1 ours.time)" "$(tail -n 1 theirs.time)"
done

count() { find "$1" -name "*.$2" | wc -l; }
messages=$(grep -rhE '^export type .* = Message<' buf/ts | wc -l)
printf '%s: %d messages; cargo due wrote %d .ts and %d .rs, buf %d and %d\n' "$folder" "$messages" \
    "$(count due/ts ts)" "$(count due/rust rs)" "$(count buf/ts ts)" "$(count buf/rust rs)"
printf 'best of %d: cargo due %s s, buf %s s\n' "$runs" "$(seconds ours.time)" "$(seconds theirs.time)"
awk -v ours="$(seconds ours.time)" -v theirs="$(seconds theirs.time)" 'BEGIN { exit !(ours < theirs) }'
