//! Drawings and pages as a reader gets them.

mod golden;
mod page;
mod svg;
mod verdicts;

/// Parses as XML; the doctype of a page is allowed.
fn parse(text: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    match roxmltree::Document::parse_with_options(text, options) {
        Ok(document) => document,
        Err(error) => panic!("not well-formed: {error}\n{text}"),
    }
}

/// Every number in every attribute that places something is finite.
fn assert_drawn_with_numbers(document: &roxmltree::Document<'_>) {
    for node in document.descendants().filter(|n| n.is_element()) {
        for name in ["d", "x", "y", "width", "height", "viewBox"] {
            let value = node.attribute(name).unwrap_or("");
            assert!(!value.contains("NaN") && !value.contains("inf"), "{name}=\"{value}\"");
        }
    }
}
