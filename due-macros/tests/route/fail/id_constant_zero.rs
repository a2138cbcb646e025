const GREET: i32 = 0;

#[due::route(GREET)]
async fn greet(_: &mut due::Context, name: String) -> due::Result<String> {
    Ok(name)
}

fn main() {}
