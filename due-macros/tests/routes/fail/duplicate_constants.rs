mod ids {
    pub const GREET: due::RouteId = due::RouteId::new(7);
    pub const LOGIN: i32 = 3 + 4;
}

#[due::route(ids::GREET)]
async fn greet(_: &mut due::Context, name: String) -> due::Result<String> {
    Ok(name)
}

#[due::route(ids::LOGIN)]
async fn login(_: &mut due::Context, name: String) -> due::Result<String> {
    Ok(name)
}

fn main() {
    due::routes![greet, login];
}
