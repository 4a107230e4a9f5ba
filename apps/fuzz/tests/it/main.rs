//! Every target accepts its seeds, and survives what is made of them.

mod hostile;
mod memory;
