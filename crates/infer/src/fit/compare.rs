//! Several methods on one target, side by side.

use super::method::{Inference, Method, MethodSettings, infer};
use crate::diagnostics::worst;
use crate::target::LogDensity;
use elbo_core::{Result, Run, Table, ensure};
use std::fmt;

/// Answers of several methods to one question.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The answers, in the order asked.
    pub answers: Vec<Inference>,
}

/// Runs each method and puts the answers side by side.
///
/// # Errors
/// Those of [`infer`]; [`elbo_core::Error::Setting`] without methods.
pub fn compare(
    target: &dyn LogDensity,
    methods: &[Method],
    settings: &MethodSettings,
    run: &mut Run,
) -> Result<Comparison> {
    ensure("methods", "empty", !methods.is_empty(), "one or more")?;
    let answers = methods.iter().map(|m| infer(target, *m, settings, run)).collect::<Result<Vec<_>>>()?;
    Ok(Comparison { answers })
}

impl Comparison {
    /// The answer to trust: sampling that passed its checks, else the approximation with the least k-hat among those that pass theirs.
    pub fn trusted(&self) -> Option<&Inference> {
        let passed = || self.answers.iter().filter(|a| a.doubt().is_none());
        let k = |a: &Inference| a.psis.as_ref().map_or(f64::INFINITY, |p| p.k);
        passed().find(|a| a.method == Method::Nuts).or_else(|| passed().min_by(|a, b| k(a).total_cmp(&k(b))))
    }

    /// One sentence: which answer to trust, or that none is.
    pub fn verdict(&self) -> String {
        match self.trusted() {
            Some(answer) => {
                let doubted: Vec<String> =
                    self.answers.iter().filter_map(|a| a.doubt().map(|why| format!("{} ({why})", a.method))).collect();
                let rest = if doubted.is_empty() { String::new() } else { format!("; not {}", doubted.join(", ")) };
                format!("Trust {}{rest}.", answer.method)
            }
            None => {
                let why: Vec<String> =
                    self.answers.iter().filter_map(|a| a.doubt().map(|w| format!("{}: {w}", a.method))).collect();
                format!(
                    "Trust none of these answers ({}); write the model in another form, or run longer.",
                    why.join("; ")
                )
            }
        }
    }

    /// One row a method: cost, checks, and the largest distance of any mean and standard deviation from the trusted answer's, the
    /// first one's where none is trusted.
    pub fn table(&self) -> Table {
        let reference = self.trusted().unwrap_or(&self.answers[0]);
        let (mean, sd) = (reference.mean(), reference.sd());
        let mut table = Table::new(
            "methods",
            &format!(
                "Methods side by side. Distances are from {}: of means in its standard deviations, of standard deviations as the \
                 largest factor either way.",
                reference.method
            ),
            &["method", "seconds", "gradients", "ELBO", "k-hat", "R-hat", "ESS", "mean off by", "sd off by", "trust"],
        );
        for answer in &self.answers {
            let found = answer.mean();
            // Equal values are no way apart, whatever the unit, which is zero for draws that are all the same; infinite ones are not equal.
            let shift = |(a, (b, s)): (&f64, (&f64, &f64))| if a - b == 0.0 { 0.0 } else { (a - b).abs() / s };
            let shift = worst(found.iter().zip(mean.iter().zip(&sd)).map(shift), f64::max);
            let factor = |(a, b): (&f64, &f64)| if a - b == 0.0 { 0.0 } else { (a / b).ln().abs() };
            let factor = worst(answer.sd().iter().zip(&sd).map(factor), f64::max).exp();
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
            table.push(vec![
                answer.method.to_string(),
                format!("{:.2}", answer.seconds),
                answer.gradients.to_string(),
                or_dash(answer.elbo.map(|e| format!("{:.2} ± {:.2}", e.value, e.error))),
                or_dash(answer.psis.as_ref().map(|p| format!("{:.2}", p.k))),
                or_dash(answer.r_hat.map(|r| format!("{r:.3}"))),
                or_dash(answer.ess.map(|e| format!("{e:.0}"))),
                format!("{shift:.2} sd"),
                format!("x {factor:.2}"),
                answer.doubt().map_or("yes".into(), |why| format!("no: {why}")),
            ]);
        }
        table
    }

    /// Means and standard deviations of each natural value, one column a method.
    pub fn estimates(&self) -> Table {
        let mut columns = vec!["unknown".to_owned()];
        columns.extend(self.answers.iter().map(|a| a.method.to_string()));
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut table = Table::new("estimates", "Posterior mean ± standard deviation by method.", &names);
        let moments: Vec<(Vec<f64>, Vec<f64>)> = self.answers.iter().map(|a| (a.mean(), a.sd())).collect();
        for (i, label) in self.answers[0].labels.iter().enumerate() {
            let mut row = vec![label.clone()];
            row.extend(moments.iter().map(|(mean, sd)| format!("{:.3} ± {:.3}", mean[i], sd[i])));
            table.push(row);
        }
        table
    }
}

/// The tables with aligned columns, and the verdict.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &[self.estimates(), self.table()] {
            let width = |c: usize| table.rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
            let widths: Vec<usize> =
                table.columns.iter().enumerate().map(|(c, name)| name.chars().count().max(width(c))).collect();
            for row in std::iter::once(&table.columns).chain(&table.rows) {
                let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
                writeln!(f, "{}", cells.join("  ").trim_end())?;
            }
            writeln!(f, "{}\n", table.caption)?;
        }
        writeln!(f, "{}", self.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(natural: &[f64]) -> Inference {
        Inference {
            method: Method::MeanField,
            labels: vec!["a".into(), "b".into()],
            natural: natural.to_vec(),
            draws: natural.to_vec(),
            elbo: None,
            psis: None,
            r_hat: None,
            ess: None,
            divergences: 0,
            gradients: 0,
            seconds: 0.0,
            warnings: vec![],
        }
    }

    #[test]
    fn an_answer_that_is_no_number_is_not_said_to_agree() {
        // The second unknown is the same in every draw.
        let reference = answer(&[0.0, 5.0, 2.0, 5.0]);
        let broken = answer(&[f64::NAN, 5.0, 2.0, 5.0]);
        let table = Comparison { answers: vec![reference.clone(), reference, broken] }.table();
        let off: Vec<&[String]> = table.rows.iter().map(|row| &row[7..9]).collect();
        assert_eq!(off, [["0.00 sd", "x 1.00"], ["0.00 sd", "x 1.00"], ["NaN sd", "x NaN"]]);
    }
}
