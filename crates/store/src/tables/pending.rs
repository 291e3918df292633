//! The outcome of an append, when it comes. It must never say that rows are kept before they are durable.

use stdx::Result;

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Rows that are durable now, and can be found.
    pub rows: u64,
}

/// The outcome of an append, when it comes.
pub struct Pending(tokio::sync::oneshot::Receiver<Result<Kept>>);

/// Who tells it.
pub(crate) struct Reply(tokio::sync::oneshot::Sender<Result<Kept>>);

pub(crate) fn channel() -> (Reply, Pending) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    (Reply(sender), Pending(receiver))
}

impl Reply {
    /// Tells whoever waits, if somebody does.
    pub fn send(self, outcome: Result<Kept>) {
        let _ = self.0.send(outcome);
    }
}

impl Pending {
    /// Waits without blocking a thread.
    ///
    /// # Errors
    /// `Unavailable` if the log cannot be written: nothing of the batch was kept.
    pub async fn wait(self) -> Result<Kept> {
        self.0.await.map_err(|_| crate::store::stopped())?
    }

    /// Waits and blocks this thread.
    ///
    /// # Errors
    /// As [`Pending::wait`].
    pub fn wait_blocking(self) -> Result<Kept> {
        self.0.blocking_recv().map_err(|_| crate::store::stopped())?
    }
}
