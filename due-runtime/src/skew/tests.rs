//! Shapes written by hand and by chance, compared.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::compare::KnownSchema;
use super::shape::{AUTHORIZED, MAP, ONEWAY, PUSH, REPEATED, REQUIRED, STATEFUL};
use super::wire::{Answer, Verdict};
use super::*;

const INT32: u8 = 5;
const STRING: u8 = 9;
const MESSAGE: u8 = 11;
const ENUM: u8 = 14;

#[derive(Clone, Debug, PartialEq)]
struct F {
    number: u32,
    marks: u8,
    name: &'static str,
    oneof: Option<u32>,
    message: u32,
}

fn f(number: u32, marks: u8, name: &'static str) -> F {
    F { number, marks, name, oneof: None, message: 0 }
}

impl F {
    fn of(self, message: u32) -> F {
        F { message, ..self }
    }

    fn one(self, oneof: u32) -> F {
        F { oneof: Some(oneof), ..self }
    }
}

/// Id, flags, request, response.
type R = (u32, u8, u32, u32);

#[derive(Clone, Debug)]
struct Text {
    routes: Vec<R>,
    messages: Vec<Vec<F>>,
}

fn number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

impl Text {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        number(&mut bytes, self.routes.len() as u32);
        for (id, flags, request, response) in &self.routes {
            number(&mut bytes, *id);
            bytes.push(*flags);
            number(&mut bytes, *request);
            if flags & (PUSH | ONEWAY) == 0 {
                number(&mut bytes, *response);
            }
        }
        number(&mut bytes, self.messages.len() as u32);
        for fields in &self.messages {
            number(&mut bytes, fields.len() as u32);
            for field in fields {
                number(&mut bytes, field.number << 1 | u32::from(field.oneof.is_some()));
                bytes.push(field.marks);
                let mut name = [0; 4];
                name.iter_mut().zip(field.name.bytes()).for_each(|(to, from)| *to = from);
                bytes.extend(name);
                if let Some(oneof) = field.oneof {
                    number(&mut bytes, oneof);
                }
                if matches!(field.marks & 0x1f, 10 | MESSAGE) {
                    number(&mut bytes, field.message);
                }
            }
        }
        bytes
    }

    fn read(&self) -> Shape {
        Shape::read(&self.bytes()).unwrap()
    }

    fn known(&self) -> KnownSchema {
        let routes = self.routes.iter().map(|(id, ..)| format!("R{id}"));
        let names = self.messages.iter().flatten().map(|field| field.name.to_owned());
        let names: Vec<String> = routes.chain(names).collect();
        let bytes = self.bytes();
        let schema = Schema::generated(hash_of(&bytes), bytes.leak(), names.join("\n").leak());
        KnownSchema::new(&schema).unwrap()
    }
}

fn text(routes: &[R], messages: &[&[F]]) -> Text {
    Text { routes: routes.to_vec(), messages: messages.iter().map(|fields| fields.to_vec()).collect() }
}

fn told(client: &Text, gate: &Text, by_name: bool) -> String {
    let mut text = String::new();
    for difference in gate.known().compare(&client.read(), by_name).unwrap() {
        writeln!(text, "{difference}").unwrap();
    }
    text
}

/// A route whose request has these fields, and whose answer has none.
fn request(fields: &[F]) -> Text {
    text(&[(1, 0, 0, 1)], &[fields, &[]])
}

#[test]
fn routes_differ_by_their_ids_and_flags() {
    let route = |id, flags| text(&[(id, flags, 0, 0)], &[&[]]);
    for (client, gate, expected) in [
        ((1, 0), (1, 0), ""),
        ((1, 0), (2, 0), "route 1 was removed\nroute 2 (R2) was added\n"),
        ((1, 0), (1, AUTHORIZED), "route 1 (R1) is stricter: it needs a user\n"),
        (
            (1, 0),
            (1, STATEFUL),
            "route 1 (R1) is stricter: it needs a user\n\
             route 1 (R1) is stricter: it needs a user who is bound to a node\n",
        ),
        ((1, AUTHORIZED), (1, STATEFUL), "route 1 (R1) is stricter: it needs a user who is bound to a node\n"),
        ((1, STATEFUL), (1, AUTHORIZED), ""),
        ((1, AUTHORIZED), (1, 0), ""),
        (
            (1, 0),
            (1, ONEWAY),
            "route 1 (R1) was retyped: it is a route without an answer on the server, a route with an answer on the client\n",
        ),
        (
            (1, PUSH),
            (1, 0),
            "route 1 (R1) was retyped: it is a route with an answer on the server, a push on the client\n",
        ),
    ] {
        assert_eq!(told(&route(client.0, client.1), &route(gate.0, gate.1), false), expected, "{client:?} {gate:?}");
    }
}

#[test]
fn messages_differ_by_what_a_peer_misreads() {
    let row = |marks| vec![f(1, marks, "row")];
    let retyped = |what: &str| format!("route 1 (R1) was retyped: request{what}\n");
    let pair = |one: Option<u32>, other: Option<u32>| {
        vec![F { oneof: one, ..f(1, STRING, "a") }, F { oneof: other, ..f(2, STRING, "b") }]
    };
    for (client, gate, expected) in [
        (row(INT32), row(INT32), String::new()),
        (row(INT32), row(ENUM), retyped(".row is enum on the server, int32 on the client")),
        (row(INT32), row(INT32 | REPEATED), retyped(".row is repeated int32 on the server, int32 on the client")),
        (row(INT32), row(INT32 | REQUIRED), retyped(".row is required int32 on the server, int32 on the client")),
        (row(INT32), vec![], retyped(" has no field 1 on the server")),
        (vec![], row(INT32), String::new()),
        (vec![], row(INT32 | REQUIRED), retyped(".row is required on the server, unknown on the client")),
        (row(INT32), vec![f(1, INT32, "line")], String::new()),
        // An entry of a map is a message as any other.
        (row(MESSAGE | REPEATED | MAP), row(MESSAGE | REPEATED), String::new()),
        // A oneof has no name; alone, a field excludes none.
        (
            pair(None, None),
            pair(Some(1), Some(1)),
            retyped(".b excludes other fields on the server than on the client"),
        ),
        (pair(Some(1), Some(1)), pair(Some(1), Some(1)), String::new()),
        (pair(Some(1), Some(1)), pair(Some(9), Some(9)), String::new()),
        (pair(Some(1), None), pair(None, Some(2)), String::new()),
    ] {
        assert_eq!(told(&request(&client), &request(&gate), false), expected, "{client:?} {gate:?}");
    }
    let named = told(&request(&row(INT32)), &request(&[f(1, INT32, "line")]), true);
    assert_eq!(named, retyped(".line has another name on the client"));
    let map = told(&request(&row(MESSAGE | REPEATED | MAP)), &request(&row(MESSAGE | REPEATED)), true);
    assert_eq!(map, retyped(".row is repeated message on the server, map on the client"));
}

#[test]
fn the_field_is_named_by_its_path_and_found_once_however_messages_turn() {
    // Hero { Seat seat; Hero friend } Seat { row; Hero of }: one message moved, one loop.
    let routes = [(1, 0, 0, 1), (2, 0, 2, 0), (3, PUSH, 1, 0)];
    let of = |row: u8| {
        let hero = [f(1, MESSAGE, "friend").of(0), f(2, MESSAGE, "seat").of(1)];
        let seat = [f(1, row, "row"), f(2, MESSAGE, "of").of(0)];
        text(&routes, &[&hero, &seat, &[]])
    };
    let expected = "\
        route 1 (R1) was retyped: request.seat.row is string on the server, int32 on the client\n\
        route 1 (R1) was retyped: response.row is string on the server, int32 on the client\n\
        route 2 (R2) was retyped: response.seat.row is string on the server, int32 on the client\n\
        route 3 (R3) was retyped: push.row is string on the server, int32 on the client\n";
    assert_eq!(told(&of(INT32), &of(STRING), false), expected);
    assert_eq!(told(&of(INT32), &of(INT32), false), "");
}

/// `length` messages, each in the one before, and a field in the last.
fn chain(length: u32, last: u8) -> Text {
    let mut messages: Vec<Vec<F>> = (1..length).map(|next| vec![f(1, MESSAGE, "next").of(next)]).collect();
    messages.push(vec![f(1, last, "end")]);
    Text { routes: vec![(1, ONEWAY, 0, 0)], messages }
}

#[test]
fn what_is_deep_is_compared_and_its_path_cut_short() {
    let told = told(&chain(20_000, INT32), &chain(20_000, STRING), false);
    assert_eq!(
        told,
        "route 1 (R1) was retyped: request.next.next.next.next.next.next.next.next...end is string on the server, \
         int32 on the client\n"
    );
}

#[test]
fn work_without_end_is_refused() {
    // Every field leads to every message: 300 times 701 pairs of 2 times 300 fields.
    let all = |count: u32, step: u32| {
        let fields = |from: u32| (1..300).map(|n| f(n, MESSAGE, "a").of((from + n * step) % count)).collect();
        Text { routes: vec![(1, ONEWAY, 0, 0)], messages: (0..count).map(fields).collect() }
    };
    let (client, gate) = (all(299, 1), all(701, 7));
    assert!(gate.known().compare(&client.read(), false).is_none());
    assert_eq!(told(&all(299, 1), &all(299, 1), false), "");
}

#[test]
fn an_answer_has_what_breaks_and_says_what_it_left_out() {
    let difference =
        |route, kind| Difference { route: RouteId(route), kind, name: "a".repeat(20), detail: String::new() };
    let mut differences: Vec<_> = (1..=50).map(|id| difference(id, DifferenceKind::Added)).collect();
    differences.push(difference(60, DifferenceKind::Removed));
    let answer = Answer::differs(differences, 300);
    assert!(prost::Message::encoded_len(&answer) < 300);
    let kinds: Vec<i32> = answer.differences.iter().map(|told| told.kind).collect();
    assert_eq!((kinds[0], kinds.len() as u32 + answer.omitted, answer.breaking), (1, 51, true));
    assert!(kinds.len() > 8, "{kinds:?}");
    let skew = answer.skew(|_| "never".to_owned());
    assert!(skew.is_breaking());
    assert_eq!(skew.of_kind(DifferenceKind::Removed).count(), 1);
    let unknown = Answer { verdict: 99, ..Answer::just(Verdict::Same) }.skew(|_| String::new());
    assert_eq!(unknown, Skew::Unknown, "a word of the future");
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn any_text() -> impl Strategy<Value = Text> {
    (1u32..12).prop_flat_map(|count| {
        let marks = (1u8..=18, prop::sample::select(vec![0, 0, 0, REPEATED, REQUIRED, MAP | REPEATED]));
        let field = (marks, 0usize..4, prop::option::of(1u32..20), 0..count);
        let fields = btree_map(1u32..20, field, 0..8).prop_map(|fields| {
            let field = |(number, ((kind, marks), name, oneof, message))| F {
                number,
                marks: kind | marks,
                name: NAMES[name],
                oneof,
                message,
            };
            fields.into_iter().map(field).collect::<Vec<F>>()
        });
        let routes = btree_map(1u32..20, (0u8..16, 0..count, 0..count), 0..8);
        (routes, vec(fields, count as usize)).prop_map(|(routes, messages)| Text {
            routes: routes.into_iter().map(|(id, (flags, request, response))| (id, flags, request, response)).collect(),
            messages,
        })
    })
}

proptest! {
    #[test]
    fn whatever_a_peer_sends_is_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(shape) = Shape::read(&bytes) {
            let _ = chain(3, INT32).known().compare(&shape, true);
        }
    }

    #[test]
    fn a_shape_that_was_changed_is_read_or_refused(text in any_text(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = text.bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(shape) = Shape::read(&bytes) {
            let _ = text.known().compare(&shape, true);
        }
        let _ = Shape::read(&bytes[..at]);
    }

    #[test]
    fn a_shape_does_not_differ_from_itself(text in any_text(), by_name in any::<bool>()) {
        prop_assert_eq!(told(&text, &text, by_name), "");
    }

    #[test]
    fn ids_of_one_side_are_removed_or_added_and_others_neither(client in any_text(), gate in any_text()) {
        let found = gate.known().compare(&client.read(), false).unwrap();
        let ids = |text: &Text| text.routes.iter().map(|(id, ..)| *id as i32).collect::<BTreeSet<i32>>();
        let of = |kind| found.iter().filter(|one| one.kind == kind).map(|one| one.route.0).collect::<BTreeSet<i32>>();
        prop_assert_eq!(of(DifferenceKind::Removed), &ids(&client) - &ids(&gate));
        prop_assert_eq!(of(DifferenceKind::Added), &ids(&gate) - &ids(&client));
        prop_assert!(found.iter().all(|one| one.detail.len() < 200), "{found:?}");
    }

    /// Differences are those of messages that are reached, by whatever way.
    #[test]
    fn a_route_is_retyped_if_and_only_if_a_message_in_it_is(
        text in any_text(),
        message in any::<prop::sample::Index>(),
    ) {
        let (mut client, message) = (text.clone(), message.index(text.messages.len()));
        client.messages[message].retain(|field| field.number != 100);
        client.messages[message].push(f(100, STRING, "gone"));
        let found = text.known().compare(&client.read(), false).unwrap();
        let reaches = |root: u32| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![root]);
            while let Some(at) = open.pop() {
                if seen.insert(at) {
                    let fields = &text.messages[at as usize];
                    let inside = fields.iter().filter(|field| matches!(field.marks & 0x1f, 10 | MESSAGE));
                    open.extend(inside.map(|field| field.message));
                }
            }
            seen.contains(&(message as u32))
        };
        for (id, flags, request, response) in &text.routes {
            let answered = flags & (PUSH | ONEWAY) == 0;
            let expected = usize::from(reaches(*request)) + usize::from(answered && reaches(*response));
            let retyped = found.iter().filter(|one| one.route.0 == *id as i32).count();
            prop_assert_eq!(retyped, expected);
        }
    }

    #[test]
    fn what_is_only_added_breaks_nothing(
        client in any_text(),
        fields in btree_set(20u32..40, 0..5),
        routes in btree_set(20u32..40, 0..5),
    ) {
        let mut gate = client.clone();
        for message in &mut gate.messages {
            message.extend(fields.iter().map(|number| f(*number, STRING, "new").one(1)));
        }
        gate.routes.extend(routes.iter().map(|id| (*id, AUTHORIZED, 0, 0)));
        let found = gate.known().compare(&client.read(), true).unwrap();
        prop_assert!(found.iter().all(|one| one.kind == DifferenceKind::Added), "{found:?}");
        prop_assert_eq!(found.len(), routes.len());
    }
}
