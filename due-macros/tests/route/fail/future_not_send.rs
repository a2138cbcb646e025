use std::rc::Rc;

#[due::route(1)]
async fn greet(_: &mut due::Context, name: String) -> due::Result<String> {
    let name = Rc::new(name);
    std::future::ready(()).await;
    Ok(name.to_string())
}

fn main() {}
