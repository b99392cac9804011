//! Sets: what became of each element that was added.
//!
//! **Claim** of [`Set`]: what was acknowledged before the last read of a set began is in what
//! that read returned, and nothing is there that nobody added. Of [`SetFull`]: no element that
//! was there, or was acknowledged, stays away; with [`SetFull::linearizable`] it is also there
//! from then on in every read that begins later.
//!
//! Of each element, with the reads in the order in which they began:
//!
//! | word | meaning |
//! |---|---|
//! | known | from the end of its add, or of the first completed read that shows it |
//! | stable | the last read that shows it began after the last that lacks it |
//! | stale | stable, but a read that began after it was known lacks it |
//! | **lost** | known, and a read that began after it was known, and after the last that shows it, lacks it |
//! | never read | neither: reads do not tell |
//! | **flickering** | there, then absent, then there again, in reads of which each ended before the next began |
//! | **duplicate** | twice in one read |
//! | **dirty** | there although its add failed |
//! | **phantom** | there although nobody had begun to add it |
//!
//! Only reads that ended after an element's add had begun can lack it. An element whose removal
//! was called, and did not fail, may be absent in every read that ended after that call, for
//! ever: only its absence before counts. The operator's final reads of all nodes count as one
//! read, of what any of them has; while a node that answered anybody could not be read, that
//! only shows what is there, and lacks nothing.
//!
//! **Needs**: `add` of unique elements, and `read-set` or `read` that return lists, or final
//! reads. A set of which something cannot be read, and an element that was added twice, is left
//! out and leaves the claim undecided. So does a history in which no element is stable.
//!
//! **Names**: "lost-element", "stale-element" and "flickering-element" (only if linearizable),
//! "duplicate-element", "dirty-read", "phantom-read".
//!
//! **Cost**: linear in operations and in what reads return beyond what the read before them
//! returned; at most 60 bytes an operation.
//!
//! **Source**: Jepsen's `set` and `set-full` checkers, with what they leave out: duplicates,
//! phantoms, failed adds and flicker.

mod full;
mod gather;
mod last;
mod track;

pub use full::SetFull;
pub use last::Set;
