//! Which comment belongs to which declaration, by the rules of protoc 3.21. Those of protox differ around the blocks of
//! rpcs and where several comments share a line.

use std::collections::HashMap;
use std::ops::Range;

use prost_reflect::FileDescriptor;

use super::comment::Comment;
use super::layout::{self, FILE_PACKAGE, FILE_SYNTAX, Layout};
use super::wire::{Field, Value};
use crate::source::Sources;
use crate::source::token::{Kind, Token, tokens};

const FIELD_TYPE: u32 = 5;
const GROUP: u64 = 10;

/// The comments of all declarations that emitted text comments, by descriptor path.
pub(super) fn comments(
    file: &FileDescriptor,
    sources: &Sources,
    fields: &mut Vec<Field>,
) -> HashMap<Vec<i32>, Comment> {
    let source = sources.place(file, &[]).source;
    let reader = Reader { text: &source.text, tokens: tokens(&source.text) };
    let mut found = HashMap::new();
    let mut add = |path: &[i32]| {
        let comment = reader.comment(sources.place(file, path).span);
        if comment != Comment::default() {
            found.insert(path.to_vec(), comment);
        }
    };
    for number in [FILE_SYNTAX, FILE_PACKAGE] {
        add(&[number as i32]);
    }
    layout::visit(Layout::File, &mut Vec::new(), fields, &mut |layout, path, fields| {
        let is_group = || fields.iter().any(|field| field.number == FIELD_TYPE && field.value == Value::Varint(GROUP));
        match layout {
            Layout::File | Layout::ExtensionRange => {}
            // The comments of a group are those of its message.
            Layout::Field if is_group() => {}
            _ => add(path),
        }
    });
    found
}

struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    /// `span`: of a declaration. What stands elsewhere than a declaration has no comments.
    fn comment(&self, span: Range<usize>) -> Comment {
        let Ok(first) = self.tokens.binary_search_by_key(&span.start, |token| token.span.start) else {
            return Comment::default();
        };
        if span.is_empty() {
            return Comment::default();
        }
        let before = self.gap(first.checked_sub(1));
        let trailing = self.end(first).and_then(|end| self.gap(Some(end)).trailing);
        Comment { detached: before.detached, leading: before.leading, trailing }
    }

    /// The token that ends the head of the declaration which starts here: `;`, or `{` of its block.
    fn end(&self, first: usize) -> Option<usize> {
        let mut depth = 0usize;
        let found = self.tokens[first..].iter().position(|token| {
            match token.kind {
                Kind::Mark(b'[') => depth += 1,
                Kind::Mark(b']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && matches!(token.kind, Kind::Mark(b';' | b'{'))
        });
        found.map(|offset| first + offset)
    }

    /// What is between a token, or the start of the file, and the next one.
    fn gap(&self, token: Option<usize>) -> Gap {
        let next = self.tokens.get(token.map_or(0, |token| token + 1));
        let start = token.map_or(0, |token| self.tokens[token].span.end);
        let text = &self.text[start..next.map_or(self.text.len(), |next| next.span.start)];
        let ends_scope = next.is_none_or(|next| matches!(next.kind, Kind::Mark(b'}' | b']' | b')')));
        if text.contains('/') { Gap::read(text, token.is_some(), ends_scope) } else { Gap::default() }
    }
}

/// The comments between two tokens.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gap {
    /// Of the declaration before.
    trailing: Option<String>,
    detached: Vec<String>,
    /// Of the declaration behind.
    leading: Option<String>,
}

impl Gap {
    /// `follows`: there is a token before. `ends_scope`: the one behind is no declaration.
    fn read(mut text: &str, follows: bool, ends_scope: bool) -> Self {
        let mut collector = Collector { can_trail: follows, ..Collector::default() };
        if follows {
            blanks(&mut text);
            if let Some(comment) = line_comment(&mut text) {
                collector.line(&comment);
                collector.flush();
            } else if let Some(comment) = block_comment(&mut text) {
                blanks(&mut text);
                if !newline(&mut text) {
                    // It might belong to either side.
                    return Self::default();
                }
                collector.block(comment);
                collector.flush();
            } else if !newline(&mut text) {
                return Self::default();
            }
        }
        loop {
            blanks(&mut text);
            if let Some(comment) = line_comment(&mut text) {
                collector.line(&comment);
            } else if let Some(comment) = block_comment(&mut text) {
                collector.block(comment);
                blanks(&mut text);
                newline(&mut text);
            } else if newline(&mut text) {
                collector.flush();
                collector.can_trail = false;
            } else {
                break;
            }
        }
        if ends_scope {
            collector.flush();
        }
        collector.gap.leading = collector.open;
        collector.gap
    }
}

#[derive(Default)]
struct Collector {
    gap: Gap,
    /// The comment that may still grow.
    open: Option<String>,
    is_line: bool,
    /// Whether the first comment belongs to the declaration before.
    can_trail: bool,
}

impl Collector {
    fn line(&mut self, comment: &str) {
        if !self.is_line {
            self.flush();
        }
        self.open.get_or_insert_default().push_str(comment);
        self.is_line = true;
    }

    fn block(&mut self, comment: String) {
        self.flush();
        self.open = Some(comment);
        self.is_line = false;
    }

    fn flush(&mut self) {
        let Some(comment) = self.open.take() else { return };
        if std::mem::take(&mut self.can_trail) {
            self.gap.trailing = Some(comment);
        } else {
            self.gap.detached.push(comment);
        }
    }
}

fn blanks(text: &mut &str) {
    *text = text.trim_start_matches([' ', '\t', '\r', '\u{b}', '\u{c}']);
}

fn newline(text: &mut &str) -> bool {
    let rest = text.strip_prefix('\n');
    *text = rest.unwrap_or(text);
    rest.is_some()
}

/// Takes a `//` comment with its line end off the front. A carriage return is no part of a comment here, while protoc
/// keeps it: what is emitted must not depend on the line ends of a checkout.
fn line_comment(text: &mut &str) -> Option<String> {
    let rest = text.strip_prefix("//")?;
    let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
    *text = &rest[end..];
    Some(unix(&rest[..end]))
}

/// Takes a block comment off the front. Lines after its first lose their indent and one star.
fn block_comment(text: &mut &str) -> Option<String> {
    let rest = text.strip_prefix("/*")?;
    let end = rest.find("*/")?;
    *text = &rest[end + 2..];
    let mut out = String::new();
    for (i, line) in rest[..end].split_inclusive('\n').enumerate() {
        let mut line = line;
        if i > 0 {
            blanks(&mut line);
            line = line.strip_prefix('*').unwrap_or(line);
        }
        out.push_str(line);
    }
    Some(unix(&out))
}

fn unix(text: &str) -> String {
    text.replace("\r\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(text: &str) -> (Option<String>, Vec<String>, Option<String>) {
        let Gap { trailing, detached, leading } = Gap::read(text, true, false);
        (trailing, detached, leading)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn comments_belong_to_the_nearer_side() {
        assert_eq!(gap(" // a\n // b\n // c\n"), (some(" a\n"), vec![], some(" b\n c\n")));
        assert_eq!(gap("\n // a\n\n // b\n"), (some(" a\n"), vec![], some(" b\n")));
        assert_eq!(gap("\n\n // a\n\n // b\n"), (None, vec![" a\n".to_owned()], some(" b\n")));
        assert_eq!(gap("\n // a\n"), (None, vec![], some(" a\n")));
        assert_eq!(gap(" /* a */\n"), (some(" a "), vec![], None));
        assert_eq!(gap("\n/*a*/ /*b*/ "), (some("a"), vec![], some("b")));
    }

    #[test]
    fn comments_between_two_declarations_of_a_line_belong_to_neither() {
        assert_eq!(gap(" /* a */ "), (None, vec![], None));
        assert_eq!(gap(" /* a */ // b\n"), (None, vec![], None));
        assert_eq!(gap(" "), (None, vec![], None));
    }

    #[test]
    fn nothing_leads_the_end_of_a_scope() {
        assert_eq!(Gap::read("\n\n // a\n", true, true), Gap { detached: vec![" a\n".to_owned()], ..Gap::default() });
        assert_eq!(Gap::read("// a\n", false, false), Gap { leading: some(" a\n"), ..Gap::default() });
    }

    #[test]
    fn blocks_lose_indents_and_stars() {
        assert_eq!(block_comment(&mut "/*a\n  * b\r\n  **c\n d\n */x"), some("a\n b\n*c\nd\n"));
        assert_eq!(block_comment(&mut "/**/"), some(""));
        assert_eq!(block_comment(&mut "/***/"), some("*"));
        assert_eq!(block_comment(&mut "/* open"), None);
    }
}
