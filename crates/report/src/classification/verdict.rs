//! The scores in plain words, with honest qualifiers.

use super::ClassificationScores;
use crate::format::{counted, number, percent};
use crate::report::{Basis, Standing, Verdict};

impl ClassificationScores {
    /// Whether the predictions say more than the base rates, in right classes or in log loss, by more than two standard errors.
    pub fn is_informed(&self) -> bool {
        self.gain.0 > 2.0 * self.gain.1 || self.has_informative_probabilities()
    }

    /// Whether the log loss beats that of the base rates by more than two standard errors.
    fn has_informative_probabilities(&self) -> bool {
        self.impossible == 0 && self.information.0 > 2.0 * self.information.1
    }

    /// Whether the stated confidence is right on average: within 99 % of chance, or off by less than two points.
    pub fn is_confidence_right(&self) -> bool {
        let gap = (self.confidence - self.accuracy).abs();
        gap <= 2.58 * self.confidence_error || gap <= 0.02
    }

    /// The judgement in words.
    pub fn verdict(&self) -> Verdict {
        if self.rows == 0 {
            return Verdict {
                headline: "Nothing to judge".into(),
                sentences: vec!["There are no rows on which the predictions could be compared with the truth.".into()],
                standing: Standing::Neutral,
            };
        }
        let (accuracy, confidence) = (percent(self.accuracy), percent(self.confidence));
        let (name, share) = &self.majority;
        let is_overconfident = self.confidence > self.accuracy;
        let mut sentences = vec![format!(
            "{} it names the right class in {accuracy} of cases; always guessing “{name}” would be right in {}.",
            self.basis.opening(self.rows),
            percent(*share)
        )];
        sentences.push(match (self.is_confidence_right(), is_overconfident) {
            (true, _) => format!(
                "Its confidence can be taken at its word: {confidence} on average, within chance of what came true."
            ),
            (false, true) => {
                format!("It is overconfident: it states {confidence} on average, more than chance explains.")
            }
            (false, false) => {
                format!("It is too modest: it states {confidence} on average and is right more often than that.")
            }
        });
        let (loss, base) = (number(self.log_loss), number(self.baseline_log_loss));
        if self.impossible > 0 {
            let rows = counted(self.impossible, "row");
            sentences.push(format!(
                "For {rows} it held the true class to be impossible, which makes the log loss infinite."
            ));
        } else if self.has_informative_probabilities() {
            sentences.push(format!(
                "Its probabilities carry information: the log loss is {loss}, against {base} for the base rates alone."
            ));
        } else if self.is_informed() {
            sentences.push(format!(
                "The classes it names are worth having, but as probabilities its statements are no better than the base rates: the \
                 log loss is {loss}, against {base}."
            ));
        } else {
            sentences.push(format!(
                "Its probabilities say no more than the base rates: the log loss is {loss}, against {base} without looking at the inputs."
            ));
        }
        if self.rows < 30 {
            sentences.push(format!("With only {}, all of these numbers are rough.", counted(self.rows, "row")));
        }
        sentences.extend(self.basis.caveat());
        let (headline, standing) = self.headline(is_overconfident);
        Verdict { headline, sentences, standing }
    }

    fn headline(&self, is_overconfident: bool) -> (String, Standing) {
        if self.rows < 10 {
            return ("Too few rows to judge".into(), Standing::Caution);
        }
        if !self.is_informed() {
            return ("No better than the base rates".into(), Standing::Poor);
        }
        let seen = self.basis == Basis::Training;
        match (self.is_confidence_right(), is_overconfident) {
            (true, _) => (
                "Informative predictions with honest probabilities".into(),
                if seen { Standing::Caution } else { Standing::Good },
            ),
            (false, true) => ("Informative predictions, but overconfident".into(), Standing::Caution),
            (false, false) => ("Informative predictions, but too modest".into(), Standing::Caution),
        }
    }
}
