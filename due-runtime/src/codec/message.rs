use crate::error::{Code, Error};

/// A generated message with a field that is marked `due.code`.
pub trait Coded: Sized {
    /// See [`Body::from_error`](crate::Body::from_error).
    fn from_error(error: &Error) -> Option<Self>;

    /// See [`Body::error_code`](crate::Body::error_code).
    fn error_code(&self) -> Option<Code>;
}

/// What generated messages implement besides their [`Fields`](crate::codegen::Fields) (and [`Coded`]), from those alone:
/// bodies, `Debug`, serde. The functions of `Body` are compiled once, beside the message, and not in every crate that calls them.
#[doc(hidden)]
#[macro_export]
macro_rules! __message {
    ($message:ty, $name:literal $(, $coded:ident)?) => {
        impl $crate::codegen::Body for $message {
            const NAME: &'static str = $name;

            #[inline(never)]
            fn encode_body(
                &self,
                codec: &$crate::codegen::Codec,
                out: &mut $crate::codegen::BytesMut,
            ) -> ::core::result::Result<(), $crate::codegen::EncodeError> {
                $crate::codegen::encode(self, codec, out)
            }

            #[inline(never)]
            fn decode_body(
                codec: &$crate::codegen::Codec,
                body: &$crate::codegen::Bytes,
            ) -> ::core::result::Result<Self, $crate::codegen::DecodeError> {
                $crate::codegen::decode(codec, body)
            }

            $(
                fn from_error(error: &$crate::codegen::Error) -> ::core::option::Option<Self> {
                    <Self as $crate::codegen::$coded>::from_error(error)
                }

                fn error_code(&self) -> ::core::option::Option<$crate::codegen::Code> {
                    <Self as $crate::codegen::$coded>::error_code(self)
                }
            )?
        }

        impl ::core::fmt::Debug for $message {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::codegen::debug(self, f)
            }
        }

        impl $crate::codegen::serde::Serialize for $message {
            fn serialize<S: $crate::codegen::serde::Serializer>(
                &self,
                to: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                $crate::codegen::serialize(self, to)
            }
        }

        impl<'de> $crate::codegen::serde::Deserialize<'de> for $message {
            fn deserialize<D: $crate::codegen::serde::Deserializer<'de>>(
                from: D,
            ) -> ::core::result::Result<Self, D::Error> {
                $crate::codegen::deserialize(from)
            }
        }
    };
}
