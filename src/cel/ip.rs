//! IP addresses and networks: OpenFGA's `ipaddress` and `in_cidr`, with the forms that Go's `net/netip` reads.

use std::net::{IpAddr, Ipv6Addr};

/// An address. An IPv4 address written as an IPv6 one is the IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IpAddress {
    address: IpAddr,
    /// The zone of an IPv6 address (`fe80::1%eth0`).
    zone: Option<Box<str>>,
}

impl IpAddress {
    /// Reads an address, which may have a zone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Some((address, zone)) = text.split_once('%') else {
            let address: IpAddr = text.parse().ok()?;
            return Some(Self { address: address.to_canonical(), zone: None });
        };
        let address: Ipv6Addr = address.parse().ok()?;
        let unmapped = address.to_canonical();
        // What is an IPv4 address really has no zone.
        let zone = (!zone.is_empty()).then_some(zone)?;
        Some(Self { address: unmapped, zone: unmapped.is_ipv6().then(|| zone.into()) })
    }

    /// Whether the address is in the network `address/bits`; `None` if that is not a network.
    pub(super) fn is_in(&self, network: &str) -> Option<bool> {
        let (address, bits) = network.rsplit_once('/')?;
        let is_number = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        if !is_number || (bits.len() > 1 && bits.starts_with('0')) {
            return None;
        }
        let mut bits: u32 = bits.parse().ok()?;
        let mut address: IpAddr = address.parse().ok()?;
        if bits > width(address) {
            return None;
        }
        // An IPv4 network may be written as an IPv6 one.
        const MAPPED_BITS: u32 = 96;
        let unmapped = address.to_canonical();
        if unmapped != address && bits >= MAPPED_BITS {
            (address, bits) = (unmapped, bits - MAPPED_BITS);
        }
        if self.zone.is_some() || width(address) != width(self.address) {
            return Some(false);
        }
        let shift = width(address) - bits;
        let prefix = |address: IpAddr| value(address).checked_shr(shift).unwrap_or(0);
        Some(prefix(address) == prefix(self.address))
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn value(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, network: &str, expected: Option<bool>) {
        assert_eq!(IpAddress::parse(address).unwrap().is_in(network), expected, "{address} in {network}");
    }

    #[test]
    fn an_address_is_in_the_networks_that_share_its_first_bits() {
        check("192.168.0.1", "192.168.0.0/24", Some(true));
        check("192.168.1.1", "192.168.0.0/24", Some(false));
        check("192.168.0.1", "192.168.0.77/24", Some(true));
        check("1.2.3.4", "0.0.0.0/0", Some(true));
        check("1.2.3.4", "1.2.3.4/32", Some(true));
        check("2001:db8::1", "2001:db8::/32", Some(true));
        check("2001:db8::1", "::/0", Some(true));
        check("2001:db8::1", "10.0.0.0/8", Some(false));
        check("10.1.1.1", "::/0", Some(false));
        check("fe80::1%eth0", "fe80::/10", Some(false));
    }

    #[test]
    fn an_ipv4_address_may_be_written_as_an_ipv6_one() {
        check("::ffff:10.1.1.1", "10.0.0.0/8", Some(true));
        check("10.1.1.1", "::ffff:10.0.0.0/104", Some(true));
        check("10.1.1.1", "::ffff:10.0.0.0/95", Some(false));
    }

    #[test]
    fn what_is_no_network_is_told() {
        for network in
            ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0/8", "/8"]
        {
            check("10.1.1.1", network, None);
        }
        check("::1", "fe80::1%eth0/10", None);
    }

    #[test]
    fn what_is_no_address_is_told() {
        for address in
            ["", "1.2.3", "1.2.3.04", "1.2.3.256", "::1%", "1.2.3.4%eth0", "%eth0", "::1::", " ::1"]
        {
            assert_eq!(IpAddress::parse(address), None, "{address}");
        }
    }
}
