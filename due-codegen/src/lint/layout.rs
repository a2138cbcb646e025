//! Files, folders and packages.

use std::collections::BTreeMap;

use heck::ToSnakeCase as _;
use prost_reflect::FileDescriptor;

use super::names::is_snake;
use super::{Lint, rules};
use crate::diagnostic::Place;
use crate::lower::path;

impl Lint<'_> {
    pub(super) fn layout(&mut self, file: &FileDescriptor) {
        let (folder, name) = file.name().rsplit_once('/').unwrap_or(("", file.name()));
        let stem = name.strip_suffix(".proto").unwrap_or(name);
        let start = self.schema.sources.place(file, &[]);
        let start = start.source.place(start.span.start..start.span.start);
        if !is_snake(stem) {
            let fix = format!("name it `{}.proto`", stem.to_snake_case());
            let message = format!("file name `{name}` is not lower_snake_case");
            self.found(&rules::FILE_SNAKE_CASE, file, &start, message, &fix);
        }
        let package = file.package_name();
        if package.is_empty() {
            let message = format!("`{}` has no package", file.name());
            return self.found(&rules::PACKAGE_DEFINED, file, &start, message, "");
        }
        let place = self.package(file);
        if let Some(part) = package.split('.').find(|part| !is_snake(part)) {
            let message = format!("`{part}` of package `{package}` is not lower_snake_case");
            self.found(&rules::PACKAGE_SNAKE_CASE, file, &place, message, "");
        }
        if !folder.is_empty() && folder != package.replace('.', "/") {
            let fix = format!("move it to `{}/{name}`, or right into a root", package.replace('.', "/"));
            let message = format!("`{}` is not in the folder of package `{package}`", file.name());
            self.found(&rules::PACKAGE_DIRECTORY, file, &place, message, &fix);
        }
        let last = package.rsplit('.').next().unwrap_or_default();
        let digits = last.strip_prefix('v').unwrap_or_default();
        let number = digits.split(['a', 'b', 'p']).next().unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("package `{package}` does not end in a version");
            self.found(&rules::PACKAGE_VERSION, file, &place, message, &format!("name it `{package}.v1`"));
        }
    }

    /// Packages whose files are in several folders.
    pub(super) fn folders(&mut self, files: &[FileDescriptor]) {
        let mut first: BTreeMap<&str, (&str, &FileDescriptor)> = BTreeMap::new();
        for file in files.iter().filter(|file| !file.package_name().is_empty()) {
            let folder = file.name().rsplit_once('/').map_or("", |(folder, _)| folder);
            let (known, other) = *first.entry(file.package_name()).or_insert((folder, file));
            if known != folder {
                let (place, beside) = (self.package(file), self.package(other));
                let message = format!("package `{}` is in several folders", file.package_name());
                let rule = &rules::PACKAGE_SAME_DIRECTORY;
                self.found_beside(rule, (file, &place), Some((&beside, "and here")), message, "");
            }
        }
    }

    fn package(&self, file: &FileDescriptor) -> Place {
        self.schema.sources.place(file, &[path::FILE_PACKAGE])
    }
}
