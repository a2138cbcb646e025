//! Rust text as people read it. syn's trees take some thirty times the memory of their text, so no more than one item is
//! parsed at once.

/// Formats whole items. Wherever the text is cut, the result is the same.
pub(crate) fn pretty(text: &str) -> Result<String, syn::Error> {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    for piece in pieces(text) {
        match syn::parse_file(piece) {
            Ok(parsed) => out.push_str(&prettyplease::unparse(&parsed)),
            // A line in a literal may look like the end of an item.
            Err(_) => return syn::parse_file(text).map(|parsed| prettyplease::unparse(&parsed)),
        }
    }
    Ok(out)
}

/// The text in parts, each of which ends where an item seems to end: in a line that is a closing brace alone.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    const END: &str = "\n}\n";
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.find(END).map_or(rest.len(), |at| at + END.len());
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "/// A.\npub struct A { a : i32 , }\n/// B.\npub mod b {\npub const C : i32 = 1 ;\n}\n\nimpl A {\n fn f ( ) { }\n}\n";

    #[test]
    fn pieces_are_formatted_as_the_whole_is() {
        let whole = prettyplease::unparse(&syn::parse_file(TEXT).unwrap());
        assert_eq!(pieces(TEXT).count(), 2);
        assert_eq!(pretty(TEXT).unwrap(), whole);
        assert_eq!(pretty("").unwrap(), "");
    }

    #[test]
    fn a_brace_in_a_literal_ends_no_item() {
        let text = "const A: &str = \"{\n}\n\";\nconst B: &str = \"\n}\n\";\n";
        assert!(pieces(text).count() > 1);
        assert_eq!(pretty(text).unwrap(), text);
        assert_eq!(pretty("fn f() {\n}\n}\n").unwrap_err().to_string(), "cannot parse string into token stream");
    }
}
