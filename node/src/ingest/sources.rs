//! Those who give entries, and may be gone while what they gave still waits.

use super::Ingest;
use crate::pending::Source;

impl Ingest {
    /// A source is gone. Blocks until the writer's turn is over.
    pub fn gone(&self, source: &Source) {
        self.writer().pending.gone(source);
    }
}
