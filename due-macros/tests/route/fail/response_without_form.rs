struct GreetResponse {
    _message: String,
}

#[due::route(1)]
async fn greet(_: &mut due::Context, name: String) -> due::Result<GreetResponse> {
    Ok(GreetResponse { _message: name })
}

fn main() {}
