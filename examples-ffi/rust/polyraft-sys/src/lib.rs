//! What polyraft.h declares, as it stands there: constants, layouts (each with a check that does not compile where it
//! differs from the header) and functions. The header tells what each does; the crate `polyraft` is the safe one.
#![allow(non_camel_case_types)]

#[rustfmt::skip]
mod generated;

pub use generated::*;
