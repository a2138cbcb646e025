//! "Did you mean": the name with the fewest edits.

pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = word.to_lowercase().chars().collect();
    let edits = names.into_iter().map(|name| (distance(&name.to_lowercase(), &wanted), name));
    edits.filter(|(edits, name)| *edits <= (name.len().max(wanted.len()) / 3).max(1)).min().map(|(_, name)| name)
}

/// Characters to insert, to delete or to replace.
fn distance(from: &str, to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (column, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_key() {
        assert_eq!(distance("kitten", &"sitting".chars().collect::<Vec<_>>()), 3);
        assert_eq!(nearest("maxConNum", ["addr", "maxConnNum"]), Some("maxConnNum"));
        assert_eq!(nearest("ADDR", ["addrs", "addr"]), Some("addr"));
        assert_eq!(nearest("x", ["maxConnNum"]), None);
    }
}
