//! Lines of a lock file, with every mistake in them reported at once.

use std::str::FromStr;
use std::sync::Arc;

use super::item::{Code, Field, Item, Label, Packet, Reserved, Route, Rpc};
use super::text::{REMOVED, VERSION, unescaped};
use super::{Entry, LOCK_NAME, Lock};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, Report, Source};

/// The later ones mostly come of the first.
const MOST_ERRORS: usize = 20;

impl Lock {
    /// Reads the text of a lock; `name` is what people know its file by.
    ///
    /// # Errors
    /// Everything that is wrong with it; all of it [`is_unreadable`](Diagnostic::is_unreadable).
    pub fn parse(name: impl Into<String>, text: impl Into<String>) -> Result<Self, Diagnostics> {
        let source = Arc::new(Source::new(name, text));
        let mut reader = Reader { lock: Self::default(), report: Report::default(), errors: 0 };
        let mut version = None;
        for (i, start) in source.line_starts().iter().enumerate() {
            let end = source.line_starts().get(i + 1).copied().unwrap_or(source.text.len());
            let whole = source.text[*start..end].trim_end();
            let line = whole.trim_start_matches('\u{feff}').trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let end = start + whole.len();
            let place = source.place(end - line.len()..end);
            match version {
                None => version = Some(reader.version(line, &place)?),
                Some(()) => reader.line(line, &place),
            }
        }
        if version.is_none() {
            let error =
                Diagnostic::unreadable(format!("this is no lock: it does not begin with `{LOCK_NAME} {VERSION}`"));
            return Err(error.at(&source.place(0..0), "").into());
        }
        if reader.report.has_errors() { Err(reader.report.finish()) } else { Ok(reader.lock) }
    }
}

struct Reader {
    lock: Lock,
    report: Report,
    errors: usize,
}

impl Reader {
    fn version(&mut self, line: &str, place: &Place) -> Result<(), Diagnostics> {
        let number = line.strip_prefix(LOCK_NAME).and_then(|rest| rest.trim().parse::<u32>().ok());
        let error = match number {
            Some(number) if (1..=VERSION).contains(&number) => return Ok(()),
            Some(number) if number > VERSION => Diagnostic::unreadable(format!(
                "the lock is of version {number}, and this cargo-due reads up to {VERSION}"
            ))
            .help("update cargo-due: cargo install due-codegen"),
            _ => Diagnostic::unreadable(format!("this is no lock: it does not begin with `{LOCK_NAME} {VERSION}`")),
        };
        Err(error.at(place, "").into())
    }

    fn line(&mut self, line: &str, place: &Place) {
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|mark| line.starts_with(mark)) {
            let help = "keep the lines of both sides, remove the marks, and run `cargo due lock`";
            return self.error("an unsolved merge conflict".to_owned(), place, None, help);
        }
        let (item, removed) = match line.strip_prefix(REMOVED).and_then(|rest| rest.strip_prefix(' ')) {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        let item = match item.parse::<Item>() {
            Ok(item) => item,
            Err(Broken(problem)) => {
                return self.error(
                    problem,
                    place,
                    None,
                    "restore the line, or the file from before, and run `cargo due lock`",
                );
            }
        };
        let mut entry = Entry { removed, ..Entry::new(item, place.clone()) };
        if let Some(first) = self.lock.entries.get(&entry.item.key()) {
            if first.item != entry.item && first.removed == entry.removed {
                let first = first.place.clone();
                let help = "two branches have shipped it in two ways: keep the line of the one that clients have";
                return self.error("the lock says two things of one".to_owned(), place, Some(&first), help);
            }
            // What one branch has removed and another has not, the schema decides.
            entry = if first.removed { entry } else { first.clone() };
        }
        self.lock.insert(entry);
    }

    fn error(&mut self, message: String, place: &Place, first: Option<&Place>, help: &str) {
        self.errors += 1;
        if self.errors > MOST_ERRORS {
            return;
        }
        let mut error = Diagnostic::unreadable(message).at(place, "").help(help);
        if let Some(first) = first {
            error = error.at(first, "the first");
        }
        self.report.push(error);
    }
}

/// What is wrong with a line.
pub(crate) struct Broken(String);

impl FromStr for Item {
    type Err = Broken;

    fn from_str(line: &str) -> Result<Self, Broken> {
        let mut words = Words { line, rest: line.split(' ') };
        let item = match words.next()? {
            "packet" => {
                let mut value = |key: &str| -> Result<String, Broken> {
                    let word = words.next()?;
                    let value = word.strip_prefix(key).and_then(|rest| rest.strip_prefix('='));
                    value.map(str::to_owned).ok_or_else(|| words.broken())
                };
                let (route, seq, order) = (value("route_bytes")?, value("seq_bytes")?, value("byte_order")?);
                Self::Packet(Packet {
                    route_bytes: words.parse(&route)?,
                    seq_bytes: words.parse(&seq)?,
                    big_endian: match order.as_str() {
                        "big" => true,
                        "little" => false,
                        _ => return Err(words.broken()),
                    },
                })
            }
            "node" => Self::Node { service: words.name()?, name: words.free()? },
            "mesh" => Self::Mesh { service: words.name()?, name: words.free()?, path: words.free()? },
            "route" => {
                let (rpc, id, request, response) = (words.name()?, words.number()?, words.name()?, words.name()?);
                let [authorized, stateful, internal, oneway] =
                    words.flags(["authorized", "stateful", "internal", "oneway"]);
                Self::Route(Route { rpc, id, request, response, authorized, stateful, internal, oneway })
            }
            "rpc" => {
                let (rpc, request, response) = (words.name()?, words.name()?, words.name()?);
                let [client_streaming, server_streaming] = words.flags(["client_streaming", "server_streaming"]);
                Self::Rpc(Rpc { rpc, request, response, client_streaming, server_streaming })
            }
            "message" => Self::Message { message: words.name()? },
            "push" => Self::Push { message: words.name()?, id: words.number()? },
            "event" => Self::Event { message: words.name()?, topic: words.free()? },
            "field" => {
                let (message, number, name, kind) = (words.name()?, words.number()?, words.name()?, words.name()?);
                let label = match words.flags(["optional", "required", "repeated"]) {
                    [true, ..] => Label::Optional,
                    [_, true, _] => Label::Required,
                    [.., true] => Label::Repeated,
                    _ => Label::Plain,
                };
                let oneof = words.option("oneof=")?;
                let json = words.option("json=")?;
                let code = match words.flags(["code", "text"]) {
                    [true, _] => Some(Code::Number),
                    [_, true] => Some(Code::Text),
                    _ => None,
                };
                Self::Field(Field { message, number, name, kind, label, oneof, json, code })
            }
            "enum" => Self::Enum { owner: words.name()? },
            "value" => Self::Value { owner: words.name()?, number: words.number()?, name: words.name()? },
            "reserved" => {
                let (owner, what) = (words.name()?, words.name()?);
                let numbers = what.split_once("..").unwrap_or((&what, &what));
                let what = match (numbers.0.parse(), numbers.1.parse()) {
                    (Ok(first), Ok(last)) => Reserved::Numbers(first, last),
                    _ => Reserved::Name(what),
                };
                Self::Reserved { owner, what }
            }
            other => return Err(Broken(format!("a lock has no line that begins with `{other}`"))),
        };
        match words.rest.next() {
            None => Ok(item),
            Some(word) => Err(Broken(format!("`{word}` does not belong here"))),
        }
    }
}

struct Words<'a> {
    line: &'a str,
    rest: std::str::Split<'a, char>,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<&'a str, Broken> {
        self.rest.next().filter(|word| !word.is_empty()).ok_or_else(|| self.broken())
    }

    fn name(&mut self) -> Result<String, Broken> {
        self.next().map(str::to_owned)
    }

    fn number(&mut self) -> Result<i32, Broken> {
        let word = self.next()?;
        self.parse(word)
    }

    fn parse<T: FromStr>(&self, word: &str) -> Result<T, Broken> {
        word.parse().map_err(|_| Broken(format!("`{word}` is no number that can stand here")))
    }

    fn free(&mut self) -> Result<String, Broken> {
        let word = self.next()?;
        unescaped(word).ok_or_else(|| Broken(format!("`{word}` has a `%` that stands for nothing")))
    }

    /// Those of the words that come next, in this order.
    fn flags<const N: usize>(&mut self, words: [&str; N]) -> [bool; N] {
        words.map(|word| {
            let mut ahead = self.rest.clone();
            let found = ahead.next() == Some(word);
            if found {
                self.rest = ahead;
            }
            found
        })
    }

    fn option(&mut self, prefix: &str) -> Result<Option<String>, Broken> {
        let mut ahead = self.rest.clone();
        if ahead.next().is_none_or(|word| !word.starts_with(prefix)) {
            return Ok(None);
        }
        let word = self.free()?;
        Ok(word.strip_prefix(prefix).map(str::to_owned))
    }

    fn broken(&self) -> Broken {
        let kind = self.line.split(' ').next().unwrap_or_default();
        Broken(format!("this is not all that a line `{kind}` has"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_read_as_it_was_written() {
        let lines = [
            "packet route_bytes=2 seq_bytes=0 byte_order=little",
            "node a.B name-1",
            "mesh a.B name %",
            "route a.B.C 10 a.D e.F authorized stateful internal oneway",
            "removed route a.B.D 11 a.D e.F internal",
            "rpc a.B.C a.D a.E client_streaming server_streaming",
            "message a.B",
            "push a.B 7",
            "event a.B a%20b",
            "field a.B 1 name map<string,a.C>",
            "field a.B 2 kinds a.K repeated",
            "field a.B 3 other string optional oneof=course json=a%25b text",
            "removed field a.B 4 old group<a.Old> required code",
            "enum a.K",
            "value a.K -1 BAD",
            "reserved a.B 4..9",
            "reserved a.B 536870911",
            "reserved a.B name",
            "reserved a.B removed",
            "removed value a.K 1 removed",
        ];
        let text = format!("due.lock 1\r\n# c\n\n{}\r\n", lines.join("\r\n"));
        let lock = Lock::parse("due.lock", text).unwrap();
        let mut written: Vec<String> = lock.to_string().lines().skip(3).map(str::to_owned).collect();
        let mut expected: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        written.sort();
        expected.sort();
        assert_eq!(written, expected);
        assert_eq!(Lock::parse("due.lock", lock.to_string()).unwrap().to_string(), lock.to_string());
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        for line in [
            "packet",
            "packet route_bytes=2",
            "route a",
            "field a 1 b c oneof=%e",
            "event a %zz",
            "value a 99999999999 B",
            "reserved a",
            "node a b c",
            " ",
        ] {
            let result = Lock::parse("l", format!("due.lock 1\n{line}\n"));
            assert_eq!(result.is_err(), line != " ", "{line:?}");
        }
        for text in ["", "due.lock", "due.lock 0", "due.lock 2", "due.lock 99999999999", "hello", "\u{feff}路由"] {
            let errors = Lock::parse("l", text).unwrap_err();
            assert!(errors.iter().all(Diagnostic::is_unreadable), "{text:?}");
        }
    }

    #[test]
    fn lines_of_two_branches_are_one_if_they_say_the_same() {
        let both = "due.lock 1\nremoved push a.B 7\nenum a.K\npush a.B 7\nenum a.K\n";
        let lock = Lock::parse("l", both).unwrap();
        let lines: Vec<String> = lock.to_string().lines().skip(3).map(str::to_owned).collect();
        assert_eq!(lines, ["push a.B 7", "enum a.K"]);
    }

    #[test]
    fn a_damaged_lock_is_read_or_refused() {
        let good = "due.lock 1\nmesh a.B name %\nroute a.B.C 10 a.D e.F authorized oneway\nevent a.B a%20b\n\
                    removed field a.B 3 other string optional oneof=course json=a%25b text\nreserved a.B 4..9\n";
        let mut refused = 0;
        for at in 0..good.len() {
            for with in ["", " ", "%", "\n", "路", "9"] {
                let mut text = good.to_owned();
                text.replace_range(at..=at, with);
                match Lock::parse("l", &text) {
                    Ok(lock) => assert!(Lock::parse("l", lock.to_string()).is_ok(), "{text}"),
                    Err(errors) => {
                        refused += 1;
                        assert!(errors.iter().all(Diagnostic::is_unreadable), "{text}");
                    }
                }
            }
        }
        assert!(refused > good.len(), "{refused}");
    }
}
