#[due::route(id = 1)]
async fn greet(_: &mut due::Context, name: String) -> due::Result<String> {
    Ok(name)
}

fn main() {}
