#[due::route(1)]
async fn greet(_: &mut due::Context, _: String) {}

fn main() {}
