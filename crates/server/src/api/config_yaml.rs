//! Jobs as a configuration of Prometheus has them, for `status/config`. It must never write a secret.

use crate::settings::{Auth, ScrapeConfig};
use model::time::format_duration_ms;
use serde_json::json;
use std::fmt::Write;

/// YAML. Texts are quoted as in JSON, which YAML reads as they are.
pub fn write(jobs: &[ScrapeConfig]) -> String {
    if jobs.is_empty() {
        return "scrape_configs: []\n".into();
    }
    let mut out = String::from("scrape_configs:\n");
    for job in jobs {
        // Writing into a String cannot fail.
        let _ = one(&mut out, job);
    }
    out
}

fn one(out: &mut String, job: &ScrapeConfig) -> std::fmt::Result {
    writeln!(out, "- job_name: {}", json!(job.job))?;
    writeln!(out, "  honor_labels: {}\n  honor_timestamps: {}", job.honor_labels, job.honor_timestamps)?;
    if job.native_histograms {
        writeln!(out, "  scrape_native_histograms: true")?;
    }
    writeln!(out, "  scrape_interval: {}", format_duration_ms(job.interval_ms as i64))?;
    writeln!(out, "  scrape_timeout: {}", format_duration_ms(job.timeout_ms as i64))?;
    writeln!(out, "  metrics_path: {}\n  scheme: {}", json!(job.metrics_path), json!(job.scheme))?;
    if !job.params.is_empty() {
        writeln!(out, "  params:")?;
        let mut last = None;
        for (name, value) in &job.params {
            if last != Some(name) {
                writeln!(out, "    {}:", json!(name))?;
            }
            writeln!(out, "    - {}", json!(value))?;
            last = Some(name);
        }
    }
    match &job.client.auth {
        Auth::None => {}
        Auth::Basic(user, _) => {
            writeln!(out, "  basic_auth:\n    username: {}\n    password: <secret>", json!(user))?;
        }
        Auth::Header(kind, _) => {
            writeln!(out, "  authorization:\n    type: {}\n    credentials: <secret>", json!(kind))?;
        }
    }
    writeln!(out, "  follow_redirects: {}", job.follow_redirects)?;
    if !job.static_configs.is_empty() {
        writeln!(out, "  static_configs:")?;
    }
    for group in &job.static_configs {
        writeln!(out, "  - targets: {}", json!(group.targets))?;
        if !group.labels.is_empty() {
            writeln!(out, "    labels:")?;
        }
        for (name, value) in &group.labels {
            writeln!(out, "      {}: {}", json!(name), json!(value))?;
        }
    }
    if !job.file_sd.is_empty() {
        writeln!(out, "  file_sd_configs:")?;
    }
    for files in &job.file_sd {
        writeln!(out, "  - files: {}", json!(files.files))?;
        writeln!(out, "    refresh_interval: {}", format_duration_ms(files.refresh_ms as i64))?;
    }
    if !job.http_sd.is_empty() {
        writeln!(out, "  http_sd_configs:")?;
    }
    for http in &job.http_sd {
        writeln!(out, "  - url: {}", json!(without_password(&http.url)))?;
        writeln!(out, "    refresh_interval: {}", format_duration_ms(http.refresh_ms as i64))?;
    }
    Ok(())
}

/// A URL without what may stand before its host.
fn without_password(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(mut parsed) => {
            let _ = parsed.set_username("");
            let _ = parsed.set_password(None);
            parsed.to_string()
        }
        Err(_) => "<not a URL>".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ClientConfig, HttpSd, Secret, TargetGroup};

    #[test]
    fn a_job_is_shown_without_its_secrets() {
        let job = ScrapeConfig {
            job: "a: b".into(),
            client: ClientConfig {
                auth: Auth::Basic("ada".into(), Secret::Text("hunter2".into())),
                ..ClientConfig::default()
            },
            static_configs: vec![TargetGroup {
                targets: vec!["h:1".into()],
                labels: vec![("env".into(), "x\"y".into())],
            }],
            http_sd: vec![HttpSd {
                url: "http://u:hunter2@h/list".into(),
                refresh_ms: 60_000,
                client: ClientConfig::default(),
            }],
            ..ScrapeConfig::default()
        };
        let text = write(&[job]);
        for line in [
            "- job_name: \"a: b\"",
            "    password: <secret>",
            "  - targets: [\"h:1\"]",
            "      \"env\": \"x\\\"y\"",
            "  - url: \"http://h/list\"",
            "  scrape_interval: 1m",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} is not in\n{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(write(&[]), "scrape_configs: []\n");
    }
}
