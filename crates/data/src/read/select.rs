//! Which columns of a file are wanted: the names a user gave, against the names there are.

use super::ReadOptions;
use elbo_core::{Array, Data, Error, Result};

/// The wanted arrays of data that are no table.
///
/// # Errors
/// As [`wanted`].
pub(super) fn arrays(data: Data, options: &ReadOptions) -> Result<Data> {
    let names: Vec<&str> = data.arrays.iter().map(|(n, _)| n.as_str()).collect();
    let wanted = or_pictures(wanted(&names, options)?, &data.arrays, options);
    let arrays = data.arrays.into_iter().zip(wanted).filter_map(|(a, w)| w.then_some(a)).collect();
    Ok(Data { arrays, target: options.target.clone(), ..data })
}

/// The wanted arrays, or, where none of the names to keep is there, those of pictures: a model knows its pictures by the name that they had
/// when it was fitted, which a folder or a single array cannot choose.
pub(super) fn or_pictures(mut wanted: Vec<bool>, arrays: &[(String, Array)], options: &ReadOptions) -> Vec<bool> {
    let is_target = |name: &String| options.target.as_ref() == Some(name);
    let is_kept = arrays.iter().zip(&wanted).any(|((name, _), w)| *w && !is_target(name));
    if options.keep.is_some() && !is_kept {
        for ((name, array), w) in arrays.iter().zip(&mut wanted) {
            *w |= array.shape.len() > 2 && !options.drop.contains(name) && !options.spare.contains(name);
        }
    }
    wanted
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
    let drop: std::collections::HashSet<&str> = options.drop.iter().chain(&options.spare).map(String::as_str).collect();
    let keep: Option<std::collections::HashSet<&str>> =
        options.keep.as_ref().map(|keep| keep.iter().chain(&options.target).map(String::as_str).collect());
    let is_wanted = |name: &S| {
        let name = name.as_ref();
        !drop.contains(name) && keep.as_ref().is_none_or(|keep| keep.contains(name))
    };
    Ok(names.iter().map(is_wanted).collect())
}
