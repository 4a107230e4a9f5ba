//! Whether filter, smoother and gradient of a state-space process take linear time: twice as many times, at most 2.2 times as long, row by row and for each
//! doubling of the whole range.

use super::beside::example;
use super::rows::median;
use super::{Options, table};
use crate::error::{DevError, Result, read, write};
use crate::stamp::stamp;
use crate::timing::watched;
use crate::{markers, tables};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// Largest factor for twice as many times.
const AT_MOST: f64 = 2.2;

/// The example's columns; the first holds the number of times.
const COLUMNS: [&str; 4] = ["times", "filter ms", "smoother ms", "gradient ms"];

/// Bytes that each pass must move for a time: an observation and its noise variance are read; the smoother writes mean and variance, and the gradient
/// the derivative by the noise variance as well.
const BYTES: [f64; 3] = [16.0, 32.0, 40.0];

/// The passes, in the order of the columns.
const PASSES: [&str; 3] = ["filter", "smoother", "gradient"];

/// One length: the number of times, and the milliseconds of the three passes.
type Timed = (usize, [f64; 3]);

/// What one run of the example printed.
fn timed(output: &str) -> Result<Vec<Timed>> {
    let what = "output of linear_time";
    let found = tables::only(output, what, &COLUMNS)?;
    let row = |cells: &Vec<String>| -> Result<Timed> {
        let fault = |cell: &str| DevError::format(what, format!("`{cell}` is no positive number"));
        let is_time = |ms: &f64| *ms > 0.0 && ms.is_finite();
        let number = |cell: &String| cell.parse::<f64>().ok().filter(is_time).ok_or_else(|| fault(cell));
        let steps = cells[0].parse().map_err(|_| fault(&cells[0]))?;
        Ok((steps, [number(&cells[1])?, number(&cells[2])?, number(&cells[3])?]))
    };
    let timed = found.rows.iter().map(row).collect::<Result<Vec<_>>>()?;
    // The first length begins the range, a round number; those after it double.
    let is_range = timed.len() > 2 && 0 < timed[0].0 && timed[0].0 < timed[1].0;
    if is_range && timed[1..].windows(2).all(|pair| pair[1].0 == 2 * pair[0].0) {
        Ok(timed)
    } else {
        Err(DevError::format(what, "expected, from the third row on, twice as many times as in the row above"))
    }
}

/// Medians over the rounds, length by length.
fn summarised(rounds: &[Vec<Timed>]) -> Vec<Timed> {
    let one = |at: usize, pass: usize| median(&rounds.iter().map(|round| round[at].1[pass]).collect::<Vec<_>>());
    rounds[0].iter().enumerate().map(|(at, (steps, _))| (*steps, [0, 1, 2].map(|pass| one(at, pass)))).collect()
}

/// The largest of the three factors to the row above, which has half as many times.
fn doubling(above: &Timed, row: &Timed) -> f64 {
    row.1.iter().zip(above.1).map(|(now, before)| now / before).fold(0.0, f64::max)
}

/// The table's rows, and what they miss.
fn rows(found: &[Timed]) -> (String, Vec<String>) {
    let (mut page, mut missed) = (String::new(), vec![]);
    for (at, row) in found.iter().enumerate() {
        let (steps, times) = row;
        let cells = times.map(table::milliseconds).join(" | ");
        let half = at.checked_sub(1).filter(|above| *steps == 2 * found[*above].0);
        let end = match half.map(|above| doubling(&found[above], row)) {
            None => "| |".to_owned(),
            Some(factor) if factor <= AT_MOST => format!("{factor:.2} | {AT_MOST:.1} | held"),
            Some(factor) => {
                missed.push(format!("{steps} times take {factor:.2} times as long as half of them"));
                format!("{factor:.2} | {AT_MOST:.1} | **missed**")
            }
        };
        writeln!(page, "| {steps} | {cells} | {end} |").expect("writing to a string");
    }
    (page, missed)
}

/// The least times of the passes, with what ours take of them, for a machine that reads and writes so many gigabytes a second.
fn floors(found: &[Timed], gigabytes: f64) -> String {
    let mut page = String::from(
        "| times | filter floor ms | elbo/floor | smoother floor ms | elbo/floor | gradient floor ms | elbo/floor |\n\
         |---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (steps, times) in found {
        let cells = [0, 1, 2].map(|pass| {
            let floor = 1e-6 * BYTES[pass] * *steps as f64 / gigabytes;
            format!("{} | {:.1}", table::milliseconds(floor), times[pass] / floor)
        });
        writeln!(page, "| {steps} | {} |", cells.join(" | ")).expect("writing to a string");
    }
    page
}

/// Gigabytes that one thread reads and writes in a second while it copies a large array: the fastest of some times, as `benches/peers/peak.py`
/// measures it. No peer takes part here, so that none needs to be installed.
fn copying() -> f64 {
    let source = vec![1.0_f64; 1 << 24];
    let mut target = vec![0.0_f64; 1 << 24];
    let mut fastest = f64::INFINITY;
    for _ in 0..8 {
        let start = Instant::now();
        target.copy_from_slice(black_box(&source));
        black_box(&mut target);
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    1e-9 * 16.0 * source.len() as f64 / fastest
}

/// The whole range, pass by pass: the factor from the first length to the last, what it is beside that of the lengths, and for each doubling. And what they miss.
fn range(found: &[Timed]) -> (String, Vec<String>) {
    let ((first, before), (last, after)) = (found[0], found[found.len() - 1]);
    let more = last as f64 / first as f64;
    let mut missed = vec![];
    let mut page = format!(
        "From {first} to {last} times, {more:.0} times as many:\n\n\
         | pass | factor | over {more:.0} | factor for each doubling | at most | verdict |\n|---|---:|---:|---:|---:|---|\n"
    );
    for (pass, (before, after)) in PASSES.iter().zip(before.iter().zip(after)) {
        let factor = after / before;
        let each = factor.powf(more.log2().recip());
        let verdict = if each <= AT_MOST {
            "held"
        } else {
            missed
                .push(format!("{pass}: {last} times take {factor:.0} times as long as {first}, {each:.2} a doubling"));
            "**missed**"
        };
        let share = factor / more;
        writeln!(page, "| {pass} | {factor:.1} | {share:.2} | {each:.2} | {AT_MOST:.1} | {verdict} |")
            .expect("writing to a string");
    }
    (page, missed)
}

/// Runs the example and writes the tables between the markers `peers-linear` of the document.
///
/// # Errors
/// [`DevError::Command`] when the example fails, [`DevError::Faults`] when a row or the range takes longer than linear time allows; the
/// tables are written all the same.
pub fn linear(root: &Path, options: &Options) -> Result<()> {
    let gigabytes = copying();
    let (mut rounds, mut busiest): (Vec<Vec<Timed>>, Option<f64>) = (vec![], None);
    for _ in 0..options.rounds.max(1) {
        let (printed, foreign) = watched(|| example(root, options.threads, "linear_time", &[]))?;
        rounds.push(timed(&printed)?);
        busiest = busiest.into_iter().chain(foreign).reduce(f64::max);
    }
    let found = summarised(&rounds);
    let (table, mut missed) = rows(&found);
    let (whole, missed_in_all) = range(&found);
    missed.extend(missed_in_all);
    let body = format!(
        "{}; elbo {}, {} threads, of which a series, being one chain, uses one; the fastest of many calls, lengths by turns, and of that the median of \
         {} runs. {} No other engine takes part: the factor is what is judged. The last \
         factor is the largest of the three for twice as many times.\n\nMade by `cargo run --release -p elbo-dev -- peers linear`; {}.\n\n\
         | {} | factor for twice as many | at most | verdict |\n|---:|---:|---:|---:|---:|---:|---|\n{table}\n{whole}\n\
         Floors, the least time that this machine's memory allows, {gigabytes:.1} GB/s read and written by one thread: an observation and its noise variance are \
         read, 16 bytes a time; the smoother writes 16 more, mean and variance, and the gradient 24, with the derivative by the noise variance.\n\n{}",
        table::machine(),
        env!("CARGO_PKG_VERSION"),
        options.threads,
        rounds.len(),
        table::quiet(busiest),
        stamp(root)?,
        COLUMNS.join(" | "),
        floors(&found, gigabytes)
    );
    if options.tiny {
        println!("{body}");
        return Ok(());
    }
    let path = root.join(&options.out);
    write(&path, &markers::replace(&read(&path)?, "peers-linear", &body)?)?;
    if missed.is_empty() { Ok(()) } else { Err(DevError::Faults(missed)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "| times | filter ms | smoother ms | gradient ms |\n|---:|---:|---:|---:|\n\
                          | 100 | 1.0 | 2.0 | 4.0 |\n| 200 | 2.1 | 4.0 | 8.0 |\n| 400 | 4.0 | 10.0 | 16.0 |\n";

    #[test]
    fn the_worst_of_three_passes_counts_against_the_row_above() {
        let found = timed(OUTPUT).unwrap();
        assert_eq!(found[2], (400, [4.0, 10.0, 16.0]));
        let (page, missed) = rows(&found);
        assert!(page.starts_with("| 100 | 1.00 | 2.00 | 4.00 | | | |\n"), "{page}");
        assert!(page.contains("| 200 | 2.10 | 4.00 | 8.00 | 2.10 | 2.2 | held |\n"), "{page}");
        assert_eq!(missed, ["400 times take 2.50 times as long as half of them"]);
    }

    #[test]
    fn floors_are_the_bytes_that_must_be_moved() {
        // 100 times of 16, 32 and 40 bytes at 0.8 GB/s: two, four and five microseconds.
        let page = floors(&timed(OUTPUT).unwrap(), 0.8);
        assert!(page.contains("| 100 | 0.00200 | 500.0 | 0.00400 | 500.0 | 0.00500 | 800.0 |\n"), "{page}");
        assert_eq!(page.lines().count(), 5);
    }

    #[test]
    fn the_range_is_judged_by_each_of_its_doublings() {
        // A first length that is not half of the next: its row has no factor.
        let output = OUTPUT.replace("| 100 | 1.0 | 2.0 | 4.0 |", "| 50 | 0.5 | 1.0 | 2.0 |\n| 100 | 1.0 | 2.0 | 4.0 |");
        let odd = output.replace("| 50 | 0.5", "| 80 | 0.8");
        assert!(rows(&timed(&odd).unwrap()).0.contains("| 100 | 1.00 | 2.00 | 4.00 | | | |\n"));
        let (page, missed) = range(&timed(&output).unwrap());
        assert!(page.starts_with("From 50 to 400 times, 8 times as many:\n\n| pass | factor | over 8 |"), "{page}");
        // Eight times as long in three doublings, and ten times as long.
        assert!(page.contains("| filter | 8.0 | 1.00 | 2.00 | 2.2 | held |\n"), "{page}");
        assert!(page.contains("| smoother | 10.0 | 1.25 | 2.15 | 2.2 | held |\n"), "{page}");
        assert!(missed.is_empty());
        let (page, missed) = range(&timed(&output.replace("10.0", "11.0")).unwrap());
        assert!(page.contains("| smoother | 11.0 | 1.38 | 2.22 | 2.2 | **missed** |\n"), "{page}");
        assert_eq!(missed, ["smoother: 400 times take 11 times as long as 50, 2.22 a doubling"]);
    }

    #[test]
    fn rounds_are_summarised_cell_by_cell() {
        let slow = timed(&OUTPUT.replace("10.0", "8.0").replace("| 1.0", "| 9.0")).unwrap();
        let found = summarised(&[timed(OUTPUT).unwrap(), slow.clone(), slow]);
        assert_eq!((found[0].1[0], found[2].1[1], found[1].1[2]), (9.0, 8.0, 8.0));
    }

    #[test]
    fn another_table_is_refused() {
        let fault = |text: &str| timed(text).unwrap_err().to_string();
        assert!(fault("nothing").contains("found 0"));
        assert!(fault(&OUTPUT.replace("8.0", "fast")).contains("`fast` is no positive number"));
        assert!(fault(&OUTPUT.replace("8.0", "NaN")).contains("`NaN` is no positive number"));
        assert!(fault(&OUTPUT.replace("400", "300")).contains("twice as many times"));
    }
}
