#[due::route(1, stateful = true)]
async fn greet(_: &mut due::Context, name: String) -> due::Result<String> {
    Ok(name)
}

fn main() {}
