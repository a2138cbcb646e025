use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, FnArg, GenericArgument, ItemFn, Lit, Meta, PathArguments, ReturnType, Safety, Type};

use crate::args::{Flag, Id, RouteArgs};
use crate::errors::Errors;

/// A function that is fit to be a handler.
pub(crate) struct Handler {
    item: ItemFn,
    id: Id,
    flags: Vec<Flag>,
    context: Type,
    request: Type,
    response: Type,
}

impl Handler {
    pub(crate) fn parse(args: TokenStream, item: TokenStream) -> syn::Result<Self> {
        let item = match syn::parse2::<ItemFn>(item.clone()) {
            Ok(item) => item,
            Err(_) => {
                return Err(syn::Error::new_spanned(item, "`#[due::route]` belongs on an `async fn` with a body"));
            }
        };
        let mut errors = Errors::default();
        let args = RouteArgs::parse(args, &mut errors);
        let sig = &item.sig;
        if sig.asyncness.is_none() {
            errors.at(sig.fn_token, "a handler is an `async fn`");
        }
        if !sig.generics.params.is_empty() {
            errors.at(&sig.generics, "a handler has no generic parameters: one route has one request type");
        }
        if let Some(clause) = &sig.generics.where_clause {
            errors.at(clause, "a handler has no `where` clause");
        }
        if !matches!(sig.safety, Safety::Default) {
            errors.at(&sig.safety, "a handler is a safe function");
        }
        if let Some(abi) = &sig.abi {
            errors.at(abi, "a handler has the Rust ABI");
        }
        let inputs = check_inputs(sig, &mut errors);
        let response = check_output(sig, args.as_ref(), &mut errors);
        errors.finish()?;
        let (Some(RouteArgs { id, flags }), Some((context, request)), Some(response)) = (args, inputs, response) else {
            return Err(syn::Error::new_spanned(&item.sig, "not a handler"));
        };
        Ok(Self { item, id, flags, context, request, response })
    }

    pub(crate) fn expand(&self) -> TokenStream {
        let Self { item, id, request, .. } = self;
        let (name, vis) = (&item.sig.ident, &item.vis);
        let cfgs = item.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect::<Vec<_>>();
        let spec = self.spec();
        let slot = match id {
            Id::Literal { value, span } => {
                let slot = format_ident!("__due_route_{value}", span = *span);
                quote_spanned! {at(*span)=>
                    #(#cfgs)*
                    #[doc(hidden)]
                    #[allow(non_local_definitions)]
                    #[macro_export]
                    macro_rules! #slot { () => {} }
                }
            }
            Id::Constant(_) => TokenStream::new(),
        };
        let (request_span, response_span) = (at(request.span()), at(self.response.span()));
        let request_probe = quote_spanned!(request_span=> ::due::codegen::request_probe::<#request>());
        let response_probe = quote_spanned!(response_span=> ::due::codegen::response_probe(#name));
        let request_form = quote_spanned!(request_span=> (&&&&&__due_request).form());
        let response_form = quote_spanned!(response_span=> (&&&&&__due_response).form());
        let ctx = quote_spanned!(at(self.context.span())=> __due_ctx);
        let call = quote_spanned!(response_span=> #name(#ctx, __due_request).await);
        let finish = if self.flags.contains(&Flag::Oneway) {
            quote!(__due_ctx.finish_oneway(__due_result))
        } else {
            quote!(::due::codegen::write_response(__due_response_form, __due_ctx, __due_result))
        };
        let companion = quote_spanned!(at(name.span())=> #vis struct #name {});
        let future = quote_spanned! {at(name.span())=>
            ::std::boxed::Box::pin(async move {
                let __due_result: ::due::codegen::Result<_> =
                    match ::due::codegen::read_request(__due_request_form, __due_ctx, &__due_body) {
                        ::std::result::Result::Ok(__due_request) => #call,
                        ::std::result::Result::Err(__due_error) => ::std::result::Result::Err(__due_error),
                    };
                #finish
            })
        };
        quote! {
            #item

            #slot

            #(#cfgs)*
            #[doc(hidden)]
            #[allow(non_camel_case_types)]
            #companion

            #(#cfgs)*
            #[doc(hidden)]
            #[allow(deprecated, clippy::all, clippy::pedantic)]
            const _: () = {
                use ::due::codegen::{ProbeBody as _, ProbeNone as _, ProbeProst as _, ProbeSerde as _, ProbeSerdeProst as _};

                const __DUE_ID: ::due::codegen::RouteId = #id;

                impl ::due::codegen::Route for #name {
                    const SPEC: ::due::codegen::RouteSpec = #spec;

                    fn call<'__due>(
                        __due_ctx: &'__due mut ::due::codegen::Context,
                        __due_body: ::due::codegen::Bytes,
                    ) -> ::due::codegen::HandlerFuture<'__due> {
                        let __due_request = #request_probe;
                        let __due_response = #response_probe;
                        let __due_request_form = #request_form;
                        let __due_response_form = #response_form;
                        #future
                    }

                    fn supports(
                        __due_codec: &::due::codegen::Codec,
                    ) -> ::std::result::Result<(), ::due::codegen::Unsupported> {
                        let __due_request = #request_probe;
                        let __due_response = #response_probe;
                        ::due::codegen::supports(
                            (&__due_request, #request_form),
                            (&__due_response, #response_form),
                            __due_codec,
                        )
                    }
                }
            };
        }
    }

    fn spec(&self) -> TokenStream {
        let Self { item, request, response, .. } = self;
        let method = item.sig.ident.to_string();
        let method = method.strip_prefix("r#").unwrap_or(&method);
        let request = type_text(request);
        let response = if self.flags.contains(&Flag::Oneway) { String::new() } else { type_text(response) };
        let flags = self.flags.iter().map(|flag| {
            let flag = format_ident!("{}", flag.name());
            quote!(.#flag())
        });
        let doc = doc(item);
        let doc = (!doc.is_empty()).then(|| quote!(.doc(#doc)));
        quote! {
            ::due::codegen::RouteSpec::new(__DUE_ID, ::std::module_path!(), #method).types(#request, #response) #(#flags)* #doc
        }
    }
}

/// Where generated tokens show up in an error, while their names stay our own.
fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// The types of the context and the request.
fn check_inputs(sig: &syn::Signature, errors: &mut Errors) -> Option<(Type, Type)> {
    const SHAPE: &str = "a handler takes `ctx: &mut due::Context` and its request";
    if let Some(receiver) = sig.receiver() {
        errors.at(receiver, "a handler is a free function: it has no `self`");
        return None;
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, SHAPE);
        return None;
    }
    let mut inputs = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => Some(input),
        FnArg::Receiver(_) => None,
    });
    let (Some(ctx), Some(request)) = (inputs.next(), inputs.next()) else {
        errors.push(syn::Error::new(sig.paren_token.span.join(), SHAPE));
        return None;
    };
    for extra in inputs {
        errors.at(extra, SHAPE);
    }
    if !matches!(&*ctx.ty, Type::Reference(reference) if reference.mutability.is_some()) {
        errors.at(&ctx.ty, "the first parameter is `&mut due::Context`");
    }
    match &*request.ty {
        Type::Reference(_) => errors.at(&request.ty, "the request is taken by value"),
        Type::ImplTrait(_) => errors.at(&request.ty, "the request is one type: the bytes must say what to read"),
        _ => return Some((Type::clone(&ctx.ty), Type::clone(&request.ty))),
    }
    None
}

/// The first type argument of whatever result the function names.
fn check_output(sig: &syn::Signature, args: Option<&RouteArgs>, errors: &mut Errors) -> Option<Type> {
    const ONEWAY: &str = "a oneway handler returns `due::Result<()>`";
    let oneway = args.is_some_and(|args| args.flags.contains(&Flag::Oneway));
    let ReturnType::Type(_, output) = &sig.output else {
        errors.at(&sig.ident, if oneway { ONEWAY } else { "a handler returns `due::Result<Response>`" });
        return None;
    };
    if let Type::Path(path) = &**output
        && let Some(last) = path.path.segments.last()
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(response)) = arguments.args.first()
    {
        if oneway && !matches!(response, Type::Tuple(tuple) if tuple.elems.is_empty()) {
            errors.at(response, ONEWAY);
        }
        return Some(response.clone());
    }
    Some(Type::clone(output))
}

/// The type as it is written, without the spaces of a token stream.
fn type_text(ty: &Type) -> String {
    ty.to_token_stream()
        .to_string()
        .replace(" :: ", "::")
        .replace(" <", "<")
        .replace("< ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
}

/// The doc comment, one line per line.
fn doc(item: &ItemFn) -> String {
    let lines = item.attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(line) => Some(line.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
