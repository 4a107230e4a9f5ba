//! How large layers may be: more than anyone trains here, and less than what a slip of the keys would ask of the memory.

use elbo_core::{Result, ensure, ensure_within};

/// Most units, channels or latent dimensions of a layer that a setting asks for.
pub const MOST_WIDTH: usize = 1 << 14;

/// Most numbers of one weight: 1 GiB in single precision.
const MOST_WEIGHTS: usize = 1 << 28;

/// Refuses widths of zero and widths above [`MOST_WIDTH`].
///
/// # Errors
/// [`elbo_core::Error::Setting`] naming the first.
pub fn check_widths(setting: &str, widths: &[usize]) -> Result<()> {
    widths.iter().try_for_each(|width| ensure_within(setting, *width, 1..=MOST_WIDTH))
}

/// Refuses sizes of zero, and a weight of these sizes that would not fit into memory.
///
/// # Errors
/// [`elbo_core::Error::Setting`] with the sizes.
pub(crate) fn check_weight(setting: &str, sizes: &[usize]) -> Result<()> {
    let count = sizes.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
    let fits = count.is_some_and(|count| (1..=MOST_WEIGHTS).contains(&count));
    ensure(
        setting,
        format!("such that a weight has the sizes {sizes:?}"),
        fits,
        "sizes of at least 1, 2^28 numbers in all",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_would_fill_the_memory_are_refused() {
        assert!(check_widths("hidden", &[1, MOST_WIDTH]).and(check_weight("out", &[1 << 14, 1 << 14])).is_ok());
        let error = check_widths("hidden", &[50, 1_000_000]).unwrap_err().to_string();
        assert_eq!(error, "setting `hidden` is 1000000; expected in 1..=16384");
        for sizes in [[0, 3], [1 << 15, 1 << 14], [usize::MAX, usize::MAX]] {
            assert!(check_weight("out", &sizes).is_err(), "{sizes:?}");
        }
    }
}
