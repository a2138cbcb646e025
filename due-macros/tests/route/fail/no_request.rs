#[due::route(1)]
async fn greet(_: &mut due::Context) -> due::Result<String> {
    Ok(String::new())
}

fn main() {}
