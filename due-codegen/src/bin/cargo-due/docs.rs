//! `cargo due docs`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use due_codegen::{Builder, DocsOptions, View};

use crate::Outcome;
use crate::failure::Failure;
use crate::output::{show, tell};
use crate::project::ConfigArg;
use crate::unbroken::Unbroken;
use crate::underway::underway;

/// Write one HTML page about the schema: services, routes, messages, pushes, events, codes, with examples.
///
/// The page needs nothing beside it and no network, and is the same for the same schema. Comments are read as Markdown, in
/// which HTML is text. `/` searches, arrows and Enter go to what was found; every item has a link.
#[derive(Args)]
pub(crate) struct Docs {
    /// The file; standard output without it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write nothing; exit with 1 if FILE is out of date.
    #[arg(long, requires = "out")]
    check: bool,
    /// The heading, instead of the package's name.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Everything, or what clients may know: no internal routes, no mesh services, no events.
    #[arg(long, value_enum, default_value_t)]
    view: ViewArg,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ViewArg {
    #[default]
    Full,
    Client,
}

impl Docs {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        if self.out.is_none() && io::stdout().is_terminal() {
            return Err(Failure::text("the page is for a browser: name a file with --out, as `--out docs.html`"));
        }
        let builder = Builder::from(self.config.load()?.config);
        let mut options = DocsOptions::default();
        options.title.clone_from(&self.title);
        options.view = Some(match self.view {
            ViewArg::Full => View::Full,
            ViewArg::Client => View::Client,
        });
        let (schema, page) = underway("writing the page", || {
            let schema = builder.schema()?;
            let page = schema.docs(&options)?;
            Ok::<_, Failure>((schema, page))
        })?;
        show(schema.warnings());
        let Some(path) = &self.out else {
            tell(|out| write!(out, "{page}"))?;
            return Ok(Outcome::Fine);
        };
        if self.check {
            let same = page.is_at(path)?;
            if same {
                tell(|out| writeln!(out, "up to date: {}", path.display()))?;
                return Ok(Outcome::Fine);
            }
            say!("`{}` is out of date: run `cargo due docs --out {}`", path.display(), path.display());
            return Ok(Outcome::Findings);
        }
        let unbroken = Unbroken::begin()?;
        let existed = path.exists();
        let changed = page.write(path)?;
        drop(unbroken);
        let word = match (existed, changed) {
            (_, false) => "up to date:",
            (true, true) => "changed",
            (false, true) => "new",
        };
        tell(|out| writeln!(out, "{word} {}", path.display()))?;
        Ok(Outcome::Fine)
    }
}
