//! A file with a wrong type name or option is mended after that was reported, so that the same run can check the rest.

use std::collections::BTreeSet;

use prost_reflect::prost_types::field_descriptor_proto::Type;
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, UninterpretedOption,
};

const EMPTY: &str = "google/protobuf/empty.proto";
const UNINTERPRETED: i32 = 999;

/// Takes out what the path of an error points at, if that is a type name or an option. The owners of options are added
/// to `mended`: what they lack now must not be reported.
pub(super) fn mend(file: &mut FileDescriptorProto, path: &[i32], mended: &mut BTreeSet<Vec<i32>>) -> bool {
    if let [owner @ .., _, UNINTERPRETED, index] = path {
        let removed = options_of(file, owner).and_then(|options| {
            let index = usize::try_from(*index).ok()?;
            (index < options.len()).then(|| options.remove(index))
        });
        mended.insert(owner.to_vec());
        return removed.is_some();
    }
    type_name(file, path).is_some()
}

fn type_name(file: &mut FileDescriptorProto, path: &[i32]) -> Option<()> {
    if let &[6, service, 2, method, part @ (2 | 3)] = path {
        let method = at(&mut at(&mut file.service, service)?.method, method)?;
        let name = if part == 2 { &mut method.input_type } else { &mut method.output_type };
        *name = Some(".google.protobuf.Empty".to_owned());
        if !file.dependency.iter().any(|import| import == EMPTY) {
            file.dependency.push(EMPTY.to_owned());
        }
        return Some(());
    }
    let (field, [6]) = path.split_at_checked(path.len().checked_sub(1)?)? else { return None };
    let field = field_at(file, field)?;
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
        _ if owner.len() % 2 == 0 => match owner {
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
