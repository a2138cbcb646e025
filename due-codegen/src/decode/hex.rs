//! Bytes as people have them: hex in its many dresses, dumps of xxd, hexdump and tcpdump, or the bytes themselves.

use std::ops::Range;

/// Bytes, and where messages end, if the text says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    bytes: Vec<u8>,
    /// Where blank lines were, as counts of bytes.
    breaks: Vec<usize>,
}

/// Why a text is no hex.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// Something that is no digit.
    #[error("line {line}, column {column}: `{found}` is no hex digit")]
    #[non_exhaustive]
    NoDigit {
        /// Counts from 1.
        line: usize,
        /// In characters, counts from 1.
        column: usize,
        /// What is there.
        found: char,
    },
    /// Half a byte.
    #[error("line {line}: `{word}` has an odd number of digits")]
    #[non_exhaustive]
    Odd {
        /// Counts from 1.
        line: usize,
        /// The digits that stand together.
        word: String,
    },
}

impl Input {
    /// The bytes themselves: one message.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), breaks: Vec::new() }
    }

    /// Hex with or without spaces, line ends, commas, `0x` and `\x`, comments behind `#`, or a dump of xxd, hexdump -C or
    /// tcpdump -X. A blank line ends a message of the bare dialect.
    ///
    /// # Errors
    /// [`HexError`] with the place of what is no hex.
    pub fn hex(text: &str) -> Result<Self, HexError> {
        let mut input = Self::default();
        let is_hexdump = text.lines().any(|line| line.contains('|'));
        for (index, line) in text.lines().enumerate() {
            let (skipped, digits) = digits_of(line);
            if is_hexdump && is_offset(line) {
                // Its last line says where the bytes end.
                continue;
            }
            if line.trim().is_empty() {
                input.breaks.push(input.bytes.len());
                continue;
            }
            input.line(digits, index + 1, skipped)?;
        }
        Ok(input)
    }

    /// What a file or pipe has: hex if it is nothing but hex, or else the bytes themselves.
    pub fn from_file(bytes: Vec<u8>) -> Self {
        match std::str::from_utf8(&bytes).ok().and_then(|text| Self::hex(text).ok()) {
            Some(input) if !input.bytes.is_empty() => input,
            _ => Self::raw(bytes),
        }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What blank lines part: one if there are none.
    pub(super) fn messages(&self) -> Vec<Range<usize>> {
        let mut messages = Vec::new();
        let mut start = 0;
        for end in self.breaks.iter().copied().chain([self.bytes.len()]) {
            if end > start {
                messages.push(start..end);
                start = end;
            }
        }
        messages
    }

    fn line(&mut self, digits: &str, line: usize, skipped: usize) -> Result<(), HexError> {
        let mut column = skipped + 1;
        for word in digits.split_inclusive(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-')) {
            let width = word.chars().count();
            let bare = word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-'));
            for bare in bare.split("\\x") {
                let bare = bare.strip_prefix("0x").or(bare.strip_prefix("0X")).unwrap_or(bare);
                self.word(bare, line, column + word.find(bare).unwrap_or_default())?;
            }
            column += width;
        }
        Ok(())
    }

    fn word(&mut self, word: &str, line: usize, column: usize) -> Result<(), HexError> {
        let mut high = None;
        for (index, found) in word.chars().enumerate() {
            let digit = found.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let digit = digit.ok_or(HexError::NoDigit { line, column: column + index, found })?;
            match high.take() {
                None => high = Some(digit),
                Some(high) => self.bytes.push(high << 4 | digit),
            }
        }
        if high.is_some() { Err(HexError::Odd { line, word: word.to_owned() }) } else { Ok(()) }
    }
}

/// The digits of a line, and how many characters are in front of them: without the offset and the text of a dump, and
/// without a comment.
fn digits_of(line: &str) -> (usize, &str) {
    if let Some((offset, rest)) =
        line.split_once(':').filter(|(offset, rest)| is_offset(offset) && rest.starts_with(' '))
    {
        // xxd and tcpdump: two spaces, then the text.
        let blank = rest.len() - rest.trim_start().len();
        let digits = &rest[blank..];
        let end = digits.find("  ").unwrap_or(digits.len());
        return (offset.chars().count() + 1 + blank, &digits[..end]);
    }
    if let Some((digits, _)) = line.split_once('|') {
        // hexdump -C.
        let (offset, digits) = digits.split_once(' ').unwrap_or((digits, ""));
        return (offset.chars().count() + 1, digits);
    }
    (0, line.split('#').next().unwrap_or_default())
}

fn is_offset(text: &str) -> bool {
    let digits = text.trim().trim_start_matches("0x");
    digits.len() >= 4 && digits.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"\x00\x00\x00\x07\x00\x00\x01\x00\x02hi";

    #[test]
    fn hex_has_many_dresses() {
        for text in [
            "0000000700000100026869",
            "00000007 00 0001 0002 6869",
            "00 00 00 07\n00 00 01 00 02\n68 69\n",
            "0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x01, 0x00, 0x02, 0x68, 0x69",
            "0x0000000700000100026869",
            "\\x00\\x00\\x00\\x07\\x00\\x00\\x01\\x00\\x02\\x68\\x69",
            "00:00:00:07:00:00:01:00:02:68:69",
            "00000007 # size\n00 # header\n0001 0002 6869",
            "00000000: 0000 0007 0000 0100 0268 69              .........hi",
            "00000000  00 00 00 07 00 00 01 00  02 68 69              |.........hi|",
            "\t0x0000:  0000 0007 0000 0100 0268 69              .........hi",
        ] {
            assert_eq!(Input::hex(text).unwrap().bytes(), BYTES, "{text}");
        }
    }

    #[test]
    fn dumps_have_lines() {
        let dump = "00000000: 3030 3030 3030 3030 3030 3030 3030 3030  0000000000000000\n00000010: 4142                                     AB\n";
        assert_eq!(Input::hex(dump).unwrap().bytes(), b"0000000000000000AB");
        let dump = "00000000  41 42 43 44 45 46 47 48  49 4a 4b 4c 4d 4e 4f 50  |ABCDEFGHIJKLMNOP|\n00000010  51  |Q|\n00000011\n";
        assert_eq!(Input::hex(dump).unwrap().bytes(), b"ABCDEFGHIJKLMNOPQ");
    }

    #[test]
    fn blank_lines_end_messages() {
        let input = Input::hex("\n00 01\n02\n\n\n80\n\n").unwrap();
        assert_eq!(input.messages(), [0..3, 3..4]);
        assert_eq!(Input::raw(*b"ab").messages().len(), 1);
        assert!(Input::default().messages().is_empty());
    }

    #[test]
    fn what_is_no_hex_is_found() {
        let no_digit = Input::hex("00 01\n0g").unwrap_err();
        assert_eq!(no_digit, HexError::NoDigit { line: 2, column: 2, found: 'g' });
        assert_eq!(Input::hex("00 012").unwrap_err(), HexError::Odd { line: 1, word: "012".to_owned() });
        assert_eq!(Input::from_file(BYTES.to_vec()).bytes(), BYTES);
        assert_eq!(Input::from_file(b"8001\n".to_vec()).bytes(), [0x80, 1]);
    }
}
