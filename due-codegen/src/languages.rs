//! The files of all languages of a run, each made on its own: as many at once as there are processors, and no text outlives
//! its turn unless it is kept.

use prost_reflect::FileDescriptor;

use crate::model::Package;
use crate::output::{Folder, GeneratedFile, Keep, Language, Tree, with_header};
use crate::parallel::{self, AtOnce};
use crate::render::{RenderError, Rust};
use crate::typescript::{StubFile, TypeScript};

pub(crate) struct Languages<'a> {
    pub(crate) rust: Option<Rust<'a>>,
    pub(crate) typescript: Option<TypeScript<'a>>,
    /// The texts that are in memory.
    pub(crate) texts: AtOnce,
}

/// One file to make.
enum Job<'a> {
    Package(&'a Rust<'a>, &'a Package),
    Messages(&'a TypeScript<'a>, &'a FileDescriptor),
    Stubs(&'a TypeScript<'a>, &'a StubFile),
}

impl Languages<'_> {
    /// A tree for each of the folders, in their order.
    pub(crate) fn make<K: Keep>(&self, folders: Vec<Folder>, keep: &K) -> Result<Vec<Tree<K::Kept>>, RenderError> {
        let kept = |index: usize, file| keep.keep(&folders[index], with_header(file));
        let jobs: Vec<(usize, Job<'_>)> =
            folders.iter().enumerate().flat_map(|(at, folder)| self.jobs(folder).map(move |job| (at, job))).collect();
        let made = parallel::map(
            &jobs,
            |(_, job)| job.weight(),
            |(at, job)| {
                let _text = self.texts.begin();
                job.make().map(|file| file.map(|file| kept(*at, file)))
            },
        );
        let mut files: Vec<Vec<K::Kept>> = folders.iter().map(|_| Vec::new()).collect();
        let mut packages = Vec::new();
        for ((at, job), made) in jobs.iter().zip(made) {
            let Some(file) = made? else { continue };
            files[*at].push(file);
            if let Job::Package(_, package) = job {
                packages.push(*package);
            }
        }
        for (at, folder) in folders.iter().enumerate() {
            let rest = match (folder.language, &self.rust, &self.typescript) {
                (Language::Rust, Some(rust), _) => vec![rust.modules(&packages)?],
                (Language::TypeScript, _, Some(typescript)) => typescript.runtime()?,
                _ => Vec::new(),
            };
            files[at].extend(rest.into_iter().map(|file| kept(at, file)));
        }
        Ok(folders.into_iter().zip(files).map(|(folder, files)| Tree::new(folder, files)).collect())
    }

    fn jobs(&self, folder: &Folder) -> impl Iterator<Item = Job<'_>> {
        let rust = self.rust.iter().filter(|_| folder.language == Language::Rust);
        let typescript = self.typescript.iter().filter(|_| folder.language == Language::TypeScript);
        let packages = rust.flat_map(|rust| rust.packages().iter().map(move |package| Job::Package(rust, package)));
        let files = typescript.flat_map(|typescript| {
            let messages = typescript.messages().iter().map(move |file| Job::Messages(typescript, file));
            messages.chain(typescript.stubs().iter().map(move |stubs| Job::Stubs(typescript, stubs)))
        });
        packages.chain(files)
    }
}

impl Job<'_> {
    /// Bytes of what it is made from, nearly.
    fn weight(&self) -> usize {
        match self {
            Self::Package(rust, package) => rust.weight(package),
            Self::Messages(typescript, file) => typescript.weight(file),
            Self::Stubs(..) => 0,
        }
    }

    fn make(&self) -> Result<Option<GeneratedFile>, RenderError> {
        match self {
            Self::Package(rust, package) => rust.package(package),
            Self::Messages(typescript, file) => Ok(Some(typescript.message_file(file))),
            Self::Stubs(typescript, stubs) => typescript.stub_file(stubs).map(Some),
        }
    }
}
