#[due::route(0, statefull)]
fn greet<T>(ctx: due::Context, name: &str) {}

fn main() {}
