//! Generates what the crate above takes by `extern_path`.

fn main() -> Result<(), due_codegen::Error> {
    due_codegen::Builder::new().files(["proto/shared/v1/item.proto"]).includes(["proto"]).generate()
}
