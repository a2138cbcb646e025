#[due::route(2147483648)]
async fn greet(_: &mut due::Context, name: String) -> due::Result<String> {
    Ok(name)
}

fn main() {}
