//! Comments as HTML: Markdown, in which HTML is text, pictures are links, and links lead to the web or nowhere.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// The comment as HTML; empty for an empty one.
pub(super) fn html(text: &str) -> String {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    // Which of the links that are open lead somewhere.
    let mut links = Vec::new();
    let events = parser.filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        // Blocks of HTML are text, which needs a block of its own.
        Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
        Event::Start(Tag::Link { link_type, dest_url, title, id } | Tag::Image { link_type, dest_url, title, id }) => {
            links.push(leads_somewhere(&dest_url));
            leads_somewhere(&dest_url).then_some(Event::Start(Tag::Link { link_type, dest_url, title, id }))
        }
        Event::End(TagEnd::Link | TagEnd::Image) => links.pop()?.then_some(Event::End(TagEnd::Link)),
        // The page has headings of its own.
        Event::Start(Tag::Heading { .. }) => Some(Event::Start(Tag::Strong)),
        Event::End(TagEnd::Heading(_)) => Some(Event::End(TagEnd::Strong)),
        // The name of a language goes into an attribute, and is of no use here.
        Event::Start(Tag::CodeBlock(_)) => {
            Some(Event::Start(Tag::CodeBlock(pulldown_cmark::CodeBlockKind::Fenced(CowStr::Borrowed("")))))
        }
        event => Some(event),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

/// A page of the web, a mail, or a place on this page.
fn leads_somewhere(url: &str) -> bool {
    let lower = url.trim().to_ascii_lowercase();
    ["https://", "http://", "mailto:", "#"].iter().any(|scheme| lower.starts_with(scheme))
}

/// The first sentence or line, for lists, without Markdown.
pub(super) fn summary(text: &str) -> String {
    const MOST: usize = 160;
    let mut out = String::new();
    for event in Parser::new(text) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => out.push_str(&text),
            Event::SoftBreak | Event::HardBreak => out.push(' '),
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::HtmlBlock | TagEnd::CodeBlock) => break,
            _ => {}
        }
    }
    match out.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}..", &out[..end]),
        None => out.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_rendered() {
        assert_eq!(
            html("Enter *a* `lobby`.\n\n- one\n- two"),
            "<p>Enter <em>a</em> <code>lobby</code>.</p>\n<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n"
        );
        assert_eq!(
            html("[due](https://example.org/a?b=\"c\")"),
            "<p><a href=\"https://example.org/a?b=%22c%22\">due</a></p>\n"
        );
        assert_eq!(summary("Enter `a` lobby\nat once.\n\nMore."), "Enter a lobby at once.");
    }

    #[test]
    fn nothing_in_a_comment_becomes_markup_that_runs() {
        for (comment, expected) in [
            ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
            ("a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>\n"),
            ("[x](javascript:alert(1))", "<p>x</p>\n"),
            ("[x](JaVaScRiPt:alert(1))", "<p>x</p>\n"),
            ("[x](&#106;avascript:alert(1))", "<p>x</p>\n"),
            ("<javascript:alert(1)>", "<p>javascript:alert(1)</p>\n"),
            ("[x](data:text/html,<script>)", "<p>x</p>\n"),
            ("![x](https://example.org/a.png)", "<p><a href=\"https://example.org/a.png\">x</a></p>\n"),
            (
                "[x](https://a \"\\\" onclick=\\\"alert(1)\")",
                "<p><a href=\"https://a\" title=\"&quot; onclick=&quot;alert(1)\">x</a></p>\n",
            ),
            ("```\"><script>\nx\n```", "<pre><code>x\n</code></pre>\n"),
        ] {
            assert_eq!(html(comment), expected, "{comment}");
        }
    }
}
