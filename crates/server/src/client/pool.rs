//! One client with its connections per distinct TLS configuration. A file of certificates that changes makes a
//! new client. It must never know credentials: those belong to requests.

use super::guard::Guarded;
use super::{REDIRECTS_MAX, TlsConfig};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;
use stdx::{Error, ErrorKind, Result};

/// The most bytes of a file of certificates or keys.
const PEM_BYTES_MAX: u64 = 4 << 20;
/// The most clients that are kept. A configuration with `server_name` needs one for each host.
const CLIENTS_MAX: usize = 1_024;

#[derive(Default)]
pub(super) struct Pool {
    clients: Mutex<HashMap<Key, Client>>,
    /// One client is made at a time: a thousand targets that start together need only one.
    making: tokio::sync::Mutex<()>,
}

/// What a client is needed for, besides its TLS configuration.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Use {
    /// The host to connect to when the URL names the one that its certificate should name.
    pub connect_to: Option<String>,
    /// It follows redirects.
    pub follow_redirects: bool,
    /// It may meet TLS; otherwise the certificates of the system are not even read.
    pub tls: bool,
    /// It connects to no address of cloud metadata.
    pub guarded: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    usage: Use,
    insecure: bool,
    server_name: Option<String>,
    files: [Option<(PathBuf, Option<Stamp>)>; 3],
}

/// When a file was changed, and its size.
type Stamp = (SystemTime, u64);

impl Pool {
    pub async fn get(&self, tls: &TlsConfig, usage: Use) -> Result<Client> {
        let key = key(tls, usage.clone());
        if let Some(client) = self.lookup(&key) {
            return Ok(client);
        }
        let _making = self.making.lock().await;
        if let Some(client) = self.lookup(&key) {
            return Ok(client);
        }
        // Certificates are read from files, the system's among them.
        let tls = tls.clone();
        let built = tokio::task::spawn_blocking(move || build(&tls, usage)).await;
        let client = built.map_err(|e| Error::wrap(ErrorKind::Internal, "making a client", e))??;
        self.keep(key, &client);
        Ok(client)
    }

    fn lookup(&self, key: &Key) -> Option<Client> {
        self.clients.lock().unwrap_or_else(|e| e.into_inner()).get(key).cloned()
    }

    fn keep(&self, key: Key, client: &Client) {
        let mut clients = self.clients.lock().unwrap_or_else(|e| e.into_inner());
        // An older client with other contents of the same files is of no use any more.
        let paths = |k: &Key| k.files.clone().map(|f| f.map(|(path, _)| path));
        let same = |k: &Key| Key { files: key.files.clone(), ..k.clone() } == key && paths(k) == paths(&key);
        clients.retain(|k, _| !same(k));
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(key, client.clone());
    }
}

fn key(tls: &TlsConfig, usage: Use) -> Key {
    let file = |path: &Option<PathBuf>| {
        let stamp = |p: &Path| std::fs::metadata(p).ok().and_then(|m| Some((m.modified().ok()?, m.len())));
        path.as_ref().map(|p| (p.clone(), stamp(p)))
    };
    Key {
        usage,
        insecure: tls.insecure_skip_verify,
        server_name: tls.server_name.clone(),
        files: [file(&tls.ca_file), file(&tls.cert_file), file(&tls.key_file)],
    }
}

/// Makes a client; reads its files.
pub(super) fn build(tls: &TlsConfig, usage: Use) -> Result<Client> {
    let base = || {
        Client::builder()
            .user_agent(concat!("midwatch/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(1)
            .redirect(if usage.follow_redirects { Policy::limited(REDIRECTS_MAX) } else { Policy::none() })
            .tls_danger_accept_invalid_certs(tls.insecure_skip_verify)
    };
    let mut builder = base();
    if usage.guarded {
        builder = builder.dns_resolver(Guarded);
    }
    if let (Some(name), Some(host)) = (&tls.server_name, &usage.connect_to) {
        builder = builder.dns_resolver(Elsewhere { name: name.to_ascii_lowercase(), host: host.clone() });
    }
    if let Some(path) = &tls.ca_file {
        let certificates = Certificate::from_pem_bundle(&read(path)?).map_err(|e| unusable(path, e))?;
        if certificates.is_empty() {
            return Err(Error::invalid(format!("{} holds no certificate", path.display())));
        }
        builder = builder.tls_certs_only(certificates);
    } else if !usage.tls {
        builder = builder.tls_certs_only([]);
    }
    match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => {
            let pem = [read(key)?, b"\n".to_vec(), read(cert)?].concat();
            let identity = Identity::from_pem(&pem).map_err(|e| unusable(cert, e))?;
            builder = builder.identity(identity);
        }
        (None, None) => {}
        _ => return Err(Error::invalid("tls_config: cert_file and key_file need each other")),
    }
    match builder.build() {
        // A machine without any certificates to trust can still scrape without TLS.
        Err(_) if tls.ca_file.is_none() && tls.cert_file.is_none() => {
            base().tls_certs_only([]).build().map_err(broken)
        }
        built => built.map_err(broken),
    }
}

/// Resolves one name to the addresses of another host, so that TLS asks for that name and checks it, while the
/// connection goes to the target.
struct Elsewhere {
    name: String,
    host: String,
}

impl Resolve for Elsewhere {
    fn resolve(&self, name: Name) -> Resolving {
        let host = if name.as_str() == self.name { self.host.clone() } else { name.as_str().to_string() };
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn broken(error: reqwest::Error) -> Error {
    Error::wrap(ErrorKind::Invalid, "no client can be made of this TLS configuration", error)
}

fn unusable(path: &Path, error: reqwest::Error) -> Error {
    Error::wrap(ErrorKind::Invalid, format!("{} cannot be used", path.display()), error)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let fail =
        |e: std::io::Error| Error::wrap(ErrorKind::Unavailable, format!("cannot read {}", path.display()), e);
    let metadata = std::fs::metadata(path).map_err(fail)?;
    if !metadata.is_file() || metadata.len() > PEM_BYTES_MAX {
        let message = format!("{} is no file of at most {PEM_BYTES_MAX} bytes", path.display());
        return Err(Error::invalid(message));
    }
    std::fs::read(path).map_err(fail)
}
