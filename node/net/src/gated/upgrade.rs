//! How a stream of gossip begins: the name of its group, then gossipsub.

use std::convert::Infallible;
use std::io;

use futures::future::BoxFuture;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::{Stream, swarm::ConnectionHandler};

use super::group::GossipHandler;
use crate::event::GossipGroup;

/// gossipsub's own upgrade. It adds nothing to the stream.
pub(super) type Inner = <GossipHandler as ConnectionHandler>::OutboundProtocol;

/// A stream on which gossipsub is spoken.
pub(super) type Agreed = <Inner as OutboundUpgrade<Stream>>::Output;

const GROUP_BYTES: u8 = 32;

/// For streams that a peer opens: any group will do, so that no answer depends on it.
#[derive(Clone)]
pub(crate) struct Listening(pub(super) Inner);

/// For a stream of one group.
#[derive(Clone)]
pub(crate) struct Opening {
    pub(super) group: GossipGroup,
    pub(super) inner: Inner,
}

impl UpgradeInfo for Listening {
    type Info = <Inner as UpgradeInfo>::Info;
    type InfoIter = <Inner as UpgradeInfo>::InfoIter;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.protocol_info()
    }
}

impl UpgradeInfo for Opening {
    type Info = <Inner as UpgradeInfo>::Info;
    type InfoIter = <Inner as UpgradeInfo>::InfoIter;

    fn protocol_info(&self) -> Self::InfoIter {
        self.inner.protocol_info()
    }
}

impl InboundUpgrade<Stream> for Listening {
    type Output = (GossipGroup, Agreed);
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, io::Error>>;

    fn upgrade_inbound(self, mut stream: Stream, info: Self::Info) -> Self::Future {
        async move {
            let mut length = [0; 1];
            let mut group = [0; GROUP_BYTES as usize];
            stream.read_exact(&mut length).await?;
            if length != [GROUP_BYTES] {
                let why = "a stream of gossip begins with something else than a group";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            stream.read_exact(&mut group).await?;
            match self.0.upgrade_inbound(stream, info).await {
                Ok(agreed) => Ok((GossipGroup::new(group), agreed)),
                Err(never) => match never {},
            }
        }
        .boxed()
    }
}

impl OutboundUpgrade<Stream> for Opening {
    type Output = Agreed;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, io::Error>>;

    fn upgrade_outbound(self, mut stream: Stream, info: Self::Info) -> Self::Future {
        async move {
            stream.write_all(&[GROUP_BYTES]).await?;
            stream.write_all(self.group.as_bytes()).await?;
            stream.flush().await?;
            let agreed: Result<Agreed, Infallible> =
                self.inner.upgrade_outbound(stream, info).await;
            match agreed {
                Ok(agreed) => Ok(agreed),
                Err(never) => match never {},
            }
        }
        .boxed()
    }
}
