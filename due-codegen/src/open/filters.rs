//! What templates of users may say besides minijinja's own.

use heck::{ToKebabCase, ToLowerCamelCase, ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};
use minijinja::Environment;

/// Names in the manner of other languages, strings as they write them, comments as they begin.
pub(super) fn add(env: &mut Environment<'_>) {
    env.add_filter("snake", |name: &str| name.to_snake_case());
    env.add_filter("camel", |name: &str| name.to_lower_camel_case());
    env.add_filter("pascal", |name: &str| name.to_upper_camel_case());
    env.add_filter("screaming", |name: &str| name.to_shouty_snake_case());
    env.add_filter("kebab", |name: &str| name.to_kebab_case());
    env.add_filter("quoted", quoted);
    env.add_filter("comment", comment);
}

/// A string literal as JSON, Go, C#, GDScript, JavaScript and Lua 5.3 read it alike.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Every line with `mark` in front of it, and without what would end a block comment.
fn comment(text: &str, mark: &str) -> String {
    let lines = text.lines().map(|line| format!("{mark}{}", line.replace("*/", "* /")).trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(template: &str) -> String {
        let mut env = Environment::new();
        add(&mut env);
        env.render_str(template, ()).unwrap()
    }

    #[test]
    fn names_follow_the_manners_of_languages() {
        let all = |name: &str| {
            rendered(&format!(
                "{{% set n = {name:?} %}}{{{{ n|snake }}}} {{{{ n|camel }}}} {{{{ n|pascal }}}} {{{{ n|screaming }}}} {{{{ n|kebab }}}}"
            ))
        };
        assert_eq!(all("GetUserID"), "get_user_id getUserId GetUserId GET_USER_ID get-user-id");
        assert_eq!(all("hello.v1"), "hello_v1 helloV1 HelloV1 HELLO_V1 hello-v1");
    }

    #[test]
    fn strings_and_comments_stay_inside() {
        assert_eq!(quoted("a\"b\\c\n\u{1}é"), r#""a\"b\\c\n\u0001é""#);
        assert_eq!(comment("one\n\n*/ two", "// "), "// one\n//\n// * / two");
    }
}
