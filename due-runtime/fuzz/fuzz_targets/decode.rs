//! Generated messages in every codec: `message and codec | body`.
#![no_main]

mod memory;

use std::fmt::Debug;

use due::codegen::{Bytes, BytesMut};
use due::{Body, Codec};

mod generated {
    due::include_proto!();
}

use generated::{legacy, types::v1 as types};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [choice, body @ ..] = data else { return };
    let from = &[Codec::Proto, Codec::Json, Codec::MsgPack][usize::from(choice % 3)];
    let decode = [
        survives::<types::Scalars>,
        survives::<types::Optionals>,
        survives::<types::Lists>,
        survives::<types::Maps>,
        survives::<types::Choice>,
        survives::<types::Clash>,
        survives::<types::Tree>,
        survives::<types::Known>,
        survives::<types::Wrappers>,
        survives::<types::Names>,
        survives::<types::HasAlias>,
        survives::<types::Outer>,
        survives::<legacy::Order>,
    ];
    decode[usize::from(choice / 3) % decode.len()](from, body);
});

/// What can be read is written in every codec that has a form for it, and reads the same again.
fn survives<B: Body + PartialEq + Debug>(from: &Codec, body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    let Ok(value) = memory::bounded(&body, |_| B::decode_body(from, &body)) else { return };
    assert!(there_and_back(&value, from).is_some(), "what was read in a codec has a form in it: {value:?}");
    for to in [Codec::Proto, Codec::Json, Codec::MsgPack] {
        let Some(again) = there_and_back(&value, &to) else { continue };
        if !same(&value, &again) {
            let once_more = there_and_back(&again, &to).expect("what was read has a form");
            let one_null = to == Codec::Json && same(&again, &once_more) && format!("{again:?}").contains("NULL");
            assert!(one_null, "{value:?} came back from {} as {again:?}", to.name());
        }
    }
}

fn there_and_back<B: Body + Debug>(value: &B, codec: &Codec) -> Option<B> {
    let mut written = BytesMut::new();
    value.encode_body(codec, &mut written).ok()?;
    let written = written.freeze();
    let read = B::decode_body(codec, &written);
    Some(read.unwrap_or_else(|error| panic!("{error}: {value:?} in {}: {}", codec.name(), written.escape_ascii())))
}

/// Not a number is not equal to itself, and the zeros are, but have two texts.
fn same<T: PartialEq + Debug>(left: &T, right: &T) -> bool {
    let text = |value: &T| format!("{value:?}").replace("-0.0", "0.0");
    left == right || text(left) == text(right)
}
