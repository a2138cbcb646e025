//! Rules with ids that stay, each with a reason and a way out.

use std::fmt;

use crate::nearest::nearest;

/// A rule of `cargo due lint` or `cargo due breaking`.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// `FIELD_SNAKE_CASE`; never changes its meaning.
    pub id: &'static str,
    /// A word for several rules: `naming`.
    pub category: &'static str,
    /// Whether it holds unless `due.toml` says otherwise.
    pub default: bool,
    /// What it asks for, in one sentence.
    pub what: &'static str,
    /// What goes wrong without it.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
}

impl Rule {
    /// The rule with this id.
    pub(crate) fn find(rules: &'static [Self], id: &str) -> Option<&'static Self> {
        rules.iter().find(|rule| rule.id == id)
    }

    /// Whether a word of the configuration, an id or a category, means it.
    pub(crate) fn is_meant_by(&self, word: &str) -> bool {
        self.id == word || self.category == word
    }

    /// Every id and every category.
    pub(crate) fn words(rules: &'static [Self]) -> impl Iterator<Item = &'static str> {
        let categories = rules.iter().enumerate().filter_map(|(i, rule)| {
            let first = rules[..i].iter().all(|earlier| earlier.category != rule.category);
            first.then_some(rule.category)
        });
        rules.iter().map(|rule| rule.id).chain(categories)
    }

    /// What to say about a word that no rule has.
    pub fn unknown_help(rules: &'static [Self], word: &str) -> String {
        match nearest(word, Self::words(rules)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let categories = Self::words(rules).filter(|word| word.chars().all(|c| c.is_ascii_lowercase()));
                format!("`--rules` lists them; the categories are {}", categories.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Everything about it, for a terminal.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, category, default, what, why, fix } = self;
        let default = if *default { "on" } else { "off" };
        write!(f, "{id} ({category}, {default} by default)\n\n{what}\n\nwhy: {why}\nfix: {fix}")
    }
}
