//! Addresses and peer ids: what people type, what libp2p wants, what the protocol calls a node.

use comity_net::{Multiaddr, PeerId};
use comity_protocol::key::PublicKey;
use std::net::IpAddr;
use tokio::net::lookup_host;

/// Bytes before the key in the peer id of an Ed25519 key: identity multihash of the protobuf form.
const ED25519_PEER_ID: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The node key behind a peer id; none if the id is not that of a usable Ed25519 key.
pub(crate) fn node_of(peer: &PeerId) -> Option<PublicKey> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&ED25519_PEER_ID)?;
    PublicKey::from_bytes(key.try_into().ok()?).ok()
}

/// The peer id of a node's key.
pub(crate) fn peer_of(node: &PublicKey) -> Option<PeerId> {
    PeerId::from_bytes(&[&ED25519_PEER_ID[..], node.as_bytes()].concat()).ok()
}

/// Reads `/ip4/…/tcp/…`, `/dns4/NAME/tcp/…`, `HOST:PORT` or `[IPv6]:PORT`, and looks names up.
///
/// # Errors
/// What is wrong with the address, in words.
pub(crate) async fn resolve(text: &str) -> Result<Multiaddr, String> {
    let text = text.trim();
    if !text.starts_with('/') {
        let found = lookup_host(text).await.map_err(|error| {
            format!("{error}. Give HOST:PORT or a multiaddress like /ip4/192.0.2.1/tcp/4001")
        })?;
        let address = found.into_iter().next().ok_or("the name has no address")?;
        return with_ip(address.ip(), &format!("/tcp/{}", address.port()));
    }
    let mut parts = text.splitn(4, '/');
    let (_, protocol, name) = (parts.next(), parts.next(), parts.next());
    let (Some(protocol), Some(name)) = (protocol, name) else {
        return Err("it is no multiaddress like /ip4/192.0.2.1/tcp/4001".into());
    };
    if !matches!(protocol, "dns" | "dns4" | "dns6") {
        return text
            .parse()
            .map_err(|error| format!("it is no multiaddress: {error}"));
    }
    let rest = parts
        .next()
        .map(|rest| format!("/{rest}"))
        .unwrap_or_default();
    let found = lookup_host((name, 0))
        .await
        .map_err(|error| error.to_string())?;
    let fits = |ip: &IpAddr| match protocol {
        "dns4" => ip.is_ipv4(),
        "dns6" => ip.is_ipv6(),
        _ => true,
    };
    let ip = found.map(|address| address.ip()).find(fits);
    with_ip(
        ip.ok_or_else(|| format!("{name} has no such address"))?,
        &rest,
    )
}

/// The address of the relay in an address through one.
pub(crate) fn relay_of(address: &Multiaddr) -> Option<Multiaddr> {
    let text = address.to_string();
    let (relay, _) = text.split_once("/p2p-circuit")?;
    relay.parse().ok()
}

fn with_ip(ip: IpAddr, rest: &str) -> Result<Multiaddr, String> {
    let family = if ip.is_ipv4() { "ip4" } else { "ip6" };
    format!("/{family}/{ip}{rest}")
        .parse()
        .map_err(|error| format!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_protocol::key::SecretKey;

    #[test]
    fn peer_ids_and_node_keys_are_two_forms_of_one_thing() {
        let node = SecretKey::from_seed(&[7; 32]).public();
        let peer = peer_of(&node).unwrap();
        assert!(peer.to_string().starts_with("12D3KooW"), "{peer}");
        assert_eq!(node_of(&peer), Some(node));
    }

    #[test]
    fn the_relay_stands_in_front_of_the_circuit() {
        let relay =
            "/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        let address: Multiaddr = format!("{relay}/p2p-circuit").parse().unwrap();
        assert_eq!(relay_of(&address).unwrap().to_string(), relay);
        assert_eq!(relay_of(&relay.parse().unwrap()), None);
    }

    #[tokio::test]
    async fn people_may_give_host_and_port() {
        let address = resolve("127.0.0.1:4001").await.unwrap();
        assert_eq!(address.to_string(), "/ip4/127.0.0.1/tcp/4001");
        assert_eq!(
            resolve("/ip4/127.0.0.1/tcp/1").await.unwrap().to_string(),
            "/ip4/127.0.0.1/tcp/1"
        );
        assert!(resolve("nonsense").await.is_err());
        assert!(resolve("/nonsense").await.is_err());
    }
}
