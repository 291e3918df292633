//! The chips of /sys/class/hwmon and their sensors, named as node_exporter names them. It must never
//! follow a chip's links further than to the device that it sits on.

use super::{Found, entries, text};
use crate::bytes::clean;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Ending of a file's name after the sensor's number, the sensor's kind, the metric, its scale.
const HWMON_FILES: [(&str, &str, &str, f64); 10] = [
    ("temp", "_input", "node_hwmon_temp_celsius", 1e-3),
    ("temp", "_max", "node_hwmon_temp_max_celsius", 1e-3),
    ("temp", "_crit", "node_hwmon_temp_crit_celsius", 1e-3),
    ("fan", "_input", "node_hwmon_fan_rpm", 1.0),
    ("in", "_input", "node_hwmon_in_volts", 1e-3),
    ("curr", "_input", "node_hwmon_curr_amps", 1e-3),
    ("power", "_input", "node_hwmon_power_watt", 1e-6),
    ("power", "_average", "node_hwmon_power_average_watt", 1e-6),
    ("energy", "_input", "node_hwmon_energy_joule_total", 1e-6),
    ("", "_label", "node_hwmon_sensor_label", 1.0),
];

/// Adds every sensor of every chip.
pub(super) fn find(folder: &Path, found: &mut Found) {
    for (number, path) in entries(folder, "hwmon") {
        let name = text(path.join("name"));
        let chip = chip_name(&path, &name, &number);
        if !name.is_empty() {
            found.add(
                "node_hwmon_chip_names",
                None,
                1.0,
                &[("chip", &chip), ("chip_name", &metric_name(&name))],
            );
        }
        for (file, file_path) in entries(&path, "") {
            for (kind, ending, metric, scale) in HWMON_FILES {
                let Some(sensor) = file.strip_suffix(ending).filter(|s| is_sensor(s, kind)) else { continue };
                if ending == "_label" {
                    let label = text(file_path.clone());
                    let pairs = [("chip", chip.as_str()), ("sensor", sensor), ("label", &label)];
                    found.add(metric, None, scale, &pairs);
                } else {
                    let pairs = [("chip", chip.as_str()), ("sensor", sensor)];
                    found.add(metric, Some(file_path.clone()), scale, &pairs);
                }
            }
        }
    }
}

/// `temp1` is a sensor of kind `temp`; any kind will do for "".
fn is_sensor(name: &str, kind: &str) -> bool {
    let digits = name.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let stem = &name[..name.len() - digits.len()];
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number && !stem.is_empty() && (stem == kind || kind.is_empty())
}

/// A chip is named after the bus and the device that it sits on, else as it calls itself.
fn chip_name(path: &Path, name: &str, number: &str) -> String {
    if let Ok(device) = std::fs::canonicalize(path.join("device")) {
        let part = |p: Option<&Path>| p.and_then(Path::file_name).map(|n| metric_name(&clean(n.as_bytes())));
        if let (Some(own), Some(bus)) = (part(Some(&device)), part(device.parent())) {
            return format!("{bus}_{own}");
        }
    }
    if name.is_empty() { format!("hwmon{number}") } else { metric_name(name) }
}

/// Lower case, with underscores for what has no place in a metric's name.
fn metric_name(text: &str) -> String {
    let replaced: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' })
        .collect();
    replaced.trim_matches('_').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::testing::Host;

    #[test]
    fn names_of_sensors() {
        for (name, kind, want) in [
            ("temp1", "temp", true),
            ("in0", "in", true),
            ("intrusion0", "in", false),
            ("fan12", "", true),
            ("temp", "temp", false),
            ("1", "", false),
            ("temp1_x", "temp", false),
        ] {
            assert_eq!(is_sensor(name, kind), want, "{name} {kind}");
        }
    }

    #[test]
    fn a_chip_is_named_after_its_device() {
        let mut host = Host::new(
            "sys/devices/platform/coretemp.0/name: x
sys/class/hwmon/hwmon0/name: coretemp
sys/class/hwmon/hwmon0/temp1_input: 55500
sys/class/hwmon/hwmon0/temp1_label: Package id 0
sys/class/hwmon/hwmon1/name: NCT-6775
sys/class/hwmon/hwmon1/power1_average: 12500000",
        );
        let device = host.path("sys/devices/platform/coretemp.0");
        std::os::unix::fs::symlink(device, host.path("sys/class/hwmon/hwmon0/device")).unwrap();
        let got = host.read(|line| line.starts_with("node_hwmon"));
        let want = r#"node_hwmon_chip_names{chip="platform_coretemp_0", chip_name="coretemp"} 1
node_hwmon_temp_celsius{chip="platform_coretemp_0", sensor="temp1"} 55.5
node_hwmon_sensor_label{chip="platform_coretemp_0", label="Package id 0", sensor="temp1"} 1
node_hwmon_chip_names{chip="nct_6775", chip_name="nct_6775"} 1
node_hwmon_power_average_watt{chip="nct_6775", sensor="power1"} 12.5
"#;
        assert_eq!(got, want);
    }
}
