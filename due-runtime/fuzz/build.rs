//! Messages for the target `decode`: the schemas of the generator's own tests, with one of each kind of field.

fn main() -> Result<(), due_codegen::Error> {
    let folder = "../../due-codegen/tests/compile/proto";
    due_codegen::Builder::new().includes([folder]).files(["types.proto", "legacy.proto"]).mocks(false).generate()
}
