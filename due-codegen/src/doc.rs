//! Comments of a `.proto` as rustdoc: nothing in them may break a link, open a tag or run as a doctest.

use crate::diagnostic::plain;

/// Lines after `///`, without the space that follows it.
pub(crate) fn sanitize(lines: &[String]) -> Vec<String> {
    let mut fence: Option<String> = None;
    let mut out = Vec::with_capacity(lines.len());
    for line in lines {
        let line = line.trim_end();
        let text = line.trim_start();
        match &fence {
            Some(open) => {
                if text.starts_with(open.as_str()) && text.trim_matches(['`', '~']).is_empty() {
                    fence = None;
                }
                out.push(line.to_owned());
            }
            None => match open_fence(text) {
                Some((open, info)) => {
                    out.push(format!("{open}{}", info_string(info)));
                    fence = Some(open);
                }
                None => out.push(prose(line)),
            },
        }
    }
    out.extend(fence);
    // What turns the direction of text makes code look like what it is not, and rustc refuses it.
    out.into_iter().map(plain).collect()
}

fn open_fence(text: &str) -> Option<(String, &str)> {
    let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = text.trim_start_matches(mark);
    let open = &text[..text.len() - info.len()];
    (open.len() >= 3 && !info.contains('`')).then(|| (open.to_owned(), info.trim()))
}

/// rustdoc runs what is marked as Rust, and what is not marked at all.
fn info_string(info: &str) -> &str {
    let first = info.split([',', ' ', '{']).next().unwrap_or_default();
    let rust = ["", "rust", "ignore", "no_run", "should_panic", "compile_fail", "test_harness", "standalone_crate"];
    if rust.contains(&first) || first.starts_with("edition") || first.starts_with("ignore-") { "text" } else { info }
}

/// A line outside of code blocks. Code spans stay as they are, if their backticks pair up.
fn prose(line: &str) -> String {
    let text = line.trim_start();
    // Four blanks make a code block, and code blocks run.
    let mut out = " ".repeat((line.len() - text.len()).min(3));
    let paired = text.matches('`').count().is_multiple_of(2);
    for (index, part) in text.split('`').enumerate() {
        if index > 0 {
            out.push_str(if paired { "`" } else { "\\`" });
        }
        if paired && index % 2 == 1 {
            out.push_str(part);
        } else {
            escape(part, &mut out);
        }
    }
    out
}

fn escape(mut text: &str, out: &mut String) {
    while let Some(c) = text.chars().next() {
        let bare = text.strip_prefix('<').unwrap_or(text);
        if bare.starts_with("http://") || bare.starts_with("https://") {
            let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\\');
            let url = bare[..bare.find(ends).unwrap_or(bare.len())].trim_end_matches(['.', ',', ';', ':', '!', '?']);
            out.extend(["<", url, ">"]);
            text = &bare[url.len()..];
            text = text.strip_prefix('>').unwrap_or(text);
            continue;
        }
        if matches!(c, '[' | ']' | '<') && !out.ends_with('\\') {
            out.push('\\');
        }
        out.push(c);
        text = &text[c.len_utf8()..];
    }
}

/// Stands for a comment on its way through prost-build, which would escape and indent it once more, and take longer for
/// that than for all the rest.
const MARK: char = '\u{e000}';

/// Comments that prost-build does not get to see.
#[derive(Debug, Default)]
pub(crate) struct Comments(Vec<Vec<String>>);

impl Comments {
    /// Keeps sanitized lines, and gives the line that stands for them.
    pub(crate) fn keep(&mut self, lines: Vec<String>) -> String {
        self.0.push(lines);
        format!(" {MARK}{}\n", self.0.len() - 1)
    }

    /// The text of prost-build with its comments.
    pub(crate) fn put_back(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() * 2);
        for line in text.split_inclusive('\n') {
            let indent = &line[..line.len() - line.trim_start().len()];
            let index = line[indent.len()..].strip_prefix("/// ").and_then(|rest| rest.strip_prefix(MARK));
            let kept = index.and_then(|index| self.0.get(index.trim_end().parse::<usize>().ok()?));
            let Some(lines) = kept else {
                out.push_str(line);
                continue;
            };
            for line in lines {
                let blank = if line.is_empty() { "" } else { " " };
                out.extend([indent, "///", blank, line, "\n"]);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(text: &str) -> String {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        sanitize(&lines).join("\n")
    }

    #[test]
    fn prose_has_no_links_and_no_tags() {
        assert_eq!(doc("see [Foo] and Vec<Bar>, `a[0]`"), r"see \[Foo\] and Vec\<Bar>, `a[0]`");
        assert_eq!(doc(r"an \[escaped\] one, an odd ` tick"), r"an \[escaped\] one, an odd \` tick");
        assert_eq!(doc("at https://a.b/c?d=1. Or <http://e>!"), "at <https://a.b/c?d=1>. Or <http://e>!");
        assert_eq!(doc("路由 [表]"), r"路由 \[表\]");
    }

    #[test]
    fn nothing_turns_the_direction_of_code() {
        assert_eq!(
            doc("a \u{202e}b\u{2066} c\n```\n\u{202a}\n```"),
            "a \\u{202e}b\\u{2066} c\n```text\n\\u{202a}\n```"
        );
    }

    #[test]
    fn comments_come_back_where_they_were() {
        let mut comments = Comments::default();
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        assert_eq!(comments.keep(lines("one")), " \u{e000}0\n");
        assert_eq!(comments.keep(lines("see [two]\n\n  and http://b")), " \u{e000}1\n");
        let text = "/// \u{e000}0\nstruct A {\n    /// \u{e000}1\n    a: i32,\n}\n/// \u{e000}7\n";
        let expected =
            "/// one\nstruct A {\n    /// see [two]\n    ///\n    ///   and http://b\n    a: i32,\n}\n/// \u{e000}7\n";
        assert_eq!(comments.put_back(text), expected);
    }

    #[test]
    fn nothing_is_a_doctest() {
        assert_eq!(doc("```\nf()\n```"), "```text\nf()\n```");
        assert_eq!(doc("```rust,no_run\nf()"), "```text\nf()\n```");
        assert_eq!(doc("~~~ json\n[1]\n~~~"), "~~~json\n[1]\n~~~");
        assert_eq!(doc("    indented()"), "   indented()");
    }
}
