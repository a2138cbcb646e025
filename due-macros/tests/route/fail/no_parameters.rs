#[due::route(1)]
async fn greet() -> due::Result<String> {
    Ok(String::new())
}

fn main() {}
