//! TLS against a server with a certificate of a test authority. It names `db.example` and nothing else; the keys beside
//! it protect nothing.

use super::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("src/client/fixtures").join(name)
}

/// Answers every request over TLS, and tells what name each client asked for and the head of its request.
fn start(client_certificate: bool) -> (String, Arc<Mutex<Vec<String>>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let ca = CertificateDer::from_pem_file(fixture("ca.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = match client_certificate {
        true => builder.with_client_cert_verifier(verifier),
        false => builder.with_no_client_auth(),
    };
    let certificate = CertificateDer::from_pem_file(fixture("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
    let config = Arc::new(builder.with_single_cert(vec![certificate], key).unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let saw = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let mut head = [0; 4_096];
            if let Ok(n) = stream.read(&mut head) {
                let name = stream.conn.server_name().unwrap_or("none").to_string();
                saw.lock().unwrap().push(format!("{name} {}", String::from_utf8_lossy(&head[..n])));
                let _ = stream.write_all(&response("200 OK", "", "over TLS"));
            }
        }
    });
    (format!("https://{address}/"), seen)
}

#[tokio::test]
async fn certificates_are_checked() {
    let path = |name: &str| Some(fixture(name));
    let plain = TlsConfig::default;
    let trusting = || TlsConfig { ca_file: path("ca.pem"), ..plain() };
    let named = || TlsConfig { server_name: Some("db.example".into()), ..trusting() };
    let known = || TlsConfig { cert_file: path("client.pem"), key_file: path("client.key"), ..named() };
    for (client_certificate, tls, want) in [
        (false, plain(), "UnknownIssuer"),
        (false, trusting(), "certificate not valid for name"),
        (
            false,
            TlsConfig { server_name: Some("other.example".into()), ..trusting() },
            "certificate not valid for name",
        ),
        (false, named(), "over TLS"),
        (false, TlsConfig { insecure_skip_verify: true, ..plain() }, "over TLS"),
        (true, named(), "ertificate"),
        (true, known(), "over TLS"),
    ] {
        let (url, seen) = start(client_certificate);
        let server_name = tls.server_name.is_some();
        let client = ClientConfig { auth: Auth::None, tls };
        match get(&url, Want { client, ..Want::default() }).await {
            Ok(answer) => assert_eq!(String::from_utf8(answer.body).unwrap(), want),
            Err(e) => assert!(e.to_string().contains(want), "{e} has no {want:?}"),
        }
        let seen = seen.lock().unwrap();
        if let (Some(seen), true) = (seen.first(), server_name) {
            assert!(seen.starts_with("db.example GET / "), "{seen}");
            let host = url.trim_start_matches("https://").trim_end_matches('/');
            assert!(seen.contains(&format!("host: {host}\r\n")), "{seen}");
        }
    }
}
