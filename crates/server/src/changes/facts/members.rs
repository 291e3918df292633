//! Who is in the groups that can be seen from here: targets of jobs, and replicas of databases as their exporters list them. A group
//! is told only while somebody lists it, so that silence is no departure.

use super::rows;
use crate::app::App;
use look::changes::Groups;
use model::Labels;

/// Replicas, as exporters say: by what the group is known to be listed, what lists its members, and the labels that name one.
const LISTED: [(&str, &str, &str, [&str; 2]); 2] = [
    (
        "the replicas of",
        "pg_up == 1",
        r#"{__name__=~"pg_stat_replication_pg_(wal_lsn_diff|current_wal_lsn_bytes)"}"#,
        ["application_name", "client_addr"],
    ),
    ("the replicas of", "redis_up == 1", "redis_connected_slave_lag_seconds", ["slave_ip", "slave_port"]),
];

/// As it is now.
pub fn read(app: &App) -> Groups {
    let mut groups = Groups::new();
    for target in app.scrape.snapshot().into_iter().filter(|t| !t.found) {
        let group = groups.entry(format!("the targets of {}", target.pool)).or_default();
        group.insert(target.labels.get("instance").to_string());
    }
    for (words, listed, members, names) in LISTED {
        let group = |labels: &Labels| format!("{words} {} {}", labels.get("job"), labels.get("instance"));
        for labels in rows(app, listed).unwrap_or_default() {
            groups.entry(group(&labels)).or_default();
        }
        for labels in rows(app, members).unwrap_or_default() {
            let parts: Vec<&str> = names.iter().map(|n| labels.get(n)).filter(|v| !v.is_empty()).collect();
            if let Some(known) = groups.get_mut(&group(&labels)).filter(|_| !parts.is_empty()) {
                known.insert(parts.join(":"));
            }
        }
    }
    groups
}
