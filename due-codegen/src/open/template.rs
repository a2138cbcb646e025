//! Templates of users to files, over the open model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context, escape_formatter};
use serde::Serialize;

use super::filters;
use super::model::OpenModel;
use super::place::{LARGEST, Limited, check_path, inside};
use super::target::{Per, TemplateFile, TemplateOptions, Var};
use super::texts::{Asked, Texts};
use crate::diagnostic::{Diagnostic, Report, Source};
use crate::output::{Folder, GeneratedFile, Keep, MARK, Tree, marked};

/// Files of one template.
const MOST_FILES: usize = 20_000;
/// Steps of one rendering; a file of a thousand messages takes about a million.
const MOST_STEPS: u64 = 50_000_000;

/// Where the files of one `[[template]]` go, and the line that all of them carry, and no file of another template.
pub(crate) fn folder(options: &TemplateOptions) -> Folder {
    let mark = format!("{MARK} from {}. Do not edit.", shown(options));
    let searched = (options.per != Per::Project).then(|| {
        let fixed = options.out.split("{{").next().unwrap_or_default();
        PathBuf::from(fixed.rsplit_once('/').map_or("", |(folder, _)| folder))
    });
    Folder::of_template(&options.folder, mark, searched)
}

/// The files of one `[[template]]`, with paths relative to the folder of `due.toml`, and what it has asked for on disk. What
/// is wrong with the template is in the report, at its line.
pub(crate) fn render<K: Keep>(
    options: &TemplateOptions,
    model: &OpenModel,
    keep: &K,
    report: &mut Report,
) -> (Tree<K::Kept>, Vec<Asked>) {
    let texts = Texts::default();
    let (folder, shown) = (folder(options), shown(options));
    let mut files = Vec::new();
    match texts.of(&options.template, &shown) {
        Ok(()) => {
            let run = Run { options, model, texts: &texts, shown: &shown };
            match run.env(&folder.mark) {
                Ok(env) => run.files(&env, &folder.mark, &mut |file| files.push(keep.keep(&folder, file)), report),
                Err(err) => report.push(run.finding(&err)),
            }
        }
        Err(err) => {
            let error = Diagnostic::unreadable(format!("template `{shown}` cannot be read: {err}"));
            report.push(error.at(&options.places.0, ""));
        }
    }
    (Tree::new(folder, files), texts.asked())
}

/// The template as `due.toml` names it, with slashes on every system.
fn shown(options: &TemplateOptions) -> String {
    match &options.template {
        TemplateFile::Carried(name) => format!("due:{name}"),
        TemplateFile::Path(path) => {
            let inside = path.strip_prefix(&options.folder).unwrap_or(path);
            inside.display().to_string().replace('\\', "/")
        }
    }
}

struct Run<'a> {
    options: &'a TemplateOptions,
    model: &'a OpenModel,
    texts: &'a Texts,
    shown: &'a str,
}

impl Run<'_> {
    fn env(&self, mark: &str) -> Result<Environment<'static>, Error> {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        // As most languages write them, and JSON.
        env.set_formatter(|out, state, value| match value.kind() {
            ValueKind::Bool => out.write_str(if value.is_true() { "true" } else { "false" }).map_err(Error::from),
            ValueKind::None => out.write_str("null").map_err(Error::from),
            _ => escape_formatter(out, state, value),
        });
        env.set_fuel(Some(MOST_STEPS));
        env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        filters::add(&mut env);
        let (folder, texts) = (self.options.template.folder().map(Path::to_owned), self.texts.clone());
        env.set_loader(move |name| match folder.as_ref().and_then(|folder| inside(folder, name)) {
            None => Ok(None),
            Some(path) => texts
                .included(name, path)
                .map_err(|err| Error::new(ErrorKind::BadInclude, format!("`{name}` cannot be read")).with_source(err)),
        });
        let vars = self.options.vars.iter().map(|(name, value)| {
            (
                name.clone(),
                match value {
                    Var::Text(text) => Value::from(text.clone()),
                    Var::Integer(number) => Value::from(*number),
                    Var::Flag(flag) => Value::from(*flag),
                },
            )
        });
        env.add_global("vars", Value::from_pairs(vars));
        env.add_global("header", mark.to_owned());
        env.add_global("model", value(self.model));
        env.add_global("services", self.model.services().map(value).collect::<Value>());
        env.add_global("messages", self.model.messages().map(value).collect::<Value>());
        env.add_global("enums", self.model.enums().map(value).collect::<Value>());
        let messages = self.model.messages().map(|item| (item.full_name.clone(), value(item)));
        let messages: BTreeMap<String, Value> = messages.collect();
        env.add_function("find_message", move |name: &str| messages.get(name).cloned().unwrap_or(Value::from(())));
        let enums = self.model.enums().map(|item| (item.full_name.clone(), value(item)));
        let enums: BTreeMap<String, Value> = enums.collect();
        env.add_function("find_enum", move |name: &str| enums.get(name).cloned().unwrap_or(Value::from(())));
        env.add_template_owned(self.shown.to_owned(), self.texts.text(self.shown).unwrap_or_default())?;
        Ok(env)
    }

    /// What it is rendered once for, and how errors name it.
    fn subjects(&self) -> Vec<(String, Value)> {
        fn item(key: &str, name: &str, item: &impl Serialize) -> (String, Value) {
            let name = if name.is_empty() { "the package without a name" } else { name };
            (name.to_owned(), Value::from_pairs([(key, value(item))]))
        }
        let model = self.model;
        match self.options.per {
            Per::Project => vec![(String::new(), context! {})],
            Per::Package => model.packages.iter().map(|it| item("package", &it.name, it)).collect(),
            Per::Service => model.services().map(|it| item("service", &it.full_name, it)).collect(),
            Per::Message => model.messages().map(|it| item("message", &it.full_name, it)).collect(),
            Per::Enum => model.enums().map(|it| item("enum", &it.full_name, it)).collect(),
        }
    }

    fn files(&self, env: &Environment<'_>, mark: &str, made: &mut dyn FnMut(GeneratedFile), report: &mut Report) {
        let subjects = self.subjects();
        if subjects.len() > MOST_FILES {
            let message = format!("template `{}` would be rendered {} times", self.shown, subjects.len());
            let help =
                format!("{MOST_FILES} files are the most; one of a package or of the project can hold many items");
            report.push(Diagnostic::error(message).at(&self.options.places.1, "").help(help));
            return;
        }
        for (name, subject) in subjects {
            let of = if name.is_empty() { String::new() } else { format!(" for {name}") };
            let path = match env.render_named_str("out", &self.options.out, subject.clone()) {
                Ok(path) => path,
                Err(err) => {
                    let message = format!("`out` of template `{}` cannot be rendered{of}: {}", self.shown, said(&err));
                    report.push(Diagnostic::error(message).at(&self.options.places.1, ""));
                    return;
                }
            };
            if let Err(message) = check_path(&self.options.folder, &path) {
                let error = Diagnostic::error(format!("the output `{path}`{of} {message}"));
                report.push(error.at(&self.options.places.1, "").help("outputs are below the folder of due.toml"));
                return;
            }
            let mut text = Limited::default();
            let done =
                env.get_template(self.shown).and_then(|it| it.render_captured_to(subject, &mut text).map(|_| ()));
            if text.full {
                let message = format!("the text of `{path}`{of} is longer than {} MiB", LARGEST >> 20);
                let help = "a loop of the template writes more than it should";
                report.push(Diagnostic::error(message).at(&self.options.places.0, "").help(help));
                return;
            }
            if let Err(err) = done {
                report.push(self.finding(&err));
                return;
            }
            // What was written is text: minijinja has no other.
            let mut text = String::from_utf8_lossy(&text.bytes).into_owned();
            if !text.ends_with('\n') {
                text.push('\n');
            }
            if !marked(&text, mark) {
                let message = format!("the text of `{path}`{of} does not say that it is generated");
                let help = "put {{ header }} into a comment in the template's first lines: a file without it is a \
                            person's, and neither overwritten nor removed";
                report.push(Diagnostic::error(message).at(&self.options.places.0, "").help(help));
                return;
            }
            made(GeneratedFile::new(path, text));
        }
    }

    /// An error of minijinja at its line.
    fn finding(&self, err: &Error) -> Diagnostic {
        // An error of what was included is the cause of one where it was.
        let mut place = err;
        let mut cause = std::error::Error::source(err);
        while let Some(source) = cause {
            if let Some(inner) = source.downcast_ref::<Error>().filter(|inner| inner.line().is_some()) {
                place = inner;
            }
            cause = source.source();
        }
        let message = said(place);
        let (Some(name), Some(line)) = (place.name(), place.line()) else {
            let message = format!("template `{}`: {message}", self.shown);
            return Diagnostic::error(message).at(&self.options.places.0, "");
        };
        let text = self.texts.text(name).unwrap_or_default();
        let source = Arc::new(Source::new(self.path_of(name), text));
        let line = source.line_starts().get(line.saturating_sub(1)).copied().unwrap_or_default();
        let end = source.text[line..].find('\n').map_or(source.text.len(), |at| line + at);
        let span = place.range().filter(|range| range.start >= line && range.start <= end).unwrap_or(line..end);
        let span = span.start..span.end.min(end).max(span.start);
        let error = Diagnostic::error(message).at(&source.place(span), "");
        match place.kind() {
            ErrorKind::OutOfFuel => error.help("a loop of the template goes round more often than it should"),
            ErrorKind::UndefinedError => error.help("`cargo due model --json` shows what the model has"),
            _ => error,
        }
    }

    /// How people find a template, from where the program runs.
    fn path_of(&self, name: &str) -> String {
        match &self.options.template {
            TemplateFile::Path(path) if name == self.shown => path.display().to_string(),
            TemplateFile::Path(path) => path.with_file_name(name).display().to_string(),
            TemplateFile::Carried(_) => name.to_owned(),
        }
    }
}

fn value(item: &impl Serialize) -> Value {
    Value::from(Serde(item))
}

/// What minijinja says, in one line without a place.
fn said(err: &Error) -> String {
    match err.detail() {
        Some(detail) => format!("{}: {detail}", err.kind()),
        None => err.kind().to_string(),
    }
}
