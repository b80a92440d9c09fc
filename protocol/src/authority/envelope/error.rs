//! Why an entry is not let into a set: one variant for each rule of `super::rules`.

use crate::{
    authority::{charter::ResolutionError, parties::StateError},
    id::{EntryId, PartyId},
    key::PublicKey,
};
use thiserror::Error;

/// Why a set does not let an entry in. It may once more of the set is here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// E1.
    #[error("it is the genesis of another community")]
    OtherGenesis,
    /// E2.
    #[error("nobody proposed party {} for this community", .0.short())]
    UnknownParty(PartyId),
    /// E3.
    #[error("the state does not continue the chain of its party")]
    State(#[source] StateError),
    /// E4.
    #[error("the resolution breaks a rule of the charter")]
    Resolution(#[source] Box<ResolutionError>),
    /// E5.
    #[error("the space is not declared by the party that it is for")]
    PartyDeclares(#[source] DeclarationFault),
    /// E6.
    #[error("the signer has no standing in this community")]
    NoStanding,
    /// E8.
    #[error("no narrowing, proposed or in force, that is known here commits to this table of cuts")]
    UnknownTable,
    /// E9.
    #[error("an entry of this type does not belong into this space")]
    WrongSpace,
    /// E10.
    #[error("the certificate is one of another community")]
    OtherCommunity,
    /// E11.
    #[error("the certificate builds on {} which has not arrived yet", .0.short())]
    Builds(EntryId),
    /// E12.
    #[error("the community's genesis has not arrived yet")]
    NoGenesis,
    /// E13.
    #[error("the signer is no node of this community")]
    NotANode,
    /// E14.
    #[error("the community declares no such space")]
    UnknownSpace,
    /// E15.
    #[error("the signer does not speak for the person who declares the space")]
    PersonDeclares,
    /// E16.
    #[error("the order of erasure is not signed by those who may give it")]
    Order(#[source] OrderFault),
    /// E17.
    #[error("only the person who wrote the words may erase them")]
    NotTheWriter,
    /// E18.
    #[error("no cut or receipt known here leads to this header")]
    NotCovered,
}

/// What is wrong with a declaration of a space by a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DeclarationFault {
    /// The state that it names belongs to another party.
    #[error("the state that it names is one of another party")]
    OtherParty,
    /// Somebody else signed too.
    #[error("a signer is no delegate of the state that it names")]
    Signer(PublicKey),
    /// Not enough delegates signed.
    #[error("{signed} delegates signed, and {needed} are needed")]
    TooFew {
        /// The state's `delegates_needed`.
        needed: u64,
        /// Delegates who signed.
        signed: u64,
    },
}

/// What is wrong with the signatures under an order of erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OrderFault {
    /// Somebody else signed too.
    #[error("a signer is no delegate of a state that the charter pins")]
    Signer(PublicKey),
    /// Not enough parties approve.
    #[error("{approving} parties approve, and {needed} are needed")]
    Quorum {
        /// Parties that an order needs.
        needed: u64,
        /// Parties that approve.
        approving: u64,
    },
}
