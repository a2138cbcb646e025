//! The page: one file without anything from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use super::desk::Desk;
use super::refusal::Refusal;

static PAGE: &str = include_str!("page.html");

/// Nothing but the script and the style of the file itself, which talk to nobody but the master.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let (script, style) = (hash(PAGE, "script"), hash(PAGE, "style"));
    let policy = format!(
        "default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; base-uri 'none'; form-action \
         'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("ASCII")
});

pub(super) async fn show(_: Arc<Desk>) -> Result<Response, Refusal> {
    Ok(([(CONTENT_SECURITY_POLICY, POLICY.clone())], PAGE).into_response())
}

/// Of what is in the one element of that name.
fn hash(page: &str, element: &str) -> String {
    let inside =
        page.split_once(&format!("<{element}>")).and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
    let (inside, _) = inside.expect("the page has it once");
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(inside)))
}
