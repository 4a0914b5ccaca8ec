//! The word that was meant by a misspelt one.

/// Largest edit distance at which a word is offered as the one that was meant.
const DISTANCE_MAX: usize = 2;

/// The word that is closest to `typed`, if any is close.
pub(in crate::control) fn nearest<'w>(typed: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    words
        .filter(|word| word.len().abs_diff(typed.len()) <= DISTANCE_MAX)
        .map(|word| (strsim::damerau_levenshtein(typed, word), word))
        .filter(|(distance, word)| *distance <= DISTANCE_MAX && *distance < word.len().min(typed.len()))
        .min()
        .map(|(_, word)| word)
}
