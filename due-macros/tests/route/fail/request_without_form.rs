struct GreetRequest {
    name: String,
}

#[due::route(1)]
async fn greet(_: &mut due::Context, request: GreetRequest) -> due::Result<String> {
    Ok(request.name)
}

fn main() {}
