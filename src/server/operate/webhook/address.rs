//! Where a webhook may lead: not into the network that the service itself is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::error::{Error, Result};

/// Whether an address is one of the public internet: not this machine, not a private or link-local network, nothing
/// reserved, and none of these in the clothes of another kind of address.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match a {
        0 | 10 | 127 | 224.. => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => b == 168 || b == 0 && (c == 0 || c == 2) || b == 88 && c == 99,
        198 => b == 18 || b == 19 || b == 51 && c == 100,
        203 => b == 0 && c == 113,
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        Ipv4Addr::new(a, b, c, d)
    };
    match (a, b) {
        // An IPv4 address: mapped, compatible (which ::1 and :: are too), translated, in 6to4.
        (0, 0) => (c, d, e) == (0, 0, 0) && f == 0xffff && is_public_v4(v4(g, h)),
        (0x64, 0xff9b) => (c, d, e, f) == (0, 0, 0, 0) && is_public_v4(v4(g, h)),
        (0x2002, _) => is_public_v4(v4(b, c)),
        // Teredo, benchmarks, documentation.
        (0x2001, 0 | 2 | 0xdb8) => false,
        (0x3fff, _) => false,
        // What is assigned to the internet.
        _ => a & 0xe000 == 0x2000,
    }
}

/// Whether a webhook may have this URL: `https`, a host, no user, and no address that is not public.
pub fn check_url(text: &str, allow_private: bool) -> Result<Url> {
    let wrong = |detail: &str| Error::Usage(format!("the webhook's URL {detail}"));
    let url = Url::parse(text).map_err(|_| wrong("is none; write it as https://example.com/path"))?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        _ => return Err(wrong("must begin with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user or a password; leave them out, and verify the signature instead"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("has no host"))?;
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    match address {
        Some(address) if !allow_private && !is_public(address) => Err(Error::Refused(format!(
            "the webhook's URL leads to {address}, which is not on the public internet; an operator may allow that with \
             webhooks.allow_private"
        ))),
        _ => Ok(url),
    }
}

/// Resolves names, and leaves out addresses that are not public. It is asked for each connection, so a name that changes
/// its address later changes nothing.
#[derive(Debug)]
pub(super) struct PublicNames {
    pub allow_private: bool,
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let good: Vec<SocketAddr> = found.filter(|at| allow_private || is_public(at.ip())).collect();
            if good.is_empty() {
                return Err("its name leads to no address on the public internet".into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internet_is_public() {
        let of = |text: &str| is_public(text.parse().unwrap());
        for text in
            ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "192.169.0.1", "198.20.0.1", "223.255.255.255"]
        {
            assert!(of(text), "{text}");
        }
        for text in ["2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"] {
            assert!(of(text), "{text}");
        }
        let closed = [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ];
        let closed_v6 = [
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "100::1",
            "3fff::1",
            "4000::1",
        ];
        for text in closed.iter().chain(&closed_v6) {
            assert!(!of(text), "{text}");
        }
    }

    #[test]
    fn urls_lead_out_over_tls() {
        check_url("https://example.com/hook?x=1", false).unwrap();
        check_url("https://8.8.8.8:8443/hook", false).unwrap();
        check_url("http://127.0.0.1:1/hook", true).unwrap();
        let refused = [
            "example.com",
            "ftp://example.com/",
            "http://example.com/",
            "https://user:word@example.com/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[::ffff:10.0.0.1]/",
            "https://",
            "file:///etc/passwd",
        ];
        for text in refused {
            assert!(check_url(text, false).is_err(), "{text}");
        }
    }
}
