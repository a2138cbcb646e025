//! Outputs that would overwrite each other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::target::TemplateOptions;
use crate::diagnostic::{Diagnostic, Report};
use crate::output::{Kept, Language, Tree};

/// Reports files that two outputs claim; the trees of templates come last, in the order of their options. Names that differ in case alone are one file on some systems.
pub(crate) fn collisions<F: Kept>(trees: &[Tree<F>], options: &[TemplateOptions], report: &mut Report) {
    let templates = trees.len().saturating_sub(options.len());
    let mut taken: BTreeMap<String, (String, PathBuf)> = BTreeMap::new();
    for (index, tree) in trees.iter().enumerate() {
        let place = index.checked_sub(templates).and_then(|at| Some(&options.get(at)?.places.1));
        let owner = match (tree.language(), place) {
            (Language::Rust, _) => "[rust]".to_owned(),
            (Language::TypeScript, _) => "[typescript]".to_owned(),
            (Language::Template, Some(place)) => {
                format!("the [[template]] of line {}", place.source.position(place.span.start).0)
            }
            (Language::Template, None) => "a template".to_owned(),
        };
        for file in tree.files() {
            let path: PathBuf = tree.folder().join(file.path()).components().collect();
            let key = path.display().to_string().to_lowercase();
            let Some((first, other)) = taken.insert(key, (owner.clone(), path.clone())) else { continue };
            let Some(place) = place else { continue };
            let message = format!("the output `{}` is taken by {first}", file.path().display());
            let error = Diagnostic::error(message).at(place, "");
            report.push(error.help(match (first == owner, other == path) {
                (true, true) => "make `out` differ: `{{ service.full_name }}`, say, where it has `{{ service.name }}`",
                (_, false) => "on some systems names that differ in case alone are one file",
                (false, true) => "give one of them another `out`",
            }));
        }
    }
}
