//! The engines: wasmtime with each of its compilers and its interpreter, and wasmi.
use crate::player::{Core, Failure};

/// A `Core` of an engine whose functions are typed: wasmtime and wasmi have the same interface.
macro_rules! core_of {
    ($name:ident, $verbs:ident, $engine:ident) => {
        pub struct $name {
            store: $engine::Store<()>,
            instance: $engine::Instance,
            memory: $engine::Memory,
            verbs: Vec<$verbs::Verb>,
        }

        mod $verbs {
            use $engine::TypedFunc;

            pub enum Verb {
                V0(TypedFunc<(), i32>),
                V1(TypedFunc<i32, i32>),
                V2(TypedFunc<(i32, i32), i32>),
                V3(TypedFunc<(i32, i32, i32), i32>),
                V4(TypedFunc<(i32, i32, i32, i32), i32>),
                V5(TypedFunc<(i32, i32, i32, i32, i32), i32>),
                V6(TypedFunc<(i32, i32, i32, i32, i32, i32), i32>),
            }
        }

        impl $name {
            fn start(
                mut store: $engine::Store<()>,
                instance: $engine::Instance,
            ) -> Result<Box<dyn Core>, Failure> {
                let memory = instance
                    .get_memory(&mut store, "memory")
                    .ok_or_else(|| Failure::Unplayable("the core has no memory".into()))?;
                Ok(Box::new(Self {
                    store,
                    instance,
                    memory,
                    verbs: Vec::new(),
                }))
            }
        }

        impl Core for $name {
            fn bind(&mut self, name: &str, argument_count: usize) -> Option<usize> {
                use $verbs::Verb;
                let (instance, store) = (&self.instance, &mut self.store);
                let verb = match argument_count {
                    0 => Verb::V0(instance.get_typed_func(store, name).ok()?),
                    1 => Verb::V1(instance.get_typed_func(store, name).ok()?),
                    2 => Verb::V2(instance.get_typed_func(store, name).ok()?),
                    3 => Verb::V3(instance.get_typed_func(store, name).ok()?),
                    4 => Verb::V4(instance.get_typed_func(store, name).ok()?),
                    5 => Verb::V5(instance.get_typed_func(store, name).ok()?),
                    6 => Verb::V6(instance.get_typed_func(store, name).ok()?),
                    _ => return None,
                };
                self.verbs.push(verb);
                Some(self.verbs.len() - 1)
            }

            fn call(&mut self, verb: usize, arguments: &[i32]) -> Result<i32, String> {
                use $verbs::Verb;
                let (store, a) = (&mut self.store, arguments);
                let result = match &self.verbs[verb] {
                    Verb::V0(f) => f.call(store, ()),
                    Verb::V1(f) => f.call(store, a[0]),
                    Verb::V2(f) => f.call(store, (a[0], a[1])),
                    Verb::V3(f) => f.call(store, (a[0], a[1], a[2])),
                    Verb::V4(f) => f.call(store, (a[0], a[1], a[2], a[3])),
                    Verb::V5(f) => f.call(store, (a[0], a[1], a[2], a[3], a[4])),
                    Verb::V6(f) => f.call(store, (a[0], a[1], a[2], a[3], a[4], a[5])),
                };
                result.map_err(|error| error.to_string())
            }

            fn memory(&mut self) -> &mut [u8] {
                self.memory.data_mut(&mut self.store)
            }
        }
    };
}

core_of!(Wasmtime, wasmtime_verbs, wasmtime);
core_of!(Wasmi, wasmi_verbs, wasmi);

fn unplayable(error: impl std::fmt::Display) -> Failure {
    Failure::Unplayable(format!("the core does not start: {error:#}"))
}

fn start_wasmtime(config: &wasmtime::Config, wasm: &[u8]) -> Result<Box<dyn Core>, Failure> {
    let engine = wasmtime::Engine::new(config).map_err(unplayable)?;
    let module = wasmtime::Module::new(&engine, wasm).map_err(unplayable)?;
    let mut store = wasmtime::Store::new(&engine, ());
    let instance = wasmtime::Instance::new(&mut store, &module, &[]).map_err(unplayable)?;
    Wasmtime::start(store, instance)
}

/// Starts a core in the engine of this name.
pub fn start(engine: &str, wasm: &[u8]) -> Result<Box<dyn Core>, Failure> {
    let mut config = wasmtime::Config::new();
    match engine {
        "cranelift" => start_wasmtime(config.strategy(wasmtime::Strategy::Cranelift), wasm),
        "winch" => start_wasmtime(config.strategy(wasmtime::Strategy::Winch), wasm),
        "pulley" => start_wasmtime(config.target("pulley64").map_err(unplayable)?, wasm),
        "wasmi" => {
            let engine = wasmi::Engine::default();
            let module = wasmi::Module::new(&engine, wasm).map_err(unplayable)?;
            let mut store = wasmi::Store::new(&engine, ());
            let instance = wasmi::Instance::new(&mut store, &module, &[]).map_err(unplayable)?;
            Wasmi::start(store, instance)
        }
        _ => Err(Failure::Unplayable(format!(
            "no engine {engine}: cranelift, winch, pulley, wasmi"
        ))),
    }
}
