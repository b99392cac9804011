//! Tells clients of leaders that the nodes chose themselves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::routing::Directory;

/// How often it is asked who leads.
const LISTEN: Duration = Duration::from_millis(200);

/// Watches who leads and announces it, as long as it lives.
#[derive(Default)]
pub(super) struct Announcer {
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Announcer {
    /// Asks again and again who leads, by position, and announces each that is new; the first node
    /// leads at the beginning. Whoever was asked until now is asked no more.
    pub(super) fn watch<F>(
        &self,
        directory: Arc<Directory>,
        mut ask: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = Option<usize>> + Send + 'static,
    {
        let task = tokio::spawn(async move {
            let mut last = 0;
            loop {
                if let Some(leader) = ask().await
                    && leader != last
                {
                    directory.announce(leader);
                    last = leader;
                }
                tokio::time::sleep(LISTEN).await;
            }
        });
        self.replace(Some(task));
    }

    fn replace(&self, task: Option<JoinHandle<()>>) {
        if let Ok(mut held) = self.task.lock()
            && let Some(earlier) = std::mem::replace(&mut *held, task)
        {
            earlier.abort();
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.replace(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_new_leader_is_announced_until_the_watch_is_dropped() {
        let directory = Arc::<Directory>::default();
        let (asked, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let mut answers = [Some(0), None, Some(2), Some(2)].into_iter();
        let announcer = Announcer::default();
        announcer.watch(Arc::clone(&directory), move || {
            let told = asked.send(());
            let answer = answers.next().flatten().filter(|_| told.is_ok());
            async move { answer }
        });
        for _ in 0..4 {
            assert_eq!(heard.recv().await, Some(()));
        }
        assert_eq!(directory.last(), Some((1, 2)));
        drop(announcer);
        while heard.recv().await.is_some() {}
    }
}
