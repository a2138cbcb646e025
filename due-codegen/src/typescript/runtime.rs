//! The runtime that stubs stand on: files that are copied, and one that says what `due.toml` says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use minijinja::{Environment, Value, context};

use crate::config::{ClientCodec, PacketOptions, TypeScriptOptions};
use crate::output::{GeneratedFile, HEADER};
use crate::render::{RenderError, templates};
use crate::shape::Shape;

const DEFAULTS: &str = "typescript/defaults.ts.j2";
const SCHEMA: &str = "typescript/schema.ts.j2";
const FILES: &[(&str, &str)] = templates![
    "typescript/runtime/call-error.ts",
    "typescript/runtime/client.ts",
    "typescript/runtime/code.ts",
    "typescript/runtime/codec.ts",
    "typescript/runtime/connection.ts",
    "typescript/runtime/index.ts",
    "typescript/runtime/json.ts",
    "typescript/runtime/packer.ts",
    "typescript/runtime/packet-error.ts",
    "typescript/runtime/pending.ts",
    "typescript/runtime/proto.ts",
    "typescript/runtime/reconnect.ts",
    "typescript/runtime/session.ts",
    "typescript/runtime/skew-check.ts",
    "typescript/runtime/skew-schema.ts",
    "typescript/runtime/skew.ts",
    "typescript/runtime/status-schema.ts",
    "typescript/runtime/status.ts",
    "typescript/runtime/timer.ts",
    "typescript/runtime/websocket.ts",
];

pub(super) fn files(
    env: &Environment<'_>,
    shape: &Shape,
    options: &TypeScriptOptions,
    packet: &PacketOptions,
) -> Result<Vec<GeneratedFile>, RenderError> {
    let extension = &options.import_extension;
    let codec = match options.codec {
        ClientCodec::Proto => "proto",
        ClientCodec::Json => "json",
    };
    let values = context! {
        extension,
        codec,
        byte_order => if packet.big_endian { "big" } else { "little" },
        route_bytes => packet.route_bytes,
        seq_bytes => packet.seq_bytes,
    };
    let render = |name, values: Value| {
        let text = env.get_template(name).and_then(|template| template.render(values));
        text.map_err(|source| RenderError::Template { template: name, source })
    };
    let defaults = render(DEFAULTS, values)?;
    let values = context! {
        extension,
        hash => format!("{:016x}", shape.hash),
        shape => STANDARD_NO_PAD.encode(&shape.bytes),
        routes => &shape.routes,
    };
    let schema = render(SCHEMA, values)?;
    let copied = FILES.iter().map(|(name, text)| (file_name(name), with_extension(text, extension)));
    let all = copied.chain([("defaults.ts", defaults), ("schema.ts", schema)]);
    Ok(all
        .map(|(name, text)| {
            GeneratedFile::new(format!("due/{name}"), format!("{HEADER}\n/* eslint-disable */\n\n{text}"))
        })
        .collect())
}

fn file_name(template: &'static str) -> &'static str {
    template.rsplit('/').next().unwrap_or(template)
}

/// Every statement that names a neighbour does so in one line: `.. from "./packer";`.
fn with_extension(text: &str, extension: &str) -> String {
    let mut out = String::with_capacity(text.len() + 200);
    for line in text.split_inclusive('\n') {
        match line.strip_suffix("\";\n") {
            Some(start) if start.contains(" from \"./") => out.extend([start, extension, "\";\n"]),
            _ => out.push_str(line),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_room_is_emitted() {
        let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/typescript/runtime");
        let entries = fs::read_dir(room).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names: BTreeSet<String> = entries.collect();
        assert_eq!(names, FILES.iter().map(|(name, _)| file_name(name).to_owned()).collect());
        for (name, text) in FILES {
            let relative = |line: &&str| line.contains("\"./") && !line.ends_with("\";");
            assert_eq!(text.lines().find(relative), None, "{name}: the statement is not one line");
        }
    }

    #[test]
    fn neighbours_are_imported_with_the_extension() {
        let text = "import { a } from \"./a\";\nexport type { B } from \"./b\";\nconst c = \"./c\";\nimport \"x\";\n";
        let expected =
            "import { a } from \"./a.js\";\nexport type { B } from \"./b.js\";\nconst c = \"./c\";\nimport \"x\";\n";
        assert_eq!(with_extension(text, ".js"), expected);
        assert_eq!(with_extension(text, ""), text);
    }
}
