//! Seats: a person's standing with one party; and the paths from devices to them.
//!
//! Flat and sorted, so that finding the paths of a device touches little memory: a node asks for
//! every contribution, and authors come in no order.
//!
//! Spec: `specs/roster.md` §4, §5.

use super::{bars::Bar, grants::Grant};
use crate::{
    id::{EntryId, PartyId},
    key::PublicKey,
    record::{Role, Roles},
};

/// A person's standing with one party, now or once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::authority) struct Seat {
    /// The person.
    pub(in crate::authority) root: PublicKey,
    pub(in crate::authority) party: PartyId,
    /// One bit for each role held now.
    now: u8,
    /// Sources of roles that are not held now: each counts as far as its bars cover.
    pub(in crate::authority) once: Vec<(Role, Grant)>,
    /// What took the seat itself.
    pub(in crate::authority) bars: Vec<Bar>,
    /// Whether no role stands freely, and the lowest record or certificate that one comes from: of
    /// those that do, if any does.
    granted_by: (bool, EntryId),
}

fn bit(role: Role) -> u8 {
    1 << role.code()
}

impl Seat {
    pub(super) fn new(
        root: PublicKey,
        party: PartyId,
        granted_by: EntryId,
        bars: Vec<Bar>,
    ) -> Self {
        Self {
            root,
            party,
            now: 0,
            once: Vec::new(),
            bars,
            granted_by: (true, granted_by),
        }
    }

    /// Adds a role from one source.
    pub(super) fn grant(&mut self, role: Role, by: EntryId, grant: Grant) {
        let is_free = grant.is_free();
        self.granted_by = self.granted_by.min((!is_free, by));
        if is_free {
            self.now |= bit(role);
        } else {
            self.once.push((role, grant));
        }
    }

    /// With every source added: what else gave a role that stands freely adds nothing.
    pub(super) fn settled(mut self) -> Self {
        let now = self.now;
        self.once.retain(|(role, _)| now & bit(*role) == 0);
        self.once.shrink_to_fit();
        self
    }

    /// The lowest record or certificate that a role comes from.
    pub(super) fn granted_by(&self) -> EntryId {
        self.granted_by.1
    }

    /// Whether the role is held, leaving aside what took the seat.
    pub(in crate::authority) fn holds(&self, role: Role) -> bool {
        self.now & bit(role) != 0
    }

    /// Whether the person is a member by this seat now.
    pub(in crate::authority) fn is_held(&self) -> bool {
        self.bars.is_empty() && self.now != 0
    }

    /// Whether something that was taken stands between it and each of these roles that it holds or
    /// held: the seat itself, or all sources of them.
    pub(in crate::authority) fn is_narrowed_as(&self, roles: &[Role]) -> bool {
        let is_one = |(role, _): &(Role, Grant)| roles.contains(role);
        !self.bars.is_empty()
            || (!roles.iter().any(|role| self.holds(*role)) && self.once.iter().any(is_one))
    }

    /// The roles held now.
    pub(in crate::authority) fn roles(&self) -> Roles {
        let all = Role::ALL.into_iter();
        all.filter(|role| self.is_held() && self.holds(*role))
            .collect()
    }
}

/// A way from a device to a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::authority) struct Path {
    /// Which seat, by its place.
    pub(in crate::authority) seat: u32,
    /// What took the device from the seat.
    pub(in crate::authority) bars: Vec<Bar>,
}

impl Path {
    /// Whether the device speaks for the seat now, if that is held.
    pub(in crate::authority) fn is_open(&self) -> bool {
        self.bars.is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Device {
    key: PublicKey,
    start: u32,
    count: u32,
}

/// All seats and the paths to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::authority) struct Seats {
    /// Ascending by (root, party).
    seats: Vec<Seat>,
    /// Ascending by key.
    devices: Vec<Device>,
    paths: Vec<Path>,
    /// For each beginning of a key the place of the first device with it or a later one; about one
    /// device each, so that finding one costs a few steps. Whoever makes keys with one beginning
    /// makes it cost as many as halving does.
    index: Vec<u32>,
}

/// Most bits of a key's beginning that are indexed.
const INDEX_BITS_MAX: u32 = 20;

/// The first `bits` bits of a key.
fn beginning(key: &PublicKey, bits: u32) -> usize {
    let [a, b, c, ..] = *key.as_bytes();
    (u32::from_be_bytes([0, a, b, c]) >> (24 - bits)) as usize
}

/// 5.1: the seats of a person with their places, of seats in the order of (root, party).
pub(super) fn of_root(seats: &[Seat], root: PublicKey) -> impl Iterator<Item = (&Seat, u32)> {
    let first = seats.partition_point(|seat| seat.root < root);
    let own = seats.iter().zip(0u32..).skip(first);
    own.take_while(move |(seat, _)| seat.root == root)
}

fn index(devices: &[Device]) -> Vec<u32> {
    let bits = devices
        .len()
        .next_power_of_two()
        .ilog2()
        .min(INDEX_BITS_MAX);
    let mut places = Vec::with_capacity((1 << bits) + 1);
    for (device, place) in devices.iter().zip(0u32..) {
        while places.len() <= beginning(&device.key, bits) {
            places.push(place);
        }
    }
    places.resize((1 << bits) + 1, devices.len() as u32);
    places
}

impl Seats {
    /// From seats in the order of (root, party), and paths by device, in the order of both.
    pub(super) fn new(seats: Vec<Seat>, linked: Vec<(PublicKey, Path)>) -> Self {
        let mut it = Self {
            seats,
            devices: Vec::new(),
            paths: Vec::with_capacity(linked.len()),
            index: Vec::new(),
        };
        for (key, path) in linked {
            // A set of entries is far smaller than 2^32.
            let start = it.paths.len() as u32;
            match it.devices.last_mut() {
                Some(device) if device.key == key => device.count += 1,
                _ => it.devices.push(Device {
                    key,
                    start,
                    count: 1,
                }),
            }
            it.paths.push(path);
        }
        it.index = index(&it.devices);
        it
    }

    fn find(&self, key: &PublicKey) -> Option<&Device> {
        let bits = self.index.len().checked_sub(1)?.ilog2();
        let at = beginning(key, bits);
        let devices = &self.devices[self.index[at] as usize..self.index[at + 1] as usize];
        let found = devices.binary_search_by(|it| it.key.cmp(key)).ok()?;
        devices.get(found)
    }

    /// The paths of a device with their seats, by (root, party).
    pub(in crate::authority) fn paths(
        &self,
        device: &PublicKey,
    ) -> impl Iterator<Item = (&Path, &Seat)> {
        let paths = match self.find(device) {
            Some(it) => &self.paths[it.start as usize..(it.start + it.count) as usize],
            None => &[],
        };
        paths
            .iter()
            .filter_map(|path| Some((path, self.seats.get(path.seat as usize)?)))
    }

    /// The seats of a person.
    pub(super) fn of_root(&self, root: PublicKey) -> impl Iterator<Item = &Seat> {
        of_root(&self.seats, root).map(|(seat, _)| seat)
    }

    /// Everybody who has or had standing with a party.
    pub(in crate::authority) fn roots_of(
        &self,
        party: &PartyId,
    ) -> impl Iterator<Item = PublicKey> {
        let seats = self.seats.iter().filter(move |it| it.party == *party);
        seats.map(|it| it.root)
    }

    /// The devices that have a path, ascending.
    pub(in crate::authority) fn devices(&self) -> impl Iterator<Item = &PublicKey> {
        self.devices.iter().map(|it| &it.key)
    }
}
