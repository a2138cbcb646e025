//! Schemas that nobody wrote: valid ones with random edits. Findings or output, never a panic.

use std::fs;

use due_codegen::{Builder, Error};

const SEEDS: &[&str] =
    &[include_str!("random/hello.proto"), include_str!("random/shapes.proto"), include_str!("random/wallet.proto")];
/// Edits per seed file; a run of the test takes seconds.
const EDITS: u64 = 400;
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    ";",
    "=",
    "\"",
    "'",
    "/*",
    "*/",
    "//",
    "\\",
    "\u{feff}",
    "路由",
    "\r\n",
    "\0",
    "-",
    "0",
    "2147483648",
    "99999999999999999999",
    "1e400",
    "nan",
    ".",
    "..",
    "_",
    "option",
    "message",
    "enum",
    "service",
    "rpc",
    "oneof",
    "map<",
    "repeated",
    "optional",
    "stream",
    "extend",
    "group",
    "reserved",
    "import",
    "package",
    "syntax",
    "edition = \"2023\";",
    "due.route",
    "(due.push)",
    "google.protobuf.Empty",
    "id:",
    "self",
    "true",
    "max",
    "to",
    "extensions 1 to max;",
    "[(due.code) = true]",
    "import public \"due/options.proto\";",
];

#[test]
fn edits_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edited.proto");
    let (mut good, mut bad) = (0, 0);
    for (number, seed) in (0u64..).zip(SEEDS) {
        fs::write(&path, seed).unwrap();
        assert!(Builder::new().includes([folder.path()]).render().is_ok(), "{seed}");
        for edit in 0..EDITS {
            let text = edited(seed, &mut Random(number * 1_000_003 + edit + 1));
            fs::write(&path, &text).unwrap();
            match Builder::new().includes([folder.path()]).render() {
                Ok(_) => good += 1,
                Err(Error::Schema(findings)) => {
                    bad += 1;
                    assert!(findings.has_errors(), "{}", String::from_utf8_lossy(&text));
                    for finding in &findings {
                        let _ = finding.compact().to_string();
                        assert!(finding.labels().all(|label| label.line() > 0 && label.column() > 0));
                    }
                }
                Err(other) => panic!("{other:?}\n{}", String::from_utf8_lossy(&text)),
            }
        }
    }
    assert!(good > 10 && bad > 10, "the edits reach both outcomes: {good} good, {bad} bad");
}

fn edited(seed: &str, random: &mut Random) -> Vec<u8> {
    let mut text = seed.as_bytes().to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(text.len() + 1);
        match random.below(6) {
            0 => text.truncate(at.max(1)),
            1 => {
                let end = (at + random.below(12)).min(text.len());
                text.drain(at..end);
            }
            2 => {
                let piece = PIECES[random.below(PIECES.len())];
                text.splice(at..at, piece.bytes());
            }
            3 => {
                let end = (at + 1 + random.below(40)).min(text.len());
                let copy = text[at..end].to_vec();
                let to = random.below(text.len() + 1);
                text.splice(to..to, copy);
            }
            4 if at < text.len() => text[at] = random.below(256) as u8,
            _ => {
                // A word for another word of the file.
                let words = words(&text);
                if let [_, _, ..] = words[..] {
                    let (from, to) =
                        (words[random.below(words.len())].clone(), words[random.below(words.len())].clone());
                    let word = text[from].to_vec();
                    text.splice(to, word);
                }
            }
        }
        if text.is_empty() {
            break;
        }
    }
    text
}

fn words(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, byte) in text.iter().chain(b" ").enumerate() {
        let word = byte.is_ascii_alphanumeric() || *byte == b'_';
        match (start, word) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// xorshift: the same edits in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let limit = u64::try_from(limit.max(1)).unwrap_or(1);
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 20) % limit).unwrap_or(0)
    }
}
