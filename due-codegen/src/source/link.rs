//! Parsed files into one pool, in which every type and option is resolved.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto};
use prost_reflect::{DescriptorError, DescriptorPool};
use protox::file::{FileResolver, GoogleFileResolver};

use super::findings::report_check_error;
use super::load::Parsed;
use super::locations::Locations;
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
    let mut files = BTreeMap::new();
    for (name, mut file) in parsed {
        let (mut broken, mut imports) = resolve_imports(&mut file.descriptor, &pool);
        let mut located = false;
        for _ in 0..MOST_MENDS {
            let Err(err) = add(&mut pool, &file.descriptor) else {
                let Some(added) = pool.get_file_by_name(&name) else { break };
                let info = added.file_descriptor_proto().source_code_info.as_ref();
                let known = if located { Locations::default() } else { file.locations };
                let locations = known.with(info, &file.source);
                let Parsed { source, path, mended, .. } = file;
                files.insert(name, SourceFile { source, path, locations, imports, mended });
                break;
            };
            if has_extensions(&file.descriptor) {
                // prost-reflect takes a bad file out again, but forgets its extensions in the messages they extend.
                pool = copy(&pool);
            }
            if !located && let Some(descriptor) = file.located() {
                // The same error again, with positions.
                file.descriptor = descriptor;
                (broken, imports) = resolve_imports(&mut file.descriptor, &pool);
                located = true;
                continue;
            }
            let path = err.path().filter(|_| err.file() == Some(&name)).map(<[i32]>::to_vec);
            report_check_error(err, &file.source, broken, &pool, report);
            if !path.is_some_and(|path| mend(&mut file.descriptor, &path, &mut file.mended)) {
                break;
            }
        }
    }
    Sources { pool, inputs, files }
}

/// Leaves out what is not there and adds what is behind public imports. Whether something is missing, and how many of
/// the imports are in the source.
fn resolve_imports(file: &mut FileDescriptorProto, pool: &DescriptorPool) -> (bool, usize) {
    let broken = drop_broken_imports(file, pool);
    let imports = file.dependency.len();
    add_public_imports(file, pool);
    (broken, imports)
}

/// The same files anew.
fn copy(pool: &DescriptorPool) -> DescriptorPool {
    let mut copy = DescriptorPool::new();
    for file in pool.files() {
        let added = copy.decode_file_descriptor_proto(file.encode_to_vec().as_slice());
        debug_assert!(added.is_ok(), "files that were good stay good");
    }
    copy
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
