//! How much a search may spend.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a checker polls in its search loop. It has no clock of its own: whoever hands it out
/// raises the flag when the time is over.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    stop: Arc<AtomicBool>,
    max_bytes: Option<usize>,
}

impl Budget {
    /// No limit but the flag.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// At most `bytes` of working memory for the search.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// The working memory that the search may use, in bytes.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.max_bytes.unwrap_or(usize::MAX)
    }

    /// Raises the flag: searches end with what they have.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the search should end now.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
