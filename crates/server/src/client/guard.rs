//! Where requests that others can have a say in must not go: addresses at which clouds hand out credentials. It must
//! never decide by a name alone.

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use stdx::{Error, Result};

/// Resolves names as usual, and leaves those addresses out.
pub(super) struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_string();
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((host, 0)).await?.collect();
            let kept: Vec<_> = found.iter().copied().filter(|a| !is_metadata(a.ip())).collect();
            if kept.is_empty() && !found.is_empty() {
                return Err("the name leads to an address of cloud metadata".into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

/// Whether clouds give out metadata there: link-local addresses, and those of their own that some clouds use.
pub(super) fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)].contains(&v4)
        }
        IpAddr::V6(v6) => {
            let mapped = v6.to_ipv4_mapped().is_some_and(|v4| is_metadata(v4.into()));
            mapped
                || v6.segments()[0] & 0xffc0 == 0xfe80
                || v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

/// The address of a request, if it may be sent there.
///
/// # Errors
/// `Invalid`, without the address: it may hold a secret.
pub fn allowed_url(text: &str) -> Result<Url> {
    let url =
        Url::parse(text.trim()).map_err(|e| Error::invalid(format!("the address is not a URL: {e}")))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(Error::invalid("the address has to begin with http:// or https://"));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    if host.parse().is_ok_and(is_metadata) {
        return Err(Error::invalid("the address is one of cloud metadata: nothing is sent there"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, is_allowed) in [
            ("http://127.0.0.1:9093", true),
            ("https://hooks.example.org/x", true),
            ("http://10.0.0.1/", true),
            ("http://169.254.169.254/latest/meta-data", false),
            ("http://2852039166/", false),
            ("http://[fe80::1]/", false),
            ("http://[fd00:ec2::254]/", false),
            ("http://[::ffff:169.254.169.254]/", false),
            ("http://100.100.100.200/", false),
            ("ftp://example.org/", false),
            ("file:///etc/passwd", false),
            ("hooks.example.org", false),
        ] {
            assert_eq!(allowed_url(url).is_ok(), is_allowed, "{url}");
        }
    }
}
