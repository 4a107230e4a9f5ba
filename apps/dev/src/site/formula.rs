//! Formulas as MathML, which browsers draw without a script.

use pulldown_latex::config::DisplayMode;
use pulldown_latex::{Parser, ParserError, RenderConfig, Storage, push_mathml};

/// The MathML of a formula in LaTeX.
///
/// # Errors
/// What the formula holds that is not understood, in one line.
pub fn mathml(source: &str, is_display: bool) -> Result<String, String> {
    let storage = Storage::new();
    let events = Parser::new(source, &storage).collect::<Result<Vec<_>, ParserError>>().map_err(|error| {
        let message = error.to_string();
        message.split_whitespace().collect::<Vec<_>>().join(" ")
    })?;
    let display_mode = if is_display { DisplayMode::Block } else { DisplayMode::Inline };
    let config = RenderConfig { display_mode, ..RenderConfig::default() };
    let mut out = String::new();
    push_mathml(&mut out, events.into_iter().map(Ok::<_, ParserError>), config)
        .expect("a string takes whatever is written to it");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_becomes_mathml_of_its_kind() {
        let inline = mathml(r"\tfrac12 \sigma^2", false).unwrap();
        assert!(inline.starts_with("<math") && inline.contains("<mfrac") && inline.contains('σ'), "{inline}");
        assert!(mathml("x", true).unwrap().contains("display=\"block\""));
    }

    #[test]
    fn an_unknown_command_is_an_error_that_names_it() {
        let error = mathml(r"\nosuchcommand x", false).unwrap_err();
        assert!(error.contains("suchcommand") && !error.contains('\n'), "{error}");
    }
}
