//! A TOML table read key by key, so that unknown keys and wrong types are reported with their line, all in one run.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Place, Report, Source};
use crate::nearest::nearest;
use crate::open::{TemplateFile, Var};
use crate::rule::Rule;

/// One table of the document.
pub(super) struct Section<'a, 'i> {
    /// `rust.extern_paths`; empty for the document.
    name: String,
    table: &'a DeTable<'i>,
    span: Range<usize>,
}

impl<'a, 'i> Section<'a, 'i> {
    pub(super) fn root(table: &'a DeTable<'i>) -> Self {
        Self { name: String::new(), table, span: 0..0 }
    }

    /// Keys in the order of the file.
    pub(super) fn keys(&self) -> Vec<(&'a str, Range<usize>)> {
        let mut keys: Vec<_> = self.table.iter().map(|(key, _)| (key.get_ref().as_ref(), key.span())).collect();
        keys.sort_by_key(|(_, span)| span.start);
        keys
    }

    fn get(&self, key: &str) -> Option<(&'a DeValue<'i>, Range<usize>)> {
        let (_, value) = self.table.iter().find(|(found, _)| found.get_ref() == key)?;
        Some((value.get_ref(), value.span()))
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// Reads sections and reports what is wrong with them.
pub(super) struct Reader<'a> {
    source: &'a Arc<Source>,
    report: &'a mut Report,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Arc<Source>, report: &'a mut Report) -> Self {
        Self { source, report }
    }

    /// Reports keys that are not among `known`.
    pub(super) fn known(&mut self, section: &Section<'_, '_>, known: &[&str]) {
        for (key, span) in section.keys() {
            if known.contains(&key) {
                continue;
            }
            let what = if section.name.is_empty() { "section" } else { "key" };
            let help = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are: {}", known.join(", ")),
            };
            self.error(format!("unknown {what} `{}`", section.path(key)), span, Some(help));
        }
    }

    pub(super) fn section<'s, 'i>(&mut self, parent: &Section<'s, 'i>, key: &str) -> Option<Section<'s, 'i>> {
        let (value, span) = parent.get(key)?;
        match value {
            DeValue::Table(table) => Some(Section { name: parent.path(key), table, span }),
            other => self.wrong(parent, key, "a table", other, span),
        }
    }

    /// The tables of a `[[key]]`.
    pub(super) fn sections<'s, 'i>(&mut self, parent: &Section<'s, 'i>, key: &str) -> Vec<Section<'s, 'i>> {
        let Some((value, span)) = parent.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            self.wrong::<()>(parent, key, &format!("tables, each under a `[[{key}]]`"), value, span);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Section { name: parent.path(key), table, span: item.span() }),
                other => {
                    self.wrong::<()>(parent, key, &format!("tables, each under a `[[{key}]]`"), other, item.span());
                }
            }
        }
        sections
    }

    /// A string that has no default and is not empty.
    pub(super) fn needed(
        &mut self,
        section: &Section<'_, '_>,
        key: &str,
        help: &str,
    ) -> Option<(String, Range<usize>)> {
        match section.get(key) {
            None => {
                self.error(format!("`{}` is missing", section.path(key)), section.span.clone(), Some(help.to_owned()))
            }
            Some((DeValue::String(text), span)) if text.is_empty() => {
                self.error(format!("`{}` is empty", section.path(key)), span, Some(help.to_owned()));
            }
            Some(_) => return self.string(section, key),
        }
        None
    }

    /// A value that templates are given.
    pub(super) fn var(&mut self, section: &Section<'_, '_>, key: &str) -> Option<Var> {
        let (value, span) = section.get(key)?;
        match value {
            DeValue::String(text) => Some(Var::Text(text.to_string())),
            DeValue::Boolean(flag) => Some(Var::Flag(*flag)),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Some(Var::Integer(number)),
                Err(_) => {
                    self.error(format!("`{}` does not fit into 64 bits", section.path(key)), span, None);
                    None
                }
            },
            other => self.wrong(section, key, "a string, an integer, true or false", other, span),
        }
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        self.source.place(span)
    }

    pub(super) fn unknown_template(&mut self, name: &str, span: Range<usize>) {
        let carried = TemplateFile::carried();
        let help = match nearest(name, carried.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("there are: {}; a file of yours has no `due:` in front", carried.join(", ")),
        };
        self.error(format!("due has no template {name:?}"), span, Some(help));
    }

    pub(super) fn string(&mut self, section: &Section<'_, '_>, key: &str) -> Option<(String, Range<usize>)> {
        let (value, span) = section.get(key)?;
        match value {
            DeValue::String(text) => Some((text.to_string(), span)),
            other => self.wrong(section, key, "a string", other, span),
        }
    }

    pub(super) fn strings(&mut self, section: &Section<'_, '_>, key: &str) -> Option<Vec<(String, Range<usize>)>> {
        let (value, span) = section.get(key)?;
        let DeValue::Array(items) = value else { return self.wrong(section, key, "an array of strings", value, span) };
        let mut strings = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) if !text.is_empty() => strings.push((text.to_string(), item.span())),
                DeValue::String(_) => {
                    self.error(format!("`{}` contains an empty string", section.path(key)), item.span(), None)
                }
                other => return self.wrong(section, key, "an array of strings", other, item.span()),
            }
        }
        if strings.is_empty() {
            self.error(
                format!("`{}` is empty", section.path(key)),
                span,
                Some("leave the key out for its default".into()),
            );
            return None;
        }
        Some(strings)
    }

    pub(super) fn flag(&mut self, section: &Section<'_, '_>, key: &str) -> Option<bool> {
        let (value, span) = section.get(key)?;
        match value {
            DeValue::Boolean(flag) => Some(*flag),
            other => self.wrong(section, key, "true or false", other, span),
        }
    }

    /// An integer of a short list.
    pub(super) fn one_of(&mut self, section: &Section<'_, '_>, key: &str, allowed: &[u8]) -> Option<u8> {
        let (value, span) = section.get(key)?;
        let DeValue::Integer(number) = value else { return self.wrong(section, key, "an integer", value, span) };
        let number = u8::from_str_radix(number.as_str(), number.radix()).ok();
        if let Some(number) = number.filter(|number| allowed.contains(number)) {
            return Some(number);
        }
        let list: Vec<String> = allowed.iter().map(u8::to_string).collect();
        self.error(format!("`{}` must be one of {}", section.path(key), list.join(", ")), span, None);
        None
    }

    /// A string of a short list.
    pub(super) fn word(&mut self, section: &Section<'_, '_>, key: &str, allowed: &[&str]) -> Option<String> {
        let (text, span) = self.string(section, key)?;
        if allowed.contains(&text.as_str()) {
            return Some(text);
        }
        self.error(format!("`{}` must be one of {}", section.path(key), quoted(allowed)), span, None);
        None
    }

    /// Strings of a short list.
    pub(super) fn words(&mut self, section: &Section<'_, '_>, key: &str, allowed: &[&str]) -> Option<Vec<String>> {
        let words = self.strings(section, key)?;
        for (word, span) in &words {
            if !allowed.contains(&word.as_str()) {
                let help = match nearest(word, allowed.iter().copied()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("there are: {}", quoted(allowed)),
                };
                self.error(format!("unknown word {word:?} in `{}`", section.path(key)), span.clone(), Some(help));
            }
        }
        Some(words.into_iter().map(|(word, _)| word).collect())
    }

    /// Ids or categories of rules.
    pub(super) fn rules(
        &mut self,
        section: &Section<'_, '_>,
        key: &str,
        rules: &'static [Rule],
    ) -> Option<Vec<String>> {
        let words = self.strings(section, key)?;
        for (word, span) in &words {
            if !rules.iter().any(|rule| rule.is_meant_by(word)) {
                let help = Rule::unknown_help(rules, word);
                self.error(format!("unknown rule {word:?} in `{}`", section.path(key)), span.clone(), Some(help));
            }
        }
        Some(words.into_iter().map(|(word, _)| word).collect())
    }

    /// Replaces a default if there is a value.
    pub(super) fn set<T>(&mut self, target: &mut T, read: impl FnOnce(&mut Self) -> Option<T>) {
        if let Some(value) = read(self) {
            *target = value;
        }
    }

    pub(super) fn check(&mut self, result: Result<(), String>, span: Range<usize>) {
        if let Err(message) = result {
            self.error(message, span, None);
        }
    }

    fn wrong<T>(
        &mut self,
        section: &Section<'_, '_>,
        key: &str,
        expected: &str,
        found: &DeValue<'_>,
        span: Range<usize>,
    ) -> Option<T> {
        let found = match found {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.error(format!("`{}` must be {expected}, not {found}", section.path(key)), span, None);
        None
    }

    fn error(&mut self, message: String, span: Range<usize>, help: Option<String>) {
        let mut error = Diagnostic::error(message).at(&self.source.place(span), "");
        if let Some(help) = help {
            error = error.help(help);
        }
        self.report.push(error);
    }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    words.join(", ")
}
