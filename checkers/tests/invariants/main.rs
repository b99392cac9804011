//! The checkers of invariants against references written from their definitions, over small
//! random histories, and laws that need no reference.

mod bank;
mod ids;
mod keys;
mod laws;
mod leaders;
mod locks;
mod made;
mod monotonic;
mod pages;
mod skew;
