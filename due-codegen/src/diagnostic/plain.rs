//! Text of strangers on its way to a terminal: nothing in it may be an order to that, or turn the direction of the rest.

use std::fmt::Write as _;

/// The text with such characters spelled out, as `\u{1b}`. Line ends and tabs stay.
///
/// ```
/// assert_eq!(due_codegen::plain("a\u{1b}[2Jb\n\tc"), "a\\u{1b}[2Jb\n\tc");
/// ```
pub fn plain(text: impl Into<String>) -> String {
    let text = text.into();
    if !text.contains(is_order) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_order(c) {
            // Strings take everything.
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// The text with something as long in place of each, so that places in it stay where they are.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let ends_line = c == '\r' && chars.peek() == Some(&'\n');
        match (is_order(c) && !ends_line, c.len_utf8()) {
            (false, _) => out.push(c),
            (true, 1) => out.push('?'),
            (true, 2) => out.push('\u{b7}'),
            (true, _) => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}

pub(super) fn is_order(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || turns(c)
}

/// Whether it turns the direction of what follows; rustc refuses these, too.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_is_as_long_as_before() {
        let text = "a\u{1b}[1m\u{9b}é\u{202e}路\tx\r\ny\rz\n";
        assert_eq!(masked(text), "a?[1m\u{b7}é\u{fffd}路\tx\r\ny?z\n");
        assert_eq!(masked(text).len(), text.len());
        assert_eq!(plain(text), "a\\u{1b}[1m\\u{9b}é\\u{202e}路\tx\\u{d}\ny\\u{d}z\n");
    }
}
