//! What is there twice, and whether it still is: software RAID arrays of /proc/mdstat and bonded network
//! interfaces. A machine without either has no such series.

use super::{Context, Reader};
use crate::bytes::{Fields, clean, lines, trim, unsigned};
use crate::files::{Shape, Source};
use crate::reference::{Reference, gauge};
use crate::series::{Rows, Sink};
use crate::settings::Settings;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const MD: &str = "/proc/mdstat";
const BONDING: &str = "/sys/class/net";

pub(crate) const METRICS: &[Reference] = &[
    gauge(
        "node_md_disks_required",
        "",
        &["device"],
        MD,
        "Disks that the array is made of. As all of this part, every 5 s.",
    ),
    gauge("node_md_blocks", "", &["device"], MD, "Blocks of the array."),
    gauge(
        "node_md_blocks_synced",
        "",
        &["device"],
        MD,
        "Blocks that are in step; all of them, unless the array is being rebuilt or checked.",
    ),
    gauge(
        "node_md_disks",
        "",
        &["device", "state"],
        MD,
        "Disks of the array in each state: active, failed, spare, down (missing).",
    ),
    gauge(
        "node_md_state",
        "",
        &["device", "state"],
        MD,
        "1 for the state that the array is in: active, inactive, recovering, resync, check.",
    ),
    gauge("node_bonding_slaves", "", &["master"], BONDING, "Interfaces that the bond is made of."),
    gauge("node_bonding_active", "", &["master"], BONDING, "Interfaces of the bond whose link is up."),
];

const DISK_STATES: [&str; 4] = ["active", "failed", "spare", "down"];
const ARRAY_STATES: [&str; 5] = ["active", "inactive", "recovering", "resync", "check"];
const BONDS_MAX: usize = 64;

pub(crate) struct Redundancy {
    mdstat: Source,
    arrays: Rows,
    net: PathBuf,
    bonds: Rows,
}

impl Redundancy {
    pub(crate) fn new(settings: &Settings) -> Redundancy {
        Redundancy {
            mdstat: Source::new(settings.proc_root.join("mdstat"), Shape::Records),
            arrays: Rows::new(settings.things_max),
            net: settings.sys_root.join("class/net"),
            bonds: Rows::new(BONDS_MAX),
        }
    }

    fn read_bonds(&mut self, cx: &mut Context) {
        let masters =
            cx.io.read_once(&self.net.join("bonding_masters")).map(<[u8]>::to_vec).unwrap_or_default();
        self.bonds.begin();
        for master in Fields(trim(&masters)).take(BONDS_MAX).filter(|m| !m.contains(&b'/')) {
            let folder = self.net.join(OsStr::from_bytes(master));
            let Some(slaves) = cx.io.read_once(&folder.join("bonding/slaves")).map(<[u8]>::to_vec) else {
                continue;
            };
            let (mut all, mut up) = (0, 0);
            for slave in Fields(trim(&slaves)).take(BONDS_MAX).filter(|s| !s.contains(&b'/')) {
                all += 1;
                let mut lower = b"lower_".to_vec();
                lower.extend_from_slice(slave);
                let status = folder.join(OsStr::from_bytes(&lower)).join("bonding_slave/mii_status");
                up += u32::from(cx.io.read_once(&status).map(trim) == Some(b"up"));
            }
            let make = |s: &mut Sink| s.labels_of(&METRICS[5..], &[("master", clean(master))]);
            if let Some(row) = self.bonds.row(&mut cx.sink, master, make) {
                row.push(&mut cx.sink, 0, f64::from(all));
                row.push(&mut cx.sink, 1, f64::from(up));
            }
        }
        self.bonds.end(&mut cx.sink);
    }
}

impl Reader for Redundancy {
    fn name(&self) -> &'static str {
        "redundancy"
    }

    fn read(&mut self, cx: &mut Context) {
        if !cx.is_slow_tick(4) {
            return;
        }
        if let Some(text) = self.mdstat.read(cx.io) {
            let sink = &mut cx.sink;
            self.arrays.begin();
            each_array(text, |array| {
                let make = |s: &mut Sink| {
                    let device = clean(array.name);
                    let mut labels = s.labels_of(&METRICS[..3], &[("device", device.clone())]);
                    let of = |metric: &Reference, state: &&str| {
                        s.labels(metric.name, &[("device", device.as_str()), ("state", state)])
                    };
                    labels.extend(DISK_STATES.iter().map(|state| of(&METRICS[3], state)));
                    labels.extend(ARRAY_STATES.iter().map(|state| of(&METRICS[4], state)));
                    labels
                };
                if let Some(row) = self.arrays.row(sink, array.name, make) {
                    let numbers = [array.required, array.blocks, array.blocks_synced];
                    let states = (0..ARRAY_STATES.len()).map(|i| u64::from(i == array.state));
                    for (i, n) in numbers.into_iter().chain(array.disks).chain(states).enumerate() {
                        row.push(sink, i, n as f64);
                    }
                }
            });
            self.arrays.end(sink);
        }
        self.read_bonds(cx);
    }
}

/// One array of /proc/mdstat.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Array<'a> {
    name: &'a [u8],
    /// Position in [`ARRAY_STATES`].
    state: usize,
    required: u64,
    /// In the order of [`DISK_STATES`].
    disks: [u64; 4],
    blocks: u64,
    blocks_synced: u64,
}

/// Calls `found` with each array: `md0 : active raid1 sdb1[1] sda1[0](F)`, then a line with blocks and
/// `[2/1]` (disks required and active), then perhaps one with how far a rebuild is.
fn each_array<'a>(text: &'a [u8], mut found: impl FnMut(Array<'a>)) {
    let mut current: Option<Array> = None;
    for line in lines(text) {
        let is_head = line.starts_with(b"md") && Fields(line).nth(1) == Some(b":");
        if is_head || !line.starts_with(b" ") {
            current.take().into_iter().for_each(&mut found);
            current = is_head.then(|| head(line)).flatten();
        } else if let Some(array) = &mut current {
            detail(line, array);
        }
    }
    current.into_iter().for_each(found);
}

fn head(line: &[u8]) -> Option<Array<'_>> {
    let mut fields = Fields(line);
    let name = fields.next()?;
    let is_active = fields.nth(1)? == b"active";
    let mut array = Array {
        name,
        state: usize::from(!is_active),
        required: 0,
        disks: [0; 4],
        blocks: 0,
        blocks_synced: 0,
    };
    for disk in fields.filter(|f| f.contains(&b'[')) {
        if disk.ends_with(b"(F)") {
            array.disks[1] += 1;
        } else if disk.ends_with(b"(S)") {
            array.disks[2] += 1;
        } else {
            array.disks[0] += 1;
        }
    }
    // Until a line says otherwise, what is there is what is needed.
    array.required = array.disks[0];
    Some(array)
}

fn detail(line: &[u8], array: &mut Array) {
    let mut last: &[u8] = b"";
    for field in Fields(line) {
        if field == b"blocks" {
            array.blocks = unsigned(last).unwrap_or(0);
            array.blocks_synced = array.blocks;
        } else if let Some((required, active)) = pair(field, b'[', b']') {
            array.required = required;
            array.disks[0] = active;
            array.disks[3] = required.saturating_sub(active).saturating_sub(array.disks[1]);
        } else if let Some((synced, _)) = pair(field, b'(', b')') {
            array.blocks_synced = synced;
        }
        match field {
            b"recovery" | b"reshape" => array.state = 2,
            b"check" => array.state = 4,
            _ if field.starts_with(b"resync") => array.state = 3,
            _ => {}
        }
        last = field;
    }
}

/// `[2/1]` or `(37043392/292945152)`.
fn pair(field: &[u8], open: u8, close: u8) -> Option<(u64, u64)> {
    let inner = field.strip_prefix(&[open])?.strip_suffix(&[close])?;
    let slash = inner.iter().position(|b| *b == b'/')?;
    Some((unsigned(&inner[..slash])?, unsigned(&inner[slash + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::testing::Host;

    const MDSTAT: &str = "Personalities : [raid1] [raid6]|md0 : active raid1 sdb1[1](F) sda1[0]|      1048576 blocks super 1.2 [2/1] [U_]|      bitmap: 0/1 pages [0KB], 65536KB chunk||md1 : active raid6 sdc1[0] sdd1[1] sde1[2](S)|      4000 blocks level 6 [3/2] [UU_]|      [==>......]  recovery = 12.5% (500/4000) finish=1.0min speed=3K/sec||md2 : inactive sdf1[0](S)|      100 blocks super 1.2||unused devices: <none>";

    #[test]
    fn arrays() {
        let text = MDSTAT.replace('|', "\n");
        let mut got = Vec::new();
        each_array(text.as_bytes(), |array| got.push(array));
        let array = |name: &'static str, state, required, disks, blocks, blocks_synced| Array {
            name: name.as_bytes(),
            state,
            required,
            disks,
            blocks,
            blocks_synced,
        };
        let want = [
            array("md0", 0, 2, [1, 1, 0, 0], 1_048_576, 1_048_576),
            array("md1", 2, 3, [2, 0, 1, 1], 4_000, 500),
            array("md2", 1, 0, [0, 0, 1, 0], 100, 100),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn arrays_and_bonds_of_a_host() {
        let mut host = Host::new(&format!(
            "proc/mdstat: {MDSTAT}
sys/class/net/bonding_masters: bond0
sys/class/net/bond0/bonding/slaves: eth0 eth1
sys/class/net/bond0/lower_eth0/bonding_slave/mii_status: up
sys/class/net/bond0/lower_eth1/bonding_slave/mii_status: down"
        ));
        let got = host.read(|line| line.contains("md0") || line.contains("bonding"));
        let want = r#"node_md_disks_required{device="md0"} 2
node_md_blocks{device="md0"} 1048576
node_md_blocks_synced{device="md0"} 1048576
node_md_disks{device="md0", state="active"} 1
node_md_disks{device="md0", state="failed"} 1
node_md_disks{device="md0", state="spare"} 0
node_md_disks{device="md0", state="down"} 0
node_md_state{device="md0", state="active"} 1
node_md_state{device="md0", state="inactive"} 0
node_md_state{device="md0", state="recovering"} 0
node_md_state{device="md0", state="resync"} 0
node_md_state{device="md0", state="check"} 0
node_bonding_slaves{master="bond0"} 2
node_bonding_active{master="bond0"} 1
"#;
        assert_eq!(got, want);
    }
}
