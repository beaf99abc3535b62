//! What becomes of the snapshots that a killed server has left: nobody can use them.
//!
//! An object's own is removed when the object is first touched. One task touches all
//! others, so that their disk is free again.

use std::sync::Arc;

use super::registry::Registry;
use crate::storage::DataDir;
use crate::workers;

/// Removes them beside what is served; ends with that, or when the registry closes.
pub fn start(registry: &Arc<Registry>, data: &Arc<DataDir>) {
    if !data.has_leftovers() {
        return;
    }
    let (registry, data) = (registry.clone(), data.clone());
    workers::spawn(async move {
        let swept = tokio::task::spawn_blocking(move || sweep(&registry, &data));
        if let Ok(Err(error)) = swept.await {
            tracing::warn!(%error, "cannot look for old snapshots; the next start tries again");
        }
    });
}

fn sweep(registry: &Registry, data: &DataDir) -> std::io::Result<()> {
    let mut found = 0u64;
    for class in registry.classes.iter() {
        data.each_snapshot(&class.home.folder, |id| {
            if let Ok(id) = class.ids.parse(&id) {
                found += u64::from(registry.touch(class, id));
            }
            !registry.is_closing()
        })?;
    }
    if registry.is_closing() {
        return Ok(());
    }
    data.no_leftovers();
    if found > 0 {
        tracing::info!(found, "removed the snapshots of a server that was killed");
    }
    Ok(())
}
