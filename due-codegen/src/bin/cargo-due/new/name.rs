//! The name of a project: one that Cargo, npm, Docker and a proto package take as it is.

use std::path::Path;

use crate::failure::Failure;

/// Enough for everybody, and for a label of DNS.
const LONGEST: usize = 63;
/// What the project uses itself, and what Rust has already.
const TAKEN: &[&str] = &[
    "alloc",
    "core",
    "due",
    "due-runtime",
    "due_runtime",
    "generated",
    "google",
    "proc_macro",
    "prost",
    "std",
    "test",
    "tokio",
    "tonic",
    "tracing",
    "tracing-subscriber",
    "tracing_subscriber",
];
/// Folders of a target folder, which binaries must not meet; and files that Windows cannot make.
const FORBIDDEN: &[&str] = &["build", "deps", "examples", "incremental", "aux", "con", "nul", "prn"];

/// A name that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// The last part of a path.
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) => Self::new(name),
            None => Err(Failure::text(format!("`{}` does not end in a name; try `./my-game`", path.display()))),
        }
    }

    fn new(name: &str) -> Result<Self, Failure> {
        let refuse = |why: &str| Err(Failure::text(format!("`{name}` cannot be the name of a project: {why}")));
        let parts = || name.split(['-', '_']);
        let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !parts().all(part) {
            let mut why = "it begins with a letter and has lower-case letters and digits only, in parts that `-` joins"
                .to_owned();
            if let Some(better) = better(name) {
                why.push_str(&format!("; try `{better}`"));
            }
            return refuse(&why);
        }
        if name.len() > LONGEST {
            return refuse(&format!("it has more than {LONGEST} characters"));
        }
        let device = name.strip_prefix("com").or_else(|| name.strip_prefix("lpt"));
        if FORBIDDEN.contains(&name) || device.is_some_and(|rest| rest.len() == 1 && rest != "0") {
            return refuse(&format!("Cargo or Windows has another use for it; try `{name}-game`"));
        }
        let found = Self(name.to_owned());
        if TAKEN.contains(&name) {
            return refuse(&format!("a crate has it already; try `{name}-game`"));
        }
        if name == "gen" || syn::parse_str::<syn::Ident>(&found.krate()).is_err() {
            return refuse(&format!("it is a keyword of Rust; try `{name}-game`"));
        }
        Ok(found)
    }

    /// Of the Cargo package, the npm package, the image and the nodes.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// As Rust and proto have it.
    pub(crate) fn krate(&self) -> String {
        self.0.replace('-', "_")
    }
}

/// The same with what can be kept of it.
fn better(name: &str) -> Option<String> {
    let mut text = String::new();
    for (i, c) in name.char_indices() {
        let after = name[..i].chars().next_back();
        match c {
            // `MyGame` is `my-game`.
            'A'..='Z' if after.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) => {
                text.extend(['-', c.to_ascii_lowercase()]);
            }
            c if c.is_ascii_alphanumeric() => text.push(c.to_ascii_lowercase()),
            _ => text.push('-'),
        }
    }
    let text = text.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    let text = text.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    // What is left has the right letters, so that this does not come back here.
    (!text.is_empty() && Name::new(text).is_ok()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str) -> String {
        let Err(Failure::Other(error)) = Name::new(name) else { panic!("{name} is a name") };
        error.to_string()
    }

    #[test]
    fn names_that_everything_takes_are_names() {
        for name in ["hello", "my-game", "my_game", "game2d", "a-1", "dues", "com", "com10", &"x".repeat(63)] {
            assert_eq!(Name::new(name).ok().map(|name| name.text().to_owned()), Some(name.to_owned()));
        }
        assert_eq!(Name::new("my-game").ok().map(|name| name.krate()), Some("my_game".to_owned()));
    }

    #[test]
    fn others_are_refused_with_one_that_would_do() {
        for (name, next) in [
            ("MyGame", "try `my-game`"),
            ("my game", "try `my-game`"),
            ("_game", "try `game`"),
            ("2d-game", "try `d-game`"),
            ("a--b", "try `a-b`"),
            ("game-", "try `game`"),
            ("due", "a crate has it already; try `due-game`"),
            ("tokio", "a crate has it already; try `tokio-game`"),
            ("async", "a keyword of Rust; try `async-game`"),
            ("gen", "a keyword of Rust; try `gen-game`"),
            ("deps", "Cargo or Windows has another use for it; try `deps-game`"),
            ("com1", "Cargo or Windows has another use for it; try `com1-game`"),
            ("路由", "in parts that `-` joins"),
            (&"x".repeat(64), "more than 63 characters"),
        ] {
            let text = refusal(name);
            assert!(text.ends_with(next), "{text}");
        }
        for path in ["/", "..", ""] {
            assert!(Name::of(Path::new(path)).is_err(), "{path}");
        }
    }
}
