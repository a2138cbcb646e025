//! A place in the input, and what is found there.

use serde::Serialize;

/// Bytes that a part shows of itself; all of them are in `length`.
const MOST_SHOWN: usize = 4096;

/// Some bytes of a frame and what they say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Part {
    /// Of the first byte, in the input.
    pub offset: usize,
    /// How many bytes.
    pub length: usize,
    /// As the wire's description calls it, or the field of the message with the names of those around it.
    pub name: String,
    /// In hex, without spaces; the first 4096 bytes.
    pub bytes: String,
    /// What they say, for people.
    pub value: String,
}

/// Where input ends to make sense, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// Of the byte at which it does, in the input.
    pub offset: usize,
    /// In one line.
    pub message: String,
}

impl Fault {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }
}

/// Walks over the input, up to some byte.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// From `at` to the end of `bytes`.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at: at.min(bytes.len()) }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What is left, without going there.
    pub(super) fn peek(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The same place, with an end after `length` bytes or where it was.
    pub(super) fn within(&self, length: usize) -> Self {
        let end = self.at.saturating_add(length).min(self.bytes.len());
        Self { bytes: &self.bytes[..end], at: self.at }
    }

    pub(super) fn skip(&mut self, length: usize) {
        self.at = self.at.saturating_add(length).min(self.bytes.len());
    }

    pub(super) fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8], Fault> {
        match self.peek().get(..length) {
            Some(bytes) => {
                self.at += length;
                Ok(bytes)
            }
            None => {
                let left = match self.left() {
                    0 => "none is left".to_owned(),
                    1 => "1 is left".to_owned(),
                    left => format!("{left} are left"),
                };
                Err(Fault::new(self.at, format!("{what} is cut off: it has {}, {left}", count(length))))
            }
        }
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = self.peek();
        self.at = self.bytes.len();
        rest
    }
}

/// The part from `offset` that consists of `bytes`.
pub(super) fn part(offset: usize, bytes: &[u8], name: impl Into<String>, value: impl Into<String>) -> Part {
    let shown = &bytes[..bytes.len().min(MOST_SHOWN)];
    let hex = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    Part { offset, length: bytes.len(), name: name.into(), bytes: hex, value: value.into() }
}

/// `1 byte`, `2 bytes`.
pub(super) fn count(bytes: usize) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

/// At most 8 bytes as a number, big or little endian.
pub(super) fn unsigned(bytes: &[u8], big: bool) -> u64 {
    let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if big { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
}

/// The same with a sign.
pub(super) fn signed(bytes: &[u8], big: bool) -> i64 {
    let unused = 64 - 8 * bytes.len().clamp(1, 8) as u32;
    ((unsigned(bytes, big) << unused) as i64) >> unused
}

/// Text as people may see it, without what would move the cursor of a terminal.
pub(super) fn text(bytes: &[u8]) -> String {
    const MOST: usize = 200;
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().count() > MOST {
        shown.push_str("..");
    }
    format!("\"{shown}\"")
}
