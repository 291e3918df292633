//! From a configuration and the addresses that were found to targets with labels and a URL, as Prometheus does it.
//! Pure; it must never fetch.

use crate::settings::{ScrapeConfig, TargetGroup};
use model::time::{format_duration_ms, parse_duration_ms};
use model::{Labels, LabelsBuilder};
use reqwest::Url;
use std::sync::Arc;

/// Label pairs in the order of their names.
pub type Pairs = Vec<(String, String)>;

/// One thing to scrape.
#[derive(Clone, Debug)]
pub struct TargetSpec {
    /// Labels before relabelling.
    pub discovered: Pairs,
    /// Labels of its series: `job`, `instance` and what the configuration adds.
    pub labels: Labels,
    /// Where it is.
    pub url: Url,
    /// How often.
    pub interval_ms: u64,
    /// How long a scrape may take.
    pub timeout_ms: u64,
    /// Everything else that holds for its whole job.
    pub config: Arc<ScrapeConfig>,
}

/// What became of one address.
pub(super) enum Outcome {
    Target(Box<TargetSpec>),
    /// Relabelling dropped it; labels before relabelling.
    Dropped(Pairs),
    /// It cannot be scraped, and why.
    Broken(String),
}

impl TargetSpec {
    /// A target without relabelling: `http://ADDRESS/metrics`, with labels `job` and `instance`.
    ///
    /// # Errors
    /// In words, if no URL can be made of the address.
    pub fn plain(
        job: &str,
        address: &str,
        instance: &str,
        interval_ms: u64,
        timeout_ms: u64,
    ) -> Result<TargetSpec, String> {
        let config = ScrapeConfig {
            job: job.into(),
            interval_ms,
            timeout_ms: timeout_ms.min(interval_ms),
            follow_redirects: false,
            ..ScrapeConfig::default()
        };
        let group = vec![("instance".to_string(), instance.to_string())];
        match resolve(&Arc::new(config), address, &group) {
            Outcome::Target(spec) => Ok(*spec),
            Outcome::Broken(why) => Err(why),
            Outcome::Dropped(_) => Err(format!("{address} was dropped")),
        }
    }

    /// Two targets with the same key are one.
    pub fn key(&self) -> String {
        format!("{}\n{}\n{}", self.config.job, self.url, self.labels)
    }

    /// The name under which the books of the sink are kept.
    pub fn source(&self) -> String {
        format!("scrape {} {}", self.labels.get("job"), self.labels.get("instance"))
    }
}

/// Labels, relabelling and URL of one address of a job.
pub(super) fn resolve(config: &Arc<ScrapeConfig>, address: &str, group: &Pairs) -> Outcome {
    let mut builder = discovered(config, address, group);
    let mut before: Pairs = builder.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    before.sort();
    if !config.relabel.apply(&mut builder) {
        return Outcome::Dropped(before);
    }
    finish(config, builder, before)
        .map(|spec| Outcome::Target(Box::new(spec)))
        .unwrap_or_else(|why| Outcome::Broken(format!("target {address:?}: {why}")))
}

fn discovered(config: &ScrapeConfig, address: &str, group: &Pairs) -> LabelsBuilder {
    let mut builder = LabelsBuilder::default();
    builder.set("__address__", address);
    let mut add = |name: &str, value: &str| {
        if builder.get(name).is_empty() {
            builder.set(name, value);
        }
    };
    group.iter().for_each(|(name, value)| add(name, value));
    add("job", &config.job);
    add("__scheme__", &config.scheme);
    add("__metrics_path__", &config.metrics_path);
    add("__scrape_interval__", &format_duration_ms(config.interval_ms as i64));
    add("__scrape_timeout__", &format_duration_ms(config.timeout_ms as i64));
    config.params.iter().for_each(|(name, value)| add(&format!("__param_{name}"), value));
    builder
}

fn finish(
    config: &Arc<ScrapeConfig>,
    mut builder: LabelsBuilder,
    discovered: Pairs,
) -> Result<TargetSpec, String> {
    let duration = |name: &str| match parse_duration_ms(builder.get(name)) {
        Ok(ms) if ms > 0 => Ok(ms as u64),
        Ok(_) => Err(format!("{name} must be longer than 0")),
        Err(e) => Err(format!("{name}: {e}")),
    };
    let interval_ms = duration("__scrape_interval__")?;
    let timeout_ms = duration("__scrape_timeout__")?;
    if timeout_ms > interval_ms {
        return Err("scrape_timeout is longer than scrape_interval".into());
    }
    let url = url(config, &builder)?;
    if builder.get("instance").is_empty() {
        let address = builder.get("__address__").to_string();
        builder.set("instance", &address);
    }
    builder.retain(|name| !name.starts_with("__"));
    let labels = builder.build().map_err(|e| e.to_string())?;
    Ok(TargetSpec { discovered, labels, url, interval_ms, timeout_ms, config: Arc::clone(config) })
}

fn url(config: &ScrapeConfig, labels: &LabelsBuilder) -> Result<Url, String> {
    let address = labels.get("__address__");
    if address.is_empty() {
        return Err("it has no address".into());
    }
    if address.contains(['/', '@', '?', '#', '\\']) || address.contains(char::is_whitespace) {
        return Err("an address is HOST:PORT and nothing else".into());
    }
    let scheme = labels.get("__scheme__");
    if scheme != "http" && scheme != "https" {
        return Err(format!("the scheme is {scheme:?}; only http and https can be scraped"));
    }
    let mut url = Url::parse(&format!("{scheme}://{address}/")).map_err(|e| e.to_string())?;
    let (path, query) = match labels.get("__metrics_path__").split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (labels.get("__metrics_path__"), None),
    };
    url.set_path(path);
    url.set_query(query.filter(|q| !q.is_empty()));
    let pairs = parameters(config, labels);
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(url)
}

/// Relabelling may change the first value of each parameter, and add parameters.
fn parameters(config: &ScrapeConfig, labels: &LabelsBuilder) -> Pairs {
    let mut pairs: Pairs = Vec::new();
    for (name, value) in &config.params {
        let first = !pairs.iter().any(|(n, _)| n == name);
        let label = labels.get(&format!("__param_{name}"));
        let value = if first && !label.is_empty() { label } else { value };
        pairs.push((name.clone(), value.to_string()));
    }
    for (label, value) in labels.iter() {
        let Some(name) = label.strip_prefix("__param_") else { continue };
        if !config.params.iter().any(|(n, _)| n == name) {
            pairs.push((name.to_string(), value.to_string()));
        }
    }
    pairs
}

/// The addresses of a group, each with the group's labels.
pub(super) fn addresses(group: &TargetGroup) -> impl Iterator<Item = (&str, &Pairs)> {
    group.targets.iter().map(|address| (address.as_str(), &group.labels))
}

#[cfg(test)]
mod tests;
