//! Bugs on purpose: the proof that the tests of durability would find such bugs (`make torture`). Which one is chosen by
//! the environment variable `MIDWATCH_PLANTED_BUG`, and only in a build with the feature `planted-bugs`. It must never
//! be in a program that keeps anybody's data: without the feature all of this compiles to nothing.

use std::io::Result;

/// A bug that can be planted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A batch is acknowledged before the log has it.
    AcknowledgeFirst,
    /// Files are not synced.
    SkipFsync,
    /// Folders are not synced.
    SkipFolderFsync,
    /// A sync that failed is taken for one that did not.
    SwallowEio,
}

/// Whether this bug is planted.
#[cfg(feature = "planted-bugs")]
pub fn is(bug: Bug) -> bool {
    static PLANTED: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
    let planted = PLANTED.get_or_init(|| match std::env::var("MIDWATCH_PLANTED_BUG").ok()?.as_str() {
        "acknowledge-first" => Some(Bug::AcknowledgeFirst),
        "skip-fsync" => Some(Bug::SkipFsync),
        "skip-folder-fsync" => Some(Bug::SkipFolderFsync),
        "swallow-eio" => Some(Bug::SwallowEio),
        _ => None,
    });
    *planted == Some(bug)
}

/// Whether this bug is planted: never.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}

/// Syncs a file.
///
/// # Errors
/// Those of `sync`.
#[inline(always)]
pub fn sync(sync: impl FnOnce() -> Result<()>) -> Result<()> {
    if is(Bug::SkipFsync) {
        return Ok(());
    }
    let done = sync();
    if is(Bug::SwallowEio) { Ok(()) } else { done }
}
