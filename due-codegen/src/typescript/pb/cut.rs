//! Takes parts out of a description, so that what is left reads as if they had never been written.

use std::borrow::Cow;
use std::collections::BTreeSet;

use prost_reflect::prost_types::FileDescriptorProto;

use super::description::Description;
use super::layout::{
    self, FILE_DEPENDENCY, FILE_PUBLIC_DEPENDENCY, FILE_SERVICE, FILE_WEAK_DEPENDENCY, Layout, SERVICE_METHOD,
};
use super::wire::{Field, Value};

/// What goes out of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut {
    /// Indices of services.
    pub(super) services: BTreeSet<usize>,
    /// Indices of a service and of an rpc in it.
    pub(super) methods: BTreeSet<(usize, usize)>,
    /// Extensions of options: full name of the options message, number. Options without any option go too.
    pub(super) options: BTreeSet<(String, u32)>,
    /// Import names.
    pub(super) imports: BTreeSet<String>,
}

impl Cut {
    pub(super) fn apply(&self, file: &mut Description) {
        self.cut_options(&mut file.fields);
        self.cut_imports(file);
        if self.services.is_empty() && self.methods.is_empty() {
            return;
        }
        self.cut_services(&mut file.proto, &mut file.fields);
        let comments = std::mem::take(&mut file.comments);
        file.comments = comments.into_iter().filter_map(|(path, comment)| Some((self.moved(path)?, comment))).collect();
    }

    /// The file without what has no name afterwards.
    pub(super) fn names<'a>(&self, file: &'a FileDescriptorProto) -> Cow<'a, FileDescriptorProto> {
        let mut file = Cow::Borrowed(file);
        if !self.services.is_empty() {
            self.cut_services(file.to_mut(), &mut Vec::new());
        }
        file
    }

    fn cut_options(&self, fields: &mut Vec<Field>) {
        if self.options.is_empty() {
            return;
        }
        let numbers: BTreeSet<u32> = self.options.iter().map(|(_, number)| *number).collect();
        layout::visit(Layout::File, &mut Vec::new(), fields, &mut |layout, _, fields| {
            fields.retain_mut(|field| {
                let Value::Message(options) = &mut field.value else { return true };
                if layout.child(field.number) != Some(Layout::Options) {
                    return true;
                }
                let before = options.len();
                options.retain(|option| {
                    !numbers.contains(&option.number)
                        || !self.options.contains(&(layout.options().to_owned(), option.number))
                });
                // Those of `rpc .. {}` were empty before, and stay.
                options.len() == before || !options.is_empty()
            });
        });
    }

    fn cut_imports(&self, file: &mut Description) {
        let proto = &mut file.proto;
        let gone: Vec<bool> = proto.dependency.iter().map(|import| self.imports.contains(import)).collect();
        if !gone.contains(&true) {
            return;
        }
        // New indices, for the public and weak imports.
        let mut next = 0..;
        let moved: Vec<Option<i32>> = gone.iter().map(|gone| if *gone { None } else { next.next() }).collect();
        let index = |old: u64| moved.get(usize::try_from(old).ok()?).copied().flatten();
        proto.dependency.retain(|import| !self.imports.contains(import));
        for list in [&mut proto.public_dependency, &mut proto.weak_dependency] {
            *list = list.iter().filter_map(|old| index(u64::try_from(*old).ok()?)).collect();
        }
        file.fields.retain_mut(|field| match (field.number, &mut field.value) {
            (FILE_DEPENDENCY, Value::Bytes(name)) => {
                !std::str::from_utf8(name).is_ok_and(|name| self.imports.contains(name))
            }
            (FILE_PUBLIC_DEPENDENCY | FILE_WEAK_DEPENDENCY, Value::Varint(old)) => index(*old).is_some_and(|new| {
                *old = new as u64;
                true
            }),
            _ => true,
        });
    }

    fn cut_services(&self, proto: &mut FileDescriptorProto, fields: &mut Vec<Field>) {
        let mut service = 0..;
        fields.retain_mut(|field| {
            if field.number != FILE_SERVICE {
                return true;
            }
            let Some(service) = service.next().filter(|index| !self.services.contains(index)) else { return false };
            if let Value::Message(inner) = &mut field.value {
                let mut method = 0..;
                inner.retain(|field| {
                    let is_cut = |method| self.methods.contains(&(service, method));
                    field.number != SERVICE_METHOD || !method.next().is_some_and(is_cut)
                });
            }
            true
        });
        for (i, service) in proto.service.iter_mut().enumerate() {
            let mut method = 0..;
            service.method.retain(|_| !method.next().is_some_and(|method| self.methods.contains(&(i, method))));
        }
        let mut index = 0..;
        proto.service.retain(|_| !index.next().is_some_and(|index| self.services.contains(&index)));
    }

    /// The path of a descriptor after the cut. `None` if it is gone.
    fn moved(&self, mut path: Vec<i32>) -> Option<Vec<i32>> {
        let [kind, service, rest @ ..] = &mut path[..] else { return Some(path) };
        if *kind != FILE_SERVICE as i32 {
            return Some(path);
        }
        let old = usize::try_from(*service).ok().filter(|service| !self.services.contains(service))?;
        *service -= self.services.range(..old).count() as i32;
        if let [kind, method, ..] = rest
            && *kind == SERVICE_METHOD as i32
        {
            let place = (old, usize::try_from(*method).ok()?);
            if self.methods.contains(&place) {
                return None;
            }
            *method -= self.methods.range((old, 0)..place).count() as i32;
        }
        Some(path)
    }
}
