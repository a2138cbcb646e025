//! Generates every schema of `proto/`, and its descriptors for the tests that compare with prost-reflect.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let readme = readme(&out)?;
    let roots = [Path::new("proto"), Path::new("shared/proto"), &readme];
    let builder = due_codegen::Builder::new().includes(roots);
    let files = protos("proto")?;
    let builder = builder.files(&files).files([readme.join("room.proto")]);
    builder.extern_path(".shared.v1", "::due_codegen_compile_shared::shared::v1").generate()?;

    // One schema at two ages.
    for age in ["older", "newer"] {
        let folder = out.join(age);
        fs::create_dir_all(&folder)?;
        due_codegen::Builder::new().includes([Path::new("skew").join(age)]).out_dir(folder).generate()?;
    }

    let descriptors = protox::Compiler::new(["proto", "shared/proto", "../../proto"])?
        .include_imports(true)
        .open_files(&files)?
        .encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), descriptors)?;
    Ok(())
}

/// The rooms of the README: the folder of `room.proto` and `room.rs`.
fn readme(out: &Path) -> std::io::Result<PathBuf> {
    const README: &str = "../../../README.md";
    println!("cargo::rerun-if-changed={README}");
    let (text, folder) = (fs::read_to_string(README)?, out.join("readme"));
    fs::create_dir_all(&folder)?;
    for file in ["proto/room.proto", "src/room.rs"] {
        // The first fenced block after the line that is the file's name.
        let block = text.split_once(&format!("\n`{file}`:\n")).and_then(|(_, after)| after.split("```").nth(1));
        let (_, block) = block.and_then(|block| block.split_once('\n')).expect("the README shows the file");
        fs::write(folder.join(Path::new(file).file_name().expect("it is a file")), block)?;
    }
    Ok(folder)
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
