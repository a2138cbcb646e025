mod greet {
    #[due::route(1)]
    pub async fn greet(_: &mut due::Context, name: String) -> due::Result<String> {
        Ok(name)
    }
}

use greet::greet;

fn main() {}
