#[due::route(1)]
struct Greet;

fn main() {}
