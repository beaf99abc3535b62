//! Has objects woken when their alarms are due.
//!
//! One task asks the index for what is due and gives each object an event, which finds
//! out whether that is so. Another one looks at every object of a class whose alarms
//! the index does not know, which is so when its file was lost or is new.
//!
//! However many are due at once, few objects are woken at a time, so that requests
//! find the server as free as ever.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::class::Class;
use super::handle::Handle;
use super::registry::Registry;
use crate::instance::alarm::due_alarm;
use crate::instance::context::ObjectParts;
use crate::object::error::ObjectError;
use crate::object::event::Event;
use crate::object::firing::Firing;
use crate::object::id::Target;
use crate::object::outlet::Output;
use crate::storage::{AlarmIndex, DataDir, DueAlarm, ObjectName, StorageError};
use crate::{memory, workers};

/// Objects that are being woken at a time: a request waits for no more than these.
const WAKING_MAX: usize = 8;
/// One that takes longer to wake does so beside these: it waits for something, or it
/// computes in the heavy lane, and the alarms of others are not to wait for it.
const WAKING_TIME_MAX: Duration = Duration::from_millis(250);
/// Objects that are looked at beside that, without being woken.
const SCANNING_MAX: usize = 4;
/// Ids that wait to be looked at in a scan.
const SCAN_AHEAD: usize = 256;
/// How often a scan tells how far it is.
const SCAN_REPORT: Duration = Duration::from_secs(5);
/// How often memory is looked at while there is none left for alarms.
const MEMORY_WAIT: Duration = Duration::from_millis(200);

/// Starts both tasks; they end when the registry closes.
pub fn start(registry: &Arc<Registry>, data: &Arc<DataDir>, busy_max: usize) {
    let (fires, scans) = (registry.clone(), registry.clone());
    let (fired, data) = (data.clone(), data.clone());
    workers::spawn(async move {
        tokio::select! {
            () = fires.closed() => {}
            () = fire(&fires, &fired, busy_max) => {}
        }
    });
    workers::spawn(async move {
        tokio::select! {
            () = scans.closed() => {}
            () = scan_all(&scans, &data) => {}
        }
    });
}

/// Gives what is due to its objects.
async fn fire(registry: &Registry, data: &DataDir, busy_max: usize) {
    let index = registry.alarms();
    let waking = Arc::new(Semaphore::new(WAKING_MAX));
    let busy = Arc::new(Semaphore::new(busy_max.max(1)));
    loop {
        while memory::is_full() {
            tokio::time::sleep(MEMORY_WAIT).await;
        }
        for due in index.due(WAKING_MAX).await {
            let (waking, busy) = (permit(&waking).await, permit(&busy).await);
            if let Some(firing) = send(registry, data, due, waking, Some(busy)) {
                workers::spawn(async move {
                    tokio::time::sleep(WAKING_TIME_MAX).await;
                    if let Some(firing) = firing.upgrade() {
                        firing.lets_others_wake();
                    }
                });
            }
        }
    }
}

/// Looks at the objects of all classes whose alarms are not known.
async fn scan_all(registry: &Registry, data: &Arc<DataDir>) {
    let index = registry.alarms();
    loop {
        for class in registry.classes.iter() {
            if !index.is_scanned(&class.home.folder) {
                scan(registry, class, data).await;
            }
        }
        index.renewed().await;
    }
}

async fn scan(registry: &Registry, class: &Arc<Class>, data: &Arc<DataDir>) {
    let (index, folder) = (registry.alarms(), &class.home.folder);
    let name = &*class.name;
    let (begin, mut reported, mut looked_at) = (Instant::now(), Instant::now(), 0u64);
    let (found, mut ids) = mpsc::channel(SCAN_AHEAD);
    let walk = {
        let (data, folder) = (data.clone(), folder.clone());
        tokio::task::spawn_blocking(move || {
            data.each_object(&folder, |id| found.blocking_send(id).is_ok())
        })
    };
    let looking = Arc::new(Semaphore::new(SCANNING_MAX));
    while let Some(id) = ids.recv().await {
        let object = ObjectName {
            folder: folder.as_str().into(),
            id: id.into(),
        };
        let due = index.out_of_turn(object);
        send(registry, data, due, permit(&looking).await, None);
        looked_at += 1;
        if reported.elapsed() >= SCAN_REPORT {
            reported = Instant::now();
            tracing::info!(
                class = name,
                looked_at,
                "looking for alarms in the databases"
            );
        }
    }
    // All have been reached when nothing is under way any more.
    let _all = looking.acquire_many(SCANNING_MAX as u32).await;
    match walk.await {
        Ok(Ok(())) => index.set_scanned(folder),
        Ok(Err(error)) => {
            tracing::error!(class = name, %error, "cannot look for alarms in all databases; the next start tries again");
            return;
        }
        Err(_) => return,
    }
    if looked_at > 0 {
        let took_ms = begin.elapsed().as_millis() as u64;
        tracing::info!(
            class = name,
            looked_at,
            took_ms,
            "looked for alarms in all databases"
        );
    }
}

async fn permit(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = semaphore.clone().acquire_owned().await;
    permit.expect("nobody closes it")
}

fn send(
    registry: &Registry,
    data: &DataDir,
    due: DueAlarm,
    waking: OwnedSemaphorePermit,
    busy: Option<OwnedSemaphorePermit>,
) -> Option<Weak<Firing>> {
    let index: &AlarmIndex = registry.alarms();
    let ObjectName { folder, id } = due.object.clone();
    let class = registry.classes.of_folder(&folder);
    let Some((class, id)) = class.and_then(|class| Some((class, class.ids.parse(&id).ok()?)))
    else {
        match data.dir().exists(&*folder) {
            true => {
                tracing::warn!(
                    folder = &*folder,
                    id = &*id,
                    "an alarm is due of an object that is not served"
                );
                index.shelve(&due);
            }
            // Its class was deleted.
            false => index.forget(&due),
        }
        return None;
    };
    let firing = Arc::new(Firing::new(index.clone(), due, waking, busy));
    let sent = Arc::downgrade(&firing);
    registry.send(class, &Target::Id(id), Event::alarm(firing));
    Some(sent)
}

/// Answers alarms that need no instance, because the object's is not due. Of one that
/// is, the object gets its name.
pub fn look(handle: &Handle, parts: &ObjectParts) -> Result<(), ObjectError> {
    while let Some(firing) = handle.inbox.next_alarm() {
        let mut storage = parts.storage.lock();
        match due_alarm(&mut storage).map_err(|error| unreadable(handle, &error))? {
            Some(alarm) => {
                if let Some(name) = alarm.name {
                    handle.identity.addressed_as(&Target::Name(name));
                }
                return Ok(());
            }
            None => {
                let news = storage.take_alarm_news(None);
                let news = news.map_err(|error| unreadable(handle, &error))?;
                if let Some(news) = news {
                    parts.outlet.say(storage.committed(), Output::Alarm(news));
                }
                firing.reached();
                handle.inbox.pop();
            }
        }
    }
    parts.outlet.deliver();
    Ok(())
}

fn unreadable(handle: &Handle, error: &StorageError) -> ObjectError {
    let (class, id) = (&*handle.identity.class, handle.identity.id);
    tracing::error!(class, %id, %error, "the object's alarm cannot be read");
    ObjectError::unavailable("the object's database cannot be used now")
}
