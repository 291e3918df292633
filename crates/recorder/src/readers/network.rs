//! Network interfaces: /proc/net/dev every tick, /sys/class/net less often. It must never invent a
//! value that the driver does not know, such as the speed of a virtual link.

use super::{Context, Reader};
use crate::bytes::{Fields, clean, float, hex, lines, trim, unsigned};
use crate::files::{Shape, Source};
use crate::reference::{Reference, counter, gauge};
use crate::series::{Rows, Sink};
use crate::settings::Settings;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const DEVICE: &[&str] = &["device"];
const DEV: &str = "/proc/net/dev";
const SYS: &str = "/sys/class/net";

/// In the order of the fields of /proc/net/dev.
const TRAFFIC: &[Reference] = &[
    counter("node_network_receive_bytes_total", "bytes", DEVICE, DEV, "Bytes received."),
    counter("node_network_receive_packets_total", "", DEVICE, DEV, "Packets received."),
    counter("node_network_receive_errs_total", "", DEVICE, DEV, "Packets received in error."),
    counter("node_network_receive_drop_total", "", DEVICE, DEV, "Packets dropped on receipt."),
    counter("node_network_receive_fifo_total", "", DEVICE, DEV, "Overruns of the receive buffer."),
    counter("node_network_receive_frame_total", "", DEVICE, DEV, "Framing errors."),
    counter("node_network_receive_compressed_total", "", DEVICE, DEV, "Compressed packets received."),
    counter("node_network_receive_multicast_total", "", DEVICE, DEV, "Multicast packets received."),
    counter("node_network_transmit_bytes_total", "bytes", DEVICE, DEV, "Bytes sent."),
    counter("node_network_transmit_packets_total", "", DEVICE, DEV, "Packets sent."),
    counter("node_network_transmit_errs_total", "", DEVICE, DEV, "Errors on sending."),
    counter("node_network_transmit_drop_total", "", DEVICE, DEV, "Packets dropped on sending."),
    counter("node_network_transmit_fifo_total", "", DEVICE, DEV, "Overruns of the send buffer."),
    counter("node_network_transmit_colls_total", "", DEVICE, DEV, "Collisions."),
    counter("node_network_transmit_carrier_total", "", DEVICE, DEV, "Losses of carrier."),
    counter("node_network_transmit_compressed_total", "", DEVICE, DEV, "Compressed packets sent."),
];

const ATTRIBUTES: &[Reference] = &[
    gauge(
        "node_network_up",
        "",
        DEVICE,
        SYS,
        "1 if the operational state is up. Read every 5 s, as all of /sys/class/net.",
    ),
    gauge("node_network_carrier", "", DEVICE, SYS, "1 if there is a link."),
    counter("node_network_carrier_changes_total", "", DEVICE, SYS, "How often the link came or went."),
    counter("node_network_carrier_up_changes_total", "", DEVICE, SYS, "How often the link came."),
    counter("node_network_carrier_down_changes_total", "", DEVICE, SYS, "How often the link went."),
    gauge("node_network_mtu_bytes", "bytes", DEVICE, SYS, "Largest packet."),
    gauge(
        "node_network_speed_bytes",
        "bytes",
        DEVICE,
        SYS,
        "Speed of the link in bytes a second; absent where it is not known.",
    ),
    counter(
        "node_network_receive_nohandler_total",
        "",
        DEVICE,
        SYS,
        "Packets received that no protocol took.",
    ),
    gauge("node_network_transmit_queue_length", "", DEVICE, SYS, "Length of the send queue in packets."),
    gauge("node_network_flags", "", DEVICE, SYS, "Flags of the interface, as a number."),
    gauge("node_network_iface_id", "", DEVICE, SYS, "Index of the interface."),
    gauge("node_network_iface_link", "", DEVICE, SYS, "Index of the interface that it is linked to."),
    gauge("node_network_protocol_type", "", DEVICE, SYS, "Protocol type, as a number."),
    gauge("node_network_dormant", "", DEVICE, SYS, "1 if it is dormant."),
    gauge("node_network_address_assign_type", "", DEVICE, SYS, "How the address was assigned."),
    gauge("node_network_name_assign_type", "", DEVICE, SYS, "How the name was assigned."),
    gauge("node_network_net_dev_group", "", DEVICE, SYS, "Group of the interface."),
    gauge(
        "node_network_device_id",
        "",
        DEVICE,
        SYS,
        "Number of the device among those that share an address.",
    ),
    gauge("node_network_iface_link_mode", "", DEVICE, SYS, "Link mode, as a number."),
];

/// The file of each attribute, in the order of [`ATTRIBUTES`].
const ATTRIBUTE_FILES: [&str; 19] = [
    "operstate",
    "carrier",
    "carrier_changes",
    "carrier_up_count",
    "carrier_down_count",
    "mtu",
    "speed",
    "statistics/rx_nohandler",
    "tx_queue_len",
    "flags",
    "ifindex",
    "iflink",
    "type",
    "dormant",
    "addr_assign_type",
    "name_assign_type",
    "netdev_group",
    "dev_id",
    "link_mode",
];
/// Those after the eighth hardly ever change: they are read once a minute.
const ATTRIBUTES_CHANGING: usize = 8;

const INFO: &[Reference] = &[gauge(
    "node_network_info",
    "",
    &["device", "address", "broadcast", "duplex", "ifalias", "operstate"],
    SYS,
    "Always 1: what is known of the interface in words.",
)];

pub(crate) fn reference() -> Vec<Reference> {
    [TRAFFIC, ATTRIBUTES, INFO].concat()
}

pub(crate) struct Network {
    dev: Source,
    class_root: PathBuf,
    traffic: Rows,
    attributes: Rows,
    infos: Rows,
    /// The interfaces of the last look.
    names: Vec<Vec<u8>>,
    /// Reused.
    path: PathBuf,
}

impl Network {
    pub(crate) fn new(settings: &Settings) -> Network {
        Network {
            dev: Source::new(settings.proc_root.join("net/dev"), Shape::Records),
            class_root: settings.sys_root.join("class/net"),
            traffic: Rows::new(settings.things_max),
            attributes: Rows::new(settings.things_max),
            infos: Rows::new(settings.things_max),
            names: Vec::new(),
            path: PathBuf::new(),
        }
    }

    fn read_attributes(&mut self, cx: &mut Context) {
        let all = cx.is_minute_tick();
        self.attributes.begin();
        if all {
            self.infos.begin();
        }
        for name in &self.names {
            let make = |s: &mut Sink| s.labels_of(ATTRIBUTES, &[("device", clean(name))]);
            let Some(row) = self.attributes.row(&mut cx.sink, name, make) else { continue };
            let count = if all { ATTRIBUTE_FILES.len() } else { ATTRIBUTES_CHANGING };
            for (i, file) in ATTRIBUTE_FILES[..count].iter().enumerate() {
                self.path.clone_from(&self.class_root);
                self.path.push(OsStr::from_bytes(name));
                self.path.push(file);
                let Some(text) = cx.io.read_once(&self.path) else { continue };
                let text = trim(text);
                let value = match *file {
                    "operstate" => Some(f64::from(u8::from(text == b"up"))),
                    // Megabits a second; -1 where the driver does not know.
                    "speed" => float(text).filter(|v| *v > 0.0).map(|v| v * 1e6 / 8.0),
                    _ => match text.strip_prefix(b"0x") {
                        Some(digits) => hex(digits).map(|n| n as f64),
                        None => float(text),
                    },
                };
                row.push_some(&mut cx.sink, i, value);
            }
            if all {
                self.path.clone_from(&self.class_root);
                self.path.push(OsStr::from_bytes(name));
                info(&mut self.infos, &self.path, name, &mut cx.sink);
            }
        }
        self.attributes.end(&mut cx.sink);
        if all {
            self.infos.end(&mut cx.sink);
        }
    }
}

/// Texts about an interface. They are part of the key: when one changes, another series begins.
fn info(rows: &mut Rows, folder: &std::path::Path, name: &[u8], sink: &mut Sink) {
    let texts = ["address", "broadcast", "duplex", "ifalias", "operstate"]
        .map(|file| (file, std::fs::read(folder.join(file)).map(|t| clean(trim(&t))).unwrap_or_default()));
    let mut key = name.to_vec();
    texts.iter().for_each(|(_, text)| {
        key.push(0);
        key.extend_from_slice(text.as_bytes());
    });
    let make = |s: &mut Sink| {
        let mut pairs = vec![("device", clean(name))];
        pairs.extend(texts.iter().cloned());
        s.labels_of(INFO, &pairs)
    };
    if let Some(row) = rows.row(sink, &key, make) {
        row.push(sink, 0, 1.0);
    }
}

impl Reader for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn read(&mut self, cx: &mut Context) {
        let is_attribute_tick = cx.is_slow_tick(3);
        let Some(text) = self.dev.read(cx.io) else { return };
        if is_attribute_tick {
            self.names.clear();
        }
        self.traffic.begin();
        for line in lines(text) {
            // The two lines of headings have no colon before their numbers.
            let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
            let name = trim(&line[..colon]);
            if name.is_empty() || name.contains(&b'|') || name.contains(&b'/') {
                continue;
            }
            let make = |s: &mut Sink| s.labels_of(TRAFFIC, &[("device", clean(name))]);
            let Some(row) = self.traffic.row(&mut cx.sink, name, make) else { continue };
            for (i, field) in Fields(&line[colon + 1..]).take(TRAFFIC.len()).enumerate() {
                row.push_some(&mut cx.sink, i, unsigned(field).map(|n| n as f64));
            }
            if is_attribute_tick {
                self.names.push(name.to_vec());
            }
        }
        self.traffic.end(&mut cx.sink);
        if is_attribute_tick {
            self.read_attributes(cx);
        }
    }
}
