#[due::route(1)]
async fn greet(_: &mut String, name: String) -> due::Result<String> {
    Ok(name)
}

fn main() {}
