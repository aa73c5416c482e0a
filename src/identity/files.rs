//! Files that are followed: key sets and the list of revoked tokens.
//!
//! Looked at twice a second and compared by content, because file systems, editors and
//! Kubernetes' swapped links disagree about what a change looks like from outside.

use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;

use crate::files::read_bounded;

/// Twice a second, so that a change is in force within one.
const INTERVAL: Duration = Duration::from_millis(500);

/// Calls `changed` with each new content of the file, the first included, until `owner` is gone. What it refuses,
/// and what cannot be read, is said once in the log; the last good content stays in force.
pub(super) async fn follow<T>(path: PathBuf, owner: Weak<T>, mut changed: impl FnMut(&T, &[u8]) -> Result<(), String>) {
    let mut last: Option<Result<Vec<u8>, String>> = None;
    loop {
        let read = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || read_bounded(&path)).await
        };
        let content = match read {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(error.to_string()),
            // The runtime ends.
            Err(_) => return,
        };
        // Also when nothing has changed: else a task would stay for each owner that there ever was.
        let Some(owner) = owner.upgrade() else { return };
        if last.as_ref() != Some(&content) {
            let outcome = match &content {
                Ok(bytes) => changed(&owner, bytes),
                Err(error) => Err(error.clone()),
            };
            match outcome {
                Ok(()) => tracing::info!(file = %path.display(), "read"),
                Err(reason) => {
                    tracing::error!(file = %path.display(), "is not used, its last good content stays in force: {reason}");
                }
            }
            last = Some(content);
        }
        drop(owner);
        tokio::time::sleep(INTERVAL).await;
    }
}
