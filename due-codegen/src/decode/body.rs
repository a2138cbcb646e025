//! What a packet carries, by its route.

use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};

use super::protobuf::Walk;
use super::read::{count, part, text};
use super::reserved::{RESERVED, Reserved, is_about_schemas};
use super::{Body, BodyCodec, Context, Cursor, Direction, Fault, Frame, Part, msgpack};
use crate::codes::CODES;
use crate::routes::{RouteInfo, RouteKind};

/// What a body may be, and how well it does.
struct Attempt {
    direction: Direction,
    message: MessageDescriptor,
    walk: Walk,
}

impl Attempt {
    fn fits(&self) -> bool {
        self.walk.fault.is_none() && self.walk.unknown == 0
    }
}

impl Context<'_> {
    /// The rest of a packet. Faults of the frame go first, so this reports its own only where there is none.
    pub(super) fn body(&self, cursor: &mut Cursor<'_>, frame: &mut Frame, route: i32) -> Result<(), Fault> {
        let about_schemas = is_about_schemas(route, cursor.peek());
        if about_schemas {
            let at = cursor.at();
            frame.parts.push(part(at, cursor.take(1, "the mark")?, "mark", "about schemas"));
        }
        let bytes = cursor.peek();
        let inside = cursor.clone();
        cursor.rest();
        // They are protobuf, whatever the others are.
        let told = if about_schemas { Some(BodyCodec::Proto) } else { self.options.codec };
        let codec = told.unwrap_or_else(|| match serde_json::from_slice(bytes) {
            Ok(serde_json::Value::Object(_)) => BodyCodec::Json,
            _ => BodyCodec::Proto,
        });
        let body = Body { message: None, direction: None, codec, parts: Vec::new(), json: None };
        let body = frame.body.insert(body);
        let mut attempts = self.attempts(&inside, route, about_schemas);
        if attempts.is_empty() || codec == BodyCodec::Raw {
            body.parts = vec![part(inside.at(), bytes, "body", said_of(bytes))];
            if codec == BodyCodec::Json {
                body.json = serde_json::from_slice(bytes).ok();
            }
            return Ok(());
        }
        let first = attempts.remove(0);
        let chosen = match (self.options.direction, attempts.pop()) {
            (None, Some(other)) => choose(first, other, codec, &mut frame.notes),
            _ => first,
        };
        if about_schemas {
            frame.what = chosen.message.full_name().to_owned();
        }
        body.message = Some(chosen.message.full_name().to_owned());
        body.direction = Some(chosen.direction);
        match codec {
            BodyCodec::Proto => {
                body.parts = chosen.walk.parts;
                match chosen.walk.unknown {
                    0 => {}
                    1 => frame.notes.push("1 field is not in the schema".to_owned()),
                    many => frame.notes.push(format!("{many} fields are not in the schema")),
                }
                if route == RESERVED && !about_schemas {
                    body.parts.iter_mut().for_each(|part| self.explain(part));
                }
                if let Some(fault) = chosen.walk.fault {
                    return Err(fault);
                }
                let decoded = DynamicMessage::decode(chosen.message.clone(), bytes);
                let decoded = decoded.map_err(|err| Fault::new(inside.at(), err.to_string()))?;
                // What has no JSON, as a time out of range, has its fields all the same.
                body.json = serde_json::to_value(&decoded).ok();
            }
            BodyCodec::Json => {
                body.parts = vec![part(inside.at(), bytes, "body", count(bytes.len()))];
                let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|err| {
                    Fault::new(inside.at() + place(bytes, &err), format!("the body is no JSON: {err}"))
                })?;
                check(&value, &chosen.message, &mut frame.notes);
                body.json = Some(value);
            }
            BodyCodec::Msgpack => {
                body.parts = vec![part(inside.at(), bytes, "body", count(bytes.len()))];
                let value = msgpack::read(&inside)?;
                check(&value, &chosen.message, &mut frame.notes);
                body.json = Some(value);
            }
            BodyCodec::Raw => {}
        }
        Ok(())
    }

    /// What the numbers of a `due.Status` mean.
    fn explain(&self, part: &mut Part) {
        let Ok(number) = part.value.parse::<i32>() else { return };
        let name = match part.name.as_str() {
            "code" => CODES.iter().find_map(|(code, name)| (*code == number).then_some(*name)),
            "route" if number == 0 => Some("about no request"),
            "route" => self.routes.get(&number).map(|info| info.name.as_str()),
            _ => None,
        };
        if let Some(name) = name {
            part.value = format!("{number}, {name}");
        }
    }

    /// The messages that the body may be, the likelier one first.
    fn attempts(&self, body: &Cursor<'_>, route: i32, about_schemas: bool) -> Vec<Attempt> {
        let info = self.routes.get(&route);
        let find = |name: &str| self.pool.and_then(|pool| pool.get_message_by_name(name));
        let told = self.options.direction.or(self.downstream);
        let reserved =
            |get: fn(&Reserved) -> &MessageDescriptor| self.reserved.as_ref().map(|known| get(known).clone());
        let wanted: Vec<(Direction, Option<MessageDescriptor>)> = match (info, told) {
            (None, told) if about_schemas => {
                let (greeting, answer) = (reserved(|known| &known.greeting), reserved(|known| &known.answer));
                let both = [(Direction::Request, greeting), (Direction::Response, answer)];
                both.into_iter().filter(|(direction, _)| told.is_none_or(|told| told == *direction)).collect()
            }
            (None, _) if route == RESERVED => vec![(Direction::Response, reserved(|known| &known.status))],
            (None, _) => Vec::new(),
            (Some(info), _) if info.kind == RouteKind::Push => vec![(Direction::Push, find(&info.response))],
            (Some(info), Some(Direction::Request)) => vec![(Direction::Request, find(&info.request))],
            (Some(info), Some(_)) => vec![(Direction::Response, find(&info.response))],
            (Some(info), None) if is_oneway(info) => vec![(Direction::Request, find(&info.request))],
            (Some(info), None) => {
                vec![(Direction::Request, find(&info.request)), (Direction::Response, find(&info.response))]
            }
        };
        let attempts = wanted.into_iter().filter_map(|(direction, message)| {
            let message = message?;
            let walk = Walk::over(body, &message);
            Some(Attempt { direction, message, walk })
        });
        attempts.collect()
    }
}

fn is_oneway(info: &RouteInfo) -> bool {
    info.flags.contains(&"oneway")
}

/// Between request and response; the notes say that it is a guess.
fn choose(request: Attempt, response: Attempt, codec: BodyCodec, notes: &mut Vec<String>) -> Attempt {
    let same = request.message == response.message;
    let (name, other) = (request.message.full_name().to_owned(), response.message.full_name().to_owned());
    if codec != BodyCodec::Proto {
        notes.push(format!("read as {name}; --direction response reads it as {other}"));
        return request;
    }
    match (request.fits(), response.fits()) {
        (true, false) => request,
        (false, true) => response,
        (true, true) if same => request,
        (fits, _) => {
            let why = if fits { "it fits both" } else { "it fits neither" };
            notes.push(format!("read as {name}, but {why}: --direction response reads it as {other}"));
            request
        }
    }
}

fn said_of(bytes: &[u8]) -> String {
    match bytes {
        [] => "empty".to_owned(),
        bytes if bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') => text(bytes),
        bytes => count(bytes.len()),
    }
}

/// Notes what the message does not have, or has otherwise.
fn check(value: &serde_json::Value, message: &MessageDescriptor, notes: &mut Vec<String>) {
    let strict = DeserializeOptions::new().deny_unknown_fields(true);
    if let Err(err) = DynamicMessage::deserialize_with_options(message.clone(), value.clone(), &strict) {
        notes.push(format!("it is no {}: {err}", message.full_name()));
    }
}

/// The byte that an error of serde_json means.
fn place(bytes: &[u8], err: &serde_json::Error) -> usize {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(err.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (before + err.column().saturating_sub(1)).min(bytes.len())
}
