//! How good an order of items is, of which some are held out and to be found on top.

use std::collections::BTreeSet;

/// Items from the highest score to the lowest, without those that are `seen`, which a recommendation would only repeat. Of equal scores the first item
/// comes first; scores that are no numbers come last.
pub fn ranked(scores: &[f64], seen: &[usize]) -> Vec<usize> {
    let seen: BTreeSet<usize> = seen.iter().copied().collect();
    let mut items: Vec<usize> = (0..scores.len()).filter(|i| !seen.contains(i)).collect();
    // Zero of either sign is one score.
    let score = |i: &usize| if scores[*i].is_nan() { f64::NEG_INFINITY } else { scores[*i] + 0.0 };
    let is_none = |i: &usize| scores[*i].is_nan();
    items.sort_by(|a, b| is_none(a).cmp(&is_none(b)).then(score(b).total_cmp(&score(a))));
    items
}

/// Share of the held-out items that are among the first `k`, of as many as can be: hits over the smaller of `k` and the number of held-out items.
/// `None` without held-out items, or for `k` zero.
///
/// # Source
/// Liang, Krishnan, Hoffman and Jebara (2018).
pub fn recall(ranked: &[usize], held_out: &[usize], k: usize) -> Option<f64> {
    let wanted: BTreeSet<usize> = held_out.iter().copied().collect();
    let most = k.min(wanted.len());
    let hits = ranked.iter().take(k).filter(|i| wanted.contains(i)).count();
    (most > 0).then(|| hits as f64 / most as f64)
}

/// Normalised discounted cumulative gain of the first `k` items: each held-out item among them gains 1/log2(rank + 1), over what the best order would.
/// `None` without held-out items, or for `k` zero.
///
/// # Source
/// Järvelin and Kekäläinen (2002).
pub fn ndcg(ranked: &[usize], held_out: &[usize], k: usize) -> Option<f64> {
    let wanted: BTreeSet<usize> = held_out.iter().copied().collect();
    let gain = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let best: f64 = (0..k.min(wanted.len())).map(gain).sum();
    let found = ranked.iter().take(k).enumerate().filter(|(_, i)| wanted.contains(i));
    let found: f64 = found.map(|(place, _)| gain(place)).sum();
    (best > 0.0).then(|| found / best)
}
