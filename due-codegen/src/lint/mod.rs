//! Names and layout that a schema should have, although it works without.

mod comments;
mod ignore;
mod imports;
mod layout;
mod names;
mod routes;
mod rules;

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FileDescriptor, MessageDescriptor};

use crate::config::LintOptions;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, Report};
use crate::rule::Rule;
use crate::schema::{Schema, messages};
use crate::source::roots::matches;
use ignore::Ignores;

/// The rules of `cargo due lint`. [`Schema::lint`] says what breaks them.
pub fn lint_rules() -> &'static [Rule] {
    rules::ALL
}

impl Schema {
    /// What breaks a rule in the files that the configuration asks for. A comment `// due:lint-ignore RULE reason` above an
    /// element hides what the rule has to say about it and about all that is inside it; above `syntax` or `package`, about
    /// the file; behind something, about its line.
    pub fn lint(&self, options: &LintOptions) -> Diagnostics {
        let files: Vec<FileDescriptor> = self.inputs().collect();
        let ignores = files.iter().map(|file| (file.name().to_owned(), Ignores::of(self, file))).collect();
        let mut lint = Lint { schema: self, options, ignores, report: Report::default() };
        for file in &files {
            lint.layout(file);
            lint.imports(file);
            lint.names(file);
            lint.comments(file);
        }
        lint.folders(&files);
        lint.routes(&files);
        lint.left_over();
        lint.report.finish()
    }
}

struct Lint<'a> {
    schema: &'a Schema,
    options: &'a LintOptions,
    /// By import name.
    ignores: BTreeMap<String, Ignores>,
    report: Report,
}

impl Lint<'_> {
    /// Whether the rule holds in a file, by its import name.
    fn holds(&self, rule: &Rule, file: &str) -> bool {
        let LintOptions { only, also, ignore, except } = self.options;
        let among = |words: &[String]| words.iter().any(|word| rule.is_meant_by(word));
        let on = only.as_ref().map_or(rule.default, |only| among(only)) || among(also);
        on && !among(ignore) && !except.iter().any(|(pattern, words)| matches(pattern, file) && among(words))
    }

    /// Reports a broken rule, unless it is off or ignored there. `fix` says what to do in this case.
    fn found(&mut self, rule: &'static Rule, file: &FileDescriptor, place: &Place, message: String, fix: &str) {
        self.found_beside(rule, (file, place), None, message, fix);
    }

    /// The same with another place that matters.
    fn found_beside(
        &mut self,
        rule: &'static Rule,
        (file, place): (&FileDescriptor, &Place),
        beside: Option<(&Place, &str)>,
        message: String,
        fix: &str,
    ) {
        if !self.holds(rule, file.name()) || self.is_ignored(rule, file.name(), place) {
            return;
        }
        let mut error = Diagnostic::error(message).of_rule(rule.id).at(place, "");
        if let Some((place, text)) = beside {
            error = error.at(place, text);
        }
        let fix = if fix.is_empty() { rule.fix } else { fix };
        self.report.push(error.help(format!("{fix}\nwhy: cargo due lint --explain {}", rule.id)));
    }

    fn is_ignored(&self, rule: &Rule, file: &str, place: &Place) -> bool {
        self.ignores.get(file).is_some_and(|ignores| ignores.hide(rule.id, place.span.start))
    }

    /// Comments that name no rule, give no reason, or hide nothing.
    fn left_over(&mut self) {
        let mut problems = Vec::new();
        for ignores in self.ignores.values() {
            for (place, rule, message, fix) in ignores.problems() {
                // Where the rule is off, there is nothing to hide, today.
                if rule.is_none_or(|rule| self.holds(rule, ignores.file.name())) {
                    problems.push((ignores.file.clone(), place, message, fix));
                }
            }
        }
        for (file, place, message, fix) in problems {
            self.found(&rules::IGNORE_COMMENT, &file, &place, message, &fix);
        }
    }
}

/// All enums of a file, with those inside messages.
fn enums(file: &FileDescriptor) -> Vec<EnumDescriptor> {
    let inner = messages(file).into_iter().flat_map(|message: MessageDescriptor| {
        message.child_enums().collect::<Vec<_>>() // the iterator borrows the message
    });
    file.enums().chain(inner).collect()
}
