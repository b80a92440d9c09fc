//! Pieces that several bodies share: lists in order, names, what may be absent.

use super::{CertificateError, NAME_MAX_BYTES};
use crate::{
    codec::{CodecError, ItemType, Reader, Writer},
    id::PartyId,
    key::PublicKey,
};

pub(crate) fn contradiction<T>(what: &'static str) -> Result<T, CertificateError> {
    Err(CertificateError::Contradiction(what))
}

/// Each item is above the one before it.
pub(crate) fn check_ascending<T: Ord>(
    items: impl IntoIterator<Item = T>,
) -> Result<(), CertificateError> {
    let mut last = None;
    for item in items {
        if last.as_ref().is_some_and(|last| *last >= item) {
            return Err(CertificateError::Order);
        }
        last = Some(item);
    }
    Ok(())
}

pub(super) fn check_name(name: &str, what: &'static str) -> Result<(), CertificateError> {
    if name.trim().is_empty() {
        return contradiction(what);
    }
    Ok(())
}

pub(super) fn check_unique<T: Ord>(
    items: impl IntoIterator<Item = T>,
    what: &'static str,
) -> Result<(), CertificateError> {
    let mut seen = std::collections::BTreeSet::new();
    if items.into_iter().all(|item| seen.insert(item)) {
        Ok(())
    } else {
        contradiction(what)
    }
}

pub(super) fn expect_fields(found: usize, expected: usize) -> Result<(), CertificateError> {
    if found == expected {
        return Ok(());
    }
    let found = found as u64;
    Err(CodecError::WrongLength { expected, found }.into())
}

pub(crate) fn read_list<T>(
    r: &mut Reader<'_>,
    limit: usize,
    mut item: impl FnMut(&mut Reader<'_>) -> Result<T, CertificateError>,
) -> Result<Vec<T>, CertificateError> {
    let count = r.array(limit)?;
    (0..count).map(|_| item(r)).collect()
}

pub(crate) fn read_key(r: &mut Reader<'_>) -> Result<PublicKey, CertificateError> {
    Ok(PublicKey::of(r.fixed()?, r.origin())?)
}

pub(super) fn read_party(r: &mut Reader<'_>) -> Result<PartyId, CertificateError> {
    Ok(PartyId::from_bytes(r.fixed()?))
}

pub(super) fn read_name(r: &mut Reader<'_>) -> Result<String, CertificateError> {
    Ok(r.text(NAME_MAX_BYTES)?.to_owned())
}

/// Reads null, or what `item` reads.
pub(super) fn read_optional<T>(
    r: &mut Reader<'_>,
    item: impl FnOnce(&mut Reader<'_>) -> Result<T, CertificateError>,
) -> Result<Option<T>, CertificateError> {
    if r.peek()? == ItemType::Null {
        r.null()?;
        return Ok(None);
    }
    item(r).map(Some)
}

pub(super) fn read_sorted_keys(
    r: &mut Reader<'_>,
    limit: usize,
) -> Result<Vec<PublicKey>, CertificateError> {
    let keys = read_list(r, limit, read_key)?;
    check_ascending(&keys)?;
    Ok(keys)
}

pub(super) fn write_keys(w: &mut Writer, keys: &[PublicKey]) {
    w.array(keys.len());
    for key in keys {
        w.bytes(key.as_bytes());
    }
}
