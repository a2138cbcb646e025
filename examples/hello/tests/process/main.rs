//! `hello` as its users run it.

mod alone;
mod leaving;
mod load;
mod process;
mod together;
