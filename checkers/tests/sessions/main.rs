//! The guarantees of sessions: against their definitions, against imagined stores, and by laws.

mod definitions;
mod laws;
mod made;
mod oracle;
mod systems;
