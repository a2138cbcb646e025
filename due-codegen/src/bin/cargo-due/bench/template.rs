//! JSON with placeholders.
//!
//! | placeholder | becomes |
//! |---|---|
//! | `{{conn}}` | the number of the connection, from 1 |
//! | `{{n}}` | the number of the call on its connection, from 1 |
//! | `{{random}}` | a number from 0 to 2147483647 |
//! | `{{random A..B}}` | a number from A to B, both included |

use std::fmt::Write as _;

use due::Bytes;
use due_codegen::nearest;
use prost_reflect::MessageDescriptor;

use super::random::Random;
use crate::live::body;
use due::Codec;

const NAMES: [&str; 3] = ["conn", "n", "random"];

/// A request, as far as it is known before the call.
#[derive(Clone)]
pub(super) enum Template {
    /// The same for every call.
    Fixed(Bytes),
    Varied(Varied),
}

/// A request that is written anew for every call.
#[derive(Clone)]
pub(super) struct Varied {
    parts: Vec<Part>,
    message: MessageDescriptor,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Conn,
    Count,
    Random(u32, u32),
}

/// What placeholders stand for in one call.
pub(super) struct Scene<'a> {
    pub(super) conn: u64,
    pub(super) count: u64,
    pub(super) random: &'a mut Random,
}

impl Template {
    /// Reads JSON text, and tries whether the schema takes it.
    pub(super) fn new(text: &str, message: &MessageDescriptor, codec: &Codec) -> Result<Self, String> {
        let parts = parse(text)?;
        let sample = render(&parts, &mut Scene { conn: 1, count: 1, random: &mut Random::new(0) });
        let read = body::from_text(message, &sample)?;
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            return body::encode(codec, &read).map(Self::Fixed);
        }
        Ok(Self::Varied(Varied { parts, message: message.clone() }))
    }

    pub(super) fn body(&self, codec: &Codec, scene: &mut Scene<'_>) -> Result<Bytes, String> {
        match self {
            Self::Fixed(body) => Ok(body.clone()),
            Self::Varied(varied) => {
                let text = render(&varied.parts, scene);
                body::encode(codec, &body::parse(&varied.message, &text)?)
            }
        }
    }
}

fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        // `{"a":{{"b"` is no JSON, so this can only be a placeholder.
        let (inside, after) = after.split_once("}}").ok_or_else(|| format!("`{{{{{after}` has no end"))?;
        parts.push(Part::Text(before.to_owned()));
        parts.push(placeholder(inside.trim())?);
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    parts.retain(|part| *part != Part::Text(String::new()));
    Ok(parts)
}

fn placeholder(inside: &str) -> Result<Part, String> {
    let (name, range) = inside.split_once(' ').unwrap_or((inside, ""));
    let bounds =
        range.split_once("..").and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
    match (name, bounds) {
        ("conn", None) if range.is_empty() => Ok(Part::Conn),
        ("n", None) if range.is_empty() => Ok(Part::Count),
        ("random", None) if range.is_empty() => Ok(Part::Random(0, i32::MAX as u32)),
        ("random", Some((from, to))) if from <= to => Ok(Part::Random(from, to)),
        ("random", _) => Err(format!("`{{{{{inside}}}}}`: a range is written as {{{{random 1..6}}}}")),
        _ => Err(match nearest(name, NAMES) {
            Some(near) if near != name => {
                format!("there is no placeholder `{{{{{inside}}}}}`; did you mean `{{{{{near}}}}}`?")
            }
            _ => format!(
                "there is no placeholder `{{{{{inside}}}}}`; there are {{{{conn}}}}, {{{{n}}}} and {{{{random}}}}"
            ),
        }),
    }
}

fn render(parts: &[Part], scene: &mut Scene<'_>) -> String {
    parts.iter().fold(String::new(), |mut text, part| {
        // Writing to a String cannot fail.
        let _ = match part {
            Part::Text(literal) => text.write_str(literal),
            Part::Conn => write!(text, "{}", scene.conn),
            Part::Count => write!(text, "{}", scene.count),
            Part::Random(from, to) => write!(text, "{}", scene.random.between(*from, *to)),
        };
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_numbers() {
        let parts = parse(r#"{"a": "p{{conn}}-{{ n }}", "b": {"c": {{random 6..6}}}}"#).unwrap();
        let text = render(&parts, &mut Scene { conn: 3, count: 9, random: &mut Random::new(1) });
        assert_eq!(text, r#"{"a": "p3-9", "b": {"c": 6}}"#);
    }

    #[test]
    fn slips_are_named() {
        let said = |text: &str| parse(text).unwrap_err();
        assert_eq!(said("{{con}}"), "there is no placeholder `{{con}}`; did you mean `{{conn}}`?");
        assert_eq!(said("{{uuid}}"), "there is no placeholder `{{uuid}}`; there are {{conn}}, {{n}} and {{random}}");
        assert_eq!(said("{{random 6..1}}"), "`{{random 6..1}}`: a range is written as {{random 1..6}}");
        assert_eq!(said("a {{conn"), "`{{conn` has no end");
    }
}
