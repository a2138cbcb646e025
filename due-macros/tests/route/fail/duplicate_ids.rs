#[due::route(1)]
async fn greet(_: &mut due::Context, name: String) -> due::Result<String> {
    Ok(name)
}

mod handlers {
    #[due::route(0x1, authorized)]
    pub async fn login(_: &mut due::Context, name: String) -> due::Result<String> {
        Ok(name)
    }
}

fn _within_a_function() {
    #[due::route(1)]
    async fn logout(_: &mut due::Context, name: String) -> due::Result<String> {
        Ok(name)
    }
}

fn main() {}
