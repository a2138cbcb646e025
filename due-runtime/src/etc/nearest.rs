//! "Did you mean": the name with the fewest edits.

pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = word.to_lowercase().chars().collect();
    let edits = names.into_iter().map(|name| (distance(&name.to_lowercase(), &wanted), name));
    edits.filter(|(edits, name)| *edits <= (name.len().max(wanted.len()) / 3).max(1)).min().map(|(_, name)| name)
}

/// Characters to insert, to delete, to replace, or to swap with the next one.
fn distance(from: &str, to: &[char]) -> usize {
    let from: Vec<char> = from.chars().collect();
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut edits = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i - 1] == *b && to[j - 1] == *a {
                edits = edits.min(rows[i - 1][j - 1] + 1);
            }
            row.push(edits);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_key() {
        assert_eq!(distance("kitten", &"sitting".chars().collect::<Vec<_>>()), 3);
        assert_eq!(nearest("tpc", ["ws", "tcp"]), Some("tcp"));
        assert_eq!(nearest("maxConNum", ["addr", "maxConnNum"]), Some("maxConnNum"));
        assert_eq!(nearest("ADDR", ["addrs", "addr"]), Some("addr"));
        assert_eq!(nearest("x", ["maxConnNum"]), None);
    }
}
