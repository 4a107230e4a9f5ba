//! Which columns of a file are wanted: the names a user gave, against the names there are.

use super::ReadOptions;
use elbo_core::{Data, Error, Result};

/// The wanted arrays of data that are no table.
///
/// # Errors
/// As [`wanted`].
pub(super) fn arrays(data: Data, options: &ReadOptions) -> Result<Data> {
    let names: Vec<&str> = data.arrays.iter().map(|(n, _)| n.as_str()).collect();
    let wanted = wanted(&names, options)?;
    let arrays = data.arrays.into_iter().zip(wanted).filter_map(|(a, w)| w.then_some(a)).collect();
    Ok(Data { arrays, target: options.target.clone(), ..data })
}

/// Whether each column is read.
///
/// # Errors
/// [`Error::Unknown`] for a name that no column has, [`Error::Data`] for a target that is also dropped and for too many columns.
pub(super) fn wanted<S: AsRef<str>>(names: &[S], options: &ReadOptions) -> Result<Vec<bool>> {
    if names.len() > options.max_columns {
        return Err(Error::data(
            format!("the table has {} columns, more than {}", names.len(), options.max_columns),
            "give fewer columns; if rows and columns are swapped, transpose the table",
        ));
    }
    let known = |name: &String| -> Result<()> {
        if names.iter().any(|n| n.as_ref() == name) {
            return Ok(());
        }
        Err(Error::unknown("column", name, names.iter().map(AsRef::as_ref)))
    };
    options.target.iter().chain(&options.drop).chain(&options.categorical).try_for_each(known)?;
    if let Some(target) = options.target.as_ref().filter(|t| options.drop.contains(t)) {
        return Err(Error::data(
            format!("column `{target}` is the target and is also left out"),
            "name it either with --target or with --drop",
        ));
    }
    let drop: std::collections::HashSet<&str> = options.drop.iter().map(String::as_str).collect();
    let keep: Option<std::collections::HashSet<&str>> =
        options.keep.as_ref().map(|keep| keep.iter().chain(&options.target).map(String::as_str).collect());
    let is_wanted = |name: &S| {
        let name = name.as_ref();
        !drop.contains(name) && keep.as_ref().is_none_or(|keep| keep.contains(name))
    };
    Ok(names.iter().map(is_wanted).collect())
}
