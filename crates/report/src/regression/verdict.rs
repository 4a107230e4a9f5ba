//! The scores in plain words, with honest qualifiers.

use super::scores::{RegressionScores, Width};
use crate::format::{counted, fraction_words, number, percent};
use crate::report::{Basis, Standing, Verdict};

/// Fewer rows than this are no ground for a judgement.
const FEWEST: usize = 10;

/// What the predicted means are worth.
#[derive(PartialEq)]
enum Use {
    Accurate,
    Useful,
    Slight,
    /// Errors are smaller, but chance explains it.
    Unclear,
    None,
    Harmful,
}

impl RegressionScores {
    /// The judgement in words: whether the predictions beat the mean, and whether the intervals hold what they promise, where
    /// "too narrow" and "too wide" are said only beyond what chance explains.
    pub fn verdict(&self) -> Verdict {
        if self.rows == 0 {
            return Verdict {
                headline: "Nothing to judge".into(),
                sentences: vec!["There are no rows on which the predictions could be compared with the truth.".into()],
                standing: Standing::Neutral,
            };
        }
        let used = self.used();
        let (width, intervals) = self.intervals();
        let mut sentences = vec![intervals, self.error(&used)];
        sentences.extend(self.bias());
        sentences.extend(self.certainty());
        if self.unusable > 0 {
            let rows = counted(self.unusable, "row");
            sentences.push(format!("{rows} could not be judged, because the value or its prediction is not finite."));
        }
        if self.rows < 30 {
            sentences.push(format!("With only {}, all of these numbers are rough.", counted(self.rows, "row")));
        }
        sentences.extend(self.basis.caveat());
        let (headline, mut standing) = headline(&used, width, self.rows);
        if self.basis == Basis::Training && standing == Standing::Good {
            standing = Standing::Caution;
        }
        Verdict { headline, sentences, standing }
    }

    /// How the error stands beside that of predicting the mean: neutral where the rows do not tell.
    pub(super) fn error_standing(&self) -> Standing {
        match self.used() {
            Use::Accurate | Use::Useful | Use::Slight => Standing::Good,
            Use::Unclear => Standing::Neutral,
            Use::None | Use::Harmful => Standing::Poor,
        }
    }

    fn used(&self) -> Use {
        let ratio = self.rmse / self.baseline_rmse;
        let (gain, error) = self.gain;
        if self.is_better_than_the_mean() {
            match ratio {
                r if r < 0.35 => Use::Accurate,
                r if r < 0.95 => Use::Useful,
                _ => Use::Slight,
            }
        } else if gain < -2.0 * error {
            Use::Harmful
        } else if ratio < 0.95 {
            Use::Unclear
        } else {
            Use::None
        }
    }

    /// The state of the intervals, and the first sentence. The widest level speaks; a lower one is named when it disagrees.
    fn intervals(&self) -> (Option<Width>, String) {
        let opening = self.basis.opening(self.rows);
        let Some(main) = self.held.last() else {
            return (None, format!("{opening} there are point predictions only, without intervals to check."));
        };
        let state = main.state(self.rows);
        let (low, high) = main.allowed(self.rows);
        let is_chance = (low..=high).contains(&main.share(self.rows));
        let chance = if low == high { percent(low) } else { format!("{} to {}", percent(low), percent(high)) };
        let (level, share) = (percent(main.level), percent(main.share(self.rows)));
        let mut sentence = match state {
            Width::Right if is_chance => format!(
                "{opening} the {level} intervals held {share} of the values, as they should ({chance} is within chance)."
            ),
            Width::Right => format!(
                "{opening} the {level} intervals held {share} of the values: chance explains {chance}, but the difference is \
                 too small to matter."
            ),
            Width::Narrow => format!(
                "{opening} the {level} intervals held only {share} of the values: they are too narrow, by more than chance \
                 explains ({chance})."
            ),
            Width::Wide => format!(
                "{opening} the {level} intervals held {share} of the values: they are wider than they need to be (chance \
                 explains {chance})."
            ),
        };
        let other =
            self.held.iter().rev().skip(1).map(|h| (h, h.state(self.rows))).find(|(_, s)| !s.is_right() && *s != state);
        if let Some((held, other)) = other {
            let (level, share) = (percent(held.level), percent(held.share(self.rows)));
            let (sort, word) = if other == Width::Wide { ("more", "too wide") } else { ("less", "too narrow") };
            sentence
                .push_str(&format!(" The {level} intervals held {share}, {sort} than they promise: they are {word}."));
            return (Some(if state.is_right() { other } else { state }), sentence);
        }
        (Some(state), sentence)
    }

    fn error(&self, used: &Use) -> String {
        let (rmse, baseline) = (number(self.rmse), number(self.baseline_rmse));
        let opening = format!("The typical error is {rmse}");
        match used {
            Use::None if self.baseline_rmse == 0.0 => {
                format!("{opening}; the observed values do not vary, so there is nothing to explain.")
            }
            Use::None => format!(
                "{opening}, no better than that of always predicting the mean ({baseline}): the inputs have told the model nothing \
                 that it could use on these rows."
            ),
            Use::Unclear => format!(
                "{opening}, smaller than that of always predicting the mean ({baseline}), but by no more than chance explains: \
                 these rows do not tell whether the inputs help."
            ),
            Use::Harmful => format!(
                "{opening}, worse than that of always predicting the mean ({baseline}): do not use these predictions."
            ),
            Use::Slight => format!("{opening}, hardly smaller than that of always predicting the mean ({baseline})."),
            Use::Accurate | Use::Useful => {
                let words =
                    fraction_words(self.rmse / self.baseline_rmse).expect("a useful model has a ratio below 0.95");
                format!("{opening}, {words} of that of always predicting the mean ({baseline}).")
            }
        }
    }

    /// A shift of all predictions, where it is certain and large enough to matter.
    fn bias(&self) -> Option<String> {
        let (bias, error) = self.bias;
        if bias.abs() <= 3.0 * error || bias.abs() <= 0.1 * self.rmse {
            return None;
        }
        let side = if bias > 0.0 { "high" } else { "low" };
        Some(format!("On average the predictions are {} too {side}.", number(bias.abs())))
    }

    fn certainty(&self) -> Option<String> {
        let ratio = self.contrast?;
        Some(if ratio >= 1.3 {
            let times = format!("{ratio:.1}");
            format!(
                "It knows where it is unsure: errors are {times} times as large in its least certain third as in its most certain."
            )
        } else {
            "Its stated uncertainty differs between rows, but errors are not clearly larger where it is less certain."
                .into()
        })
    }
}

fn headline(used: &Use, width: Option<Width>, rows: usize) -> (String, Standing) {
    if rows < FEWEST {
        return ("Too few rows to judge".into(), Standing::Caution);
    }
    let predictions = match used {
        Use::Harmful => return ("Worse than predicting the mean".into(), Standing::Poor),
        Use::None => return ("No better than predicting the mean".into(), Standing::Poor),
        Use::Unclear => return ("Not clearly better than predicting the mean".into(), Standing::Caution),
        Use::Slight => "Hardly better than predicting the mean",
        Use::Useful => "Useful predictions",
        Use::Accurate => "Accurate predictions",
    };
    let standing = if *used == Use::Slight { Standing::Caution } else { Standing::Good };
    match width {
        None => (format!("{predictions}, without intervals"), standing),
        Some(Width::Right) => (format!("{predictions} with honest intervals"), standing),
        Some(Width::Narrow) => (format!("{predictions}, but overconfident intervals"), Standing::Caution),
        Some(Width::Wide) => (format!("{predictions}, but needlessly wide intervals"), Standing::Caution),
    }
}
