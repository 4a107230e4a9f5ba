//! Channels of latents whose integers are zero everywhere: a file can name them instead of coding them.
//!
//! A latent of zero is its mean, under mixtures zero. The list costs a bit a channel and two bytes.

use super::codec::Symbols;
use super::frozen::{Codes, Frozen};
use std::borrow::Cow;

/// Takes out the integers of channels that are zero everywhere, where the tables give them more bits than the list costs. Says of each channel
/// whether it was taken out; nothing where none was.
pub(super) fn take_out(symbols: &mut Symbols, frozen: &Frozen) -> Vec<bool> {
    let latents = frozen.latents();
    let plane = symbols.first.len() / latents;
    let order = std::mem::take(&mut symbols.channels);
    let channel = |i: usize| order.get(i).map_or(i / plane, |channel| usize::from(*channel));
    let mut zeros = vec![true; latents];
    symbols.first.iter().enumerate().filter(|(_, v)| **v != 0).for_each(|(i, _)| zeros[channel(i)] = false);
    let cost = |i: usize| frozen.cost(&symbols.first_codes, i, 0);
    let saved: f64 = (0..symbols.first.len()).filter(|i| zeros[channel(*i)]).map(cost).sum();
    if saved <= 16.0 + 8.0 * latents.div_ceil(8) as f64 {
        return vec![];
    }
    let is_coded = |i: usize| !zeros[channel(i)];
    retain(&mut symbols.first, is_coded);
    match &mut symbols.first_codes {
        Codes::Tables(tables) => retain(tables, is_coded),
        Codes::Mixtures(mixtures) => retain(mixtures, is_coded),
    }
    zeros
}

/// Leaves the values at these places.
fn retain<T>(values: &mut Vec<T>, is_kept: impl Fn(usize) -> bool) {
    let mut i = 0;
    values.retain(|_| {
        i += 1;
        is_kept(i - 1)
    });
}

/// Of the values of all channels, `[C, plane]`, those of channels that are coded.
pub(super) fn coded<'a, T: Clone>(values: &'a [T], zeros: &[bool], plane: usize) -> Cow<'a, [T]> {
    if zeros.is_empty() {
        return Cow::Borrowed(values);
    }
    let planes = values.chunks(plane).zip(zeros).filter(|(_, is_zero)| !**is_zero);
    Cow::Owned(planes.flat_map(|(plane, _)| plane.iter().cloned()).collect())
}

/// The integers of all channels, `[C, plane]`, from those of channels that are coded.
pub(super) fn filled(integers: Vec<i32>, zeros: &[bool], plane: usize) -> Vec<i32> {
    if zeros.is_empty() {
        return integers;
    }
    let mut planes = integers.chunks(plane);
    let mut all = Vec::with_capacity(zeros.len() * plane);
    for is_zero in zeros {
        let coded = if *is_zero { None } else { planes.next() };
        match coded {
            Some(values) => all.extend_from_slice(values),
            None => all.resize(all.len() + plane, 0),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_up_was_coded() {
        let zeros = [true, false, false, true, true, false, true];
        let all: Vec<i32> = (0..21).map(|i| if zeros[i / 3] { 0 } else { i as i32 + 1 }).collect();
        let coded_alone = coded(&all, &zeros, 3).into_owned();
        assert_eq!(coded_alone, [4, 5, 6, 7, 8, 9, 16, 17, 18]);
        assert_eq!(filled(coded_alone, &zeros, 3), all);
        assert_eq!(filled(vec![], &[true; 4], 2), [0; 8]);
        assert_eq!(coded(&all, &[], 3).into_owned(), all);
        assert_eq!(filled(all.clone(), &[], 3), all);
    }
}
