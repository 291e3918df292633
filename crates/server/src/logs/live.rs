//! Records as they come, for those who watch. Whoever is too slow misses some and is told how many; it must never hold up what
//! arrives.

use model::LogBatch;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Deliveries that wait for a slow watcher.
const WAITING_MAX: usize = 64;
/// Larger ones are not kept for watchers: nobody reads so much as it comes.
const BYTES_MAX: usize = 4 << 20;

/// Sends records to watchers.
pub struct Live {
    sender: broadcast::Sender<Arc<LogBatch>>,
}

impl Default for Live {
    fn default() -> Live {
        Live { sender: broadcast::channel(WAITING_MAX).0 }
    }
}

impl Live {
    /// To all who watch now.
    pub fn send(&self, batch: LogBatch) {
        if self.sender.receiver_count() > 0 && batch.bytes() <= BYTES_MAX {
            let _ = self.sender.send(Arc::new(batch));
        }
    }

    /// From now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<LogBatch>> {
        self.sender.subscribe()
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.sender.receiver_count()
    }
}
