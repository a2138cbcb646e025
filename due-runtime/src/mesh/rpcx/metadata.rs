//! Metadata of calls, in the words of gRPC on our side: lower-case keys, text of ASCII.

use std::time::Duration;

use tonic::metadata::{Ascii, KeyAndValueRef, MetadataKey, MetadataMap, MetadataValue};

use super::{AUTH, TIMEOUT, status};

/// gRPC's word for [`TIMEOUT`].
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// What a handler, or a caller, gets to see: the rest has no form there, or is between the two of us.
pub(super) fn read(pairs: &[(String, String)]) -> MetadataMap {
    let mut map = MetadataMap::new();
    for (key, value) in pairs.iter().filter(|(key, _)| key != AUTH && key != TIMEOUT && !status::is_reserved(key)) {
        let key = MetadataKey::<Ascii>::from_bytes(key.as_bytes());
        if let (Ok(key), Ok(value)) = (key, MetadataValue::try_from(value)) {
            map.append(key, value);
        }
    }
    map
}

/// The value of a `grpc-timeout`, up to eight digits and a unit.
pub(super) fn timeout(map: &MetadataMap) -> Option<Duration> {
    let text = map.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Binary values stay here: rpcx has text.
pub(super) fn write(map: &MetadataMap) -> Vec<(String, String)> {
    let text = map.iter().filter_map(|entry| match entry {
        KeyAndValueRef::Ascii(key, value) if key != GRPC_TIMEOUT => {
            Some((key.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        }
        _ => None,
    });
    text.collect()
}

#[cfg(test)]
mod tests {
    use tonic::Request;

    use super::*;

    #[test]
    fn what_is_between_the_two_of_us_is_not_shown() {
        let pair = |key: &str| (key.to_owned(), "a".to_owned());
        let pairs =
            [pair(AUTH), pair(TIMEOUT), pair("due-code"), pair("__rpcx_error__"), pair("not a key"), pair("traceId")];
        let map = read(&pairs);
        assert_eq!(write(&map), [("traceid".to_owned(), "a".to_owned())]);
    }

    #[test]
    fn a_timeout_of_grpc_is_understood() {
        for time in [Duration::from_millis(50), Duration::from_secs(7), Duration::from_secs(99_999_960)] {
            let mut request = Request::new(());
            request.set_timeout(time);
            assert_eq!(timeout(request.metadata()), Some(time));
            assert_eq!(write(request.metadata()), []);
        }
        let mut map = MetadataMap::new();
        for text in ["", "S", "-1S", "123456789S", "1s"] {
            map.insert(GRPC_TIMEOUT, text.parse().unwrap());
            assert_eq!(timeout(&map), None, "{text}");
        }
    }
}
