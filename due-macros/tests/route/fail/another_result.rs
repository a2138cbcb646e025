#[due::route(1)]
async fn greet(_: &mut due::Context, name: String) -> Result<String, std::fmt::Error> {
    Ok(name)
}

fn main() {}
