//! The `{ .. }` of an option statement as a tree, for the one thing that its encoding does not tell: the order of maps.

use std::str::Chars;

use crate::source::token::{Kind, Token, tokens};

/// A field of a message, in the order of the source. The name of an extension has its brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Message(Vec<Entry>),
    List(Vec<Text>),
    /// The bytes of a string.
    Quoted(Vec<u8>),
    /// Anything else, with its sign.
    Plain(String),
}

/// The value of a statement like `option (a) = { .. };` or `(a) = { .. }`. It was parsed before: what makes no sense
/// here is skipped.
pub(super) fn statement(text: &str) -> Vec<Entry> {
    let tokens = tokens(text);
    let equals = tokens.iter().position(|token| token.kind == Kind::Mark(b'='));
    let mut parser = Parser { text, tokens: &tokens, at: equals.map_or(tokens.len(), |at| at + 1) };
    match parser.value() {
        Some(Text::Message(entries)) => entries,
        _ => Vec::new(),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Kind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    /// The source of the next token.
    fn take(&mut self) -> Option<&'a str> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        self.text.get(token.span.clone())
    }

    fn skip(&mut self, marks: &[u8]) -> bool {
        let found = matches!(self.peek(), Some(Kind::Mark(mark)) if marks.contains(&mark));
        self.at += usize::from(found);
        found
    }

    fn entries(&mut self, close: u8) -> Vec<Entry> {
        let mut entries = Vec::new();
        while self.peek().is_some() && !self.skip(&[close]) {
            let mut name = String::new();
            if self.peek() == Some(Kind::Mark(b'[')) {
                while !name.ends_with(']')
                    && let Some(part) = self.take()
                {
                    name.push_str(part);
                }
            } else {
                let is_word = self.peek() == Some(Kind::Word);
                let word = self.take().unwrap_or_default();
                if !is_word {
                    continue;
                }
                name.push_str(word);
            }
            self.skip(b":");
            entries.extend(self.value().map(|value| Entry { name, value }));
        }
        entries
    }

    fn value(&mut self) -> Option<Text> {
        if self.skip(b"{") {
            return Some(Text::Message(self.entries(b'}')));
        }
        if self.skip(b"<") {
            return Some(Text::Message(self.entries(b'>')));
        }
        if self.skip(b"[") {
            let mut list = Vec::new();
            while self.peek().is_some() && !self.skip(b"]") {
                if !self.skip(b",") {
                    list.extend(self.value());
                }
            }
            return Some(Text::List(list));
        }
        if self.peek() == Some(Kind::Text) {
            let mut bytes = Vec::new();
            while self.peek() == Some(Kind::Text) {
                bytes.extend(self.take().map(unquote).unwrap_or_default());
            }
            return Some(Text::Quoted(bytes));
        }
        let sign = if self.skip(b"-") { "-" } else { "" };
        let mut plain = format!("{sign}{}", self.take()?);
        let is_number = plain.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if is_number && plain.ends_with(['e', 'E']) && self.skip(b"+-") {
            plain.push_str(self.take()?);
        }
        Some(Text::Plain(plain))
    }
}

/// What a literal stands for.
fn unquote(literal: &str) -> Vec<u8> {
    let mut rest = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default().chars();
    let mut out = Vec::new();
    while let Some(c) = rest.next() {
        let c = if c == '\\' { escape(&mut rest) } else { Escape::Char(c) };
        match c {
            Escape::Byte(byte) => out.push(byte),
            Escape::Char(c) => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}

enum Escape {
    Byte(u8),
    Char(char),
}

/// Takes what follows a backslash.
fn escape(rest: &mut Chars<'_>) -> Escape {
    let octal = number(&mut rest.clone(), 8, 3).1;
    if octal > 0 {
        return Escape::Byte(number(rest, 8, 3).0 as u8);
    }
    match rest.next().unwrap_or_default() {
        'x' | 'X' => Escape::Byte(number(rest, 16, 2).0 as u8),
        'u' => Escape::Char(char::from_u32(number(rest, 16, 4).0).unwrap_or_default()),
        'U' => Escape::Char(char::from_u32(number(rest, 16, 8).0).unwrap_or_default()),
        'a' => Escape::Byte(7),
        'b' => Escape::Byte(8),
        't' => Escape::Byte(b'\t'),
        'n' => Escape::Byte(b'\n'),
        'v' => Escape::Byte(11),
        'f' => Escape::Byte(12),
        'r' => Escape::Byte(b'\r'),
        other => Escape::Char(other),
    }
}

/// Takes a number of at most so many digits. Gives their count too.
fn number(rest: &mut Chars<'_>, radix: u32, most: usize) -> (u32, usize) {
    let (mut value, mut count) = (0u32, 0);
    while count < most
        && let Some(digit) = rest.clone().next().and_then(|c| c.to_digit(radix))
    {
        value = value.wrapping_mul(radix).wrapping_add(digit);
        count += 1;
        rest.next();
    }
    (value, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(name: &str, value: &str) -> Entry {
        Entry { name: name.to_owned(), value: Text::Plain(value.to_owned()) }
    }

    #[test]
    fn statements_become_trees() {
        let text = r#"option (a.b) = { x: 1, y: -1.5e+3 z < u: true > [c.d] { } l: [1, { v: 'a' "b" }] };"#;
        let list = vec![
            Text::Plain("1".to_owned()),
            Text::Message(vec![Entry { name: "v".to_owned(), value: Text::Quoted(b"ab".to_vec()) }]),
        ];
        let expected = [
            plain("x", "1"),
            plain("y", "-1.5e3"),
            Entry { name: "z".to_owned(), value: Text::Message(vec![plain("u", "true")]) },
            Entry { name: "[c.d]".to_owned(), value: Text::Message(Vec::new()) },
            Entry { name: "l".to_owned(), value: Text::List(list) },
        ];
        assert_eq!(statement(text), expected);
    }

    #[test]
    fn literals_are_bytes() {
        assert_eq!(unquote(r#""a\n\101\x41\u8def\"\\路""#), "a\nAA路\"\\路".as_bytes());
        assert_eq!(unquote(r"'\377\xfe\0'"), [255, 254, 0]);
    }

    #[test]
    fn broken_text_gives_some_tree() {
        let whole = r#"(a) = { x: [1, { y: "\u12" }] [b.c]: < z: -1e- > }"#;
        for (end, _) in whole.char_indices() {
            statement(&whole[..end]);
            statement(&whole[end..]);
        }
    }
}
