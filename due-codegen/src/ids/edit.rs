//! An id put into the text of a `.proto`, with everything around it left alone.

use std::ops::Range;

use prost_reflect::{FileDescriptor, MethodDescriptor};

use crate::lower::path;
use crate::options::number;
use crate::schema::Schema;
use crate::source::token::{self, Kind, Token};

/// A piece of text, and what comes in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    span: Range<usize>,
    text: String,
}

/// Whom an id is written into.
pub(super) struct Owner<'a> {
    text: &'a str,
    /// `(due.route)`.
    name: &'static str,
    /// The statements that the option already has.
    statements: Vec<Range<usize>>,
    /// The rpc, which may have no braces yet; a push has its option.
    whole: Range<usize>,
}

impl<'a> Owner<'a> {
    pub(super) fn rpc(schema: &'a Schema, file: &FileDescriptor, method: &MethodDescriptor) -> Self {
        let options = [method.path(), &[path::METHOD_OPTIONS]].concat();
        let whole = schema.sources.place(file, method.path()).span;
        Self { whole, ..Self::option(schema, file, &options, number::ROUTE) }
    }

    pub(super) fn option(schema: &'a Schema, file: &FileDescriptor, options: &[i32], extension: i32) -> Self {
        let text = schema.source(file).map_or("", |source| source.text.as_str());
        let name = if extension == number::ROUTE { "(due.route)" } else { "(due.push)" };
        Self { text, name, statements: schema.sources.option_spans(file, options, extension), whole: 0..0 }
    }

    pub(super) fn edit(&self, id: i32) -> Option<Edit> {
        for statement in &self.statements {
            if let Some(value) = token::option_value(&self.text[statement.clone()], "id") {
                let span = statement.start + value.start..statement.start + value.end;
                return Some(Edit { span, text: id.to_string() });
            }
        }
        match self.statements.first() {
            Some(statement) => self.within_statement(statement, id),
            None => self.within_rpc(id),
        }
    }

    /// `option (due.route) = { authorized: true };` or `option (due.route).authorized = true;`.
    fn within_statement(&self, statement: &Range<usize>, id: i32) -> Option<Edit> {
        let tokens = self.tokens(statement);
        let brace = tokens.iter().position(|token| token.kind == Kind::Mark(b'{'));
        if let Some(open) = brace {
            return self.inside(&tokens, open, &format!("id: {id}"));
        }
        let text = format!("option {}.id = {id};{}", self.name, self.before(statement.start));
        Some(Edit { span: statement.start..statement.start, text })
    }

    /// `rpc A(B) returns (C);` or `rpc A(B) returns (C) { .. }`.
    fn within_rpc(&self, id: i32) -> Option<Edit> {
        let tokens = self.tokens(&self.whole);
        let option = format!("option {} = {{ id: {id} }};", self.name);
        match tokens.iter().position(|token| token.kind == Kind::Mark(b'{')) {
            Some(open) => self.inside(&tokens, open, &option),
            None => {
                let end = tokens.last().filter(|token| token.kind == Kind::Mark(b';'))?;
                Some(Edit { span: end.span.clone(), text: format!(" {{ {option} }}") })
            }
        }
    }

    /// What comes first behind an opening brace: on its line, or on one of its own if the others are.
    fn inside(&self, tokens: &[Token], open: usize, what: &str) -> Option<Edit> {
        let (open, next) = (tokens.get(open)?.span.end, tokens.get(open + 1)?);
        let gap = &self.text[open..next.span.start];
        let closes = next.kind == Kind::Mark(b'}');
        if let Some(end) = gap.find('\n') {
            let end = open + gap[..end].trim_end_matches('\r').len();
            let indent = match closes {
                true => format!("{}  ", self.indent(next.span.start)),
                false => self.indent(next.span.start).to_owned(),
            };
            return Some(Edit { span: end..end, text: format!("{}{indent}{what}", self.line_end()) });
        }
        if closes && gap.trim().is_empty() {
            return Some(Edit { span: open..next.span.start, text: format!(" {what} ") });
        }
        let space = if gap.starts_with(char::is_whitespace) { "" } else { " " };
        Some(Edit { span: open..open, text: format!(" {what}{space}") })
    }

    /// What separates a statement from the one that is put before it.
    fn before(&self, start: usize) -> String {
        let line = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        match self.text[line..start].trim().is_empty() {
            true => format!("{}{}", self.line_end(), &self.text[line..start]),
            false => " ".to_owned(),
        }
    }

    /// The white space that begins the line of a byte.
    fn indent(&self, at: usize) -> &str {
        let line = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        let rest = &self.text[line..];
        &rest[..rest.len() - rest.trim_start_matches([' ', '\t']).len()]
    }

    fn line_end(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// Tokens of a part, with places in the whole text.
    fn tokens(&self, span: &Range<usize>) -> Vec<Token> {
        let shifted =
            |token: Token| Token { span: token.span.start + span.start..token.span.end + span.start, ..token };
        token::tokens(&self.text[span.clone()]).into_iter().map(shifted).collect()
    }
}

/// The text with all edits, which do not overlap.
pub(super) fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span.start);
    let mut new = String::with_capacity(text.len() + edits.iter().map(|edit| edit.text.len()).sum::<usize>());
    let mut at = 0;
    for Edit { span, text: inserted } in edits {
        new.push_str(&text[at..span.start]);
        new.push_str(&inserted);
        at = span.end;
    }
    new.push_str(&text[at..]);
    new
}
