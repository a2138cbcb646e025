//! Generates every schema of `proto/`, and its descriptors for the tests that compare with prost-reflect.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let builder = due_codegen::Builder::new().includes(["proto", "shared/proto"]);
    let files = protos("proto")?;
    builder.files(&files).extern_path(".shared.v1", "::due_codegen_compile_shared::shared::v1").generate()?;

    let descriptors = protox::Compiler::new(["proto", "shared/proto", "../../proto"])?
        .include_imports(true)
        .open_files(&files)?
        .encode_file_descriptor_set();
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin"), descriptors)?;
    Ok(())
}

fn protos(folder: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
