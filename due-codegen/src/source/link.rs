//! Parsed files into one pool, in which every type and option is resolved.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto};
use prost_reflect::{DescriptorError, DescriptorPool};
use protox::file::{FileResolver, GoogleFileResolver};

use super::findings::report_check_error;
use super::load::Parsed;
use super::mend::{self, mend};
use super::{SourceFile, Sources};
use crate::diagnostic::Report;

/// Each mistake in types and options costs another look at the file.
const MOST_MENDS: usize = 100;

/// Takes the files in an order in which imports come first.
pub(super) fn link(
    parsed: impl Iterator<Item = (String, Parsed)>,
    inputs: BTreeSet<String>,
    report: &mut Report,
) -> Sources {
    let mut pool = DescriptorPool::new();
    let mut good: Vec<FileDescriptorProto> = Vec::new();
    let mut files = BTreeMap::new();
    for (name, mut file) in parsed {
        mend::place_map_values(&mut file.descriptor);
        mend::name_synthetic_oneofs(&mut file.descriptor);
        let broken = drop_broken_imports(&mut file.descriptor, &pool);
        let imports = file.descriptor.dependency.len();
        add_public_imports(&mut file.descriptor, &pool);
        for _ in 0..MOST_MENDS {
            let Err(err) = add(&mut pool, &file.descriptor) else {
                let Some(added) = pool.get_file_by_name(&name) else { break };
                let added = added.file_descriptor_proto();
                files.insert(name, SourceFile::new(file.source, file.path, added, imports, file.mended));
                good.push(file.descriptor);
                break;
            };
            let path = err.path().filter(|_| err.file() == Some(&name)).map(<[i32]>::to_vec);
            report_check_error(err, &file.source, broken, &pool, report);
            if has_extensions(&file.descriptor) {
                // prost-reflect takes a bad file out again, but forgets its extensions in the messages they extend.
                pool = DescriptorPool::new();
                for file in &good {
                    let added = add(&mut pool, file);
                    debug_assert!(added.is_ok(), "files that were good stay good");
                }
            }
            if !path.is_some_and(|path| mend(&mut file.descriptor, &path, &mut file.mended)) {
                break;
            }
        }
    }
    Sources { pool, inputs, files }
}

fn add(pool: &mut DescriptorPool, file: &FileDescriptorProto) -> Result<(), DescriptorError> {
    // A mended file may need it although nobody imports it.
    if file.dependency.iter().any(|import| import == mend::EMPTY)
        && let Ok(empty) = GoogleFileResolver::new().open_file(mend::EMPTY)
    {
        pool.add_file_descriptor_proto(empty.into())?;
    }
    pool.add_file_descriptor_proto(file.clone())
}

fn has_extensions(file: &FileDescriptorProto) -> bool {
    let mut messages: Vec<&DescriptorProto> = file.message_type.iter().collect();
    let mut found = !file.extension.is_empty();
    while let Some(message) = messages.pop().filter(|_| !found) {
        found = !message.extension.is_empty();
        messages.extend(&message.nested_type);
    }
    found
}

/// Takes out imports that could not be had, which was reported. The file may do without them, and is checked then.
fn drop_broken_imports(file: &mut FileDescriptorProto, pool: &DescriptorPool) -> bool {
    let all = std::mem::take(&mut file.dependency);
    let public: BTreeSet<i32> = std::mem::take(&mut file.public_dependency).into_iter().collect();
    let count = all.len();
    for (old, import) in (0..).zip(all) {
        if pool.get_file_by_name(&import).is_some() {
            if public.contains(&old) {
                file.public_dependency.extend(i32::try_from(file.dependency.len()));
            }
            file.dependency.push(import);
        }
    }
    let broken = file.dependency.len() < count;
    if broken {
        file.weak_dependency.clear();
    }
    broken
}

/// prost-reflect looks through one public import, but not through those behind it: they become imports of the file.
fn add_public_imports(file: &mut FileDescriptorProto, pool: &DescriptorPool) {
    let mut known: BTreeSet<String> = file.dependency.iter().cloned().collect();
    let mut queue: Vec<String> = file.dependency.clone();
    while let Some(import) = queue.pop() {
        let public = pool.get_file_by_name(&import);
        for public in public.iter().flat_map(|import| import.public_dependencies()) {
            if known.insert(public.name().to_owned()) {
                file.dependency.push(public.name().to_owned());
                queue.push(public.name().to_owned());
            }
        }
    }
}
