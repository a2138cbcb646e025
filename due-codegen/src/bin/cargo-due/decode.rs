//! `cargo due decode`.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use clap::{Args, ValueEnum};
use due_codegen::{
    BodyCodec, Builder, DecodeOptions, Decoded, Dialect, Direction, Input, PacketOptions, Schema, Wire, decode,
};

use crate::Outcome;
use crate::failure::Failure;
use crate::frames::lines;
use crate::output::{count, json, show, tell};
use crate::project::ConfigArg;
use crate::underway::underway;

/// Take frames apart: name every field with its place, and decode the bodies by their routes.
///
/// INPUT is hex (with or without spaces, 0x, colons, or a dump of xxd, hexdump -C or tcpdump -X), or a file that has hex or
/// the bytes themselves, or `-` for standard input. Several frames may follow one another; a blank line ends a message of
/// the bare dialect. What is guessed is said. Without a due.toml, routes stay numbers and bodies bytes.
///
/// With --json: {"version": 1, "wire", "dialect", "guessed", "frames": [{"offset", "length", "what", "route", "seq", "parts":
/// [{"offset", "length", "name", "bytes", "value"}], "body": {"message", "direction", "codec", "parts", "json"} or null,
/// "packet": a frame or null, "notes", "fault": {"offset", "message"} or null}]}. Later versions may add keys.
#[derive(Args)]
pub(crate) struct Decode {
    /// Hex, a file, or `-`.
    input: Vec<String>,
    /// The bytes themselves, though they look like hex.
    #[arg(long)]
    raw: bool,
    /// Between client and gate, or between servers (drpc).
    #[arg(long, value_enum, default_value_t)]
    wire: WireArg,
    /// Whether client packets have their size in front (bare: a ws message each, due of 2023).
    #[arg(long, value_enum, default_value_t)]
    dialect: DialectArg,
    /// Who speaks; guessed by what the body fits.
    #[arg(long, value_enum, default_value_t)]
    direction: DirectionArg,
    /// What bodies are written in; auto knows proto from json.
    #[arg(long, value_enum, default_value_t)]
    codec: CodecArg,
    /// Bytes of the route, instead of what due.toml says: 1, 2 or 4.
    #[arg(long, value_name = "N", value_parser = ["1", "2", "4"])]
    route_bytes: Option<String>,
    /// Bytes of the seq, instead of what due.toml says: 0, 1, 2 or 4.
    #[arg(long, value_name = "N", value_parser = ["0", "1", "2", "4"])]
    seq_bytes: Option<String>,
    /// Byte order of client packets, instead of what due.toml says.
    #[arg(long, value_enum)]
    byte_order: Option<Order>,
    /// Everything as one JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum WireArg {
    #[default]
    Auto,
    Client,
    Link,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum DialectArg {
    #[default]
    Auto,
    Sized,
    Bare,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum DirectionArg {
    #[default]
    Auto,
    Request,
    Response,
    Push,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum CodecArg {
    #[default]
    Auto,
    Proto,
    Json,
    Msgpack,
    Raw,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    Big,
    Little,
}

/// Bytes of an input; what is longer is a recording and no frame.
const LARGEST: u64 = 16 << 20;

impl Decode {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let input = self.input()?;
        if input.bytes().is_empty() {
            return Err(Failure::text("there are no bytes to decode: give hex, a file, or `-` for standard input"));
        }
        let project = self.config.load_if_any()?;
        let mut options = DecodeOptions::default();
        let mut schema = None;
        match project {
            Some(project) => {
                options.packet = project.config.packet.clone();
                let read = underway("reading the schema", || Builder::from(project.config).schema())?;
                show(read.warnings());
                schema = Some(read);
            }
            None => say!("no due.toml in this folder or above it: routes stay numbers, and bodies bytes"),
        }
        self.set(&mut options)?;
        let decoded = decode(&input, schema.as_ref(), &options);
        if self.json {
            json(&decoded)?;
        } else {
            self.tell(&decoded, schema.as_ref())?;
        }
        Ok(if decoded.has_faults() { Outcome::Findings } else { Outcome::Fine })
    }

    fn set(&self, options: &mut DecodeOptions) -> Result<(), Failure> {
        options.wire = match self.wire {
            WireArg::Auto => None,
            WireArg::Client => Some(Wire::Client),
            WireArg::Link => Some(Wire::Link),
        };
        options.dialect = match self.dialect {
            DialectArg::Auto => None,
            DialectArg::Sized => Some(Dialect::Sized),
            DialectArg::Bare => Some(Dialect::Bare),
        };
        if (options.wire, options.dialect) == (Some(Wire::Link), Some(Dialect::Bare)) {
            return Err(Failure::text("frames of the link have their size in front: leave --dialect bare out"));
        }
        options.direction = match self.direction {
            DirectionArg::Auto => None,
            DirectionArg::Request => Some(Direction::Request),
            DirectionArg::Response => Some(Direction::Response),
            DirectionArg::Push => Some(Direction::Push),
        };
        options.codec = match self.codec {
            CodecArg::Auto => None,
            CodecArg::Proto => Some(BodyCodec::Proto),
            CodecArg::Json => Some(BodyCodec::Json),
            CodecArg::Msgpack => Some(BodyCodec::Msgpack),
            CodecArg::Raw => Some(BodyCodec::Raw),
        };
        let PacketOptions { route_bytes, seq_bytes, big_endian, .. } = &mut options.packet;
        let width = |told: &Option<String>, width: &mut u8| {
            *width = told.as_ref().and_then(|told| told.parse().ok()).unwrap_or(*width);
        };
        width(&self.route_bytes, route_bytes);
        width(&self.seq_bytes, seq_bytes);
        *big_endian = self.byte_order.map_or(*big_endian, |order| order == Order::Big);
        Ok(())
    }

    fn input(&self) -> Result<Input, Failure> {
        let of = |bytes: Vec<u8>| if self.raw { Input::raw(bytes) } else { Input::from_file(bytes) };
        match self.input.as_slice() {
            [] if io::stdin().is_terminal() => {
                Err(Failure::text("give hex, a file, or `-` for standard input: `cargo due decode 0000000180`"))
            }
            [] => Ok(of(read(&mut io::stdin().lock(), "standard input")?)),
            [one] if one == "-" => Ok(of(read(&mut io::stdin().lock(), "standard input")?)),
            words => {
                let hex = Input::hex(&words.join(" "));
                let file = words.first().filter(|word| words.len() == 1 && Path::new(word).is_file());
                match (hex, file) {
                    (Ok(input), _) if !self.raw => Ok(input),
                    (_, Some(path)) => {
                        let what = format!("`{path}` cannot be read");
                        let mut file = fs::File::open(path).map_err(|err| Failure::new(&what, err))?;
                        Ok(of(read(&mut file, path)?))
                    }
                    (Err(err), None) => {
                        let text = words.join(" ");
                        Err(Failure::text(format!("`{text}` is neither a file nor hex: {err}")))
                    }
                    (Ok(_), None) => {
                        Err(Failure::text("--raw is for bytes of a file or of standard input, not for hex"))
                    }
                }
            }
        }
    }

    fn tell(&self, decoded: &Decoded, schema: Option<&Schema>) -> Result<(), Failure> {
        if decoded.guessed {
            let what = match (decoded.wire, decoded.dialect) {
                (Wire::Link, _) => "frames of the link",
                (_, Dialect::Bare) => "client packets without a size (bare)",
                _ => "client packets",
            };
            let how = if schema.is_some() { "by their routes and shape" } else { "by their shape" };
            say!("read as {what}, {how}; --wire and --dialect say otherwise");
        }
        tell(|out| {
            for (index, frame) in decoded.frames.iter().enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                let end = (frame.offset + frame.length).saturating_sub(1);
                let length = count(frame.length, "byte");
                writeln!(out, "{} at {}..{end}, {length}: {}", index + 1, frame.offset, frame.what)?;
                lines(out, frame, 1)?;
            }
            Ok(())
        })
    }
}

fn read(from: &mut impl io::Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|err| Failure::new(&format!("`{name}` cannot be read"), err))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::text(format!(
            "`{name}` has more than {} MiB: cut the frames out of it first",
            LARGEST >> 20
        )));
    }
    Ok(bytes)
}
