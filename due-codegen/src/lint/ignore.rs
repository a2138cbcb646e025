//! Comments that hide findings: `// due:lint-ignore RULE reason`.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use prost_reflect::FileDescriptor;

use super::lint_rules;
use crate::diagnostic::{Place, Source};
use crate::rule::Rule;
use crate::schema::Schema;
use crate::source::IGNORE;
use crate::source::token::{self, Kind};

/// Those of one file.
pub(super) struct Ignores {
    pub(super) file: FileDescriptor,
    source: Option<Arc<Source>>,
    all: Vec<Ignore>,
}

struct Ignore {
    comment: Range<usize>,
    rule: String,
    reason: String,
    covers: Range<usize>,
    used: Cell<bool>,
}

impl Ignores {
    pub(super) fn of(schema: &Schema, file: &FileDescriptor) -> Self {
        let source = schema.source(file).filter(|source| source.text.contains(IGNORE)).cloned();
        let all = source.as_ref().map(|source| read(&source.text, &|start| span_at(schema, file, start)));
        Self { file: file.clone(), source, all: all.unwrap_or_default() }
    }

    /// Whether a comment hides what a rule has found here.
    pub(super) fn hide(&self, rule: &str, at: usize) -> bool {
        let covering = self
            .all
            .iter()
            .filter(|ignore| ignore.rule == rule && !ignore.reason.is_empty() && ignore.covers.contains(&at));
        covering.map(|ignore| ignore.used.set(true)).count() > 0
    }

    /// Place, the rule that is meant, what is wrong, and what to do.
    pub(super) fn problems(&self) -> Vec<(Place, Option<&'static Rule>, String, String)> {
        let Some(source) = &self.source else { return Vec::new() };
        let problem = |ignore: &Ignore| {
            let place = source.place(ignore.comment.clone());
            let rule = Rule::find(lint_rules(), &ignore.rule);
            match rule {
                None if ignore.rule.is_empty() => {
                    Some((place, None, "this comment names no rule to ignore".to_owned(), String::new()))
                }
                None => {
                    let help = Rule::unknown_help(lint_rules(), &ignore.rule);
                    Some((place, None, format!("there is no rule `{}`", ignore.rule), help))
                }
                Some(rule) if ignore.reason.is_empty() => {
                    let message = format!("nothing says why {} is ignored here", rule.id);
                    Some((place, None, message, format!("write the reason behind it: `// {IGNORE} {} ..`", rule.id)))
                }
                Some(rule) if !ignore.used.get() => {
                    let message = format!("{} has nothing to say here", rule.id);
                    Some((place, Some(rule), message, "remove the comment".to_owned()))
                }
                Some(_) => None,
            }
        };
        self.all.iter().filter_map(problem).collect()
    }
}

/// `span_at` knows the whole of what begins at a byte.
fn read(text: &str, span_at: &dyn Fn(usize) -> Option<Range<usize>>) -> Vec<Ignore> {
    let tokens = token::tokens(text);
    let ignores = token::line_comments(text).into_iter().filter_map(|comment| {
        let rest = text[comment.clone()].trim_start_matches('/').trim_start().strip_prefix(IGNORE)?;
        let (rule, reason) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
        let line = text[..comment.start].rfind('\n').map_or(0, |at| at + 1);
        let covers = if text[line..comment.start].trim().is_empty() {
            match tokens.iter().find(|token| token.span.start >= comment.end) {
                Some(next) if is_of_file(text, next) => 0..text.len() + 1,
                Some(next) => span_at(next.span.start).unwrap_or(next.span.clone()),
                None => comment.clone(),
            }
        } else {
            line..comment.start
        };
        let (rule, reason) = (rule.to_owned(), reason.trim().to_owned());
        Some(Ignore { comment, rule, reason, covers, used: Cell::new(false) })
    });
    ignores.collect()
}

fn is_of_file(text: &str, token: &token::Token) -> bool {
    token.kind == Kind::Word && matches!(&text[token.span.clone()], "syntax" | "package")
}

fn span_at(schema: &Schema, file: &FileDescriptor, start: usize) -> Option<Range<usize>> {
    let spans = schema.sources.spans(file).map(|(_, span)| span);
    spans.filter(|span| span.start == start && span.end > start).max_by_key(|span| span.end)
}
