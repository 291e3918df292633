//! Members of systems that vote, recorded: who is listed, who lives, how much may still fail. What is dangerous about it is
//! decided by rules like any other (`membership.yml`), which come with the program. It must never change a member list.

mod etcd;

use crate::app::App;
use crate::client::Clients;
use crate::clock::now_ms;
use etcd::Etcd;
use ingest::Decoded;
use look::membership::{Count, Member, count, says};
use model::labels::NAME;
use model::{Batch, Labels, STALE_NAN_BITS};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Rules that come with the program.
pub const RULES: &str = include_str!("membership/membership.yml");
/// Memory for answers that are read at one time.
const ANSWERS_BYTES_MAX: usize = 16 << 20;
const SOURCE: &str = "membership";

/// What is watched.
#[derive(Clone, Debug)]
pub struct MembershipSettings {
    /// Endpoints of etcd clusters: those of one cluster in one text, with spaces between.
    pub etcd: Vec<String>,
    /// How often.
    pub interval_ms: i64,
    /// The rules that come with the program are evaluated, for etcd and for whatever else records its members.
    pub rules: bool,
}

impl Default for MembershipSettings {
    fn default() -> Self {
        MembershipSettings { etcd: Vec::new(), interval_ms: 5_000, rules: false }
    }
}

impl MembershipSettings {
    /// Whether the rules are evaluated.
    pub fn has_rules(&self) -> bool {
        self.rules || !self.etcd.is_empty()
    }
}

/// How each cluster was found last.
#[derive(Default)]
pub struct Membership(Mutex<Vec<Found>>);

#[derive(Clone)]
struct Found {
    cluster: String,
    endpoints: Vec<String>,
    at_ms: i64,
    members: Vec<Member>,
    problem: String,
}

/// Looks again and again, until the program stops.
pub async fn run(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let settings = &app.settings.membership;
    let clients = Clients::new(ANSWERS_BYTES_MAX);
    let mut clusters: Vec<(Etcd, BTreeSet<Labels>)> = settings
        .etcd
        .iter()
        .map(|text| {
            let endpoints = text.split([',', ' ']).filter(|e| !e.is_empty()).map(str::to_string).collect();
            (Etcd::new(endpoints), BTreeSet::new())
        })
        .collect();
    let mut tick =
        tokio::time::interval(Duration::from_millis(settings.interval_ms.unsigned_abs().max(1_000)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stopping.changed() => return,
        }
        let mut found = Vec::new();
        for (etcd, before) in &mut clusters {
            let look = etcd.look(&clients).await;
            let cluster =
                etcd.cluster.as_deref().and_then(|c| c.parse::<u64>().ok()).map(|c| format!("{c:x}"));
            let cluster = cluster.unwrap_or_else(|| etcd.endpoints.first().cloned().unwrap_or_default());
            let at_ms = now_ms();
            let samples = samples("etcd", &cluster, &look.members, look.problem.is_empty());
            record(&app, samples, before, at_ms).await;
            let (endpoints, members, problem) = (etcd.endpoints.clone(), look.members, look.problem);
            found.push(Found { cluster, endpoints, at_ms, members, problem });
        }
        *app.membership.0.lock().unwrap_or_else(|e| e.into_inner()) = found;
    }
}

/// The samples of one look; docs/reference/metrics-membership.md says what each is.
fn samples(system: &str, cluster: &str, members: &[Member], is_reachable: bool) -> Vec<(Labels, f64)> {
    let of = |name: &str| {
        Labels::default()
            .with(NAME, &format!("midwatch_membership_{name}"))
            .with("system", system)
            .with("cluster", cluster)
    };
    let truth = |is: bool| f64::from(u8::from(is));
    let mut out = vec![(of("reachable"), truth(is_reachable))];
    if members.is_empty() {
        return out;
    }
    let Count { listed, alive, learners, voters, voters_alive, needed, spare, has_leader } = count(members);
    let unstarted = members.iter().filter(|m| m.name.is_empty()).count();
    for (name, n) in [
        ("listed", listed),
        ("alive", alive),
        ("learners", learners),
        ("voters", voters),
        ("voters_alive", voters_alive),
        ("votes_needed", needed),
        ("unstarted", unstarted),
    ] {
        out.push((of(name), n as f64));
    }
    out.push((of("spare"), spare as f64));
    out.push((of("has_leader"), truth(has_leader)));
    for m in members {
        let one = |name: &str| of(name).with("member", &m.id).with("name", &m.name);
        out.push((one("member_alive"), truth(m.is_alive)));
        if m.is_alive {
            out.push((one("member_leads"), truth(m.is_leader)));
        }
        out.extend(m.db_bytes.map(|v| (one("member_db_bytes"), v)));
        out.extend(m.fsync_p99_s.map(|v| (one("member_fsync_p99_seconds"), v)));
    }
    out
}

async fn record(app: &Arc<App>, samples: Vec<(Labels, f64)>, before: &mut BTreeSet<Labels>, at_ms: i64) {
    let mut batch = Batch::default();
    let now: BTreeSet<Labels> = samples.iter().map(|(labels, _)| labels.clone()).collect();
    for gone in before.difference(&now) {
        batch.push(gone, at_ms, f64::from_bits(STALE_NAN_BITS));
    }
    samples.iter().for_each(|(labels, value)| batch.push(labels, at_ms, *value));
    *before = now;
    let inside = app.clone();
    let deliver = move || inside.sink.deliver_blocking(SOURCE, Decoded { batch, rejects: Vec::new() });
    // A failure is counted by the sink, and shown with its sources.
    let _ = tokio::task::spawn_blocking(deliver).await;
}

impl Membership {
    /// Every cluster as it was found last.
    pub fn to_json(&self) -> Json {
        let found = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let one = |f: &Found| {
            let c = count(&f.members);
            let members: Vec<Json> = f
                .members
                .iter()
                .map(|m| {
                    json!({
                        "id": m.id,
                        "name": m.name,
                        "learner": m.is_learner,
                        "alive": m.is_alive,
                        "leader": m.is_leader,
                        "db_bytes": m.db_bytes,
                        "fsync_p99_s": m.fsync_p99_s,
                    })
                })
                .collect();
            json!({
                "system": "etcd",
                "cluster": f.cluster,
                "endpoints": f.endpoints,
                "at_ms": f.at_ms,
                "problem": f.problem,
                "says": says(&f.members),
                "listed": c.listed,
                "alive": c.alive,
                "learners": c.learners,
                "voters": c.voters,
                "voters_alive": c.voters_alive,
                "needed": c.needed,
                "spare": c.spare,
                "has_leader": c.has_leader,
                "members": members,
            })
        };
        Json::Array(found.iter().map(one).collect())
    }
}
