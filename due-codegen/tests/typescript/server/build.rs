//! Generates the Rust half of the schema.

fn main() -> Result<(), due_codegen::Error> {
    due_codegen::Builder::new().includes(["../proto"]).generate()
}
