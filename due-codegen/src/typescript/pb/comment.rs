//! Comments of the emitted files: the preamble, and what stands above declarations.

use super::description::Description;
use super::layout::{FILE_PACKAGE, FILE_SYNTAX};
use super::modules::stem;

/// What stands around a declaration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comment {
    pub(super) detached: Vec<String>,
    pub(super) leading: Option<String>,
    pub(super) trailing: Option<String>,
}

/// All above the imports, but for the line that names the generator.
pub(super) fn preamble(file: &Description) -> String {
    let mut out = String::new();
    add_line_comments(file.comments.get([FILE_SYNTAX as i32].as_slice()), &mut out);
    let package = match file.proto.package() {
        "" => String::new(),
        package => format!("package {package}, "),
    };
    let syntax = if file.proto.syntax() == "proto3" { "proto3" } else { "proto2" };
    let name = stem(file.proto.name());
    out.push_str(&format!("// @generated from file {name}.proto ({package}syntax {syntax})\n"));
    out.push_str("/* eslint-disable */\n\n");
    add_line_comments(file.comments.get([FILE_PACKAGE as i32].as_slice()), &mut out);
    out
}

fn add_line_comments(comment: Option<&Comment>, out: &mut String) {
    for text in comment.iter().flat_map(|comment| comment.detached.iter().chain(&comment.leading)) {
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            out.extend(["//", line, "\n"]);
        }
        out.push('\n');
    }
}

/// What the comment above a declaration says: the source's comments, then where it comes from.
pub(super) fn doc(comment: Option<&Comment>, origin: &str, deprecated: bool) -> String {
    let mut text = String::new();
    let parts = comment.iter().flat_map(|comment| [&comment.leading, &comment.trailing]);
    for part in parts.flatten() {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(part);
        if text.ends_with('\n') {
            text.pop();
        }
    }
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    let lines: Vec<&str> = text.split('\n').map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let tag = if deprecated { "\n@deprecated" } else { "" };
    format!("{}@generated from {origin}{tag}", lines.join("\n"))
}

/// A comment block that ends with its line.
pub(crate) fn block(text: &str, indent: &str) -> String {
    let mut out = format!("{indent}/**\n");
    for line in text.split('\n') {
        let gap = if line.is_empty() { "" } else { " " };
        out.extend([indent, " *", gap, &line.replace("*/", "*\\/"), "\n"]);
    }
    out.extend([indent, " */\n"]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(leading: Option<&str>, trailing: Option<&str>) -> Comment {
        Comment { detached: Vec::new(), leading: leading.map(str::to_owned), trailing: trailing.map(str::to_owned) }
    }

    #[test]
    fn leading_and_trailing_comments_become_paragraphs() {
        let both = comment(Some(" One.\n  Two.\n"), Some(" 三。\n"));
        assert_eq!(doc(Some(&both), "message a.B", false), "One.\n Two.\n\n三。\n\n@generated from message a.B");
        let trailing = comment(None, Some("x\n\n"));
        assert_eq!(doc(Some(&trailing), "enum E", true), "x\n\n\n@generated from enum E\n@deprecated");
        assert_eq!(doc(None, "enum E", false), "@generated from enum E");
    }

    #[test]
    fn blocks_cannot_be_closed_from_inside() {
        assert_eq!(block("a */ b\n\nc", "  "), "  /**\n   * a *\\/ b\n   *\n   * c\n   */\n");
    }
}
