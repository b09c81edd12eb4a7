//! Replays a recorded script (../README.md) on the core in one of four engines:
//!
//!   ferrule-runtimes ENGINE CORE SCRIPT [--steps N | --time]
//!
//! ENGINE: cranelift, winch, pulley (all wasmtime), wasmi. Ends with 0 when all is as recorded, 1
//! at the first difference, 2 when it cannot play, 3 when the core trapped.
mod engines;
mod player;

use player::{Failure, Player};
use std::{env, fs, process};

fn run(arguments: &[String]) -> Result<String, Failure> {
    let [engine, core, script, rest @ ..] = arguments else {
        return Err(Failure::Unplayable(
            "usage: ferrule-runtimes ENGINE CORE SCRIPT [--steps N | --time]".into(),
        ));
    };
    let read = |path: &String| {
        fs::read(path).map_err(|error| Failure::Unplayable(format!("{path}: {error}")))
    };
    let core = engines::start(engine, &read(core)?)?;
    let script = read(script)?;
    let mut player = Player::new(core, &script)?;
    match rest {
        [mode] if mode == "--time" => Ok(format!("{{\"nsPerStep\":{:.1}}}", player.measure()?)),
        [mode, steps] if mode == "--steps" => {
            let last = steps.parse();
            player.play(last.map_err(|_| Failure::Unplayable(format!("--steps {steps}")))?)
        }
        _ => player.play(u64::MAX),
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let status = match run(&arguments) {
        Ok(line) => {
            println!("{line}");
            0
        }
        Err(failure) => {
            println!("{failure}");
            failure.status()
        }
    };
    process::exit(status);
}
