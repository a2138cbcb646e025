use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, Path, Token};

use crate::errors::Errors;

/// `greet, handlers::login`
pub(crate) struct RouteList(Vec<Path>);

impl RouteList {
    pub(crate) fn parse(paths: TokenStream) -> syn::Result<Self> {
        let elements = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(paths)?;
        let mut errors = Errors::default();
        let mut paths = Vec::new();
        for element in elements {
            match element {
                Expr::Path(path) if path.qself.is_none() => paths.push(path.path),
                other => errors.at(other, "`routes!` takes names of functions with `#[due::route]`"),
            }
        }
        errors.finish()?;
        Ok(Self(paths))
    }

    pub(crate) fn expand(&self) -> TokenStream {
        let slots = self.0.iter().map(|path| {
            quote_spanned! {path.span()=>
                impl ::due::codegen::RouteSlot<{ <#path as ::due::codegen::Route>::SPEC.id.0 }> for OneHandlerPerRoute {}
            }
        });
        let entries = self.0.iter().map(|path| quote_spanned!(path.span()=> <#path as ::due::codegen::Route>::entry()));
        quote! {
            {
                const _: () = {
                    struct OneHandlerPerRoute;
                    #(#slots)*
                };
                ::due::codegen::RouteTable::new([#(#entries),*])
            }
        }
    }
}
