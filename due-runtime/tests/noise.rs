//! The claims of the fuzz targets, held against the same noise in every run: a fuzzer for machines that have none.

#[path = "../fuzz/fuzz_targets/claims.rs"]
mod claims;

use std::path::Path;

const INPUTS: usize = 100_000;

#[test]
fn streams() {
    disturb("stream", claims::stream);
}

#[test]
fn messages() {
    disturb("message", claims::message);
}

#[test]
fn bodies() {
    disturb("body", claims::body);
}

#[cfg(feature = "link")]
#[test]
fn links() {
    disturb("link", due::fuzzing::claims);
}

#[cfg(feature = "kcp")]
#[test]
fn datagrams() {
    disturb("datagram", due::transport::kcp::fuzzing::claims);
}

#[cfg(feature = "rpcx")]
#[test]
fn calls() {
    disturb("rpcx", due::mesh::rpcx::fuzzing::claims);
}

/// Starts from the seeds of the fuzz target, and keeps what it makes of them as seeds for more.
fn disturb(target: &str, claim: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut inputs: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(!inputs.is_empty(), "no seeds in {}", folder.display());
    inputs.iter().for_each(|input| claim(input));

    let seeds = inputs.len();
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    for _ in 0..INPUTS {
        let mut input = inputs[noise.below(inputs.len())].clone();
        for _ in 0..=noise.below(4) {
            noise.change(&mut input, &inputs);
        }
        input.truncate(1024);
        claim(&input);
        if inputs.len() < 500 {
            inputs.push(input);
        } else {
            let at = seeds + noise.below(inputs.len() - seeds);
            inputs[at] = input;
        }
    }
}

/// xorshift64
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    fn change(&mut self, input: &mut Vec<u8>, others: &[Vec<u8>]) {
        const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'9'];
        let at = self.below(input.len() + 1);
        match self.below(6) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = EDGES[self.below(EDGES.len())],
            2 => input.insert(at, self.next() as u8),
            3 => input.truncate(at),
            4 if at < input.len() => drop(input.remove(at)),
            _ => {
                let other = &others[self.below(others.len())];
                let from = self.below(other.len() + 1);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}
