//! Pairs of a cause and its effect.

use super::convert::Convert;
use super::entries::UNSTATED;
use super::{Entry, LicenceClass, Member, Package};

/// Runs of pairs, by the number of the last one, and how many pairs of the whole collection come from the same source: the weights that its authors
/// give, which the package leaves out. It also leaves out pairs of several variables: its pairs 52 to 60 are 56 to 64 of the collection.
const SOURCES: &[(usize, usize)] = &[
    (4, 6),
    (11, 7),
    (12, 2),
    (16, 4),
    (17, 2),
    (19, 1),
    (21, 6),
    (24, 3),
    (32, 8),
    (37, 5),
    (41, 4),
    (42, 2),
    (46, 4),
    (48, 1),
    (51, 3),
    (60, 12),
];

pub(super) const PAIRS: Entry = Entry {
    key: "pairs",
    about: "pairs 1 to 60 of the cause-effect collection: the first variable causes the second, the rows of each pair one below another, with the pair's weight",
    origin: "Mooij, Peters, Janzing, Zscheischler and Schölkopf (2016), Tübingen cause-effect pairs",
    package: Package::Wheel { name: "cdt", version: "0.6.0" },
    members: &[Member { path: "cdt/data/resources/Tuebingen_pairs.csv", sha256: "e3726459486cf506", bytes: 2048426 }],
    licence: UNSTATED,
    class: LicenceClass::B,
    rows: 111_227,
    inputs: &["pair", "weight", "a"],
    dims: 3,
    target: "b",
    changes: "pairs 61 and later left out; one row for each sample, the pair's number in the first column; the weight, which the package lacks, is one over the number of pairs that the collection has from the same source; numbers in their shortest form",
    convert: Convert::CausePairs { sources: SOURCES },
};

#[cfg(test)]
mod tests {
    use super::SOURCES;

    #[test]
    fn pairs_of_a_source_share_a_weight_of_one_and_some_are_beyond_the_sixtieth() {
        let mut before = 0;
        let mut total = 0.0;
        for (last, size) in SOURCES {
            assert!(*last > before && *size > 0, "{last} after {before}");
            total += (last - before) as f64 / *size as f64;
            before = *last;
        }
        assert_eq!(before, 60);
        // Fourteen whole sources, pair 42 of one with a later pair, and nine of the twelve pairs on the wealth and health of countries.
        assert!((total - 15.25).abs() < 1e-12, "{total}");
    }
}
