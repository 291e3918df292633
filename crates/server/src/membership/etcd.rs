//! Asks an etcd cluster who its members are, and each of them whether it lives: the JSON gateway (`/v3/cluster/member/list`,
//! `/v3/maintenance/status`) and `/metrics`. It changes nothing. It must never believe a member of another cluster.

use crate::client::Clients;
use crate::client::post::{Method, Post};
use crate::settings::Auth;
use look::membership::Member;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::time::Duration;

/// How long one member may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The longest answer, in bytes: etcd's metrics are some 100 kB.
const ANSWER_BYTES_MAX: usize = 2 << 20;
/// More members are not asked.
const MEMBERS_MAX: usize = 100;
const FSYNC: &str = "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"";

/// What a cluster said last.
#[derive(Default)]
pub struct Etcd {
    /// Where it is asked first.
    pub endpoints: Vec<String>,
    /// What names it: its cluster id, or the first endpoint until that is known.
    pub cluster: Option<String>,
    known: Vec<(Member, Vec<String>)>,
    /// Cumulative buckets of the last look, by member.
    fsyncs: HashMap<String, Vec<(f64, f64)>>,
}

/// What a look gave.
pub struct Look {
    /// Members, each as it was found.
    pub members: Vec<Member>,
    /// Why the list is one of before, or "".
    pub problem: String,
}

impl Etcd {
    /// A cluster of which nothing is known yet.
    pub fn new(endpoints: Vec<String>) -> Etcd {
        Etcd { endpoints, ..Etcd::default() }
    }

    /// Asks for the list, and every member of it.
    pub async fn look(&mut self, clients: &Clients) -> Look {
        let problem = self.list(clients).await.err().unwrap_or_default();
        let asked =
            self.known.iter().take(MEMBERS_MAX).map(|(member, urls)| status(clients, member.clone(), urls));
        let mut members = Vec::new();
        for (member, buckets) in all_of(asked.collect()).await {
            let fsync_p99_s = buckets.and_then(|now| {
                let before = self.fsyncs.insert(member.id.clone(), now.clone());
                p99(&before?, &now)
            });
            members.push(Member { fsync_p99_s, ..member });
        }
        self.fsyncs.retain(|id, _| self.known.iter().any(|(m, _)| m.id == *id));
        Look { members, problem }
    }

    async fn list(&mut self, clients: &Clients) -> Result<(), String> {
        let own = self.endpoints.iter().cloned();
        let urls: Vec<String> = own.chain(self.known.iter().flat_map(|(_, urls)| urls.clone())).collect();
        let mut why = "no endpoint is named".to_string();
        for url in urls {
            // Without a majority only a list that need not be the newest is given; older ones do not know the word.
            for body in ["{\"linearizable\":false}", "{}"] {
                match ask(clients, &url, "/v3/cluster/member/list", body).await {
                    Ok(json) => return self.take(&url, &json),
                    Err(e) => why = format!("{url}: {e}"),
                }
            }
        }
        Err(why)
    }

    fn take(&mut self, url: &str, json: &Json) -> Result<(), String> {
        let cluster = json["header"]["cluster_id"].as_str().ok_or_else(|| format!("{url}: it is no etcd"))?;
        match &self.cluster {
            Some(known) if known != cluster => return Err(format!("{url}: it belongs to another cluster")),
            _ => self.cluster = Some(cluster.to_string()),
        }
        let list = json["members"].as_array().ok_or_else(|| format!("{url}: it names no members"))?;
        let one = |m: &Json| {
            let urls = m["clientURLs"].as_array().into_iter().flatten().filter_map(Json::as_str);
            let id = m["ID"].as_str().and_then(|id| id.parse::<u64>().ok()).unwrap_or_default();
            let member = Member {
                id: format!("{id:x}"),
                name: m["name"].as_str().unwrap_or_default().chars().take(200).collect(),
                is_learner: m["isLearner"].as_bool().unwrap_or(false),
                ..Member::default()
            };
            (member, urls.take(10).map(str::to_string).collect())
        };
        self.known = list.iter().map(one).collect();
        Ok(())
    }
}

/// All at once, in order.
async fn all_of<T>(all: Vec<impl std::future::Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.into_iter().map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_done = true;
        for (future, out) in &mut all {
            if out.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *out = Some(value),
                    std::task::Poll::Pending => is_done = false,
                }
            }
        }
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    all.into_iter().filter_map(|(_, out)| out).collect()
}

type Buckets = Vec<(f64, f64)>;

async fn status(clients: &Clients, mut member: Member, urls: &[String]) -> (Member, Option<Buckets>) {
    for url in urls {
        let Ok(json) = ask(clients, url, "/v3/maintenance/status", "{}").await else { continue };
        // Somebody else may sit at that address by now.
        if id_of(&json["header"]["member_id"]) != Some(member.id.clone()) {
            continue;
        }
        member.is_alive = true;
        member.is_leader = id_of(&json["leader"]).is_some_and(|l| l == member.id);
        member.db_bytes = json["dbSize"].as_str().and_then(|s| s.parse().ok());
        let metrics = get(clients, &format!("{}/metrics", url.trim_end_matches('/'))).await;
        return (member, metrics.ok().map(|text| buckets(&text)));
    }
    (member, None)
}

fn id_of(json: &Json) -> Option<String> {
    json.as_str()?.parse::<u64>().ok().map(|id| format!("{id:x}"))
}

async fn ask(clients: &Clients, base: &str, path: &str, body: &str) -> Result<Json, String> {
    let url = format!("{}{path}", base.trim_end_matches('/'));
    let text = fetch(clients, Method::Post, url, body).await?;
    serde_json::from_str(&text).map_err(|_| "its answer is no JSON".to_string())
}

async fn get(clients: &Clients, url: &str) -> Result<String, String> {
    fetch(clients, Method::Get, url.to_string(), "").await
}

async fn fetch(clients: &Clients, method: Method, url: String, body: &str) -> Result<String, String> {
    let (headers, auth, content_type) = (Vec::new(), Auth::None, "application/json");
    let post = Post { url, auth, headers, content_type, body: body.to_string(), timeout: TIMEOUT };
    let (status, text) = clients.exchange(method, post, ANSWER_BYTES_MAX).await.map_err(|e| e.to_string())?;
    if status.is_success() { Ok(text) } else { Err(format!("it answers {}", status.as_u16())) }
}

/// The cumulative buckets of how long syncs took.
fn buckets(text: &str) -> Buckets {
    let line = |line: &str| {
        let (le, rest) = line.strip_prefix(FSYNC)?.split_once("\"}")?;
        let le = if le == "+Inf" { f64::INFINITY } else { le.parse().ok()? };
        Some((le, rest.trim().parse().ok()?))
    };
    text.lines().filter_map(line).take(100).collect()
}

/// Within which time 99 % of the syncs between two looks were done: the upper bound of their bucket, as far as there is one.
fn p99(before: &Buckets, now: &Buckets) -> Option<f64> {
    let grown = |i: usize| now[i].1 - before.get(i).filter(|b| b.0 == now[i].0).map_or(0.0, |b| b.1);
    let total = grown(now.len().checked_sub(1)?);
    if total <= 0.0 {
        return None;
    }
    let at = (0..now.len()).find(|i| grown(*i) >= 0.99 * total)?;
    let bound = |i: usize| Some(now[i].0).filter(|le| le.is_finite());
    bound(at).or_else(|| bound(at.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_between_two_looks() {
        let text = |a: u64, b: u64, c: u64| {
            format!(
                "# TYPE etcd_disk_wal_fsync_duration_seconds histogram\n{FSYNC}0.001\"}} {a}\n{FSYNC}0.002\"}} {b}\n{FSYNC}+Inf\"}} {c}\nx 1\n"
            )
        };
        let of = |before: &str, now: &str| p99(&buckets(before), &buckets(now));
        assert_eq!(of(&text(10, 10, 10), &text(110, 110, 110)), Some(0.001));
        assert_eq!(of(&text(10, 10, 10), &text(100, 110, 110)), Some(0.002));
        assert_eq!(of(&text(10, 10, 10), &text(10, 10, 110)), Some(0.002));
        assert_eq!(of(&text(10, 10, 10), &text(10, 10, 10)), None);
        assert_eq!(of("", ""), None);
    }
}
