//! What the system says of this process, under the names that all exporters give it. Where it says nothing, nothing is
//! written.
//!
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::families::{
    PROCESS_CPU_SECONDS, PROCESS_MAX_FDS, PROCESS_OPEN_FDS, PROCESS_RESIDENT_MEMORY_BYTES, PROCESS_START_TIME,
};
use super::text::Text;

/// Linux counts a process's time in hundredths of a second, on every machine (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;

/// `proc_pid_stat(5)` and its neighbours; `start` is when the process began, in seconds since 1970.
pub(crate) fn describe(text: &mut Text, start: f64) {
    text.family(&PROCESS_START_TIME).sample(&[], start);
    if let Some(secs) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_secs) {
        text.family(&PROCESS_CPU_SECONDS).sample(&[], secs);
    }
    if let Some(kib) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_kib) {
        text.one(&PROCESS_RESIDENT_MEMORY_BYTES, kib.saturating_mul(1024));
    }
    if let Some(open) = open_descriptors() {
        text.one(&PROCESS_OPEN_FDS, open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        text.one(&PROCESS_MAX_FDS, most);
    }
}

/// User and system time. The name, in parentheses, may hold anything.
#[allow(clippy::cast_precision_loss, reason = "so many hundredths of a second no process lives")]
fn cpu_secs(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(ticks()?.saturating_add(ticks()?) as f64 / TICKS_A_SECOND)
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Less the one that counts them.
fn open_descriptors() -> Option<u64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(open.saturating_sub(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 3 0 1000 1 1 1";
        assert_eq!(cpu_secs(stat), Some(4.0));
        assert_eq!(resident_kib("VmSize:\t 9 kB\nVmRSS:\t    2048 kB\n"), Some(2048));
        for odd in ["", "7 (a) S 1", "VmRSS: many kB"] {
            assert_eq!((cpu_secs(odd), resident_kib(odd)), (None, None), "{odd}");
        }
    }

    #[test]
    fn this_process_has_all_of_it() {
        let mut text = Text::new(super::super::text::Format::Prometheus);
        describe(&mut text, 1.5);
        let text = text.into_string();
        for name in ["start_time_seconds 1.5", "cpu_seconds_total ", "resident_memory_bytes ", "open_fds ", "max_fds "]
        {
            assert!(text.contains(&format!("\nprocess_{name}")), "{name}\n{text}");
        }
    }
}
