//! What a fit left out because it was no number.

/// The warning of a fit that left something out, such as "3 steps were left out because the log density was not finite there"; none where nothing was.
pub fn left_out(count: usize, what: &str, why: &str) -> Option<String> {
    (count > 0).then(|| format!("{count} {what} were left out because {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_that_left_nothing_out_has_nothing_to_say() {
        assert_eq!(left_out(0, "draws", "they had no density"), None);
        let warning = left_out(7, "draws", "they had no density");
        assert_eq!(warning.as_deref(), Some("7 draws were left out because they had no density"));
    }
}
