struct Greeter;

impl Greeter {
    #[due::route(1)]
    async fn greet(&self, _: &mut due::Context, name: String) -> due::Result<String> {
        Ok(name)
    }
}

fn main() {}
