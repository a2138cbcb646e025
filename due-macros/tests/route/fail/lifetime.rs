#[due::route(1)]
async fn greet<'a>(_: &'a mut due::Context, name: String) -> due::Result<String> {
    Ok(name)
}

fn main() {}
