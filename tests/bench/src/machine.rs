//! On what machine was this measured?

use std::fs;
use std::path::Path;

use serde::Serialize;

#[derive(Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gb: u64,
    pub kernel: String,
    /// Of the servers' data.
    pub filesystem: String,
    pub disk: String,
    pub load_before: String,
}

/// Whatever cannot be found out is called unknown; no figure depends on it.
pub fn describe(data_root: &Path) -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mount = parse_mount(&read("/proc/self/mountinfo"), data_root);
    let (filesystem, device) =
        mount.unwrap_or_else(|| ("unknown".to_string(), "unknown".to_string()));
    Machine {
        cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_string()),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_gb: memory_gb(&read("/proc/meminfo")),
        kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        filesystem,
        disk: describe_disk(&device),
        load_before: load_average(),
    }
}

/// The load of the last minute, five minutes and quarter of an hour.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_string())
    })
}

fn memory_gb(meminfo: &str) -> u64 {
    let kilobytes =
        field(meminfo, "MemTotal").and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0).div_ceil(1024 * 1024)
}

/// Type and device of the filesystem that holds `path`.
fn parse_mount(mountinfo: &str, path: &Path) -> Option<(String, String)> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?;
        let mut after = after.split(' ');
        Some((point, after.next()?, after.next()?))
    });
    // Of two mounts at one point the later covers the earlier.
    let mount = mounts
        .filter(|(point, ..)| path.starts_with(point))
        .max_by_key(|(point, ..)| point.len())?;
    Some((mount.1.to_string(), mount.2.to_string()))
}

fn describe_disk(device: &str) -> String {
    let Some(name) = device.strip_prefix("/dev/") else {
        return device.to_string();
    };
    let Ok(link) = fs::canonicalize(format!("/sys/class/block/{name}")) else {
        return name.to_string();
    };
    // A partition lies inside its disk, which has the queue.
    let disk = if link.join("queue").exists() {
        Some(link.as_path())
    } else {
        link.parent()
    };
    let Some(disk) = disk else {
        return name.to_string();
    };
    let read = |file: &str| {
        fs::read_to_string(disk.join(file))
            .unwrap_or_default()
            .trim()
            .to_string()
    };
    let cache = match read("queue/write_cache").as_str() {
        "" => String::new(),
        cache => format!("{cache} cache"),
    };
    let model = read("device/model");
    let parts = [name, &cache, &model];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    //! A figure without its filesystem is worth little; a wrong one is worth less.
    use super::*;

    #[test]
    fn the_innermost_mount_holds_a_path() {
        let text = "21 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
                    30 21 0:25 / /tmp rw - tmpfs tmpfs rw\n\
                    31 21 0:26 / /tmpfiles rw - xfs /dev/vdb rw\n";
        let mount = |path: &str| parse_mount(text, Path::new(path)).unwrap().0;
        assert_eq!(mount("/work/data"), "ext4");
        assert_eq!(mount("/tmp/data"), "tmpfs");
        assert_eq!(mount("/tmpfiles/data"), "xfs");
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t: 7\nmodel name\t: A Processor: fast\n";
        assert_eq!(field(text, "model name").unwrap(), "A Processor: fast");
        assert_eq!(memory_gb("MemTotal:       16000000 kB\n"), 16);
    }
}
