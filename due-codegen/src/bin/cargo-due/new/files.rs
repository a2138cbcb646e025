//! What is in a project: templates of `templates/new`, and what the generator makes of its schema.

use std::path::Path;

use due_codegen::{Builder, Config, FILE_NAME, LOCK_NAME};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, context};

use super::Template;
use super::name::Name;
use super::origin::{Origin, VERSION};
use crate::failure::Failure;

/// One file of a project.
struct File {
    /// Where it goes: a template, too.
    path: &'static str,
    /// Below `templates/new`.
    template: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($path:literal: $template:literal),* $(,)?) => {
        &[$(File {
            path: $path,
            template: $template,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/new/", $template)),
        }),*]
    };
}

const SHARED: &[File] = files![
    ".dockerignore": "shared/dockerignore",
    ".github/workflows/ci.yml": "shared/ci.yml.j2",
    ".gitignore": "shared/gitignore",
    "Cargo.toml": "shared/Cargo.toml.j2",
    "Dockerfile": "shared/Dockerfile.j2",
    "client/.npmrc": "shared/client/npmrc",
    "client/package-lock.json": "shared/client/package-lock.json.j2",
    "client/package.json": "shared/client/package.json.j2",
    "client/tests/server.ts": "shared/client/tests/server.ts",
    "client/tsconfig.json": "shared/client/tsconfig.json",
    "client/vitest.config.ts": "shared/client/vitest.config.ts",
    "due.toml": "shared/due.toml.j2",
    "rustfmt.toml": "shared/rustfmt.toml",
];

const HELLO: &[File] = files![
    "README.md": "hello/README.md.j2",
    "client/index.html": "hello/client/index.html.j2",
    "client/src/main.ts": "hello/client/src/main.ts.j2",
    "client/tests/greeter.test.ts": "hello/client/tests/greeter.test.ts.j2",
    "compose.yaml": "hello/compose.yaml.j2",
    "etc/etc.toml": "hello/etc/etc.toml",
    "proto/{{ package }}/v1/{{ package }}.proto": "hello/service.proto.j2",
    "src/lib.rs": "hello/src/lib.rs.j2",
    "src/main.rs": "hello/src/main.rs.j2",
    "tests/greeter.rs": "hello/tests/greeter.rs.j2",
];

const ROOMS: &[File] = files![
    "README.md": "rooms/README.md.j2",
    "client/index.html": "rooms/client/index.html.j2",
    "client/src/main.ts": "rooms/client/src/main.ts.j2",
    "client/tests/rooms.test.ts": "rooms/client/tests/rooms.test.ts.j2",
    "compose.yaml": "rooms/compose.yaml.j2",
    "etc-fleet/etc.toml": "rooms/etc-fleet/etc.toml",
    "etc/etc.toml": "rooms/etc/etc.toml",
    "proto/{{ package }}/v1/{{ package }}.proto": "rooms/service.proto.j2",
    "src/hall.rs": "rooms/src/hall.rs.j2",
    "src/lib.rs": "rooms/src/lib.rs.j2",
    "src/main.rs": "rooms/src/main.rs.j2",
    "src/room.rs": "rooms/src/room.rs.j2",
    "tests/etc.rs": "rooms/tests/etc.rs.j2",
    "tests/rooms.rs": "rooms/tests/rooms.rs.j2",
];

/// Everything that decides what is in a project.
pub(crate) struct Scaffold {
    pub(crate) name: Name,
    pub(crate) template: Template,
    pub(crate) origin: Origin,
    /// Whether there is a workspace around it.
    pub(crate) nested: bool,
}

impl Scaffold {
    /// Paths and texts of what people write.
    pub(crate) fn files(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        // A line with a block alone leaves no trace.
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
        env.set_syntax(syntax.build().map_err(defect)?);
        let checkout = match &self.origin {
            Origin::Release => None,
            Origin::Checkout(folder) => Some(folder.display().to_string()),
        };
        let values = context! {
            name => self.name.text(),
            package => self.name.krate(),
            checkout,
            dependency => self.origin.dependency(),
            due_version => VERSION,
            fleet => self.template == Template::Rooms,
            nested => self.nested,
            rust_version => env!("CARGO_PKG_RUST_VERSION"),
        };
        let own = match self.template {
            Template::Hello => HELLO,
            Template::Rooms => ROOMS,
        };
        let render = |name, text| env.render_named_str(name, text, &values).map_err(defect);
        let file = |file: &File| Ok((render(file.path, file.path)?, render(file.template, file.text)?));
        SHARED.iter().chain(own).map(file).collect()
    }

    /// The code and the lock that belong to the schema, in a folder that has the files.
    pub(crate) fn generate(&self, folder: &Path) -> Result<(), Failure> {
        let builder = Builder::from(Config::load(folder.join(FILE_NAME))?.0);
        builder.stage()?.commit()?;
        Ok(builder.schema()?.lock().write(folder.join(LOCK_NAME))?)
    }
}

fn defect(error: minijinja::Error) -> Failure {
    Failure::Other(Box::new(error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_file_of_the_room_is_used() {
        let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/new");
        let mut found = BTreeSet::new();
        let mut folders = vec![room.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.strip_prefix(&room).unwrap().to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        let used = [SHARED, HELLO, ROOMS].into_iter().flatten().map(|file| file.template.to_owned());
        assert_eq!(used.collect::<BTreeSet<String>>(), found);
    }

    fn texts(origin: Origin, template: Template) -> Vec<(String, String)> {
        let name = Name::of(Path::new("my-game")).ok().unwrap();
        Scaffold { name, template, origin, nested: false }.files().ok().unwrap()
    }

    #[test]
    fn a_project_of_a_release_names_versions_and_no_folder() {
        for template in [Template::Hello, Template::Rooms] {
            let files = texts(Origin::Release, template);
            let cargo = &files.iter().find(|(path, _)| path == "Cargo.toml").unwrap().1;
            let line = format!("\ndue-runtime = {{ version = \"{VERSION}\", features = [\"etc\"] }}\n");
            assert!(cargo.contains(&line), "{cargo}");
            for (path, text) in files {
                for trace in ["--from=due", "additional_contexts", "leaves this machine", "one machine", "[workspace]"]
                {
                    assert!(!text.contains(trace), "{path}: {trace}");
                }
            }
        }
    }

    #[test]
    fn a_project_of_a_checkout_tells_docker_where_that_is() {
        for (path, text) in texts(Origin::Checkout(PathBuf::from("/src/due")), Template::Hello) {
            let line = match path.as_str() {
                "Cargo.toml" => "due-runtime = { path = \"/src/due/due-runtime\", features = [\"etc\"] }\n",
                "Dockerfile" => "COPY --from=due [\"due-runtime\", \"/src/due/due-runtime\"]\n",
                "compose.yaml" => "\n      additional_contexts:\n        due: \"/src/due\"\n",
                _ => continue,
            };
            assert!(text.contains(line), "{text}");
        }
    }
}
