//! A host for the small components of these tests.

use component_snapshot::instrument;
use component_snapshot::runtime::{
    Accessors, Awake, Base, Handles, NotNow, Restoring, Saving, Snapshot, Unsaved,
};
use wasmtime::component::{
    Component, ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower, Resource,
    ResourceAny, ResourceTable, ResourceType, Val,
};
use wasmtime::{Config, Engine, Result, Store, StoreContextMut};

/// What a resource of the host stands for.
pub struct Thing(pub u32);

#[derive(Default)]
pub struct Host {
    pub things: ResourceTable,
    /// The numbers of the things that were dropped.
    pub dropped: Vec<u32>,
}

/// The interface that components of these tests may import.
const THINGS: &str = "test:host/things@0.1.0";

/// A component that was instrumented and compiled.
pub struct Guest {
    prepared: InstancePre<Host>,
    pub accessors: Accessors,
}

impl Guest {
    pub fn new(text: &str) -> Guest {
        let bytes = wat::parse_str(text).expect("a component");
        let instrumented = instrument(&bytes).unwrap_or_else(|refused| panic!("{refused}"));
        let engine = Engine::new(&Config::new()).unwrap();
        let component = Component::new(&engine, &instrumented.bytes).unwrap();
        let mut linker = Linker::new(&engine);
        let mut things = linker.instance(THINGS).unwrap();
        let drop = |mut store: StoreContextMut<'_, Host>, rep| {
            let thing = store
                .data_mut()
                .things
                .delete(Resource::<Thing>::new_own(rep))?;
            store.data_mut().dropped.push(thing.0);
            Ok(())
        };
        things
            .resource("thing", ResourceType::host::<Thing>(), drop)
            .unwrap();
        let open = |mut store: StoreContextMut<'_, Host>, (number,): (u32,)| {
            Ok((store.data_mut().things.push(Thing(number))?,))
        };
        things.func_wrap("open", open).unwrap();
        let read = |mut store: StoreContextMut<'_, Host>, (thing,): (Resource<Thing>,)| {
            Ok((store.data_mut().things.get(&thing)?.0,))
        };
        things.func_wrap("read", read).unwrap();
        Guest {
            prepared: linker.instantiate_pre(&component).unwrap(),
            accessors: Accessors::find(&component, instrumented.manifest).unwrap(),
        }
    }

    /// What memory is like before anything has run.
    pub async fn base(&self) -> Base {
        let (mut store, instance) = self.instantiate().await;
        self.accessors.base(&mut store, instance).await.unwrap()
    }

    async fn instantiate(&self) -> (Store<Host>, Instance) {
        let mut store = Store::new(self.prepared.engine(), Host::default());
        let instance = self.prepared.instantiate_async(&mut store).await.unwrap();
        (store, instance)
    }

    /// An instance that has just begun.
    pub async fn start(&self) -> Live<'_> {
        let (mut store, instance) = self.instantiate().await;
        let awake = self.accessors.start(&mut store, instance).await.unwrap();
        Live {
            guest: self,
            store,
            awake,
        }
    }

    /// An instance that goes on where another one was saved.
    pub async fn wake(&self, snapshot: &Snapshot) -> Result<Live<'_>> {
        let (mut store, instance) = self.instantiate().await;
        // Everything that can be mapped is mapped.
        let restoring = Restoring { map_from_bytes: 0 };
        let awake = self
            .accessors
            .restore(&mut store, instance, snapshot, &mut Things, restoring)
            .await?;
        Ok(Live {
            guest: self,
            store,
            awake,
        })
    }
}

/// An instance, awake.
pub struct Live<'a> {
    guest: &'a Guest,
    pub store: Store<Host>,
    pub awake: Awake,
}

impl Live<'_> {
    /// Calls an export of one result.
    pub async fn call<Params, Return>(&mut self, name: &str, params: Params) -> Return
    where
        Params: ComponentNamedList + Lower + Send + Sync + 'static,
        Return: Lift + Send + Sync + 'static,
        (Return,): ComponentNamedList,
    {
        self.try_call(name, params)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    pub async fn try_call<Params, Return>(&mut self, name: &str, params: Params) -> Result<Return>
    where
        Params: ComponentNamedList + Lower + Send + Sync + 'static,
        Return: Lift + Send + Sync + 'static,
        (Return,): ComponentNamedList,
    {
        let instance = self.awake.instance();
        let function = instance.get_typed_func::<Params, (Return,)>(&mut self.store, name)?;
        Ok(function.call_async(&mut self.store, params).await?.0)
    }

    /// Calls an export of a nested instance, which is exported under `path`.
    pub async fn call_inner(&mut self, path: &str, name: &str) -> u32 {
        let instance = self.awake.instance();
        let inner = instance
            .get_export_index(&mut self.store, None, path)
            .unwrap();
        let export = instance
            .get_export_index(&mut self.store, Some(&inner), name)
            .unwrap();
        let function = instance.get_func(&mut self.store, export).unwrap();
        let mut results = [Val::U32(0)];
        function
            .call_async(&mut self.store, &[], &mut results)
            .await
            .unwrap();
        let [Val::U32(result)] = results else {
            panic!("another result: {results:?}");
        };
        result
    }

    pub async fn try_save(&mut self, saving: Saving<'_>) -> Result<Snapshot, Unsaved> {
        let accessors = &self.guest.accessors;
        accessors
            .save(&mut self.store, &self.awake, &mut Things, saving)
            .await
    }

    pub async fn save(&mut self) -> Snapshot {
        self.try_save(Saving::default())
            .await
            .unwrap_or_else(|unsaved| panic!("{unsaved}"))
    }

    /// Why it cannot be saved at this moment.
    pub async fn reason(&mut self) -> NotNow {
        match self.try_save(Saving::default()).await {
            Err(Unsaved::NotNow(reason)) => reason,
            Err(Unsaved::Broken(error)) => panic!("{error:?}"),
            Ok(_) => panic!("it was saved"),
        }
    }
}

/// Makes things again by their numbers. The thing 13 cannot be made again.
pub struct Things;

impl Handles<Host> for Things {
    fn describe(
        &mut self,
        mut store: StoreContextMut<'_, Host>,
        resource: &str,
        handle: ResourceAny,
    ) -> Result<(ResourceAny, Option<Vec<u8>>)> {
        assert_eq!(resource, format!("{THINGS}#thing"));
        let thing = handle.try_into_resource::<Thing>(&mut store)?;
        let number = store.data_mut().things.get(&thing)?.0;
        let handle = ResourceAny::try_from_resource(thing, store)?;
        let description = (number != 13).then(|| number.to_le_bytes().to_vec());
        Ok((handle, description))
    }

    fn make(
        &mut self,
        mut store: StoreContextMut<'_, Host>,
        _: &str,
        description: &[u8],
    ) -> Result<ResourceAny> {
        let number = u32::from_le_bytes(description.try_into()?);
        let thing = store.data_mut().things.push(Thing(number))?;
        ResourceAny::try_from_resource(thing, store)
    }
}
