//! Default values of `float` and `double` as protoc prints them: `1e10` is `1e+10`, not ten zeros.

use prost_reflect::prost_types::field_descriptor_proto::Type;
use prost_reflect::prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

use super::layout::{self, Layout};
use super::wire::{Field, Value};

const FIELD_TYPE: u32 = 5;
const FIELD_DEFAULT: u32 = 7;

/// Writes them anew, in both forms of a file.
pub(super) fn spell(proto: &mut FileDescriptorProto, fields: &mut Vec<Field>) {
    spell_fields(&mut proto.extension);
    proto.message_type.iter_mut().for_each(spell_message);
    layout::visit(Layout::File, &mut Vec::new(), fields, &mut |layout, _, fields| {
        if layout != Layout::Field {
            return;
        }
        let ty = fields.iter().find(|field| field.number == FIELD_TYPE).map(|field| &field.value);
        let Some(&Value::Varint(ty)) = ty else { return };
        let Some(default) = fields.iter_mut().find(|field| field.number == FIELD_DEFAULT) else { return };
        let ty = i32::try_from(ty).ok().and_then(|ty| Type::try_from(ty).ok());
        if let (Some(ty), Value::Bytes(bytes)) = (ty, &mut default.value)
            && let Some(text) = std::str::from_utf8(bytes).ok().and_then(|text| number(ty, text))
        {
            *bytes = text.into_bytes().into();
        }
    });
}

fn spell_message(message: &mut DescriptorProto) {
    spell_fields(&mut message.field);
    spell_fields(&mut message.extension);
    message.nested_type.iter_mut().for_each(spell_message);
}

fn spell_fields(fields: &mut [FieldDescriptorProto]) {
    for field in fields {
        let ty = field.r#type();
        if let Some(default) = &mut field.default_value
            && let Some(text) = number(ty, default)
        {
            *default = text;
        }
    }
}

/// `None` for what is no floating point number.
fn number(ty: Type, text: &str) -> Option<String> {
    let value: f64 = text.parse().ok()?;
    // As few digits as give the value back, but at least these.
    let (few, many, single) = match ty {
        Type::Double => (15, 17, false),
        Type::Float => (6, 9, true),
        _ => return None,
    };
    let value = if single { f64::from(value as f32) } else { value };
    let short = general(value, few);
    // strtof complains about subnormal numbers, and protoc takes that for a difference.
    let same = if single && (value as f32).is_subnormal() {
        false
    } else if single {
        short.parse() == Ok(value as f32)
    } else {
        short.parse() == Ok(value)
    };
    Some(if same || !value.is_finite() { short } else { general(value, many) })
}

/// C's `%.*g`.
fn general(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".to_owned() } else { "-inf".to_owned() };
    }
    let scientific = format!("{:.*e}", digits - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let decimals = usize::try_from(digits as i32 - 1 - exponent).ok().filter(|_| exponent >= -4);
    match decimals {
        Some(decimals) => trim(&format!("{value:.decimals$}")),
        None => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_in_c() {
        let double = |text| number(Type::Double, text).unwrap();
        assert_eq!(double("10000000000"), "10000000000");
        assert_eq!(double("1e15"), "1e+15");
        assert_eq!(double("0.1"), "0.1");
        assert_eq!(double("0.00001"), "1e-05");
        assert_eq!(double("0.0001"), "0.0001");
        assert_eq!(double("12345678901234567000"), "1.2345678901234567e+19");
        assert_eq!(double("-0"), "-0");
        assert_eq!(double("-inf"), "-inf");
        assert_eq!(double("nan"), "nan");
        let float = |text| number(Type::Float, text).unwrap();
        assert_eq!(float("0.1"), "0.1");
        assert_eq!(float("100000000"), "1e+08");
        assert_eq!(float("340282346638528860000000000000000000000"), "3.40282347e+38");
        assert_eq!(float("16777217"), "16777216");
        assert_eq!(float("1e-45"), "1.40129846e-45");
        assert_eq!(number(Type::Int32, "1"), None);
        assert_eq!(number(Type::String, "1"), None);
    }
}
