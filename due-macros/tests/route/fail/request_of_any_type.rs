#[due::route(1)]
async fn greet(_: &mut due::Context, name: impl Into<String>) -> due::Result<String> {
    Ok(name.into())
}

fn main() {}
