//! Storage of the trie: records in one vector, reused when freed, linked by number.

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Leaf(u32),
    Branch(u32),
}

const NOTHING: u32 = u32::MAX;
const LEAF_BIT: u32 = 1 << 31;

/// Four bytes that lead to a leaf, a branch, or nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link(u32);

impl Default for Link {
    fn default() -> Self {
        Self(NOTHING)
    }
}

impl Link {
    pub(super) fn leaf(index: u32) -> Self {
        Self(index | LEAF_BIT)
    }

    pub(super) fn branch(index: u32) -> Self {
        Self(index)
    }

    pub(super) fn node(self) -> Option<Node> {
        match self.0 {
            NOTHING => None,
            link if link & LEAF_BIT != 0 => Some(Node::Leaf(link & !LEAF_BIT)),
            link => Some(Node::Branch(link)),
        }
    }
}

/// Records by number. A number stays valid until it is freed; whoever frees it holds no link to it.
#[derive(Debug, Clone)]
pub(super) struct Arena<T> {
    slots: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Arena<T> {
    pub(super) fn put(&mut self, record: T) -> u32 {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = record;
            return index;
        }
        if self.slots.len() == self.slots.capacity() {
            // An eighth at a time: still amortized, and little memory stands idle.
            self.slots.reserve_exact(self.slots.len() / 8 + 8);
        }
        assert!(
            self.slots.len() < (LEAF_BIT - 1) as usize,
            "a trie holds fewer than 2^31 keys"
        );
        self.slots.push(record);
        (self.slots.len() - 1) as u32
    }

    pub(super) fn free(&mut self, index: u32) {
        self.free.push(index);
    }

    pub(super) fn get(&self, index: u32) -> &T {
        &self.slots[index as usize]
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut T {
        &mut self.slots[index as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<T>() + self.free.capacity() * size_of::<u32>()
    }
}
