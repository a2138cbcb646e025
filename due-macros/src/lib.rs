//! Attributes of due, re-exported by its runtime: write `due::route` and `due::routes`.

mod args;
mod errors;
mod route;
mod routes;

use proc_macro::TokenStream;

/// Makes an `async fn` the handler of a route.
///
/// ```
/// use due::{Codec, Context, Node};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct GreetRequest {
///     name: String,
/// }
///
/// #[derive(Serialize)]
/// struct GreetResponse {
///     message: String,
/// }
///
/// /// Greets whoever asks.
/// #[due::route(1)]
/// async fn greet(_: &mut Context, request: GreetRequest) -> due::Result<GreetResponse> {
///     Ok(GreetResponse { message: format!("hello {}~~", request.name) })
/// }
///
/// let node = Node::builder().name("hello").codec(Codec::Json).serve(due::routes![greet]).build()?;
/// # Ok::<(), due::BuildError>(())
/// ```
///
/// The first argument is the id: a literal, or a constant expression of type `i32` or `due::RouteId`. Flags follow:
///
/// | flag | means |
/// |---|---|
/// | `stateful` | goes to the node that the user is bound to; needs a user |
/// | `authorized` | needs a user |
/// | `internal` | other nodes only, no clients |
/// | `oneway` | no response; the function returns `due::Result<()>` |
///
/// # Bodies
/// Generated messages travel in every codec. A type that derives serde's traits travels in every codec but `proto`, one
/// that derives `prost::Message` in `proto` only, one that derives both in all. A request needs to be read only, a
/// response to be written only. A node refuses to start with a codec that one of its bodies has no form in.
///
/// # Ids
/// Two literal ids that are equal are a compile error anywhere in one crate, two equal constants inside one `routes!`.
/// Whatever meets only in a node is refused when the node is built.
///
/// # What it expands to
/// The function stays as it is. Beside it comes a hidden type of the same name, which `due::routes!` mounts; a `use` of
/// the function imports both. A module of the function's name in the same scope is therefore a name clash.
#[proc_macro_attribute]
pub fn route(args: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    route::Handler::parse(args.into(), item.clone())
        .map(|handler| handler.expand())
        .unwrap_or_else(|err| {
            let err = err.into_compile_error();
            quote::quote!(#item #err)
        })
        .into()
}

/// Mounts functions with `#[due::route]`: `Node::builder().serve(due::routes![greet, handlers::login])`.
///
/// The value implements `due::Routes`. Each element is the path of a function; equal ids are a compile error.
#[proc_macro]
pub fn routes(paths: TokenStream) -> TokenStream {
    routes::RouteList::parse(paths.into())
        .map(|list| list.expand())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
