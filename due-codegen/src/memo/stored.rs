//! The shape of a memo on disk: protobuf behind its checksum.

use prost::Message;

use super::sum::{Sum, sum};

/// Changes with what the fields below mean.
const FORMAT: u32 = 2;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Stored {
    #[prost(uint32, tag = "1")]
    format: u32,
    /// Of the state before the run.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) before: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    pub(super) sources: Vec<StoredFile>,
    /// What templates have asked for.
    #[prost(message, repeated, tag = "4")]
    pub(super) asked: Vec<StoredFile>,
    /// In the order of the outputs.
    #[prost(message, repeated, tag = "5")]
    pub(super) trees: Vec<StoredTree>,
    #[prost(message, repeated, tag = "6")]
    pub(super) warnings: Vec<StoredFinding>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredFile {
    #[prost(string, tag = "1")]
    pub(super) path: String,
    /// Absent if there was no such file.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) sum: Option<Vec<u8>>,
    /// Of sources.
    #[prost(string, tag = "3")]
    pub(super) import_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredTree {
    #[prost(message, repeated, tag = "1")]
    pub(super) files: Vec<StoredFile>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredFinding {
    #[prost(enumeration = "StoredSeverity", tag = "1")]
    pub(super) severity: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(string, optional, tag = "3")]
    pub(super) help: Option<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) labels: Vec<StoredLabel>,
    #[prost(message, repeated, tag = "5")]
    pub(super) elsewhere: Vec<StoredFinding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum StoredSeverity {
    Unknown = 0,
    Warning = 1,
    Note = 2,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredLabel {
    /// Index of the source.
    #[prost(uint64, tag = "1")]
    pub(super) source: u64,
    #[prost(uint64, tag = "2")]
    pub(super) start: u64,
    #[prost(uint64, tag = "3")]
    pub(super) end: u64,
    #[prost(string, tag = "4")]
    pub(super) text: String,
}

impl Stored {
    pub(super) fn new(before: Sum) -> Self {
        Self { format: FORMAT, before: before.to_vec(), ..Self::default() }
    }

    /// `None` for anything but what [`bytes`](Self::bytes) has made, whole and in this format.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (expected, rest) = bytes.split_first_chunk::<32>()?;
        if *expected != sum(rest) {
            return None;
        }
        Self::decode(rest).ok().filter(|stored| stored.format == FORMAT)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let rest = self.encode_to_vec();
        [sum(&rest).as_slice(), &rest].concat()
    }
}
