#[due::route(1)]
async fn greet(_: due::Context, name: String) -> due::Result<String> {
    Ok(name)
}

fn main() {}
