//! Sensors and error counters of the hardware: EDAC memory errors, thermal zones, hwmon, CPU
//! frequencies and throttling. What there is is looked up once a minute, values are read every few
//! seconds. It must never read more sensors than its limit: each may take milliseconds.

mod hwmon;

use super::{Context, Reader};
use crate::bytes::{clean, float, trim};
use crate::reference::{Reference, counter, gauge};
use crate::series::{Rows, Sink};
use crate::settings::Settings;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const CHIP: &[&str] = &["chip", "sensor"];
const HWMON: &str = "/sys/class/hwmon";
const EDAC: &str = "/sys/devices/system/edac/mc";
const FREQ: &str = "/sys/devices/system/cpu/cpu*/cpufreq";
const THROTTLE: &str = "/sys/devices/system/cpu/cpu*/thermal_throttle";

pub(crate) const METRICS: &[Reference] = &[
    counter(
        "node_edac_correctable_errors_total",
        "",
        &["controller"],
        EDAC,
        "Memory errors that were corrected. As all of this part, every 5 s.",
    ),
    counter(
        "node_edac_uncorrectable_errors_total",
        "",
        &["controller"],
        EDAC,
        "Memory errors that could not be corrected.",
    ),
    counter(
        "node_edac_csrow_correctable_errors_total",
        "",
        &["controller", "csrow"],
        EDAC,
        "Corrected memory errors by row of chips.",
    ),
    counter(
        "node_edac_csrow_uncorrectable_errors_total",
        "",
        &["controller", "csrow"],
        EDAC,
        "Uncorrected memory errors by row of chips.",
    ),
    gauge(
        "node_thermal_zone_temp",
        "celsius",
        &["zone", "type"],
        "/sys/class/thermal",
        "Temperature of the zone in degrees Celsius.",
    ),
    gauge(
        "node_cooling_device_cur_state",
        "",
        &["name", "type"],
        "/sys/class/thermal",
        "How hard the cooling device works now.",
    ),
    gauge(
        "node_cooling_device_max_state",
        "",
        &["name", "type"],
        "/sys/class/thermal",
        "The hardest that it can work.",
    ),
    gauge("node_hwmon_temp_celsius", "celsius", CHIP, HWMON, "Temperature."),
    gauge("node_hwmon_temp_max_celsius", "celsius", CHIP, HWMON, "Temperature that should not be exceeded."),
    gauge("node_hwmon_temp_crit_celsius", "celsius", CHIP, HWMON, "Temperature at which damage is near."),
    gauge("node_hwmon_fan_rpm", "", CHIP, HWMON, "Turns of the fan a minute."),
    gauge("node_hwmon_in_volts", "volts", CHIP, HWMON, "Voltage."),
    gauge("node_hwmon_curr_amps", "amperes", CHIP, HWMON, "Current."),
    gauge("node_hwmon_power_watt", "watts", CHIP, HWMON, "Power."),
    gauge("node_hwmon_power_average_watt", "watts", CHIP, HWMON, "Power, averaged by the chip."),
    counter("node_hwmon_energy_joule_total", "joules", CHIP, HWMON, "Energy used."),
    gauge(
        "node_hwmon_chip_names",
        "",
        &["chip", "chip_name"],
        HWMON,
        "Always 1: what the chip calls itself.",
    ),
    gauge(
        "node_hwmon_sensor_label",
        "",
        &["chip", "sensor", "label"],
        HWMON,
        "Always 1: what the sensor is called.",
    ),
    gauge(
        "node_cpu_scaling_frequency_hertz",
        "hertz",
        &["cpu"],
        FREQ,
        "Frequency of the CPU as the kernel set it.",
    ),
    gauge("node_cpu_scaling_frequency_min_hertz", "hertz", &["cpu"], FREQ, "The lowest frequency allowed."),
    gauge("node_cpu_scaling_frequency_max_hertz", "hertz", &["cpu"], FREQ, "The highest frequency allowed."),
    counter(
        "node_cpu_core_throttles_total",
        "",
        &["package", "core"],
        THROTTLE,
        "How often the core was slowed down because of heat.",
    ),
    counter(
        "node_cpu_package_throttles_total",
        "",
        &["package"],
        THROTTLE,
        "How often the package was slowed down because of heat.",
    ),
];

/// The most files that are read of all of this.
const SENSORS_MAX: usize = 512;

/// One file with one number; without a file the value is always 1.
struct Sensor {
    file: Option<PathBuf>,
    metric: &'static str,
    pairs: Vec<(&'static str, String)>,
    scale: f64,
    key: Vec<u8>,
}

pub(crate) struct Hardware {
    sys_root: PathBuf,
    sensors: Vec<Sensor>,
    rows: Rows,
}

impl Hardware {
    pub(crate) fn new(settings: &Settings) -> Hardware {
        Hardware { sys_root: settings.sys_root.clone(), sensors: Vec::new(), rows: Rows::new(SENSORS_MAX) }
    }
}

impl Reader for Hardware {
    fn name(&self) -> &'static str {
        "hardware"
    }

    fn read(&mut self, cx: &mut Context) {
        if !cx.is_slow_tick(3) {
            return;
        }
        if cx.is_minute_tick() {
            self.sensors.clear();
            let mut found = Found(&mut self.sensors);
            edac(&self.sys_root.join("devices/system/edac/mc"), &mut found);
            thermal(&self.sys_root.join("class/thermal"), &mut found);
            hwmon::find(&self.sys_root.join("class/hwmon"), &mut found);
            cpus(&self.sys_root.join("devices/system/cpu"), &mut found);
        }
        self.rows.begin();
        for sensor in &self.sensors {
            let value = match &sensor.file {
                None => Some(1.0),
                Some(file) => cx.io.read_once(file).map(trim).and_then(float),
            };
            let Some(value) = value else { continue };
            let make = |s: &mut Sink| vec![s.labels(sensor.metric, &sensor.pairs)];
            if let Some(row) = self.rows.row(&mut cx.sink, &sensor.key, make) {
                row.push(&mut cx.sink, 0, value * sensor.scale);
            }
        }
        self.rows.end(&mut cx.sink);
    }
}

struct Found<'a>(&'a mut Vec<Sensor>);

impl Found<'_> {
    fn add(
        &mut self,
        metric: &'static str,
        file: Option<PathBuf>,
        scale: f64,
        pairs: &[(&'static str, &str)],
    ) {
        if self.0.len() >= SENSORS_MAX || file.as_ref().is_some_and(|f| !f.exists()) {
            return;
        }
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (*n, v.to_string())).collect();
        let mut key = metric.as_bytes().to_vec();
        pairs.iter().for_each(|(_, v)| {
            key.push(0);
            key.extend_from_slice(v.as_bytes());
        });
        // Two CPUs may share a core: its counter is one series.
        if !self.0.iter().any(|s| s.key == key) {
            self.0.push(Sensor { file, metric, pairs, scale, key });
        }
    }
}

/// The entries of a folder whose names begin so, sorted: (rest of the name, path).
fn entries(folder: &Path, prefix: &str) -> Vec<(String, PathBuf)> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten().take(4 * SENSORS_MAX);
    let mut found: Vec<_> = all
        .filter_map(|e| Some((clean(e.file_name().as_bytes()).strip_prefix(prefix)?.to_string(), e.path())))
        .collect();
    found.sort();
    found
}

fn text(path: PathBuf) -> String {
    std::fs::read(path).map(|t| clean(trim(&t))).unwrap_or_default()
}

fn edac(folder: &Path, found: &mut Found) {
    for (controller, path) in entries(folder, "mc") {
        let one = [("controller", controller.as_str())];
        found.add("node_edac_correctable_errors_total", Some(path.join("ce_count")), 1.0, &one);
        found.add("node_edac_uncorrectable_errors_total", Some(path.join("ue_count")), 1.0, &one);
        let mut row = |csrow: &str, corrected: PathBuf, uncorrected: PathBuf| {
            let both = [("controller", controller.as_str()), ("csrow", csrow)];
            found.add("node_edac_csrow_correctable_errors_total", Some(corrected), 1.0, &both);
            found.add("node_edac_csrow_uncorrectable_errors_total", Some(uncorrected), 1.0, &both);
        };
        row("unknown", path.join("ce_noinfo_count"), path.join("ue_noinfo_count"));
        for (csrow, path) in entries(&path, "csrow") {
            row(&csrow, path.join("ce_count"), path.join("ue_count"));
        }
    }
}

fn thermal(folder: &Path, found: &mut Found) {
    for (zone, path) in entries(folder, "thermal_zone") {
        let kind = text(path.join("type"));
        found.add(
            "node_thermal_zone_temp",
            Some(path.join("temp")),
            1e-3,
            &[("zone", &zone), ("type", &kind)],
        );
    }
    for (name, path) in entries(folder, "cooling_device") {
        let kind = text(path.join("type"));
        let pairs = [("name", name.as_str()), ("type", &kind)];
        found.add("node_cooling_device_cur_state", Some(path.join("cur_state")), 1.0, &pairs);
        found.add("node_cooling_device_max_state", Some(path.join("max_state")), 1.0, &pairs);
    }
}

fn cpus(folder: &Path, found: &mut Found) {
    for (cpu, path) in entries(folder, "cpu") {
        if !cpu.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        for (metric, file) in [
            ("node_cpu_scaling_frequency_hertz", "scaling_cur_freq"),
            ("node_cpu_scaling_frequency_min_hertz", "scaling_min_freq"),
            ("node_cpu_scaling_frequency_max_hertz", "scaling_max_freq"),
        ] {
            found.add(metric, Some(path.join("cpufreq").join(file)), 1e3, &[("cpu", &cpu)]);
        }
        let throttle = path.join("thermal_throttle");
        if throttle.exists() {
            let topology = |file: &str| text(path.join("topology").join(file));
            let (package, core) = (topology("physical_package_id"), topology("core_id"));
            let pairs = [("package", package.as_str()), ("core", &core)];
            found.add(
                "node_cpu_core_throttles_total",
                Some(throttle.join("core_throttle_count")),
                1.0,
                &pairs,
            );
            let file = throttle.join("package_throttle_count");
            found.add("node_cpu_package_throttles_total", Some(file), 1.0, &pairs[..1]);
        }
    }
}
