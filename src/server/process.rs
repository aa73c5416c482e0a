//! What the process lets happen to itself: no memory on disk, no debugger, no root by accident.

use std::panic::PanicHookInfo;

use rustix::process::{DumpableBehavior, Resource, Rlimit, geteuid, getrlimit, set_dumpable_behavior, setrlimit};

/// Descriptors kept for everything that is no connection of a client: the bucket, files, the runtime.
const RESERVED_DESCRIPTORS: u64 = 128;

/// Keeps the memory, which holds secrets, out of core files and other processes' reach
/// (`RLIMIT_CORE`, `PR_SET_DUMPABLE`).
///
/// # Errors
///
/// The system's; nothing is known that makes it refuse.
pub fn harden() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Whether it may do everything.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Raises the limit of open files as far as `connections` need, and says how many connections it allows.
#[must_use]
pub fn descriptors_for(connections: usize) -> usize {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(RESERVED_DESCRIPTORS);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let mut limit = current.unwrap_or(u64::MAX);
    let raised = wanted.min(maximum.unwrap_or(u64::MAX));
    if limit < raised && setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok() {
        limit = raised;
    }
    let left = limit.saturating_sub(RESERVED_DESCRIPTORS).max(1);
    usize::try_from(left).unwrap_or(usize::MAX).min(connections)
}

/// Logs where a panic happened. What it says is logged only when it is a constant of the code:
/// a text made at run time could hold what the request held.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic: {}", constant_text(info));
    }));
}

fn constant_text<'a>(info: &PanicHookInfo<'a>) -> &'a str {
    info.payload().downcast_ref::<&'static str>().copied().unwrap_or("its text is not logged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_connections_than_descriptors() {
        let soft = usize::try_from(getrlimit(Resource::Nofile).current.unwrap()).unwrap();
        assert_eq!(descriptors_for(5), 5);
        assert!(descriptors_for(usize::MAX) >= soft - 128);
    }
}
