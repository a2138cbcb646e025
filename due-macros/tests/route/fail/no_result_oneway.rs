#[due::route(1, oneway)]
async fn greet(_: &mut due::Context, _: String) {}

fn main() {}
