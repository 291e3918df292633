//! One line of the kernel's tables of sockets: /proc/net/tcp, tcp6, udp, udp6. Pure.

use crate::bytes::{Fields, hex, unsigned};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One line of /proc/net/tcp or tcp6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) state: u64,
    pub(crate) tx_queue: u64,
    pub(crate) rx_queue: u64,
    pub(crate) inode: u64,
}

/// One line; None for the heading and for what is broken.
pub(crate) fn parse_socket(line: &[u8]) -> Option<Socket> {
    let mut fields = Fields(line);
    let (address, port) = parse_address(fields.nth(1)?)?;
    let state = hex(fields.nth(1)?)?;
    let queues = fields.next()?;
    let colon = queues.iter().position(|b| *b == b':')?;
    let inode = fields.nth(4).and_then(unsigned)?;
    Some(Socket {
        address,
        port,
        state,
        tx_queue: hex(&queues[..colon])?,
        rx_queue: hex(&queues[colon + 1..])?,
        inode,
    })
}

/// `0100007F:1F90`: the address in words of 32 bits as this machine keeps them, the port as a number.
pub(crate) fn parse_address(text: &[u8]) -> Option<(IpAddr, u16)> {
    let colon = text.iter().position(|b| *b == b':')?;
    let port = u16::try_from(hex(&text[colon + 1..])?).ok()?;
    let word = |digits: &[u8]| u32::try_from(hex(digits)?).ok().map(u32::to_ne_bytes);
    let address = match colon {
        8 => IpAddr::V4(Ipv4Addr::from(word(&text[..8])?)),
        32 => {
            let mut bytes = [0; 16];
            for (i, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(&text[8 * i..8 * i + 8])?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn sockets() {
        for (line, want) in [
            (
                "  0: 00000000:07E8 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 108 1 0 100 0 0 10 0",
                Some(("0.0.0.0", 2024, 10, 0, 3, 108)),
            ),
            (
                "  1: 0100007F:9B36 0100007F:4B11 06 00000000:00000000 03:0000175E 00000000     0        0 0 3 0",
                Some(("127.0.0.1", 39734, 6, 0, 0, 0)),
            ),
            (
                "  2: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000001:00000000 00:00000000 00000000  1000        0 77 1",
                Some(("::1", 8080, 10, 1, 0, 77)),
            ),
            (
                "  3: B80D01200000000000000000010000FF:0050 0:0 0A 0:0 00:0 0 0 0 9",
                Some(("2001:db8::ff00:1", 80, 10, 0, 0, 9)),
            ),
            (
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
                None,
            ),
            ("  4: 0100007F:99999 0:0 0A 0:0 00:0 0 0 0 9", None),
            ("  5: 0100007F:50 0:0 0A 0:0 00:0", None),
            ("", None),
        ] {
            let got = parse_socket(line.as_bytes());
            let want = want.map(|(address, port, state, tx_queue, rx_queue, inode)| Socket {
                address: address.parse().unwrap(),
                port,
                state,
                tx_queue,
                rx_queue,
                inode,
            });
            assert_eq!(got, want, "{line}");
        }
    }
}
