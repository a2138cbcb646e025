//! Findings for people, for programs and for GitHub.

use std::env;
use std::fs;
use std::io::{self, Write};

use clap::ValueEnum;
use due_codegen::{Diagnostic, Diagnostics, Label, Rule};
use serde::Serialize;

use crate::Outcome;
use crate::failure::Failure;
use crate::output::{self, count, json, tell};

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Drawn on standard error, with the source lines.
    #[default]
    Text,
    /// One document on standard output.
    Json,
    /// Workflow commands on standard output, which GitHub shows beside the lines.
    Github,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    /// `null` for what no schema may have.
    rule: Option<&'static str>,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    #[serde(flatten)]
    place: Option<PlaceOf<'a>>,
    related: Vec<PlaceOf<'a>>,
}

#[derive(Serialize)]
struct PlaceOf<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
}

impl Format {
    /// Writes findings, and what a verb returns for them.
    pub(crate) fn write(self, findings: &Diagnostics) -> Result<Outcome, Failure> {
        match self {
            Self::Text => {
                output::show(findings);
                if !findings.is_empty() {
                    say!("{}", count(findings.iter().count(), "finding"));
                }
            }
            Self::Json => json(&Document { version: 1, findings: findings.iter().map(finding).collect() })?,
            Self::Github => tell(|out| findings.iter().try_for_each(|found| github(out, found)))?,
        }
        Ok(if findings.has_errors() { Outcome::Findings } else { Outcome::Fine })
    }

    /// The same for what keeps a verb from its work. What cannot be read is told to people only.
    pub(crate) fn fail(self, failure: Failure) -> Result<Outcome, Failure> {
        match failure {
            Failure::Findings(findings) if self != Self::Text && !findings.iter().any(Diagnostic::is_unreadable) => {
                self.write(&findings)
            }
            other => Err(other),
        }
    }
}

fn finding(found: &Diagnostic) -> Finding<'_> {
    let mut places = found.labels().map(place);
    Finding {
        rule: found.rule(),
        severity: found.severity().word(),
        message: found.message(),
        help: found.help_text(),
        place: places.next(),
        related: places.collect(),
    }
}

fn place(label: &Label) -> PlaceOf<'_> {
    PlaceOf {
        file: label.file(),
        line: label.line(),
        column: label.column(),
        end_line: label.end_line(),
        end_column: label.end_column(),
        note: label.text(),
    }
}

/// `::error file=a.proto,line=1,col=2,endLine=1,endColumn=5,title=RULE::message`.
fn github(out: &mut impl Write, found: &Diagnostic) -> io::Result<()> {
    let title = found.rule().unwrap_or("schema");
    let mut text = found.message().to_owned();
    if let Some(help) = found.help_text() {
        text.push('\n');
        text.push_str(help);
    }
    write!(out, "::{} ", found.severity().word())?;
    if let Some(label) = found.labels().next() {
        write!(
            out,
            "file={},line={},col={},",
            escaped_property(&in_workspace(label.file())),
            label.line(),
            label.column()
        )?;
        // A column of another line would be out of it.
        if label.line() == label.end_line() {
            write!(out, "endLine={},endColumn={},", label.end_line(), label.end_column())?;
        }
    }
    writeln!(out, "title={}::{}", escaped_property(title), escaped(&text))
}

/// GitHub knows files by their paths in the repository, wherever below it this runs.
fn in_workspace(file: &str) -> String {
    let inside = || {
        let workspace = fs::canonicalize(env::var_os("GITHUB_WORKSPACE")?).ok()?;
        let path = fs::canonicalize(file).ok()?;
        let parts = path.strip_prefix(workspace).ok()?.components().map(|part| part.as_os_str().to_str());
        Some(parts.collect::<Option<Vec<&str>>>()?.join("/"))
    };
    inside().unwrap_or_else(|| file.to_owned())
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escaped_property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

/// Everything about one rule.
pub(crate) fn explain(rules: &'static [Rule], id: &str) -> Result<Outcome, Failure> {
    let Some(rule) = rules.iter().find(|rule| rule.id.eq_ignore_ascii_case(id)) else {
        return Err(Failure::text(format!("there is no rule `{id}`; {}", Rule::unknown_help(rules, id))));
    };
    tell(|out| writeln!(out, "{rule}"))?;
    Ok(Outcome::Fine)
}

/// A line for each rule.
pub(crate) fn list(rules: &'static [Rule]) -> Result<Outcome, Failure> {
    let rows: Vec<Vec<String>> = rules
        .iter()
        .map(|rule| {
            let default = if rule.default { "on" } else { "off" };
            vec![rule.id.to_owned(), rule.category.to_owned(), default.to_owned(), rule.what.to_owned()]
        })
        .collect();
    tell(|out| crate::table::write(out, &["RULE", "CATEGORY", "DEFAULT", "ASKS"], &rows))?;
    Ok(Outcome::Fine)
}
