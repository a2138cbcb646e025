//! Comments of a `.proto` as rustdoc: nothing in them may break a link, open a tag or run as a doctest.

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
    out
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

/// What prost-build would escape or indent once more, and what stands for it on the way through.
const SHIELDS: &[(&str, &str)] = &[("http", "\u{e000}"), ("[", "\u{e001}"), ("]", "\u{e002}"), ("  ", "\u{e003}")];

/// A sanitized line that prost-build leaves alone.
pub(crate) fn shield(line: &str) -> String {
    SHIELDS.iter().fold(line.to_owned(), |line, (plain, shield)| line.replace(plain, shield))
}

/// The text of prost-build with its comments as they were meant.
pub(crate) fn unshield(text: &str) -> String {
    SHIELDS.iter().fold(text.to_owned(), |text, (plain, shield)| text.replace(shield, plain))
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
    fn nothing_is_a_doctest() {
        assert_eq!(doc("```\nf()\n```"), "```text\nf()\n```");
        assert_eq!(doc("```rust,no_run\nf()"), "```text\nf()\n```");
        assert_eq!(doc("~~~ json\n[1]\n~~~"), "~~~json\n[1]\n~~~");
        assert_eq!(doc("    indented()"), "   indented()");
    }
}
