//! Sums over what comes before, and a stable sort by digits of eight bits.

use super::gpu::{Buffer, Gpu, THREADS};
use super::kernel::Argument;
use elbo_core::Result;

/// Numbers that a block of `scan_parts` takes.
const SCANNED: usize = 1024;
/// Pairs that a block of `count_digits` and `move_pairs` takes.
const SORTED: usize = 8 * THREADS;
/// Values of a digit, and its bits.
const DIGITS: usize = 256;
const DIGIT_BITS: u32 = 8;

/// Pairs of Gaussian and tile: their keys and numbers, and what sorting them takes.
pub(super) struct Pairs {
    /// The keys, and room for them in another order.
    pub keys: [Buffer<u64>; 2],
    /// The numbers of the pairs, in the same way.
    pub numbers: [Buffer<u32>; 2],
    table: Buffer<u32>,
    sums: [Buffer<u32>; 3],
}

impl Pairs {
    pub fn new() -> Self {
        Self {
            keys: [Buffer::new("keys"), Buffer::new("keys")],
            numbers: [Buffer::new("pairs"), Buffer::new("pairs")],
            table: Buffer::new("digits"),
            sums: std::array::from_fn(|_| Buffer::new("sums")),
        }
    }

    /// Replaces each of the first `n` numbers by the sum of those before it; sums end at the largest `u32`.
    pub fn scan(&mut self, gpu: &Gpu, numbers: &Buffer<u32>, n: usize) -> Result<()> {
        scan(gpu, numbers, n, &mut self.sums)
    }

    /// Room for `n` pairs.
    pub fn room(&mut self, gpu: &Gpu, n: usize) -> Result<()> {
        self.keys.iter_mut().try_for_each(|keys| keys.room(gpu, n))?;
        self.numbers.iter_mut().try_for_each(|numbers| numbers.room(gpu, n))
    }

    /// Sorts the first `n` pairs by the low `bits` bits of their keys; equal ones keep their order.
    pub fn sort(&mut self, gpu: &Gpu, n: usize, bits: u32) -> Result<()> {
        let blocks = n.div_ceil(SORTED);
        self.table.room(gpu, DIGITS * blocks)?;
        let [many, parts] = [n, blocks].map(|v| Argument::Word(v as u32));
        for shift in (0..bits).step_by(DIGIT_BITS as usize).map(Argument::Word) {
            let arguments = [self.keys[0].arg(), self.table.arg(), shift, many, parts];
            gpu.launch("count_digits", [blocks, 1], [THREADS, 1], &arguments)?;
            scan(gpu, &self.table, DIGITS * blocks, &mut self.sums)?;
            let arguments = [
                self.keys[0].arg(),
                self.numbers[0].arg(),
                self.keys[1].arg(),
                self.numbers[1].arg(),
                self.table.arg(),
                shift,
                many,
                parts,
            ];
            gpu.launch("move_pairs", [blocks, 1], [THREADS, 1], &arguments)?;
            self.keys.swap(0, 1);
            self.numbers.swap(0, 1);
        }
        Ok(())
    }
}

fn scan(gpu: &Gpu, numbers: &Buffer<u32>, n: usize, sums: &mut [Buffer<u32>]) -> Result<()> {
    let parts = n.div_ceil(SCANNED);
    let (own, rest) = sums.split_first_mut().expect("three levels are enough for as many numbers as there may be");
    own.room(gpu, parts)?;
    let many = Argument::Word(n as u32);
    let arguments = [numbers.arg(), numbers.arg(), own.arg(), many];
    gpu.launch("scan_parts", [parts, 1], [THREADS, 1], &arguments)?;
    if parts > 1 {
        scan(gpu, own, parts, rest)?;
        gpu.launch("scan_join", [n.div_ceil(THREADS), 1], [THREADS, 1], &[numbers.arg(), own.arg(), many])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_levels_of_sums_hold_the_most_pairs_there_may_be() {
        let most = DIGITS * crate::render::MOST_PAIRS.div_ceil(SORTED);
        assert!(most.max(1 << 30) <= SCANNED.pow(3));
    }

    #[test]
    fn the_sizes_are_those_of_the_kernels() {
        let source = include_str!("kernels.cu");
        let defined = |name: &str| {
            let line = source.lines().find(|line| line.starts_with(&format!("#define {name} ")));
            let value = line.and_then(|line| line.split(' ').nth(2)).map(|value| value.trim_end_matches('u'));
            value.and_then(|value| value.parse::<usize>().ok()).unwrap_or_else(|| panic!("{name} is not defined"))
        };
        assert_eq!(defined("SCANNED"), SCANNED);
        assert_eq!(defined("ROUNDS") * defined("AREA"), SORTED);
        assert_eq!(defined("TILE"), crate::tile::TILE);
        assert_eq!(defined("AREA"), crate::tile::AREA);
        assert_eq!(defined("SLOT"), crate::tile::SLOT);
        assert_eq!(defined("WARPS") * 32, THREADS);
    }
}
