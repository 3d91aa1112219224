//! A process that shares nothing (`--no-shconf`, `--in-memory`): a group of one that nobody finds.

use rte_mp::{Group, GroupBuilder, JoinError, Role};

/// Makes the group in a directory of its own, which is gone when this returns.
pub(super) fn join(builder: GroupBuilder) -> Result<Group, JoinError> {
    let directory = tempfile::Builder::new().prefix("rte-mp-").tempdir().map_err(|source| {
        JoinError::Io { action: "make a directory in", path: std::env::temp_dir(), source }
    })?;
    builder.role(Role::Primary).runtime_base(directory.path()).join()
}
