//! Why a contribution does not count for lack of authority.

use crate::id::{EntryId, PartyId};
use thiserror::Error;

/// Why a contribution does not count for lack of authority. It may gain it when records arrive. Why
/// a set does not let an entry in says [`EnvelopeError`](super::EnvelopeError).
///
/// Later variants say more: of several reasons the greatest is the one to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Unauthorized {
    /// The community's genesis is not known here yet.
    #[error("the community's genesis has not arrived yet")]
    NoGenesis,
    /// The community declares no such space, as far as is known here.
    #[error("the community declares no such space")]
    UnknownSpace,
    /// An entry of this type has no place in this space.
    #[error("an entry of this type does not belong into this space")]
    WrongSpace,
    /// The signer has no standing in the governance of this community.
    #[error("the signer has no standing in this community")]
    NoStanding,
    /// The key is no device of a member.
    #[error("the key belongs to no member of this community")]
    NotAMember,
    /// The member is not among those who read the space, and only readers write.
    #[error("the member is not among the readers of this space")]
    NotAReader,
    /// The member's roles do not cover writing here.
    #[error("the member's roles do not allow writing in this space")]
    RoleMissing,
    /// The space allows other kinds of documents only.
    #[error("the space does not take documents of this kind")]
    KindNotAllowed,
    /// Someone else's document.
    #[error("only the person who wrote this document may change it")]
    NotTheOwner,
    /// The kind was allowed in the space up to a resolution.
    #[error("the space takes no documents of this kind since resolution {}", .0.short())]
    KindForbidden(EntryId),
    /// The space was open up to a resolution.
    #[error("the space was closed by resolution {}", .0.short())]
    SpaceClosed(EntryId),
    /// The party was in the community up to a resolution.
    #[error("after the removal of party {}", .0.short())]
    PartyRemoved(PartyId),
    /// The party left the community.
    #[error("after party {} left the community", .0.short())]
    PartyLeft(PartyId),
    /// The party asks for more delegates than admitted the member.
    #[error("after party {} began to ask for more delegates than admitted the member", .0.short())]
    AdmissionRaised(PartyId),
    /// The party removed a delegate by whose word the member was admitted.
    #[error("after party {} removed the delegate who admitted the member", .0.short())]
    AdmitterRemoved(PartyId),
    /// The party removed the node that let the member in.
    #[error("after party {} removed the node that let the member in", .0.short())]
    CountersignerRemoved(PartyId),
    /// A resolution cut the node that let the member in.
    #[error("after resolution {} cut the node that let the member in", .0.short())]
    CountersignerCut(EntryId),
    /// The role that it needs was taken from the member.
    #[error("after party {} took the role from the member", .0.short())]
    RoleRemoved(PartyId),
    /// The member left the party.
    #[error("after the member left party {}", .0.short())]
    Departed(PartyId),
    /// The device was removed by its owner.
    #[error("after the device was removed by its owner")]
    DeviceRemoved,
    /// The device was removed by the party.
    #[error("after the removal of the device by party {}", .0.short())]
    DeviceRevoked(PartyId),
    /// The member was removed by the party.
    #[error("after the removal of the member by party {}", .0.short())]
    Revoked(PartyId),
}
