//! What the route -1 carries, which no schema declares.

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// The route of what gates and clients say about themselves.
pub(super) const RESERVED: i32 = -1;
/// Begins a body about schemas; no status begins so, in any codec.
const ABOUT_SCHEMAS: u8 = 0xff;

/// The messages of `reserved.proto`.
#[derive(Clone)]
pub(super) struct Reserved {
    /// That a request has failed, or why a session ends.
    pub(super) status: MessageDescriptor,
    /// What a client asks about its schema.
    pub(super) greeting: MessageDescriptor,
    /// What its gate says to that.
    pub(super) answer: MessageDescriptor,
}

impl Reserved {
    pub(super) fn new() -> Option<Self> {
        let file = protox::file::File::from_source("due/reserved.proto", include_str!("reserved.proto")).ok()?;
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_proto(file.file_descriptor_proto().clone()).ok()?;
        Some(Self {
            status: pool.get_message_by_name("due.Status")?,
            greeting: pool.get_message_by_name("due.Greeting")?,
            answer: pool.get_message_by_name("due.Answer")?,
        })
    }
}

/// Whether it is about schemas, and not a status.
pub(super) fn is_about_schemas(route: i32, body: &[u8]) -> bool {
    route == RESERVED && body.first() == Some(&ABOUT_SCHEMAS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_are_there() {
        assert!(Reserved::new().is_some());
    }
}
