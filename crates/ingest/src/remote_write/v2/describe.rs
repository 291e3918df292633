//! What series of remote write 2.0 say of their metrics: each says it again, and it is kept once for each metric.
//! Metadata is a courtesy: it must never be a reason to refuse.

use super::{Decoder, Res};
use crate::remote_write::{KINDS, cut_to};
use crate::wire::{Field, Reader};
use model::{Labels, Metadata, MetricKind, NAME};

/// What a series says of its metric: type, help and unit, the texts as references.
#[derive(Clone, Copy, Default)]
pub(super) struct Described {
    pub kind: u64,
    pub help: u32,
    pub unit: u32,
}

impl Described {
    pub fn read(message: &[u8]) -> Res<Described> {
        let mut out = Described::default();
        let reference = |field: Field<'_>| field.varint().map(|r| u32::try_from(r).unwrap_or(u32::MAX));
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match number {
                1 => out.kind = field.varint()?,
                3 => out.help = reference(field)?,
                4 => out.unit = reference(field)?,
                _ => {}
            }
        }
        Ok(out)
    }
}

impl Decoder<'_, '_> {
    pub(super) fn describe(&mut self, refs: &[u32], labels: &Labels, said: Described) {
        let Described { kind, help, unit } = said;
        if kind == 0 && help == 0 && unit == 0 {
            return;
        }
        let symbol = |r: u32| self.symbols.get(r as usize).map_or(&b""[..], |s| s.bytes);
        // Each series says it again; the name's reference stands for the name.
        let name = refs.chunks_exact(2).find(|pair| symbol(pair[0]) == NAME.as_bytes()).map(|pair| pair[1]);
        let metadata = &mut self.out.batch.metadata;
        if metadata.len() >= self.limits.metadata_per_request_max
            || name.is_some_and(|name| !self.described.insert((name, help, unit, kind)))
        {
            return;
        }
        let text = |r: u32, max: usize| match r {
            // Reference 0 says that there is none.
            0 => String::new(),
            r => std::str::from_utf8(symbol(r)).map_or(String::new(), |text| cut_to(text, max)),
        };
        let kind = KINDS.get(kind as usize).copied().unwrap_or_default();
        metadata.push(Metadata {
            metric: family(labels.name(), kind).to_string(),
            kind,
            help: text(help, self.limits.help_bytes_max),
            unit: text(unit, 64),
        });
    }
}

/// The metric family of a series: here each series of a classic histogram or summary is described by itself.
pub(super) fn family(name: &str, kind: MetricKind) -> &str {
    let suffixes: &[&str] = match kind {
        MetricKind::Histogram => &["_bucket", "_sum", "_count"],
        MetricKind::GaugeHistogram => &["_bucket", "_gsum", "_gcount", "_sum", "_count"],
        MetricKind::Summary => &["_sum", "_count"],
        _ => &[],
    };
    let base = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
    base.filter(|base| !base.is_empty()).unwrap_or(name)
}
