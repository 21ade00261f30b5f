//! What a copied link, token or cookie is good for elsewhere: a site's `single_use` and `bind`.

use std::net::IpAddr;

use ipnet::IpNet;

/// How far what a viewer holds can be shared. The default stops nothing: whoever has a token has what it grants, until it expires.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sharing {
    /// A token opens one page; everything after goes by the session that it opened.
    pub single_use: bool,
    /// A token that opens no page holds only together with a session that grants the same.
    pub session: bool,
    /// A page load must show that it stands where it may, everything else that it comes from such a page. Silence counts as foreign.
    pub origin: bool,
    /// A session holds only in the network that it began in; tokens as with `session`.
    pub network: Option<Masks>,
}

/// How much of an address is a network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Masks {
    /// Leading bits of an IPv4 address.
    pub v4: u8,
    /// Leading bits of an IPv6 address.
    pub v6: u8,
}

impl Sharing {
    /// Whether tokens hold only with a session: then a grant that does not fit into one is refused.
    pub fn wants_session(&self) -> bool {
        self.single_use || self.session || self.network.is_some()
    }
}

impl Masks {
    /// The network of a client; an IPv4-mapped address is IPv4.
    pub fn network(self, client: IpAddr) -> IpNet {
        let client = client.to_canonical();
        let length = match client {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        };
        // More bits than an address has mean the address itself.
        let whole = IpNet::from(client);
        IpNet::new(client, length).unwrap_or(whole).trunc()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_the_masks_leave_of_an_address() {
        let masks = Masks { v4: 24, v6: 56 };
        for (one, other, same) in [
            ("203.0.113.7", "203.0.113.200", true),
            ("203.0.113.7", "203.0.114.7", false),
            ("203.0.113.7", "::ffff:203.0.113.9", true),
            ("2001:db8:1:2300::1", "2001:db8:1:23ff::2", true),
            ("2001:db8:1:2300::1", "2001:db8:1:2400::1", false),
            ("203.0.113.7", "2001:db8::", false),
        ] {
            let network = |text: &str| masks.network(text.parse().unwrap());
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
        let all = Masks { v4: 32, v6: 128 };
        let network = all.network("203.0.113.7".parse().unwrap());
        assert_eq!(network.to_string(), "203.0.113.7/32");
    }
}
