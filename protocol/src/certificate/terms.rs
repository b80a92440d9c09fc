//! Terms of a charter: promises, rules for decisions, labels and articles.
//!
//! Spec: `specs/charter.md` (forms that several bodies share).

use super::{
    CertificateError, TEXT_MAX_BYTES,
    parts::{check_name, check_unique, contradiction, read_name, read_optional, read_party},
};
use crate::{
    codec::{Reader, Writer},
    id::PartyId,
};

/// Most promises, and most rules, labels or articles each, that a genesis makes.
pub const TERMS_MAX: usize = 256;
/// Longest promise, in days.
pub const PROMISE_MAX_DAYS: u64 = 36_500;
/// The whole, in the unit of shares of a decision.
pub const PERMILLE: u64 = 1_000;

/// A promise to answer within a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Who promises; none: every party.
    pub party: Option<PartyId>,
    /// Its name, 1 to 256 bytes, unique per party.
    pub name: String,
    /// Days, 0 to [`PROMISE_MAX_DAYS`].
    pub days: u64,
}

impl Promise {
    pub(super) fn check(&self) -> Result<(), CertificateError> {
        if self.days > PROMISE_MAX_DAYS {
            return contradiction("a promise lasts at most 36,500 days");
        }
        check_name(&self.name, "a promise needs a name")
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.array(3);
        write_promiser(w, self.party);
        w.text(&self.name).uint(self.days);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        r.array_of(3)?;
        Ok(Self {
            party: read_promiser(r)?,
            name: read_name(r)?,
            days: r.uint_max(PROMISE_MAX_DAYS)?,
        })
    }
}

pub(super) fn write_promiser(w: &mut Writer, party: Option<PartyId>) {
    w.optional_bytes(party.as_ref().map(|id| &id.as_bytes()[..]));
}

pub(super) fn read_promiser(r: &mut Reader<'_>) -> Result<Option<PartyId>, CertificateError> {
    read_optional(r, read_party)
}

/// How a decision is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRule {
    /// Its name, 1 to 256 bytes, unique.
    pub name: String,
    /// The method.
    pub method: Method,
    /// Ballots needed, in thousandths of those eligible: 0 to 1,000.
    pub quorum_permille: u64,
    /// Share needed, in thousandths: 0 to 1,000.
    pub share_permille: u64,
    /// Whether each party must reach the share by itself.
    pub concurrent: bool,
}

impl DecisionRule {
    pub(super) fn check(&self) -> Result<(), CertificateError> {
        if self.quorum_permille > PERMILLE || self.share_permille > PERMILLE {
            return contradiction("a share is at most 1,000 thousandths");
        }
        check_name(&self.name, "a rule needs a name")
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.array(5).text(&self.name).uint(self.method.code());
        w.uint(self.quorum_permille).uint(self.share_permille);
        w.bool(self.concurrent);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        r.array_of(5)?;
        Ok(Self {
            name: read_name(r)?,
            method: Method::read(r)?,
            quorum_permille: r.uint_max(PERMILLE)?,
            share_permille: r.uint_max(PERMILLE)?,
            concurrent: r.bool()?,
        })
    }
}

/// Methods of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// More for than against.
    Majority,
    /// Each option approved or not.
    Approval,
    /// Points per option.
    Score,
    /// Ranked by Schulze's method.
    Ranked,
    /// Nobody objects with a reason.
    Consent,
}

impl Method {
    /// All methods, in the order of their codes.
    pub const ALL: [Self; 5] = [
        Self::Majority,
        Self::Approval,
        Self::Score,
        Self::Ranked,
        Self::Consent,
    ];

    /// The code on the wire.
    pub fn code(self) -> u64 {
        match self {
            Self::Majority => 1,
            Self::Approval => 2,
            Self::Score => 3,
            Self::Ranked => 4,
            Self::Consent => 5,
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        let code = r.uint()?;
        let known = Self::ALL.into_iter().find(|it| it.code() == code);
        known.ok_or(CertificateError::UnknownMethod(code))
    }
}

/// A label with its meaning, or an article with its text: a name and up to 16 KiB of Markdown.
pub(super) fn write_named(w: &mut Writer, name: &str, text: &str) {
    w.array(2).text(name).text(text);
}

pub(super) fn read_named(r: &mut Reader<'_>) -> Result<(String, String), CertificateError> {
    r.array_of(2)?;
    Ok((read_name(r)?, r.text(TEXT_MAX_BYTES)?.to_owned()))
}

/// Named texts, none without a name, no name twice.
pub(super) fn check_named(
    texts: &[(String, String)],
    nameless: &'static str,
    doubled: &'static str,
) -> Result<(), CertificateError> {
    for (name, _) in texts {
        check_name(name, nameless)?;
    }
    check_unique(texts.iter().map(|(name, _)| name), doubled)
}
