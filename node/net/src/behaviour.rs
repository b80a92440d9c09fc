//! The one place that builds the swarm, so that its generics are instantiated once.
//!
//! The order of the fields matters: the gate and the limits refuse a connection before any other
//! behaviour has set anything up for it.

use std::num::NonZeroUsize;

use libp2p::core::transport::{Boxed, MemoryTransport, OptionalTransport};
use libp2p::core::{muxing::StreamMuxerBox, upgrade};
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{
    PeerId, Swarm, Transport, allow_block_list, connection_limits, identify, noise, ping, relay,
    swarm, tcp, yamux,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::config::{Carrier, Config, IDENTIFY_PROTOCOL, Limits};
use crate::door::{self, Door, Known};
use crate::error::StartError;
use crate::gated;
use crate::reach::{self, Admission, Guarded, Rule};
use crate::streams;
use crate::tap::Tap;

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gate: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    door: door::Behaviour,
    limits: connection_limits::Behaviour,
    identify: Guarded<identify::Behaviour>,
    ping: ping::Behaviour,
    pub(crate) gossip: gated::Behaviour,
    pub(crate) stream: streams::Behaviour,
    pub(crate) reach: reach::Behaviour,
}

/// The tasks of single connections. They end with the swarm even when a peer refuses to let go
/// of its connection, which libp2p's own executor would wait for.
#[derive(Clone, Default)]
pub(crate) struct ConnectionTasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl ConnectionTasks {
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

pub(crate) fn build_swarm(
    config: &Config,
    tasks: &ConnectionTasks,
    admission: &Admission,
    known: Known,
    tap: Option<Tap>,
) -> Result<Swarm<Behaviour>, StartError> {
    let mut seed = Zeroizing::new(config.seed.0);
    let key = Keypair::ed25519_from_bytes(seed.as_mut_slice())?;
    let own_id = key.public().to_peer_id();
    let (circuits, reach) = reach::build(&key.public(), config.public, admission);
    let mut transport = build_transport(config, &key, circuits)?;
    if let Some(tap) = tap {
        let tapped = transport.map(move |(peer, muxer), _| (peer, tap.on(peer, muxer)));
        transport = tapped.boxed();
    }
    let behaviour = build_behaviour(config, &key, reach, known)?;
    let tasks = tasks.clone();
    let executor = move |task| {
        tasks
            .tracker
            .spawn(tasks.stop.clone().run_until_cancelled_owned(task));
    };
    let swarm_config = swarm::Config::with_executor(executor)
        .with_idle_connection_timeout(config.timing.idle)
        .with_notify_handler_buffer_size(NonZeroUsize::new(32).expect("32 is not zero"))
        .with_per_connection_event_buffer_size(32);
    Ok(Swarm::new(transport, behaviour, own_id, swarm_config))
}

fn build_transport(
    config: &Config,
    key: &Keypair,
    circuits: relay::client::Transport,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, StartError> {
    let (tcp, memory) = match config.carrier {
        Carrier::Tcp => {
            let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true));
            (OptionalTransport::some(tcp), OptionalTransport::none())
        }
        Carrier::Memory => (
            OptionalTransport::none(),
            OptionalTransport::some(MemoryTransport::new()),
        ),
    };
    let noise = noise::Config::new(key).map_err(|error| StartError::Build(error.to_string()))?;
    // Circuits first: the others would take the address of the relay for that of the peer.
    Ok(circuits
        .or_transport(tcp)
        .or_transport(memory)
        .upgrade(upgrade::Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .timeout(config.timing.connect)
        .boxed())
}

fn build_behaviour(
    config: &Config,
    key: &Keypair,
    reach: reach::Behaviour,
    known: Known,
) -> Result<Behaviour, StartError> {
    // Addresses that strangers claim are never dialed: the cache of identify is off.
    let identify = identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), key.public())
        .with_agent_version(config.agent.clone())
        .with_hide_listen_addrs(true)
        .with_cache_size(0);
    let ping = ping::Config::new()
        .with_interval(config.timing.ping_interval)
        .with_timeout(config.timing.ping_timeout);
    Ok(Behaviour {
        gate: allow_block_list::Behaviour::default(),
        door: door::Behaviour(Door::new(config.limits.door, known)),
        limits: connection_limits::Behaviour::new(connection_limits(&config.limits)),
        identify: Guarded::new(identify::Behaviour::new(identify), Rule::Quiet),
        ping: ping::Behaviour::new(ping),
        gossip: gated::Behaviour::new()?,
        stream: streams::Behaviour::new(&config.protocols),
        reach,
    })
}

fn connection_limits(limits: &Limits) -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_established(Some(limits.max_connections))
        .with_max_established_per_peer(Some(limits.max_connections_per_peer))
        .with_max_pending_incoming(Some(limits.max_pending_connections))
        .with_max_pending_outgoing(Some(limits.max_pending_connections))
}
