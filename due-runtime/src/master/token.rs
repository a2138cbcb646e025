//! Who may ask.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq as _;

/// Bytes of the shortest token.
const SHORTEST: usize = 16;
/// Bytes of chance in one that is made.
const RANDOM: usize = 24;

/// A token that could be guessed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the token has {0} bytes, at least {SHORTEST} are needed")]
pub struct ShortToken(usize);

#[derive(Clone)]
pub(super) struct Token(Arc<str>);

impl Token {
    pub(super) fn new(token: String) -> Result<Self, ShortToken> {
        if token.len() < SHORTEST { Err(ShortToken(token.len())) } else { Ok(Self(token.into())) }
    }

    pub(super) fn random() -> io::Result<Self> {
        let mut bytes = [0; RANDOM];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes everything");
            hex
        });
        Ok(Self(hex.into()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the head of a request has it, in a time that says nothing about it.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
        match given.split_at_checked("bearer ".len()) {
            Some((scheme, given)) => {
                scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(given.ct_eq(self.0.as_bytes()))
            }
            None => false,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_known() {
        assert_eq!(Token::new("fifteen bytes..".into()).unwrap_err(), ShortToken(15));
        let token = Token::new("sixteen bytes...".into()).unwrap();
        let knows = |value: &str| token.is_known(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]));
        assert!(knows("Bearer sixteen bytes..."));
        assert!(knows("bearer sixteen bytes..."));
        for other in
            ["", "Bearer ", "Bearer sixteen bytes..", "Bearer sixteen bytes....", "sixteen bytes...", "Basic x"]
        {
            assert!(!knows(other), "{other:?}");
        }
        assert!(!token.is_known(&HeaderMap::new()));
        let [one, other] = [(); 2].map(|()| Token::random().unwrap());
        assert_eq!(one.reveal().len(), 2 * RANDOM);
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(format!("{one:?}"), "Token");
    }
}
