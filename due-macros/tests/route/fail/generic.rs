#[due::route(1)]
async fn greet<T: Default>(_: &mut due::Context, _: T) -> due::Result<String> {
    Ok(String::new())
}

fn main() {}
