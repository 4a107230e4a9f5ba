//! A claim's checks as a picture, drawn from what the document says of them.
//!
//! The checks have units of their own, so each is measured in one that says how far it holds: the distance of the threshold from the baseline, or the
//! threshold's own size where there is no baseline on its other side. `m` such units beyond the threshold are drawn at `m / (1 + |m|)`: nought is
//! the threshold, minus a half the baseline, and one is never reached.

use super::page::{CHECKS, Part};
use crate::error::{DevError, Result};
use elbo::core::{Figure, Mark};
use elbo::report::svg::{Size, to_svg};

/// Where the pictures stand, a file for each system.
pub const FOLDER: &str = "docs/pictures/claims";

const WIDTH: f64 = 900.0;
/// Characters of a check's name that have room beside the axis.
const ROOM: usize = 56;

/// A check as the document has it.
#[derive(Debug, Clone, PartialEq)]
struct Check {
    name: String,
    value: f64,
    baseline: Option<f64>,
    threshold: f64,
    /// One for `at least`, minus one for `at most`.
    side: f64,
}

impl Check {
    fn read(line: &str) -> Result<Self> {
        let wrong = || DevError::format(super::RESULTS, format!("`{line}` is no row of a check"));
        let inner = line.strip_prefix("| ").and_then(|rest| rest.strip_suffix(" |")).ok_or_else(wrong)?;
        let cells: Vec<&str> = inner.rsplitn(5, " | ").collect();
        let [_, threshold, baseline, value, name] = cells[..] else { return Err(wrong()) };
        let (side, threshold) = if let Some(rest) = threshold.strip_prefix("at least ") {
            (1.0, rest)
        } else {
            (-1.0, threshold.strip_prefix("at most ").ok_or_else(wrong)?)
        };
        let baseline = baseline.trim();
        Ok(Self {
            name: name.replace("\\|", "|"),
            value: number(value).ok_or_else(wrong)?,
            baseline: if baseline.is_empty() { None } else { Some(number(baseline).ok_or_else(wrong)?) },
            threshold: number(threshold).ok_or_else(wrong)?,
            side,
        })
    }

    /// The unit in which the check is measured.
    fn unit(&self) -> f64 {
        let from_baseline = self.baseline.map_or(0.0, |baseline| self.side * (self.threshold - baseline));
        let sizes = [from_baseline, self.threshold.abs(), (self.value - self.threshold).abs()];
        sizes.into_iter().find(|size| *size > 0.0 && size.is_finite()).unwrap_or(1.0)
    }

    /// Where a number is drawn; nothing for one that is not finite.
    fn place(&self, number: f64) -> f64 {
        let beyond = self.side * (number - self.threshold) / self.unit();
        beyond / (1.0 + beyond.abs())
    }

    fn short(&self) -> String {
        if self.name.chars().count() <= ROOM {
            return self.name.clone();
        }
        let kept: String = self.name.chars().take(ROOM - 1).collect();
        format!("{}…", kept.trim_end())
    }
}

/// A number as [`elbo::report::format::significant`] writes it: with a true minus sign, commas between thousands, and powers of ten in superscript.
fn number(text: &str) -> Option<f64> {
    let plain: String = text
        .replace(" × 10", "e")
        .replace(',', "")
        .chars()
        .map(|c| match c {
            '−' | '⁻' => '-',
            '⁰' => '0',
            '¹' => '1',
            '²' => '2',
            '³' => '3',
            '⁴'..='⁹' => char::from_digit(c as u32 - '⁰' as u32, 10).unwrap_or(c),
            c => c,
        })
        .collect();
    plain.parse().ok()
}

/// The picture of a system's checks: where each ended up between baseline and threshold, or beyond. `None` without checks.
///
/// # Errors
/// [`DevError::Format`] for a row that cannot be read.
pub(super) fn picture(part: &Part) -> Result<Option<String>> {
    let rows = part.section.lines().filter(|line| line.starts_with("| ") && !CHECKS.contains(line));
    let checks = rows.map(Check::read).collect::<Result<Vec<_>>>()?;
    Ok((!checks.is_empty()).then(|| to_svg(&figure(&part.id, &checks), Size { width: WIDTH, height: 400.0 })))
}

fn figure(id: &str, checks: &[Check]) -> Figure {
    let points = |label: &str, of: &dyn Fn(&Check) -> Option<f64>| {
        let placed = checks.iter().enumerate();
        let (x, y) = placed.filter_map(|(row, check)| Some((check.place(of(check)?), row as f64))).unzip();
        Mark::Points { label: label.into(), x, y, lower: vec![], upper: vec![] }
    };
    let ends = vec![-0.5, checks.len() as f64 - 0.5];
    let mut marks = vec![
        Mark::Bars {
            names: checks.iter().map(Check::short).collect(),
            values: checks.iter().map(|check| check.place(check.value)).collect(),
        },
        Mark::Line { label: "threshold".into(), x: vec![0.0, 0.0], y: ends, dashed: true },
    ];
    if checks.iter().any(|check| check.baseline.is_some()) {
        marks.push(points("without the method", &|check| check.baseline));
    }
    Figure {
        name: format!("claim-{id}"),
        caption: "Where each check of the claim ended up: right of the line it holds. One unit beyond the line is drawn at a half, where the unit \
                  is the distance of the threshold from the baseline, or the threshold's size."
            .into(),
        x_label: "beyond the threshold, m / (1 + |m|)".into(),
        marks,
        ..Figure::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::read;
    use crate::results::RESULTS;
    use crate::results::page::Page;
    use std::path::Path;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for value in [1.0, -0.0003766, 1.332e-15, 0.95, 1313.0, 5e-9, -2.5e12, 0.0] {
            let text = elbo::report::format::significant(value, 4);
            let back = number(&text).unwrap_or(f64::NAN);
            assert!((back - value).abs() <= 1e-3 * value.abs(), "{value} as {text} is {back}");
        }
        assert_eq!(number("many"), None);
    }

    #[test]
    fn a_check_is_drawn_between_its_baseline_and_far_beyond_its_threshold() {
        let check = Check::read("| gain \\| dB | 1.5 | 0 | at least 0.5 | holds |").unwrap();
        assert_eq!(check.name, "gain | dB");
        assert_eq!((check.place(0.0), check.place(0.5), check.place(1.5)), (-0.5, 0.0, 2.0 / 3.0));
        let below = Check::read("| error | 0.3 |  | at most 0.1 | fails |").unwrap();
        assert!((below.place(0.3) + 2.0 / 3.0).abs() < 1e-12 && below.place(0.05) > 0.0);
        // A baseline on the threshold's own side gives no unit.
        let odd = Check::read("| ratio | 2 | 1 | at most 3 | holds |").unwrap();
        assert_eq!(odd.unit(), 3.0);
        assert!(Check::read("| too | few |").is_err() && Check::read("| a | b | | at most 1 | holds |").is_err());
    }

    #[test]
    fn the_pictures_of_the_repository_are_those_of_its_document() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let page = Page::read(&read(&root.join(RESULTS)).unwrap()).unwrap();
        for part in &page.systems {
            let path = root.join(FOLDER).join(format!("{}.svg", part.id));
            let told = format!("{} is not of {RESULTS}: run `elbo-dev results`", path.display());
            assert_eq!(std::fs::read_to_string(&path).ok(), picture(part).unwrap(), "{told}");
        }
    }
}
