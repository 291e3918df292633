//! Single points of failure and lost redundancy: what of a map of services would be an outage if one copy failed, or already has
//! lost one, with the reason. It must never mark what was not seen: a service whose copies are not known has no mark.

/// What is known of one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// Copies that answer, and copies that there are, those of the last hour included; `None`: not known.
    pub copies: Option<(usize, usize)>,
    /// Services that call it.
    pub callers: usize,
    /// The machines that its copies run on; empty: not known.
    pub hosts: Vec<String>,
    /// Of a group that votes: how many may still fail.
    pub spare: Option<i64>,
}

/// What kind of mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// If this one fails, others do.
    Single,
    /// It had more copies than it has.
    Lost,
}

impl Mark {
    /// As in the HTTP API.
    pub fn as_str(self) -> &'static str {
        match self {
            Mark::Single => "single",
            Mark::Lost => "lost",
        }
    }
}

fn services(n: usize) -> String {
    if n == 1 { "another service calls it".into() } else { format!("{n} services call it") }
}

/// The marks of a service, each with its reason; none where nothing speaks for one.
pub fn marks(place: &Place) -> Vec<(Mark, String)> {
    let mut out = Vec::new();
    match place.spare {
        Some(spare) if spare < 0 => out.push((Mark::Lost, "the majority of its members is gone".into())),
        Some(0) => out.push((Mark::Lost, "no member may fail any more without losing the majority".into())),
        _ => {}
    }
    match place.copies {
        Some((0, total)) if total > 0 => {
            out.push((Mark::Lost, format!("none of its {total} copies answers")))
        }
        Some((up, total)) if up < total => {
            let rest = if up == 1 { "; the next loss is an outage" } else { "" };
            out.push((Mark::Lost, format!("{up} of {total} copies answer{rest}")));
        }
        Some((1, 1)) if place.callers > 0 => {
            out.push((Mark::Single, format!("there is one copy, and {}", services(place.callers))));
        }
        Some((_, total)) if total > 1 && place.hosts.len() == 1 && place.callers > 0 => {
            let text =
                format!("all {total} copies run on {}, and {}", place.hosts[0], services(place.callers));
            out.push((Mark::Single, text));
        }
        _ => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let place = |copies, callers, hosts: &[&str], spare| Place {
            copies,
            callers,
            hosts: hosts.iter().map(|h| h.to_string()).collect(),
            spare,
        };
        for (place, want) in [
            (place(None, 5, &[], None), ""),
            (place(Some((1, 1)), 0, &["h"], None), ""),
            (place(Some((1, 1)), 1, &[], None), "single: there is one copy, and another service calls it"),
            (place(Some((1, 1)), 4, &[], None), "single: there is one copy, and 4 services call it"),
            (place(Some((3, 3)), 4, &["h1", "h2"], None), ""),
            (place(Some((3, 3)), 4, &["h1"], None), "single: all 3 copies run on h1, and 4 services call it"),
            (place(Some((2, 3)), 4, &["h1"], None), "lost: 2 of 3 copies answer"),
            (place(Some((1, 3)), 4, &[], None), "lost: 1 of 3 copies answer; the next loss is an outage"),
            (place(Some((0, 2)), 4, &[], None), "lost: none of its 2 copies answers"),
            (place(Some((3, 3)), 1, &[], Some(1)), ""),
            (place(None, 1, &[], Some(0)), "lost: no member may fail any more without losing the majority"),
            (place(None, 1, &[], Some(-1)), "lost: the majority of its members is gone"),
        ] {
            let got: Vec<String> =
                marks(&place).iter().map(|(m, why)| format!("{}: {why}", m.as_str())).collect();
            assert_eq!(got.join("; "), want, "{place:?}");
        }
    }
}
