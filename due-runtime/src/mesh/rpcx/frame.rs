//! One message of rpcx, between bytes and parts.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::gzip::{self, GzipError};
use super::limits::{MAX_BODY, MAX_FRAME, MAX_METADATA, MAX_NAME, MAX_PAIRS, ZIP_ABOVE};

/// A message between client and server. Integers are big-endian; each part is led by its own length:
/// ```text
/// | 0x08: 1 | version 0: 1 | flags: 1 | serialize type << 4: 1 | seq: 8 | size: 4 | path | method | metadata | payload |
/// flags: bit 7 response, bit 6 heartbeat, bit 5 oneway, bits 4-2 compression (1 gzip), bits 1-0 status (1 error)
/// part: | length: 4 | bytes |     metadata: key and value in turn, each as a part
/// ```
/// `size` counts the bytes after itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Frame {
    pub(super) is_response: bool,
    pub(super) is_heartbeat: bool,
    /// Nobody waits for a response.
    pub(super) is_oneway: bool,
    /// Of a frame that was read: it came compressed. Of one to be written: it is compressed if it is worth it.
    pub(super) gzip: bool,
    pub(super) is_error: bool,
    pub(super) serialize: Serialize,
    pub(super) seq: u64,
    pub(super) path: String,
    pub(super) method: String,
    pub(super) metadata: Vec<(String, String)>,
    /// Not compressed.
    pub(super) payload: Bytes,
}

/// What a payload is written in: 0 bytes, 1 JSON, 2 protobuf, 3 MessagePack, 4 Thrift.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Serialize(pub(super) u8);

/// What comes before the size.
const HEADER: usize = 12;
const MAGIC: u8 = 0x08;
const RESPONSE: u8 = 0x80;
const HEARTBEAT: u8 = 0x40;
const ONEWAY: u8 = 0x20;
const GZIP: u8 = 1;
const ERROR: u8 = 1;
const TOO_MUCH: &str = "there is too much metadata";

impl Frame {
    /// The first value of a metadata key.
    pub(super) fn meta(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// How many bytes the frame at the start of `buf` has, once that can be seen.
    ///
    /// # Errors
    /// What is no frame, and what is longer than we take: before anything is allocated for it.
    pub(super) fn size(buf: &[u8]) -> Result<Option<usize>, FrameError> {
        match buf.first() {
            None => return Ok(None),
            Some(&MAGIC) => {}
            Some(&other) => return Err(FrameError::NotRpcx(other)),
        }
        match buf.get(1) {
            None | Some(0) => {}
            Some(&version) => return Err(FrameError::Version(version)),
        }
        let Some(size) = buf.get(HEADER..).and_then(|rest| rest.first_chunk()) else { return Ok(None) };
        let size = u32::from_be_bytes(*size) as usize;
        if size > MAX_FRAME {
            return Err(FrameError::TooLong { what: "frame", size, limit: MAX_FRAME });
        }
        Ok(Some(HEADER + 4 + size))
    }

    /// Takes the frame at the start of `buf`, if all of it is there.
    pub(super) fn take(buf: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        match Self::size(buf)? {
            Some(size) if size <= buf.len() => Self::decode(buf.split_to(size).freeze()).map(Some),
            _ => Ok(None),
        }
    }

    fn decode(mut bytes: Bytes) -> Result<Self, FrameError> {
        let (flags, serialize) = (bytes[2], bytes[3] >> 4);
        bytes.advance(4);
        let seq = bytes.get_u64();
        bytes.advance(4);
        let path = text(part(&mut bytes, "service path", MAX_NAME)?)?;
        let method = text(part(&mut bytes, "service method", MAX_NAME)?)?;
        let metadata = pairs(part(&mut bytes, "metadata", MAX_METADATA)?)?;
        let payload = part(&mut bytes, "payload", MAX_BODY)?;
        if !bytes.is_empty() {
            return Err(FrameError::Malformed("bytes follow the payload"));
        }
        let gzip = match (flags >> 2) & 0b111 {
            0 => false,
            GZIP => true,
            other => return Err(FrameError::Compression(other)),
        };
        Ok(Self {
            is_response: flags & RESPONSE != 0,
            is_heartbeat: flags & HEARTBEAT != 0,
            is_oneway: flags & ONEWAY != 0,
            gzip,
            is_error: flags & 0b11 == ERROR,
            serialize: Serialize(serialize),
            seq,
            path,
            method,
            metadata,
            payload: if gzip { gzip::unzip(&payload, MAX_BODY)? } else { payload },
        })
    }

    /// The whole frame. A payload of more than 1 KiB is compressed if `gzip` says so and it helps.
    ///
    /// # Errors
    /// Parts that the other side would refuse.
    pub(super) fn encode(&self) -> Result<Bytes, FrameError> {
        let zipped = if self.gzip && self.payload.len() > ZIP_ABOVE { Some(gzip::zip(&self.payload)?) } else { None };
        // What does not become shorter stays as it is: everybody reads that, too.
        let zipped = zipped.filter(|zipped| zipped.len() < self.payload.len());
        let payload = zipped.as_ref().unwrap_or(&self.payload);
        let metadata: usize = self.metadata.iter().map(|(key, value)| 8 + key.len() + value.len()).sum();
        if self.metadata.len() > MAX_PAIRS {
            return Err(FrameError::Malformed(TOO_MUCH));
        }
        let parts = [
            ("service path", self.path.len(), MAX_NAME),
            ("service method", self.method.len(), MAX_NAME),
            ("metadata", metadata, MAX_METADATA),
            ("payload", self.payload.len(), MAX_BODY),
        ];
        if let Some(&(what, size, limit)) = parts.iter().find(|(_, size, limit)| size > limit) {
            return Err(FrameError::TooLong { what, size, limit });
        }
        let size = 16 + self.path.len() + self.method.len() + metadata + payload.len();
        let mut out = BytesMut::with_capacity(HEADER + 4 + size);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        out.put_u8(MAGIC);
        out.put_u8(0);
        out.put_u8(
            flag(self.is_response, RESPONSE)
                | flag(self.is_heartbeat, HEARTBEAT)
                | flag(self.is_oneway, ONEWAY)
                | flag(zipped.is_some(), GZIP << 2)
                | flag(self.is_error, ERROR),
        );
        out.put_u8(self.serialize.0 << 4);
        out.put_u64(self.seq);
        put_length(&mut out, size);
        put_part(&mut out, self.path.as_bytes());
        put_part(&mut out, self.method.as_bytes());
        put_length(&mut out, metadata);
        for (key, value) in &self.metadata {
            put_part(&mut out, key.as_bytes());
            put_part(&mut out, value.as_bytes());
        }
        put_part(&mut out, payload);
        Ok(out.freeze())
    }
}

fn put_part(out: &mut BytesMut, part: &[u8]) {
    put_length(out, part.len());
    out.put_slice(part);
}

fn put_length(out: &mut BytesMut, length: usize) {
    out.put_u32(u32::try_from(length).expect("parts are bounded far below 4 GiB"));
}

fn part(bytes: &mut Bytes, what: &'static str, limit: usize) -> Result<Bytes, FrameError> {
    let size = bytes.try_get_u32().map_err(|_| FrameError::Malformed("a part lacks its length"))? as usize;
    if size > limit {
        return Err(FrameError::TooLong { what, size, limit });
    }
    if size > bytes.len() {
        return Err(FrameError::Malformed("a part is longer than its frame"));
    }
    Ok(bytes.split_to(size))
}

fn text(bytes: Bytes) -> Result<String, FrameError> {
    let text = std::str::from_utf8(&bytes).map_err(|_| FrameError::Malformed("a name or a value is not UTF-8"))?;
    Ok(text.to_owned())
}

fn pairs(mut bytes: Bytes) -> Result<Vec<(String, String)>, FrameError> {
    let mut pairs = Vec::new();
    while !bytes.is_empty() {
        if pairs.len() == MAX_PAIRS {
            return Err(FrameError::Malformed(TOO_MUCH));
        }
        let key = text(part(&mut bytes, "metadata", MAX_METADATA)?)?;
        pairs.push((key, text(part(&mut bytes, "metadata", MAX_METADATA)?)?));
    }
    Ok(pairs)
}

/// Bytes that are no frame, or a frame that we neither take nor send.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame begins with 0x08, not {0:#04x}: is the other side rpcx?")]
    NotRpcx(u8),
    #[error("version {0} of rpcx is not known, only 0")]
    Version(u8),
    #[error("the {what} has {size} bytes, more than the limit of {limit}")]
    TooLong { what: &'static str, size: usize, limit: usize },
    #[error("{0}")]
    Malformed(&'static str),
    #[error("compression {0} is not known, only gzip, 1")]
    Compression(u8),
    #[error("the payload is no gzip, or too long")]
    Gzip(#[from] GzipError),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<_> = text.chars().filter(|char| !char.is_whitespace()).collect();
        digits.chunks(2).map(|two| u8::from_str_radix(&two.iter().collect::<String>(), 16).unwrap()).collect()
    }

    fn take(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
        Frame::take(&mut BytesMut::from(bytes))
    }

    fn call() -> Frame {
        Frame {
            serialize: Serialize(3),
            seq: 7,
            path: "Wallet".to_owned(),
            method: "IncrGold".to_owned(),
            metadata: vec![("__ServerTimeout".to_owned(), "3000".to_owned())],
            payload: Bytes::from_static(&[0x80]),
            ..Frame::default()
        }
    }

    #[test]
    fn a_request_is_these_bytes() {
        let bytes = hex("08 00 00 30 0000000000000007 0000003a
             00000006 57616c6c6574
             00000008 496e6372476f6c64
             0000001b 0000000f 5f5f53657276657254696d656f7574 00000004 33303030
             00000001 80");
        assert_eq!(call().encode().unwrap(), bytes);
        assert_eq!(take(&bytes).unwrap().unwrap(), call());
    }

    #[test]
    fn a_heartbeat_is_these_bytes() {
        let beat = Frame {
            is_heartbeat: true,
            serialize: Serialize(3),
            payload: hex("d3 0000000000000001").into(),
            ..Frame::default()
        };
        let bytes = hex("08 00 40 30 0000000000000000 00000019 00000000 00000000 00000000 00000009 d30000000000000001");
        assert_eq!(beat.encode().unwrap(), bytes);
        assert_eq!(take(&bytes).unwrap().unwrap(), beat);
    }

    #[test]
    fn flags_are_these_bits() {
        let flags = |frame: Frame| frame.encode().unwrap()[2];
        assert_eq!(flags(Frame { is_response: true, ..Frame::default() }), 0x80);
        assert_eq!(flags(Frame { is_oneway: true, ..Frame::default() }), 0x20);
        assert_eq!(flags(Frame { is_response: true, is_error: true, ..Frame::default() }), 0x81);
        assert_eq!(flags(Frame { gzip: true, payload: vec![0; 1024].into(), ..Frame::default() }), 0);
        assert_eq!(flags(Frame { gzip: true, payload: vec![0; 1025].into(), ..Frame::default() }), 4);
    }

    #[test]
    fn what_is_compressed_is_the_same_after() {
        let frame = Frame { gzip: true, payload: vec![7; 4 << 20].into(), ..call() };
        let bytes = frame.encode().unwrap();
        assert!(bytes.len() < 40_000, "{}", bytes.len());
        assert_eq!(take(&bytes).unwrap().unwrap(), frame);
    }

    #[test]
    fn what_is_too_long_is_refused_by_its_claim() {
        let text = |result: Result<Option<Frame>, FrameError>| result.unwrap_err().to_string();
        let frame = hex("08 00 00 30 0000000000000007 ffffffff");
        assert_eq!(text(take(&frame)), format!("the frame has 4294967295 bytes, more than the limit of {MAX_FRAME}"));
        let name = hex("08 00 00 30 0000000000000007 00000010 00000101 0000000000000000 00000000");
        assert_eq!(text(take(&name)), "the service path has 257 bytes, more than the limit of 256");
        let beyond = hex("08 00 00 30 0000000000000007 00000010 00000010 0000000000000000 00000000");
        assert_eq!(text(take(&beyond)), "a part is longer than its frame");
        // A bomb: 4 MiB and one byte of zeros in 4 KiB.
        let mut bomb = BytesMut::new();
        put_part(&mut bomb, b"");
        put_part(&mut bomb, b"");
        put_part(&mut bomb, b"");
        put_part(&mut bomb, &gzip::zip(&vec![0; MAX_BODY + 1]).unwrap());
        let mut bytes = BytesMut::from(&hex("08 00 04 30 0000000000000007")[..]);
        put_length(&mut bytes, bomb.len());
        bytes.extend_from_slice(&bomb);
        assert_eq!(text(take(&bytes)), "the payload is no gzip, or too long");
        let long = Frame { payload: vec![0; MAX_BODY + 1].into(), ..Frame::default() };
        assert_eq!(
            long.encode().unwrap_err().to_string(),
            "the payload has 4194305 bytes, more than the limit of 4194304"
        );
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let text = |bytes: &str| take(&hex(bytes)).unwrap_err().to_string();
        assert_eq!(text("47455420"), "a frame begins with 0x08, not 0x47: is the other side rpcx?");
        assert_eq!(text("0801"), "version 1 of rpcx is not known, only 0");
        let empty = "00000010 00000000 00000000 00000000 00000000";
        assert_eq!(text(&format!("08000800 0000000000000000 {empty}")), "compression 2 is not known, only gzip, 1");
        assert_eq!(text(&format!("08000400 0000000000000000 {empty}")), "the payload is no gzip, or too long");
        assert_eq!(text("08000000 0000000000000000 00000000"), "a part lacks its length");
        let rest = "00000011 00000000 00000000 00000000 00000000 00";
        assert_eq!(text(&format!("08000000 0000000000000000 {rest}")), "bytes follow the payload");
        let name = "00000011 00000001 ff 00000000 00000000 00000000";
        assert_eq!(text(&format!("08000000 0000000000000000 {name}")), "a name or a value is not UTF-8");
        let pair = "00000015 00000000 00000000 00000005 00000001 41 00000000";
        assert_eq!(text(&format!("08000000 0000000000000000 {pair}")), "a part lacks its length");
    }

    fn plain(frame: Frame) -> Frame {
        Frame { gzip: false, ..frame }
    }

    fn frames() -> impl Strategy<Value = Frame> {
        let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
        let metadata = proptest::collection::vec((".{0,8}", ".{0,8}"), 0..4);
        let payload = proptest::collection::vec(any::<u8>(), 0..3000);
        (flags, any::<bool>(), 0..16u8, any::<u64>(), ".{0,20}", ".{0,20}", metadata, payload).prop_map(
            |(
                (is_response, is_heartbeat, is_oneway, is_error),
                gzip,
                serialize,
                seq,
                path,
                method,
                metadata,
                payload,
            )| {
                Frame {
                    is_response,
                    is_heartbeat,
                    is_oneway,
                    gzip,
                    is_error,
                    serialize: Serialize(serialize),
                    seq,
                    path,
                    method,
                    metadata,
                    payload: payload.into(),
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_survive_any_chunking(frames in proptest::collection::vec(frames(), 1..4), chunk in 1..600usize) {
            let mut bytes = Vec::new();
            for frame in &frames {
                bytes.extend_from_slice(&frame.encode().unwrap());
            }
            let (mut buf, mut read) = (BytesMut::new(), Vec::new());
            for chunk in bytes.chunks(chunk) {
                buf.extend_from_slice(chunk);
                while let Some(frame) = Frame::take(&mut buf).unwrap() {
                    read.push(frame);
                }
            }
            // Noise is not compressed.
            prop_assert_eq!(read.into_iter().map(plain).collect::<Vec<_>>(), frames.into_iter().map(plain).collect::<Vec<_>>());
            prop_assert!(buf.is_empty());
        }

        #[test]
        fn no_bytes_panic(head in any::<bool>(), mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if head && bytes.len() >= 16 {
                let size = (bytes.len() - 16) as u32;
                bytes[..2].copy_from_slice(&[8, 0]);
                bytes[12..16].copy_from_slice(&size.to_be_bytes());
            }
            // Either way is fine.
            let _ = take(&bytes);
        }

        #[test]
        fn no_frame_that_was_tampered_with_panics(frame in frames(), at in any::<usize>(), with in any::<u8>()) {
            let mut bytes = frame.encode().unwrap().to_vec();
            let at = at % bytes.len();
            bytes[at] = with;
            let _ = take(&bytes);
        }
    }
}
