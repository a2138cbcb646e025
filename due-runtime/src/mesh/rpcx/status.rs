//! What an error is on the wire: a text that every rpcx peer reads, and beside it a code that ours read.

use tonic::{Code, Status};

use super::frame::Frame;
use super::limits::MAX_TEXT;

/// The text of an error.
const TEXT: &str = "__rpcx_error__";
/// The number of a gRPC code. Peers of Go know no codes, and ignore it.
const CODE: &str = "due-code";
/// What servers of Go say where no service and no method is.
const NOWHERE: &str = "rpcx: can't find ";

pub(super) fn no_service(path: &str) -> Status {
    Status::unimplemented(format!("{NOWHERE}service {path}"))
}

pub(super) fn no_method(method: &str) -> Status {
    Status::unimplemented(format!("{NOWHERE}method {method}"))
}

/// The metadata of an error.
pub(super) fn to_metadata(status: &Status) -> Vec<(String, String)> {
    let text = match status.message() {
        "" => status.code().description(),
        text => &text[..text.floor_char_boundary(MAX_TEXT)],
    };
    vec![(TEXT.to_owned(), text.to_owned()), (CODE.to_owned(), i32::from(status.code()).to_string())]
}

/// The error of a response.
pub(super) fn of(response: &Frame) -> Status {
    let text = response.meta(TEXT).unwrap_or("the server names no error");
    let code = match response.meta(CODE).and_then(|code| code.parse::<i32>().ok()) {
        Some(code) => match Code::from(code) {
            Code::Ok => Code::Unknown,
            code => code,
        },
        None if text.starts_with(NOWHERE) => Code::Unimplemented,
        None if text == "context deadline exceeded" => Code::DeadlineExceeded,
        None => Code::Unknown,
    };
    Status::new(code, text)
}

/// Whether the metadata of a response is ours to read, and not the caller's.
pub(super) fn is_reserved(key: &str) -> bool {
    key == TEXT || key == CODE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_back_with_their_codes() {
        let there_and_back = |status: &Status| of(&Frame { metadata: to_metadata(status), ..Frame::default() });
        let status = there_and_back(&Status::unauthenticated("no such user"));
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "no such user"));
        assert_eq!(there_and_back(&Status::unknown("é".repeat(9000))).message().len(), MAX_TEXT);
        assert_eq!(there_and_back(&Status::new(Code::Ok, "")).code(), Code::Unknown);
        assert_eq!(there_and_back(&no_service("A")).message(), "rpcx: can't find service A");
    }

    #[test]
    fn errors_of_go_are_told_apart_by_their_text() {
        let go =
            |text: &str| of(&Frame { metadata: vec![(TEXT.to_owned(), text.to_owned())], ..Frame::default() }).code();
        assert_eq!(go("rpcx: can't find method Nod"), Code::Unimplemented);
        assert_eq!(go("context deadline exceeded"), Code::DeadlineExceeded);
        assert_eq!(go("not enough gold"), Code::Unknown);
        assert_eq!(of(&Frame::default()).message(), "the server names no error");
    }
}
