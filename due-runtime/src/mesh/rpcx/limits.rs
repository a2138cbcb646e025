//! Everything that a peer could have too much of.

use std::time::Duration;

/// Bytes of a payload, before and after compression: as much as gRPC takes.
pub(super) const MAX_BODY: usize = 4 << 20;
/// Bytes of the metadata of a message.
pub(super) const MAX_METADATA: usize = 64 << 10;
/// Keys in the metadata of a message.
pub(super) const MAX_PAIRS: usize = 64;
/// Bytes of a service path, and of a method.
pub(super) const MAX_NAME: usize = 256;
/// Bytes after the size of a frame.
pub(super) const MAX_FRAME: usize = MAX_BODY + MAX_METADATA + 2 * MAX_NAME + 16;

/// Bytes of an error's text; more is cut off.
pub(super) const MAX_TEXT: usize = 4 << 10;

/// Payloads above this many bytes are compressed.
pub(super) const ZIP_ABOVE: usize = 1024;

/// Calls that wait for an answer on one connection; further ones wait for a place, within their deadline.
pub(super) const MAX_CALLS: usize = 128;
/// Calls of one connection that a server has at work before it reads on: more than [`MAX_CALLS`], so that it never fails to
/// hear a heartbeat of ours.
pub(super) const MAX_AT_WORK: usize = 256;
/// Frames that wait to be written; senders wait.
pub(super) const WRITE_QUEUE: usize = 64;
/// Connections that a server has at a time.
pub(super) const MAX_CONNECTIONS: usize = 4096;
/// Connections to one instance; a further one is made where all have [`BUSY`] calls.
pub(in crate::mesh) const POOL: usize = 4;
pub(in crate::mesh) const BUSY: usize = 64;

/// Time for the rest of a frame that has begun, and to write one.
pub(super) const FRAME_TIME: Duration = Duration::from_secs(30);
/// A server that is silent while calls wait for it is asked this often whether it lives, and given as long to answer.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A server that stops reads on for so long: clients of Go are not told.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);
