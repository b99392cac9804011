//! What a person watches while a run goes on: nodes with their roles, faults, throughput,
//! latency and the first contradiction, on the whole screen.
//!
//! [`View`] is what the history says so far, and pure; [`draw`] lays it out; [`Screen`] is the
//! terminal, which it gives back whatever happens.

mod draw;
mod held;
mod screen;
mod view;

pub use draw::draw;
pub use held::Held;
pub use screen::Screen;
pub use view::View;
