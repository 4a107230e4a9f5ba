//! Replaces a marked part of a hand-written document.

use crate::error::{DevError, Result};

/// Puts `body` between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
///
/// # Errors
/// [`DevError::Format`] when a marker is missing, repeated or out of order.
///
/// ```
/// let page = "# Speed\n<!-- gp:begin -->\nold\n<!-- gp:end -->\n";
/// let page = elbo_dev::markers::replace(page, "gp", "new").unwrap();
/// assert_eq!(page, "# Speed\n<!-- gp:begin -->\nnew\n<!-- gp:end -->\n");
/// ```
pub fn replace(page: &str, name: &str, body: &str) -> Result<String> {
    let range = inside(page, name)?;
    Ok(format!("{}\n{}\n{}", &page[..range.start], body.trim_end(), &page[range.end..]))
}

/// What stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
///
/// # Errors
/// As [`replace`].
pub fn between<'a>(page: &'a str, name: &str) -> Result<&'a str> {
    Ok(&page[inside(page, name)?])
}

/// The marker that opens the part of this name.
pub fn begin(name: &str) -> String {
    format!("<!-- {name}:begin -->")
}

/// The marker that closes it.
pub fn end(name: &str) -> String {
    format!("<!-- {name}:end -->")
}

/// The bytes between the two markers.
fn inside(page: &str, name: &str) -> Result<std::ops::Range<usize>> {
    let (begin, end) = (begin(name), end(name));
    let once = |marker: &str| match page.match_indices(marker).collect::<Vec<_>>()[..] {
        [(at, _)] => Ok(at),
        ref found => Err(DevError::format(format!("marker `{marker}`"), format!("it occurs {} times", found.len()))),
    };
    let (start, stop) = (once(&begin)? + begin.len(), once(&end)?);
    if start > stop {
        return Err(DevError::format(format!("marker `{end}`"), "it stands before its beginning"));
    }
    Ok(start..stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_twice_is_replacing_once() {
        let page = "a\n<!-- t:begin -->\n<!-- t:end -->\nb\n";
        let once = replace(page, "t", "x\ny\n").unwrap();
        assert_eq!(replace(&once, "t", "x\ny").unwrap(), once);
        assert_eq!(between(&once, "t").unwrap(), "\nx\ny\n");
    }

    #[test]
    fn a_missing_or_repeated_marker_is_refused() {
        assert!(replace("a", "t", "x").unwrap_err().to_string().contains("occurs 0 times"));
        let page = "<!-- t:begin --><!-- t:begin --><!-- t:end -->";
        assert!(replace(page, "t", "x").unwrap_err().to_string().contains("occurs 2 times"));
        assert!(replace("<!-- t:end --><!-- t:begin -->", "t", "x").unwrap_err().to_string().contains("before"));
    }
}
