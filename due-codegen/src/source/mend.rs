//! A file with a wrong type name or option is mended after that was reported, so that the same run can check the rest.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::prost_types::field_descriptor_proto::Type;
use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, UninterpretedOption,
};

use super::UNINTERPRETED;

pub(super) const EMPTY: &str = "google/protobuf/empty.proto";

/// Takes out what the path of an error points at, if that is a type name or an option. The owners are added to
/// `mended`: what they lack now must not be reported.
pub(super) fn mend(file: &mut FileDescriptorProto, path: &[i32], mended: &mut BTreeSet<Vec<i32>>) -> bool {
    match path {
        [owner @ .., _, UNINTERPRETED, index] => {
            mended.insert(owner.to_vec());
            option(file, owner, path, *index).is_some()
        }
        [6, ..] => rpc_type(file, path).is_some(),
        [field @ .., 6] => {
            mended.insert(field.to_vec());
            field_type(file, field).is_some()
        }
        _ => false,
    }
}

/// protox gives no position to the entry of a map: its value gets that of the field's type.
pub(super) fn place_map_values(file: &mut FileDescriptorProto) {
    let mut messages: Vec<(Vec<i32>, &DescriptorProto)> =
        (0..).zip(&file.message_type).map(|(index, message)| (vec![4, index], message)).collect();
    let mut values = BTreeMap::new();
    while let Some((path, message)) = messages.pop() {
        for (index, nested) in (0..).zip(&message.nested_type) {
            let is_entry = nested.options.as_ref().is_some_and(|options| options.map_entry());
            let mut fields = (0..).zip(&message.field).filter(|_| is_entry);
            if let Some((field, _)) = fields.find(|(_, field)| field.type_name() == nested.name()) {
                values.insert([&path[..], &[2, field, 6]].concat(), [&path[..], &[3, index, 2, 1, 6]].concat());
            }
            messages.push(([&path[..], &[3, index]].concat(), nested));
        }
    }
    let Some(info) = &mut file.source_code_info else { return };
    let placed = info.location.iter().filter_map(|location| {
        let path = values.get(&location.path)?.clone();
        Some(Location { path, span: location.span.clone(), ..Location::default() })
    });
    let placed: Vec<Location> = placed.collect();
    info.location.extend(placed);
}

/// The oneof that makes up an `optional` field of proto3 is called after it: `_x`, or `X_x` if there is a `_x`, as protoc
/// has it. protox does not look whether the name is free.
pub(super) fn name_synthetic_oneofs(file: &mut FileDescriptorProto) {
    let mut messages: Vec<&mut DescriptorProto> = file.message_type.iter_mut().collect();
    while let Some(message) = messages.pop() {
        let is_synthetic = |field: &&FieldDescriptorProto| field.proto3_optional();
        if let Some(first) = message.field.iter().filter(is_synthetic).map(|field| field.oneof_index()).min() {
            // They come behind all others.
            let first = usize::try_from(first).unwrap_or(0).min(message.oneof_decl.len());
            let (real, synthetic) = message.oneof_decl.split_at_mut(first);
            let mut taken: BTreeSet<String> = message.field.iter().map(|field| field.name().to_owned()).collect();
            taken.extend(real.iter().map(|oneof| oneof.name().to_owned()));
            for (field, oneof) in message.field.iter().filter(is_synthetic).zip(synthetic) {
                let mut name = field.name().to_owned();
                if !name.starts_with('_') {
                    name.insert(0, '_');
                }
                while !taken.insert(name.clone()) {
                    name.insert(0, 'X');
                }
                oneof.name = Some(name);
            }
        }
        messages.extend(&mut message.nested_type);
    }
}

fn option(file: &mut FileDescriptorProto, owner: &[i32], path: &[i32], index: i32) -> Option<()> {
    let options = options_of(file, owner)?;
    let index = usize::try_from(index).ok().filter(|index| *index < options.len())?;
    options.remove(index);
    // The options behind it move up, and so do their positions.
    let (siblings, at) = (&path[..path.len() - 1], path.len() - 1);
    let locations = &mut file.source_code_info.as_mut()?.location;
    locations.retain(|location| !location.path.starts_with(path));
    for location in locations.iter_mut().filter(|location| location.path.starts_with(siblings)) {
        if let Some(step) = location.path.get_mut(at).filter(|step| **step > path[at]) {
            *step -= 1;
        }
    }
    Some(())
}

fn rpc_type(file: &mut FileDescriptorProto, path: &[i32]) -> Option<()> {
    let &[6, service, 2, method, part @ (2 | 3)] = path else { return None };
    let method = at(&mut at(&mut file.service, service)?.method, method)?;
    let name = if part == 2 { &mut method.input_type } else { &mut method.output_type };
    *name = Some(".google.protobuf.Empty".to_owned());
    if !file.dependency.iter().any(|import| import == EMPTY) {
        file.dependency.push(EMPTY.to_owned());
    }
    Some(())
}

fn field_type(file: &mut FileDescriptorProto, path: &[i32]) -> Option<()> {
    let field = field_at(file, path)?;
    field.type_name = None;
    field.set_type(Type::String);
    Some(())
}

fn options_of<'a>(file: &'a mut FileDescriptorProto, owner: &[i32]) -> Option<&'a mut Vec<UninterpretedOption>> {
    Some(match *owner {
        [] => &mut file.options.as_mut()?.uninterpreted_option,
        [6, service] => &mut at(&mut file.service, service)?.options.as_mut()?.uninterpreted_option,
        [6, service, 2, method] => {
            &mut at(&mut at(&mut file.service, service)?.method, method)?.options.as_mut()?.uninterpreted_option
        }
        _ if owner.len().is_multiple_of(2) => match owner {
            [4, .., 3, _] | [4, _] => &mut message_at(file, owner)?.options.as_mut()?.uninterpreted_option,
            [4, .., 4, _] | [5, _] => &mut enum_at(file, owner)?.options.as_mut()?.uninterpreted_option,
            _ => &mut field_at(file, owner)?.options.as_mut()?.uninterpreted_option,
        },
        _ => return None,
    })
}

fn message_at<'a>(file: &'a mut FileDescriptorProto, path: &[i32]) -> Option<&'a mut DescriptorProto> {
    let (&[4, index], rest) = path.split_first_chunk()? else { return None };
    let mut message = at(&mut file.message_type, index)?;
    for step in rest.chunks(2) {
        let &[3, index] = step else { return None };
        message = at(&mut message.nested_type, index)?;
    }
    Some(message)
}

fn enum_at<'a>(file: &'a mut FileDescriptorProto, path: &[i32]) -> Option<&'a mut EnumDescriptorProto> {
    match path.split_last_chunk()? {
        ([], &[5, index]) => at(&mut file.enum_type, index),
        (message, &[4, index]) => at(&mut message_at(file, message)?.enum_type, index),
        _ => None,
    }
}

fn field_at<'a>(file: &'a mut FileDescriptorProto, path: &[i32]) -> Option<&'a mut FieldDescriptorProto> {
    match path.split_last_chunk()? {
        ([], &[7, index]) => at(&mut file.extension, index),
        (message, &[2, index]) => at(&mut message_at(file, message)?.field, index),
        (message, &[6, index]) => at(&mut message_at(file, message)?.extension, index),
        _ => None,
    }
}

fn at<T>(items: &mut [T], index: i32) -> Option<&mut T> {
    items.get_mut(usize::try_from(index).ok()?)
}
