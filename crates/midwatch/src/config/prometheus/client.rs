//! Credentials and TLS of a job. Messages here name keys, never what they hold.

use super::keys::{AUTHORIZATION, BASIC, TLS};
use super::reader::{Place, bool_of, each};
use crate::config::problems::Problems;
use document::Node;
use server::{Auth, ClientConfig, Secret, TlsConfig};
use std::path::{Path, PathBuf};

/// What was found of the keys about credentials and TLS.
#[derive(Default)]
pub struct Collected {
    auth: Vec<(&'static str, Auth)>,
    tls: TlsConfig,
}

impl Collected {
    /// Takes one of these keys; others are none of its business.
    pub fn key(&mut self, key: &str, node: &Node, place: &Place, folder: &Path, problems: &mut Problems) {
        match key {
            "basic_auth" => self.basic(node, place, folder, problems),
            "authorization" => self.authorization(node, place, folder, problems),
            "bearer_token" => {
                if let Some(token) = secret(node, place, problems) {
                    self.auth.push(("bearer_token", Auth::Header("Bearer".into(), Secret::Text(token))));
                }
            }
            "bearer_token_file" => {
                if let Some(file) = path(node, place, folder, problems) {
                    self.auth.push(("bearer_token_file", Auth::Header("Bearer".into(), Secret::File(file))));
                }
            }
            "tls_config" => self.tls(node, place, folder, problems),
            _ => {}
        }
    }

    /// The whole, if at most one kind of credentials was given.
    pub fn finish(mut self, line: usize, place: &Place, problems: &mut Problems) -> ClientConfig {
        if self.auth.len() > 1 {
            let names: Vec<&str> = self.auth.iter().map(|(name, _)| *name).collect();
            problems.error(line, format!("{place}: only one of {} can be used", names.join(", ")));
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            problems.error(line, format!("{place}.tls_config: cert_file and key_file go together"));
        }
        ClientConfig { auth: self.auth.pop().map(|(_, auth)| auth).unwrap_or_default(), tls: self.tls }
    }

    fn basic(&mut self, node: &Node, place: &Place, folder: &Path, problems: &mut Problems) {
        let (mut name, mut secrets) = (String::new(), Vec::new());
        each(node, place, &[BASIC], problems, |key, node, place, problems| match key {
            "username" => place.text(node, &mut name, problems),
            "password" => secrets.extend(secret(node, place, problems).map(Secret::Text)),
            _ => secrets.extend(path(node, place, folder, problems).map(Secret::File)),
        });
        if secrets.len() > 1 {
            problems.error(node.line, format!("{place}: only one of password, password_file can be used"));
        }
        if name.is_empty() {
            problems.error(node.line, format!("{place}.username is missing"));
        }
        let password = secrets.pop().unwrap_or(Secret::Text(String::new()));
        self.auth.push(("basic_auth", Auth::Basic(name, password)));
    }

    fn authorization(&mut self, node: &Node, place: &Place, folder: &Path, problems: &mut Problems) {
        let (mut kind, mut secrets) = ("Bearer".to_string(), Vec::new());
        each(node, place, &[AUTHORIZATION], problems, |key, node, place, problems| match key {
            "type" => place.text(node, &mut kind, problems),
            "credentials" => secrets.extend(secret(node, place, problems).map(Secret::Text)),
            _ => secrets.extend(path(node, place, folder, problems).map(Secret::File)),
        });
        if kind.eq_ignore_ascii_case("basic") {
            problems.error(node.line, format!("{place}.type: use basic_auth for Basic"));
        }
        match (secrets.len(), secrets.pop()) {
            (1, Some(secret)) => self.auth.push(("authorization", Auth::Header(kind, secret))),
            _ => problems.error(node.line, format!("{place} needs one of credentials, credentials_file")),
        }
    }

    fn tls(&mut self, node: &Node, place: &Place, folder: &Path, problems: &mut Problems) {
        let to = &mut self.tls;
        each(node, place, &[TLS], problems, |key, node, place, problems| match key {
            "ca_file" => to.ca_file = path(node, place, folder, problems),
            "cert_file" => to.cert_file = path(node, place, folder, problems),
            "key_file" => to.key_file = path(node, place, folder, problems),
            "server_name" => {
                let mut name = String::new();
                place.text(node, &mut name, problems);
                to.server_name = Some(name);
            }
            _ => bool_of(node, place, &mut to.insecure_skip_verify, problems),
        });
    }
}

fn secret(node: &Node, place: &Place, problems: &mut Problems) -> Option<String> {
    let mut text = String::new();
    place.text(node, &mut text, problems);
    (!text.is_empty()).then_some(text)
}

fn path(node: &Node, place: &Place, folder: &Path, problems: &mut Problems) -> Option<PathBuf> {
    secret(node, place, problems).map(|file| folder.join(file))
}
