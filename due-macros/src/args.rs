use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, Lit, LitInt, Token, UnOp};

use crate::errors::Errors;

/// `1, stateful, authorized`
pub(crate) struct RouteArgs {
    pub(crate) id: Id,
    pub(crate) flags: Vec<Flag>,
}

pub(crate) enum Id {
    Literal { value: i32, span: Span },
    Constant(Expr),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    Stateful,
    Authorized,
    Internal,
    Oneway,
}

impl RouteArgs {
    /// `None` only with a complaint.
    pub(crate) fn parse(args: TokenStream, errors: &mut Errors) -> Option<Self> {
        let args = match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(args) {
            Ok(args) => args,
            Err(error) => {
                errors.push(error);
                return None;
            }
        };
        let mut args = args.into_iter().map(ungroup).peekable();
        let id = match args.next_if(|first| word(first).and_then(Flag::named).is_none()) {
            Some(first) => Id::parse(first, errors),
            None => {
                let missing = "a route needs its id first, as in `#[due::route(1, stateful)]`";
                match args.peek() {
                    Some(flag) => errors.at(flag, missing),
                    None => errors.push(syn::Error::new(Span::call_site(), missing)),
                }
                None
            }
        };
        let mut flags = Vec::new();
        // Where the id does not come first, it may come later: that is one mistake.
        for arg in args.filter(|arg| id.is_some() || word(arg).is_some()) {
            if let Some(flag) = Flag::parse(&arg, errors) {
                if flags.contains(&flag) {
                    errors.at(&arg, format_args!("`{}` is already there", flag.name()));
                }
                flags.push(flag);
            }
        }
        Some(Self { id: id?, flags })
    }
}

impl Id {
    fn parse(expr: Expr, errors: &mut Errors) -> Option<Self> {
        let (literal, negative) = match &expr {
            Expr::Lit(literal) => (&literal.lit, false),
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => match &*unary.expr {
                Expr::Lit(literal) => (&literal.lit, true),
                _ => return Some(Self::Constant(expr)),
            },
            Expr::Assign(_) => {
                errors.at(&expr, "the id stands alone, as in `#[due::route(1)]`");
                return None;
            }
            _ => return Some(Self::Constant(expr)),
        };
        let Lit::Int(literal) = literal else {
            errors.at(&expr, "a route id is an integer, or a constant of type `i32` or `due::RouteId`");
            return None;
        };
        match value(literal) {
            Ok(value @ 1..) if !negative => Some(Self::Literal { value, span: literal.span() }),
            Ok(0) => {
                errors.at(&expr, "0 is no route id: it is what a forgotten id reads as");
                None
            }
            Err(error) => {
                errors.at(&expr, error);
                None
            }
            Ok(_) => {
                errors.at(&expr, "route ids are positive: negative ones belong to due itself");
                None
            }
        }
    }
}

fn value(literal: &LitInt) -> Result<i32, String> {
    match literal.suffix() {
        "" | "i32" => {
            literal.base10_parse().map_err(|_| format!("a route id is an `i32`: the largest is {}", i32::MAX))
        }
        suffix => Err(format!("a route id is an `i32`, not `{suffix}`")),
    }
}

impl Flag {
    const ALL: [Self; 4] = [Self::Stateful, Self::Authorized, Self::Internal, Self::Oneway];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stateful => "stateful",
            Self::Authorized => "authorized",
            Self::Internal => "internal",
            Self::Oneway => "oneway",
        }
    }

    fn named(name: String) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name() == name)
    }

    fn parse(arg: &Expr, errors: &mut Errors) -> Option<Self> {
        if let Expr::Assign(assign) = arg
            && let Some(flag) = word(&assign.left).and_then(Self::named)
        {
            errors.at(arg, format_args!("`{}` is a flag: it takes no value", flag.name()));
            return None;
        }
        let flag = word(arg).and_then(Self::named);
        if flag.is_none() {
            let known = Self::ALL.map(|flag| format!("`{}`", flag.name())).join(", ");
            errors.at(arg, format_args!("unknown flag `{}`, expected one of {known}", quote!(#arg)));
        }
        flag
    }
}

fn word(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        _ => None,
    }
}

/// What a `macro_rules` fragment like `$id:literal` stands for.
fn ungroup(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungroup(*group.expr),
        other => other,
    }
}

impl ToTokens for Id {
    /// A constant expression of type `RouteId`.
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Literal { value, span } => {
                let literal = LitInt::new(&value.to_string(), *span);
                quote!(::due::codegen::RouteId::new(#literal))
            }
            Self::Constant(expr) => {
                let span = Span::call_site().located_at(expr.span());
                quote_spanned!(span=> ::due::codegen::IdOf(#expr).route_id())
            }
        });
    }
}
