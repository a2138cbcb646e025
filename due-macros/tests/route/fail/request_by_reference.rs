#[due::route(1)]
async fn greet(_: &mut due::Context, name: &str) -> due::Result<String> {
    Ok(name.to_owned())
}

fn main() {}
