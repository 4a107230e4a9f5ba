//! Statistical theory made executable, one file each.
