//! The tree held against the schema: typed values, or findings.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::report::{Place, Report};
use super::schema::{self, Effect, Key, Kind, Known, PREFIX};
use super::tree::{Node, Table, Value};
use super::units::{self, NoTime};

/// Longer times help nobody, and clocks can be added to ten years.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// What was set, by the paths of the schema.
#[derive(Debug, Default)]
pub(super) struct Settings {
    values: BTreeMap<&'static str, Setting>,
    sections: BTreeMap<String, Place>,
}

pub(super) struct Setting {
    pub(super) at: Place,
    pub(super) value: Typed,
}

/// Without the value, which may be a key or a password.
impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("at", &self.at).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Typed {
    Bool(bool),
    Int(i64),
    Ints(Vec<i64>),
    Time(Duration),
    Text(String),
    Texts(Vec<String>),
    Pairs(BTreeMap<String, String>),
}

impl Settings {
    pub(super) fn read(table: &Table, report: &mut Report) -> Self {
        let mut settings = Self::default();
        settings.section("", table, report);
        settings
    }

    fn section(&mut self, section: &str, table: &Table, report: &mut Report) {
        for (name, node) in table.iter() {
            let path = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
            match schema::lookup(&path) {
                Known::Key(key) => self.key(key, node, report),
                Known::Section => match &node.value {
                    Value::Table(table) => {
                        self.sections.insert(path.clone(), node.at.clone());
                        self.section(&path, table, report);
                    }
                    Value::Null => drop(self.sections.insert(path, node.at.clone())),
                    Value::Plain(text) if text.is_empty() => drop(self.sections.insert(path, node.at.clone())),
                    other => report.error(&node.at, format!("{} but must be a table", is(&path, other))),
                },
                Known::Unsupported => report.warning(
                    &node.at,
                    format!("`{PREFIX}.{path}` belongs to a part of due that is not here yet; it does nothing"),
                ),
                Known::Not => {
                    let like = schema::nearest_in(section, name);
                    let like = like.map_or_else(String::new, |like| format!("; did you mean `{like}`?"));
                    report.error(&node.at, format!("`{PREFIX}.{path}` is no key{like}"));
                }
            }
        }
    }

    fn key(&mut self, key: &'static Key, node: &Node, report: &mut Report) {
        if let Value::Null = node.value {
            return;
        }
        let value = match convert(key.kind, node) {
            Ok(Converted { value, warning }) => {
                if let Some(warning) = warning {
                    report.warning(&node.at, format!("`{PREFIX}.{}` {warning}", key.path));
                }
                value
            }
            Err(NotThat::Kind) if matches!(node.value, Value::List(_)) && key.kind.is_list() => {
                let text = format!("`{PREFIX}.{}` must be {}", key.path, key.kind.wants());
                return report.error(&node.at, text);
            }
            Err(NotThat::Kind) => {
                let (is, wants) = (is(key.path, &node.value), key.kind.wants());
                return report.error(&node.at, format!("{is} but must be {wants}"));
            }
            Err(NotThat::Because(reason)) => {
                return report.error(&node.at, format!("`{PREFIX}.{}` {reason}", key.path));
            }
        };
        if let Effect::None(instead) = key.effect
            && !is_default(key, &value, node)
        {
            report.warning(&node.at, format!("`{PREFIX}.{}` does nothing yet: {instead}", key.path));
        }
        self.values.insert(key.path, Setting { at: node.at.clone(), value });
    }

    /// The section of a path, if some file has it.
    pub(super) fn place_of(&self, section: &str) -> Option<&Place> {
        self.sections.get(section)
    }

    pub(super) fn get(&self, path: &str) -> Option<&Setting> {
        debug_assert!(matches!(schema::lookup(path), Known::Key(_)), "{path} is no key");
        self.values.get(path)
    }

    pub(super) fn time(&self, path: &str) -> Option<Duration> {
        match self.get(path)?.value {
            Typed::Time(time) => Some(time),
            _ => None,
        }
    }

    pub(super) fn int<T: TryFrom<i64>>(&self, path: &str) -> Option<T> {
        match self.get(path)?.value {
            Typed::Int(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    #[cfg(feature = "kcp")]
    pub(super) fn ints(&self, path: &str) -> Option<&[i64]> {
        match &self.get(path)?.value {
            Typed::Ints(numbers) => Some(numbers),
            _ => None,
        }
    }

    pub(super) fn bool(&self, path: &str) -> Option<bool> {
        match self.get(path)?.value {
            Typed::Bool(is_true) => Some(is_true),
            _ => None,
        }
    }

    /// Of an empty text: `None`, as for due.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        match &self.get(path)?.value {
            Typed::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(super) fn pairs(&self, path: &str) -> Option<&BTreeMap<String, String>> {
        match &self.get(path)?.value {
            Typed::Pairs(pairs) => Some(pairs),
            _ => None,
        }
    }

    pub(super) fn texts(&self, path: &str) -> Option<&[String]> {
        match &self.get(path)?.value {
            Typed::Texts(texts) => Some(texts),
            _ => None,
        }
    }
}

fn is(path: &str, value: &Value) -> String {
    format!("`{PREFIX}.{path}` is {}", value.kind())
}

fn is_default(key: &Key, value: &Typed, node: &Node) -> bool {
    if let Value::Table(table) = &node.value {
        return table.iter().next().is_none();
    }
    let default = Node { at: node.at.clone(), value: Value::Plain(key.default.to_owned()) };
    convert(key.kind, &default).is_ok_and(|default| default.value == *value)
}

struct Converted {
    value: Typed,
    /// What follows the key.
    warning: Option<String>,
}

enum NotThat {
    /// Not of this kind.
    Kind,
    /// What follows the key.
    Because(String),
}

impl From<Typed> for Converted {
    fn from(value: Typed) -> Self {
        Self { value, warning: None }
    }
}

fn convert(kind: Kind, node: &Node) -> Result<Converted, NotThat> {
    let value = &node.value;
    let plain = match value {
        Value::Text(text) | Value::Plain(text) => Some(text.trim()),
        _ => None,
    };
    let wanted = || NotThat::Because(format!("must be {}", kind.wants()));
    Ok(match (kind, value) {
        (Kind::Bool, Value::Bool(is_true)) => Typed::Bool(*is_true).into(),
        (Kind::Bool, Value::Int(0 | 1)) => Typed::Bool(matches!(value, Value::Int(1))).into(),
        (Kind::Bool, _) => match plain.ok_or(NotThat::Kind)? {
            "true" | "1" => Typed::Bool(true).into(),
            "false" | "0" | "" => Typed::Bool(false).into(),
            _ => return Err(wanted()),
        },
        (Kind::Int(from, to), _) => match integer(value)? {
            number if (from..=to).contains(&number) => Typed::Int(number).into(),
            number => return Err(NotThat::Because(format!("is {number} but must be {}", kind.wants()))),
        },
        (Kind::Ints(ranges), Value::List(items)) => {
            let numbers = items.iter().map(|item| integer(&item.value)).collect::<Result<Vec<_>, _>>()?;
            let fits = |(number, range): (&i64, &(i64, i64))| (range.0..=range.1).contains(number);
            if numbers.len() != ranges.len() || !numbers.iter().zip(ranges).all(fits) {
                return Err(NotThat::Because(format!("is {numbers:?} but must be {}", kind.wants())));
            }
            Typed::Ints(numbers).into()
        }
        (Kind::Time(_) | Kind::Span(_) | Kind::Seconds(_), _) => time(kind, value, plain)?,
        (Kind::Size, Value::Int(bytes)) if *bytes >= 0 => Typed::Int(*bytes).into(),
        (Kind::Size, Value::Int(_)) => return Err(wanted()),
        (Kind::Size, _) => {
            let bytes = units::size(plain.ok_or(NotThat::Kind)?).and_then(|bytes| i64::try_from(bytes).ok());
            Typed::Int(bytes.ok_or_else(wanted)?).into()
        }
        (Kind::Text, _) => Typed::Text(text(value)?).into(),
        (Kind::Texts, _) => Typed::Texts(texts(value)?).into(),
        (Kind::Word(words), _) => Typed::Text(word(words, &text(value)?).ok_or_else(wanted)?.to_owned()).into(),
        (Kind::Words(words), _) => {
            let chosen = texts(value)?.iter().map(|text| word(words, text).map(str::to_owned)).collect();
            let chosen: Option<Vec<String>> = chosen;
            Typed::Texts(chosen.ok_or_else(wanted)?).into()
        }
        (Kind::Addr, _) => match text(value)? {
            addr if is_address(&addr, true) => Typed::Text(addr).into(),
            addr => return Err(NotThat::Because(format!("is {addr:?} but must be {}", kind.wants()))),
        },
        (Kind::Server, _) => match text(value)? {
            addr if is_address(&addr, false) => Typed::Text(addr).into(),
            addr => return Err(NotThat::Because(format!("is {addr:?} but must be {}", kind.wants()))),
        },
        (Kind::Servers, _) => match texts(value)? {
            addrs if !addrs.is_empty() && addrs.iter().all(|addr| is_address(addr, false)) => {
                Typed::Texts(addrs).into()
            }
            addrs => return Err(NotThat::Because(format!("is {addrs:?} but must be {}", kind.wants()))),
        },
        (Kind::Expose, Value::Bool(false)) => Typed::Text(String::new()).into(),
        (Kind::Expose, Value::Bool(true)) => expose_all(),
        (Kind::Expose, _) => match plain.ok_or(NotThat::Kind)? {
            "false" | "0" => Typed::Text(String::new()).into(),
            "true" | "1" => expose_all(),
            host => Typed::Text(host.to_owned()).into(),
        },
        (Kind::Table, Value::Table(table)) => Typed::Pairs(pairs(table)?).into(),
        (Kind::Table, Value::Plain(text)) if text.is_empty() || text == "{}" => Typed::Pairs(BTreeMap::new()).into(),
        (Kind::Ints(_) | Kind::Table, _) => return Err(NotThat::Kind),
    })
}

fn expose_all() -> Converted {
    let warning =
        "is true, but no service of the internet is asked for the public address; give the host that others dial";
    Converted { value: Typed::Text(String::new()), warning: Some(warning.to_owned()) }
}

fn integer(value: &Value) -> Result<i64, NotThat> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::Text(text) | Value::Plain(text) => text.trim().parse().map_err(|_| NotThat::Kind),
        _ => Err(NotThat::Kind),
    }
}

/// Also of ids and passwords that happen to be numbers.
fn text(value: &Value) -> Result<String, NotThat> {
    match value {
        Value::Text(text) | Value::Plain(text) => Ok(text.clone()),
        Value::Int(number) => Ok(number.to_string()),
        _ => Err(NotThat::Kind),
    }
}

fn pairs(table: &Table) -> Result<BTreeMap<String, String>, NotThat> {
    let pair = |(key, node): (&str, &Node)| {
        let value = match &node.value {
            Value::Bool(is_true) => Ok(is_true.to_string()),
            value => text(value),
        };
        let no_text = |_| NotThat::Because(format!("has {key:?}, which is {} but must be text", node.value.kind()));
        Ok((key.to_owned(), value.map_err(no_text)?))
    };
    table.iter().map(pair).collect()
}

/// One alone is a list, too.
fn texts(value: &Value) -> Result<Vec<String>, NotThat> {
    match value {
        Value::List(items) => items.iter().map(|item| text(&item.value)).collect(),
        Value::Plain(text) if text.is_empty() => Ok(Vec::new()),
        _ => text(value).map(|only| vec![only]),
    }
}

fn word<'a>(words: &[&'a str], text: &str) -> Option<&'a str> {
    words.iter().copied().find(|word| word.eq_ignore_ascii_case(text.trim()))
}

fn is_address(text: &str, may_lack_host: bool) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']').is_some_and(|host| !host.is_empty()),
        None => !host.contains([':', '/', ' ']) && (may_lack_host || !host.is_empty()),
    };
    is_host && port.parse::<u16>().is_ok() && !port.starts_with('+')
}

fn time(kind: Kind, value: &Value, plain: Option<&str>) -> Result<Converted, NotThat> {
    let in_seconds = matches!(kind, Kind::Seconds(_));
    let bare = match value {
        Value::Int(number) => Some(*number),
        _ if in_seconds => plain.and_then(|text| text.parse().ok()),
        _ => None,
    };
    let mut warning = None;
    let time = match bare {
        Some(number @ ..0) => return Err(NotThat::Because(format!("is {number}, which is negative"))),
        Some(number) if in_seconds => Duration::from_secs(number.unsigned_abs()),
        Some(number) => {
            let time = Duration::from_nanos(number.unsigned_abs());
            if number > 0 {
                warning = Some(format!(
                    "is {number} without a unit, so it counts nanoseconds; write \"{time:?}\" if that is meant"
                ));
            }
            time
        }
        None => {
            let text = plain.ok_or(NotThat::Kind)?;
            let because = |text: String| NotThat::Because(text);
            units::duration(text).map_err(|error| match error {
                NoTime::NoUnit => because(format!("is {text:?}, which lacks a unit: ns, us, ms, s, m, h or d")),
                NoTime::Negative => because(format!("is {text:?}, which is negative")),
                NoTime::TooLong => because(format!("is {text:?}, which is too long")),
                NoTime::Malformed => because(format!("is {text:?} but must be {}", kind.wants())),
            })?
        }
    };
    let (least, may_be_zero) = match kind {
        Kind::Time(least) => (least, true),
        Kind::Span(least) | Kind::Seconds(least) => (least, false),
        _ => (0, true),
    };
    let is_too_short = time < Duration::from_millis(least) && !(may_be_zero && time.is_zero());
    match () {
        () if is_too_short && bare.is_some() && !in_seconds => {
            let number = time.as_nanos();
            Err(NotThat::Because(format!(
                "is {number} without a unit, so it counts nanoseconds; write \"{number}s\" if seconds are meant"
            )))
        }
        () if is_too_short => Err(NotThat::Because(format!("is {time:?} but must be {}", kind.wants()))),
        () if time > LONGEST => Err(NotThat::Because("is longer than ten years".to_owned())),
        () => Ok(Converted { value: Typed::Time(time), warning }),
    }
}
