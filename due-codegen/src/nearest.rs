//! "Did you mean": the candidate with the fewest edits.

/// The candidate that `word` is most likely a slip of, if one is near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    // Of two as near, the one that was typed too long or too short.
    let unlike = |candidate: &str| !(candidate.starts_with(word) || word.starts_with(candidate));
    candidates
        .into_iter()
        .map(|candidate| (distance(&candidate.to_lowercase(), &lower), unlike(candidate), candidate))
        .filter(|(distance, _, candidate)| {
            *distance <= (candidate.chars().count().max(word.chars().count()) / 3).max(1)
        })
        .min()
        .map(|(.., candidate)| candidate)
}

/// Levenshtein distance in characters.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_word() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("route_byte", ["seq_bytes", "route_bytes", "byte_order"]), Some("route_bytes"));
        assert_eq!(nearest("nodes", ["codes", "node"]), Some("node"));
        assert_eq!(nearest("x", ["route_bytes"]), None);
    }
}
