//! What was asked for on the command line, as bodies of packets.

use std::fs;
use std::io::Read as _;

use due::Bytes;

use crate::failure::Failure;
use crate::live::body;
use crate::live::catalog::{Catalog, Route};
use crate::live::target::Manners;

/// A call that is ready to go.
pub(super) struct Request {
    pub(super) route: Route,
    pub(super) body: Bytes,
}

/// Reads `SERVICE/METHOD [JSON]`, one after the other. Standard input serves one of them.
pub(super) fn read(words: &[String], catalog: &Catalog, manners: &Manners) -> Result<Vec<Request>, Failure> {
    let mut requests = Vec::new();
    let mut words = words.iter().peekable();
    let mut stdin = Some(std::io::stdin());
    while let Some(name) = words.next() {
        if is_json(name) {
            return Err(Failure::text(format!("`{name}` has no SERVICE/METHOD before it")));
        }
        let route = catalog.route(name)?;
        let text = match words.next_if(|word| is_json(word)).map(String::as_str) {
            None => "{}".to_owned(),
            Some("-") => {
                let mut text = String::new();
                let mut stdin =
                    stdin.take().ok_or_else(|| Failure::text("standard input (-) serves one call alone"))?;
                stdin.read_to_string(&mut text).map_err(|err| Failure::new("standard input cannot be read", err))?;
                text
            }
            Some(word) => match word.strip_prefix('@') {
                Some(path) => {
                    fs::read_to_string(path).map_err(|err| Failure::new(&format!("`{path}` cannot be read"), err))?
                }
                None => word.to_owned(),
            },
        };
        let wrong = |error| Failure::text(format!("the request of {}: {error}", route.name));
        let message = body::from_text(&route.request, &text).map_err(wrong)?;
        let body = body::encode(&manners.codec, &message).map_err(wrong)?;
        requests.push(Request { route, body });
    }
    Ok(requests)
}

/// Names begin with letters. `true` and numbers are JSON of no message but wrappers: in a file they may stand.
fn is_json(word: &str) -> bool {
    word.starts_with(['{', '[', '"', '@', '-'])
}
