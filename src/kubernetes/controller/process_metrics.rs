//! The process metrics of Prometheus's own clients, under the same names, read from `/proc` at each scrape.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// The unit of times in `/proc`, independent of the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub struct ProcessCollector;

/// Empty if there is no `/proc`.
#[derive(Debug, Default, PartialEq)]
struct Process {
    cpu_seconds: Option<f64>,
    start_time_seconds: Option<f64>,
    resident_memory_bytes: Option<u64>,
    virtual_memory_bytes: Option<u64>,
    threads: Option<u64>,
    max_fds: Option<u64>,
    open_fds: Option<u64>,
}

impl Process {
    fn read() -> Process {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let open_fds = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64);
        let texts = ["/proc/self/stat", "/proc/stat", "/proc/self/status", "/proc/self/limits"].map(text);
        Process { open_fds, ..Process::parse(&texts) }
    }

    fn parse([stat, system, status, limits]: &[String; 4]) -> Process {
        // The program's name is in parentheses and may contain anything.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        // Numbered from 1 as in proc(5); the first field here is the third.
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let boot = system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        let kilobytes = |name: &str| number(status, name).map(|kilobytes| kilobytes.saturating_mul(1024));
        Process {
            cpu_seconds: ticks(14).zip(ticks(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND),
            start_time_seconds: ticks(22).zip(boot).map(|(since_boot, boot)| boot + since_boot / TICKS_PER_SECOND),
            resident_memory_bytes: kilobytes("VmRSS:"),
            virtual_memory_bytes: kilobytes("VmSize:"),
            threads: number(status, "Threads:"),
            max_fds: number(limits, "Max open files"),
            open_fds: None,
        }
    }
}

/// The first number after this text at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let process = Process::read();
        let mut put = |name: &str, help: &str, metric: &dyn EncodeAny| metric.put(&mut encoder, name, help);
        if let Some(seconds) = process.cpu_seconds {
            put("process_cpu_seconds", "Processor time of user and system", &ConstCounter::new(seconds))?;
        }
        if let Some(seconds) = process.start_time_seconds {
            put("process_start_time_seconds", "When the process started", &ConstGauge::new(seconds))?;
        }
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory", process.resident_memory_bytes),
            ("process_virtual_memory_bytes", "Virtual memory", process.virtual_memory_bytes),
            ("process_threads", "Threads", process.threads),
            ("process_open_fds", "Open file descriptors", process.open_fds),
            ("process_max_fds", "Most open file descriptors", process.max_fds),
        ] {
            if let Some(value) = value {
                put(name, help, &ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)))?;
            }
        }
        Ok(())
    }
}

/// A metric of any kind with its head.
trait EncodeAny {
    fn put(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str) -> fmt::Result;
}

impl<T: EncodeMetric> EncodeAny for T {
    fn put(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str) -> fmt::Result {
        self.encode(encoder.encode_descriptor(name, help, None, self.metric_type())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_is_read_behind_any_program_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 4 0 2000 900000 700";
        let texts = [
            stat,
            "cpu 1 2\nbtime 1700000000\n",
            "Name:\tx\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t4\n",
            "Limit  Soft Limit\nMax open files            1024                 4096                 files\n",
        ];
        let expected = Process {
            cpu_seconds: Some(2.0),
            start_time_seconds: Some(1_700_000_020.0),
            resident_memory_bytes: Some(1024 * 1024),
            virtual_memory_bytes: Some(2048 * 1024),
            threads: Some(4),
            max_fds: Some(1024),
            open_fds: None,
        };
        assert_eq!(Process::parse(&texts.map(str::to_owned)), expected);
        assert_eq!(Process::parse(&Default::default()), Process::default());
    }

    #[test]
    fn own_process_is_complete() {
        let own = Process::read();
        let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(own.start_time_seconds.is_some_and(|start| start > 1e9 && start < seconds + 2.0), "{own:?}");
        assert!(own.resident_memory_bytes.is_some_and(|bytes| bytes > 1024 * 1024), "{own:?}");
        assert!(own.open_fds.is_some_and(|open| open >= 3) && own.max_fds.is_some() && own.threads.is_some());
        assert!(own.cpu_seconds.is_some() && own.virtual_memory_bytes > own.resident_memory_bytes);
    }
}
