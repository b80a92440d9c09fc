//! `comity demo` (filled in below).
use crate::{app::App, args::node::Demo, error::CommandError};
pub(super) async fn demo(_app: &App, _args: &Demo) -> Result<(), CommandError> {
    Err(CommandError::internal("not built yet"))
}
