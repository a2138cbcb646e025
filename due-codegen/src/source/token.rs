//! Just enough of proto's lexer to find a word again: protox gives no positions inside option literals.

use std::ops::Range;

/// One token, comments and white space left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier, keyword or number.
    Word,
    /// A quoted string, quotes included.
    Text,
    /// Any other single character.
    Mark(u8),
}

/// Tokens of `text`. Broken input gives broken tokens, never an error: it was parsed before, or is only searched.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let rest = &bytes[at..];
        let kind = if byte.is_ascii_whitespace() || !byte.is_ascii() {
            at += 1;
            continue;
        } else if rest.starts_with(b"//") {
            at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            continue;
        } else if rest.starts_with(b"/*") {
            at += rest.windows(2).skip(2).position(|pair| pair == b"*/").map_or(rest.len(), |found| found + 4);
            continue;
        } else if byte == b'"' || byte == b'\'' {
            at += 1;
            while let Some(&inner) = bytes.get(at) {
                at += if inner == b'\\' { 2 } else { 1 };
                if inner == byte || inner == b'\n' {
                    break;
                }
            }
            at = at.min(bytes.len());
            Kind::Text
        } else if byte.is_ascii_alphanumeric() || byte == b'_' {
            at += rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b == b'.').count();
            Kind::Word
        } else {
            at += 1;
            Kind::Mark(byte)
        };
        tokens.push(Token { kind, span: start..at });
    }
    tokens
}

/// Line comments of `text`, from `//` to the end of the line.
pub(crate) fn line_comments(text: &str) -> Vec<Range<usize>> {
    let mut comments = Vec::new();
    let (mut at, rest) = (0, tokens(text));
    // What is no token is white space or a comment.
    for (end, next) in rest.iter().map(|token| (token.span.start, token.span.end)).chain([(text.len(), text.len())]) {
        while let Some(found) = text[at..end].find("//").filter(|_| at < end) {
            let block = text[at..end].find("/*").filter(|block| *block < found);
            if let Some(block) = block {
                let from = at + block + 2;
                at = text[from..end].find("*/").map_or(end, |close| from + close + 2);
                continue;
            }
            let start = at + found;
            let line = text[start..end].find('\n').map_or(end, |line| start + line);
            let text_end = start + text[start..line].trim_end().len();
            comments.push(start..text_end);
            at = line;
        }
        at = next;
    }
    comments
}

/// Deepest nesting of `{`, `[`, `(` and `<`.
pub(crate) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for token in tokens(text) {
        match token.kind {
            Kind::Mark(b'{' | b'[' | b'(' | b'<') => depth += 1,
            Kind::Mark(b'}' | b']' | b')' | b'>') => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The value of `field` in an option statement like `option (due.route) = { id: 1 authorized: true };`, or the last
/// value of one like `option (due.route).id = 1;`.
pub(crate) fn option_value(text: &str, field: &str) -> Option<Range<usize>> {
    let tokens = tokens(text);
    let word = |token: &Token| (token.kind == Kind::Word).then(|| &text[token.span.clone()]);
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Mark(b'{' | b'<') => depth += 1,
            Kind::Mark(b'}' | b'>') => depth = depth.saturating_sub(1),
            Kind::Word if depth <= 1 && word(token) == Some(field) => return value_at(&tokens, i + 1),
            _ => {}
        }
    }
    None
}

fn value_at(tokens: &[Token], mut at: usize) -> Option<Range<usize>> {
    while tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Mark(b':' | b'='))) {
        at += 1;
    }
    let first = tokens.get(at)?;
    let last = if first.kind == Kind::Mark(b'-') { tokens.get(at + 1)? } else { first };
    Some(first.span.start..last.span.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_behind_comments_and_strings() {
        let text = r#"option (due.route) = { /* id: 9 路由 */ note: "id: 8" inner { id: 7 } id: -6 };"#;
        assert_eq!(option_value(text, "id").map(|span| &text[span]), Some("-6"));
        let text = "option (due.route).id = 5;";
        assert_eq!(option_value(text, "id").map(|span| &text[span]), Some("5"));
        assert_eq!(option_value(text, "oneway"), None);
    }

    #[test]
    fn line_comments_are_found_outside_of_strings_and_blocks() {
        let text = "// one\na \"// no\" /* // no\n // no */ b // two // still\r\n路 ///三\n/* */ // four";
        let found: Vec<&str> = line_comments(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(found, ["// one", "// two // still", "///三", "// four"]);
        for text in ["//", "/", "/*", "/* //", "\"//", "路//"] {
            for span in line_comments(text) {
                assert_eq!(&text[span], "//");
            }
        }
    }

    #[test]
    fn broken_text_gives_tokens() {
        for text in ["\"", "\"\\", "/*", "/", "//", "路", "{{{", "'a\nb", "/*/"] {
            for token in tokens(text) {
                assert!(token.span.end <= text.len(), "{text:?}");
            }
        }
        assert_eq!(depth("{ [ < } /* ( */"), 3);
    }
}
