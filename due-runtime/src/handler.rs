//! Routes without a schema: what `#[due::route]` and `routes!` expand to calls of.
//!
//! The form in which a type travels is picked by method lookup: the macro writes `(&&&&&probe).form()`, and the first
//! of the traits [`ProbeBody`], [`ProbeSerdeProst`], [`ProbeSerde`], [`ProbeProst`] and [`ProbeNone`] that fits answers.

use std::future::Future;
use std::marker::PhantomData;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{
    Body, Codec, DecodeError, EncodeError, ProstBody, Unsupported, decode_serde, encode_prost, encode_serde, not_proto,
};
use crate::error::{Error, Result};
use crate::id::RouteId;
use crate::node::{Context, Reply};
use crate::route::{HandlerFuture, RouteSpec, Routes};

/// A function with `#[due::route]`: the macro implements it for a type of the function's name.
pub trait Route {
    /// What the attribute and the signature say.
    const SPEC: RouteSpec;

    /// Reads the request, runs the function, writes its response.
    fn call<'a>(ctx: &'a mut Context, body: Bytes) -> HandlerFuture<'a>;

    /// Whether both bodies have a form in `codec`.
    fn supports(codec: &Codec) -> Result<(), Unsupported>;

    /// Its line in a [`RouteTable`].
    fn entry() -> RouteEntry {
        RouteEntry { spec: Self::SPEC, call: Self::call, supports: Self::supports }
    }
}

/// The value of `due::routes![..]`.
#[derive(Debug)]
pub struct RouteTable {
    specs: Vec<RouteSpec>,
    entries: Vec<RouteEntry>,
}

impl RouteTable {
    /// The routes in the order they were written.
    pub fn new<const N: usize>(entries: [RouteEntry; N]) -> Self {
        Self { specs: entries.iter().map(|entry| entry.spec).collect(), entries: entries.into() }
    }
}

impl Routes for RouteTable {
    fn specs(&self) -> &[RouteSpec] {
        &self.specs
    }

    fn call<'a>(&'a self, index: usize, ctx: &'a mut Context, body: Bytes) -> HandlerFuture<'a> {
        match self.entries.get(index) {
            Some(entry) => (entry.call)(ctx, body),
            None => crate::codegen::no_such_route(index),
        }
    }

    fn supports(&self, index: usize, codec: &Codec) -> Result<(), Unsupported> {
        match self.entries.get(index) {
            Some(entry) => (entry.supports)(codec),
            None => Ok(()),
        }
    }
}

/// One line of a [`RouteTable`].
#[derive(Debug)]
pub struct RouteEntry {
    spec: RouteSpec,
    call: for<'a> fn(&'a mut Context, Bytes) -> HandlerFuture<'a>,
    supports: fn(&Codec) -> Result<(), Unsupported>,
}

/// Each id once: two implementations with the same id are an error of the compiler that shows both places.
pub trait RouteSlot<const ID: i32> {}

/// An id in `#[due::route(..)]` that is no literal: an `i32` or a [`RouteId`].
#[derive(Debug)]
pub struct IdOf<T>(pub T);

impl IdOf<i32> {
    /// The id, checked while the user's crate compiles.
    pub const fn route_id(self) -> RouteId {
        IdOf(RouteId::new(self.0)).route_id()
    }
}

impl IdOf<RouteId> {
    /// The id, checked while the user's crate compiles.
    pub const fn route_id(self) -> RouteId {
        assert!(self.0.0 > 0, "a route id is greater than 0");
        self.0
    }
}

/// How a request of type `T` is read.
pub trait ReadForm<T> {
    /// Full name of the message or Rust type.
    const NAME: &'static str;

    /// Whether the codec knows this form.
    fn supports(codec: &Codec) -> Result<(), Unsupported>;

    /// Reads a whole body.
    fn read(codec: &Codec, body: &Bytes) -> Result<T, DecodeError>;
}

/// How a response of type `T` is written.
pub trait WriteForm<T> {
    /// Full name of the message or Rust type.
    const NAME: &'static str;

    /// See [`Body::PLAIN`].
    const PLAIN: bool = false;

    /// Whether the codec knows this form.
    fn supports(codec: &Codec) -> Result<(), Unsupported>;

    /// Appends the body to `out`.
    fn write(value: &T, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError>;

    /// See [`Body::from_error`].
    fn from_error(error: &Error) -> Option<T> {
        let _ = error;
        None
    }
}

/// A type that is a [`Body`] itself: generated ones and those of the runtime.
#[derive(Clone, Copy, Debug)]
pub struct BodyForm;

impl<T: Body> ReadForm<T> for BodyForm {
    const NAME: &'static str = T::NAME;

    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        T::supports(codec)
    }

    fn read(codec: &Codec, body: &Bytes) -> Result<T, DecodeError> {
        T::decode_body(codec, body)
    }
}

impl<T: Body> WriteForm<T> for BodyForm {
    const NAME: &'static str = T::NAME;

    const PLAIN: bool = T::PLAIN;

    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        T::supports(codec)
    }

    fn write(value: &T, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        value.encode_body(codec, out)
    }

    fn from_error(error: &Error) -> Option<T> {
        T::from_error(error)
    }
}

/// A serde type: every codec but `proto`. A request needs no `Serialize`, a response no `Deserialize`.
#[derive(Clone, Copy, Debug)]
pub struct SerdeForm;

impl<T: DeserializeOwned> ReadForm<T> for SerdeForm {
    const NAME: &'static str = "a serde type";

    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        match codec {
            Codec::Proto => Err(not_proto::<T>()),
            _ => Ok(()),
        }
    }

    fn read(codec: &Codec, body: &Bytes) -> Result<T, DecodeError> {
        decode_serde(codec, body)
    }
}

impl<T: Serialize> WriteForm<T> for SerdeForm {
    const NAME: &'static str = "a serde type";

    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        match codec {
            Codec::Proto => Err(not_proto::<T>()),
            _ => Ok(()),
        }
    }

    fn write(value: &T, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        encode_serde(value, codec, out)
    }
}

/// A prost type: the codec `proto` only.
#[derive(Clone, Copy, Debug)]
pub struct ProstForm;

impl<T: prost::Message + Default + 'static> ReadForm<T> for ProstForm {
    const NAME: &'static str = ProstBody::<T>::NAME;

    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        ProstBody::<T>::supports(codec)
    }

    fn read(codec: &Codec, body: &Bytes) -> Result<T, DecodeError> {
        ProstBody::decode_body(codec, body).map(|ProstBody(value)| value)
    }
}

impl<T: prost::Message + Default + 'static> WriteForm<T> for ProstForm {
    const NAME: &'static str = ProstBody::<T>::NAME;

    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        ProstBody::<T>::supports(codec)
    }

    fn write(value: &T, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        encode_prost(value, codec, out)
    }
}

/// A type with prost and serde: prost for `proto`, serde for the rest.
#[derive(Clone, Copy, Debug)]
pub struct SerdeProstForm;

impl<T: DeserializeOwned + prost::Message + Default + 'static> ReadForm<T> for SerdeProstForm {
    const NAME: &'static str = "a serde and prost type";

    fn supports(_: &Codec) -> Result<(), Unsupported> {
        Ok(())
    }

    fn read(codec: &Codec, body: &Bytes) -> Result<T, DecodeError> {
        match codec {
            Codec::Proto => ProstForm::read(codec, body),
            _ => SerdeForm::read(codec, body),
        }
    }
}

impl<T: Serialize + prost::Message + Default + 'static> WriteForm<T> for SerdeProstForm {
    const NAME: &'static str = "a serde and prost type";

    fn supports(_: &Codec) -> Result<(), Unsupported> {
        Ok(())
    }

    fn write(value: &T, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        match codec {
            Codec::Proto => ProstForm::write(value, codec, out),
            _ => SerdeForm::write(value, codec, out),
        }
    }
}

/// Asks for the form of a request.
#[derive(Debug)]
pub struct RequestProbe<T>(PhantomData<fn() -> T>);

/// Asks for the form of a response.
#[derive(Debug)]
pub struct ResponseProbe<T>(PhantomData<fn() -> T>);

/// The probe for the request type as it is written in the signature.
pub const fn request_probe<T>() -> RequestProbe<T> {
    RequestProbe(PhantomData)
}

/// The probe for what the function really returns, behind any alias. Takes every function of two parameters: what is
/// wrong with another one is said where it is called.
pub fn response_probe<C, Q, R, E, H, F>(_: H) -> ResponseProbe<R>
where
    H: FnOnce(C, Q) -> F,
    F: Future<Output = Result<R, E>>,
{
    ResponseProbe(PhantomData)
}

macro_rules! probes {
    ($($(#[$doc:meta])* $name:ident => $form:ident;)*) => {$(
        $(#[$doc])*
        pub trait $name {
            /// The form.
            fn form(&self) -> $form {
                $form
            }
        }
    )*};
}
probes!(
    /// First choice.
    ProbeBody => BodyForm;
    /// Second choice.
    ProbeSerdeProst => SerdeProstForm;
    /// Third choice.
    ProbeSerde => SerdeForm;
    /// Fourth choice.
    ProbeProst => ProstForm;
);

impl<T: Body> ProbeBody for &&&&RequestProbe<T> {}
impl<T: Body> ProbeBody for &&&&ResponseProbe<T> {}
impl<T: DeserializeOwned + prost::Message + Default + 'static> ProbeSerdeProst for &&&RequestProbe<T> {}
impl<T: Serialize + prost::Message + Default + 'static> ProbeSerdeProst for &&&ResponseProbe<T> {}
impl<T: DeserializeOwned> ProbeSerde for &&RequestProbe<T> {}
impl<T: Serialize> ProbeSerde for &&ResponseProbe<T> {}
impl<T: prost::Message + Default + 'static> ProbeProst for &RequestProbe<T> {}
impl<T: prost::Message + Default + 'static> ProbeProst for &ResponseProbe<T> {}

/// Types without any form end here, and read the text below.
pub trait ProbeNone<T> {
    /// Exists for its bound.
    fn form(&self) -> NoForm
    where
        T: RouteBody,
    {
        NoForm
    }
}

impl<T> ProbeNone<T> for RequestProbe<T> {}
impl<T> ProbeNone<T> for ResponseProbe<T> {}

/// Nothing implements this: its message is what a user reads whose type has no form.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel as the body of a packet",
    label = "has no form in any codec",
    note = "a request derives `serde::Deserialize` or `prost::Message`, a response `serde::Serialize` or `prost::Message`",
    note = "or both are generated from a .proto by due-codegen"
)]
pub trait RouteBody {}

/// What such a type gets, so that the compiler says one thing only.
#[derive(Clone, Copy, Debug)]
pub struct NoForm;

impl<T> ReadForm<T> for NoForm {
    const NAME: &'static str = "";

    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        Err(half::<T>(codec))
    }

    fn read(codec: &Codec, _: &Bytes) -> Result<T, DecodeError> {
        Err(half::<T>(codec).into())
    }
}

impl<T> WriteForm<T> for NoForm {
    const NAME: &'static str = "";

    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        Err(half::<T>(codec))
    }

    fn write(_: &T, codec: &Codec, _: &mut BytesMut) -> Result<(), EncodeError> {
        Err(half::<T>(codec).into())
    }
}

/// The first half of a handler's expansion.
pub fn read_request<T, F>(_: F, ctx: &Context, body: &Bytes) -> Result<T>
where
    T: Send + Sync + 'static,
    F: ReadForm<T> + 'static,
{
    ctx.decode::<Request<T, F>>(body).map(|request| request.value)
}

/// The second half of a handler's expansion.
pub fn write_response<T, F>(_: F, ctx: &mut Context, result: Result<T>) -> Result<Reply>
where
    T: Send + Sync + 'static,
    F: WriteForm<T> + 'static,
{
    ctx.finish(result.map(Response::<T, F>::from))
}

/// Whether both bodies of a handler have a form in `codec`.
pub fn supports<Q, R, A, B>(
    _: (&RequestProbe<Q>, A),
    _: (&ResponseProbe<R>, B),
    codec: &Codec,
) -> Result<(), Unsupported>
where
    A: ReadForm<Q>,
    B: WriteForm<R>,
{
    A::supports(codec)?;
    B::supports(codec)
}

/// A request as the [`Context`] reads it: the reading half of a [`Body`].
struct Request<T, F> {
    value: T,
    form: PhantomData<fn() -> F>,
}

impl<T, F> Body for Request<T, F>
where
    T: Send + Sync + 'static,
    F: ReadForm<T> + 'static,
{
    const NAME: &'static str = F::NAME;

    fn encode_body(&self, codec: &Codec, _: &mut BytesMut) -> Result<(), EncodeError> {
        Err(half::<T>(codec).into())
    }

    fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        F::read(codec, body).map(|value| Self { value, form: PhantomData })
    }
}

/// A response as the [`Context`] writes it: the writing half of a [`Body`].
struct Response<T, F> {
    value: T,
    form: PhantomData<fn() -> F>,
}

impl<T, F> From<T> for Response<T, F> {
    fn from(value: T) -> Self {
        Self { value, form: PhantomData }
    }
}

impl<T, F> Body for Response<T, F>
where
    T: Send + Sync + 'static,
    F: WriteForm<T> + 'static,
{
    const NAME: &'static str = F::NAME;

    const PLAIN: bool = F::PLAIN;

    fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        F::write(&self.value, codec, out)
    }

    fn decode_body(codec: &Codec, _: &Bytes) -> Result<Self, DecodeError> {
        Err(half::<T>(codec).into())
    }

    fn from_error(error: &Error) -> Option<Self> {
        F::from_error(error).map(Self::from)
    }
}

fn half<T>(codec: &Codec) -> Unsupported {
    Unsupported {
        body: std::any::type_name::<T>().into(),
        codec: codec.name().into(),
        advice: "a route reads its request and writes its response, never the other way round",
    }
}
