//! `*_pb.ts`: messages, enums and descriptions, byte for byte what protoc-gen-es 2.13.0 emits with `target=ts` behind
//! protoc 3.21, apart from the line that names the generator.
//!
//! That line comes first here, since a file is known as ours by its first line; there it follows the comments above
//! the `syntax` statement. Without it both texts are the same.

mod aggregate;
mod comment;
mod cut;
mod defaults;
mod description;
mod embed;
mod field;
mod gaps;
mod items;
mod layout;
mod modules;
pub(crate) mod names;
mod page;
mod print;
mod statements;
mod text;
mod wire;

use std::borrow::Cow;
use std::collections::BTreeSet;

use prost_reflect::FileDescriptor;
use prost_reflect::prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

pub(super) use self::comment::block;
use self::cut::Cut;
use self::description::Description;
pub(super) use self::modules::{Export, stem};
use self::modules::{Modules, is_well_known};
pub(super) use self::page::relative;
use crate::config::View;
use crate::options::Options;
use crate::output::{GeneratedFile, HEADER};
use crate::source::{OPTIONS_PROTO, Sources};

/// The messages of all files of a run, imported ones too. What `@bufbuild/protobuf/wkt` has is not among them.
#[derive(Debug)]
pub(super) struct Messages<'a> {
    pub(super) sources: &'a Sources,
    /// In the order of the pool.
    files: Vec<FileDescriptor>,
    cutter: Option<Cutter>,
    modules: Modules,
}

impl<'a> Messages<'a> {
    pub(super) fn new(sources: &'a Sources, view: View) -> Self {
        let cutter = (view == View::Client).then(|| Cutter::new(sources));
        let dropped = |file: &FileDescriptor| cutter.as_ref().is_some_and(|cutter| cutter.drops(file));
        let (known, files): (Vec<FileDescriptor>, _) =
            sources.pool.files().filter(|file| !dropped(file)).partition(|file| is_well_known(file.name()));
        let mut modules = Modules::default();
        for file in known.iter().chain(&files) {
            let proto = file.file_descriptor_proto();
            let cut = cutter.as_ref().filter(|_| !is_well_known(file.name())).map(|cutter| cutter.cut(file));
            let named = cut.as_ref().map_or(Cow::Borrowed(proto), |cut| cut.names(proto));
            modules.add(&named);
        }
        Self { sources, files, cutter, modules }
    }

    /// What there is a text for.
    pub(super) fn files(&self) -> &[FileDescriptor] {
        &self.files
    }

    /// The text of one of the files. `import_extension` ends the paths of imports between them: nothing, `.js` or `.ts`.
    pub(super) fn print(&self, file: &FileDescriptor, import_extension: &str) -> GeneratedFile {
        let mut description = Description::new(file, self.sources);
        if let Some(cutter) = &self.cutter {
            cutter.cut(file).apply(&mut description);
        }
        let text = print::print(&description, &self.modules, import_extension);
        GeneratedFile::new(format!("{}_pb.ts", stem(file.name())), format!("{HEADER}\n{text}"))
    }

    /// How others import a message.
    pub(super) fn get(&self, full_name: &str) -> &Export {
        self.modules.get(full_name)
    }
}

/// Decides what clients do not get to see: services between servers, internal rpcs, and all options of due.
#[derive(Debug)]
struct Cutter {
    options: Options,
    extensions: BTreeSet<(String, u32)>,
    /// Whether some file uses types of `due/options.proto` for itself, and so needs it.
    keeps_options: bool,
}

impl Cutter {
    fn new(sources: &Sources) -> Self {
        let own = sources.pool.get_file_by_name(OPTIONS_PROTO);
        let extensions = own.iter().flat_map(FileDescriptor::extensions);
        let extensions =
            extensions.map(|found| (found.containing_message().full_name().to_owned(), found.number())).collect();
        let own: BTreeSet<String> =
            own.iter().flat_map(FileDescriptor::messages).map(|message| format!(".{}", message.full_name())).collect();
        let mut others = sources.pool.files().filter(|file| file.name() != OPTIONS_PROTO && !own.is_empty());
        let keeps_options = others.any(|file| uses(file.file_descriptor_proto(), &own));
        Self { options: Options::new(&sources.pool), extensions, keeps_options }
    }

    fn drops(&self, file: &FileDescriptor) -> bool {
        file.name() == OPTIONS_PROTO && !self.keeps_options
    }

    fn cut(&self, file: &FileDescriptor) -> Cut {
        let mut cut = Cut { options: self.extensions.clone(), ..Cut::default() };
        for (i, service) in file.services().enumerate() {
            let internal = |method| self.options.route(method).is_some_and(|route| route.internal);
            let methods: Vec<_> = service.methods().collect();
            let hidden = methods.iter().enumerate().filter(|(_, method)| internal(method));
            let hidden: Vec<(usize, usize)> = hidden.map(|(method, _)| (i, method)).collect();
            let nothing_left = !methods.is_empty() && hidden.len() == methods.len();
            if self.options.mesh(&service).is_some() || nothing_left {
                cut.services.insert(i);
            }
            cut.methods.extend(hidden);
        }
        if !self.keeps_options {
            cut.imports.insert(OPTIONS_PROTO.to_owned());
        }
        cut
    }
}

/// Whether some field or rpc of a file has one of these types.
fn uses(file: &FileDescriptorProto, types: &BTreeSet<String>) -> bool {
    let mut messages: Vec<&DescriptorProto> = file.message_type.iter().collect();
    let mut fields: Vec<&FieldDescriptorProto> = file.extension.iter().collect();
    while let Some(message) = messages.pop() {
        messages.extend(&message.nested_type);
        fields.extend(message.field.iter().chain(&message.extension));
    }
    let methods = file.service.iter().flat_map(|service| &service.method);
    let methods = methods.flat_map(|method| [method.input_type(), method.output_type()]);
    fields.iter().map(|field| field.type_name()).chain(methods).any(|name| types.contains(name))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::diagnostic::Report;
    use crate::source::{self, roots::Roots};

    /// The messages of what a pattern matches below a folder of `tests/typescript`.
    fn messages(root: &str, pattern: &str, view: View) -> Vec<GeneratedFile> {
        let root = Path::new("tests/typescript").join(root);
        let mut report = Report::default();
        let roots = Roots::new(vec![root], &mut report);
        let (inputs, _) = roots.matching(&[pattern.to_owned()], &mut report);
        let sources = source::load(inputs, &roots, &mut report);
        assert!(!report.has_errors(), "{}", report.finish());
        let messages = Messages::new(&sources, view);
        let mut files: Vec<GeneratedFile> = messages.files().iter().map(|file| messages.print(file, "")).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    #[test]
    fn clients_see_the_schema_as_if_nothing_else_had_been_written() {
        let seen = messages("corpus", "game/**", View::Client);
        assert_eq!(seen, messages("stripped", "**", View::Full));
        assert!(seen.iter().any(|file| file.path == Path::new("game/lobby_pb.ts")));
    }

    #[test]
    fn the_same_corpus_gives_the_same_text() {
        let first = messages("corpus", "**", View::Full);
        // Maps in options, whose entries have no order of their own, would hardly be lucky as often.
        for _ in 0..5 {
            assert_eq!(first, messages("corpus", "**", View::Full));
        }
    }

    #[test]
    fn options_stay_if_somebody_uses_their_types() {
        let folder = tempfile::tempdir().unwrap();
        let text = "syntax = \"proto3\"; import \"due/options.proto\"; message M { due.RouteOptions route = 1; }";
        std::fs::write(folder.path().join("a.proto"), text).unwrap();
        let files = messages(folder.path().to_str().unwrap(), "**", View::Client);
        let paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
        assert_eq!(paths, [Path::new("a_pb.ts"), Path::new("due/options_pb.ts")]);
    }
}
