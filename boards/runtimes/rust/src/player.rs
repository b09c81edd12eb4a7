//! A script on a core, entry by entry, whatever the engine.
use ferrule::abi::{ABI_VERSION, descriptor, output_record};
use std::time::Instant;
use std::{fmt, fs};

/// A running core: verbs by name, and its memory.
pub trait Core {
    /// Finds a verb; its number is what `call` takes. None: there is no such export.
    fn bind(&mut self, name: &str, argument_count: usize) -> Option<usize>;
    fn call(&mut self, verb: usize, arguments: &[i32]) -> Result<i32, String>;
    fn memory(&mut self) -> &mut [u8];
}

pub enum Failure {
    Difference(String),
    Unplayable(String),
    Trap(String),
}

impl Failure {
    pub fn status(&self) -> i32 {
        match self {
            Failure::Difference(_) => 1,
            Failure::Unplayable(_) => 2,
            Failure::Trap(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Difference(text) | Failure::Unplayable(text) => f.write_str(text),
            Failure::Trap(text) => write!(f, "the core trapped: {text}"),
        }
    }
}

const END: u8 = 0;
const OBSERVE: u8 = 0xfd;
const DRAIN: u8 = 0xfe;
const MARK: u8 = 0xff;
const ARGUMENTS_MAX: usize = 6;
const FNV_START: u64 = 0xcbf29ce484222325;
const FNV_PRIME: u64 = 0x100000001b3;
const FNV_PRIME_8: u64 = FNV_PRIME.wrapping_pow(8);

/// FNV-1a. Of a snapshot most is zero: eight zero bytes are one multiplication.
fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
    for eight in eights {
        hash = match u64::from_ne_bytes(*eight) {
            0 => hash.wrapping_mul(FNV_PRIME_8),
            _ => eight.iter().fold(hash, step),
        };
    }
    rest.iter().fold(hash, step)
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

struct Verb {
    name: String,
    number: usize,
    argument_count: usize,
}

pub struct Player<'a> {
    core: Box<dyn Core>,
    script: &'a [u8],
    at: usize,
    entries_at: usize,
    about: Vec<usize>,
    poll: usize,
    verbs: Vec<Verb>,
    steps: u64,
    marks: u64,
    snapshot: u64,
    outputs: u64,
    hashed: bool,
}

impl<'a> Player<'a> {
    pub fn new(mut core: Box<dyn Core>, script: &'a [u8]) -> Result<Self, Failure> {
        let none = |name: &str| Failure::Unplayable(format!("the core has no verb {name}"));
        let describe = core.bind("describe", 0).ok_or_else(|| none("describe"))?;
        let poll = core.bind("poll", 0).ok_or_else(|| none("poll"))?;
        let at = core.call(describe, &[]).map_err(Failure::Trap)? as usize;
        let memory = core.memory();
        let about = (0..descriptor::COUNT)
            .map(|i| word(memory, at + 4 * i))
            .collect();
        let mut player = Player {
            core,
            script,
            at: 0,
            entries_at: 0,
            about,
            poll,
            verbs: Vec::new(),
            steps: 0,
            marks: 0,
            snapshot: 0,
            outputs: FNV_START,
            hashed: true,
        };
        player.bind()?;
        Ok(player)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Failure> {
        let bytes = self.script.get(self.at..self.at + count);
        self.at += count;
        bytes.ok_or_else(|| Failure::Unplayable("the script ends inside an entry".into()))
    }

    fn byte(&mut self) -> Result<u8, Failure> {
        Ok(self.take(1)?[0])
    }

    fn word(&mut self) -> Result<usize, Failure> {
        Ok(word(self.take(4)?, 0))
    }

    fn long(&mut self) -> Result<u64, Failure> {
        Ok(u64::from_le_bytes(
            self.take(8)?.try_into().expect("eight bytes"),
        ))
    }

    fn text(&mut self) -> Result<String, Failure> {
        let length = self.byte()?.into();
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn bind(&mut self) -> Result<(), Failure> {
        let magic = self.take(8)?;
        let versions = (self.word()?, self.word()?);
        if magic != b"FRRLCALL" || versions != (1, ABI_VERSION as usize) {
            return Err(Failure::Unplayable("not a script of this version".into()));
        }
        self.take(4)?; // seed
        self.text()?;
        for _ in 0..self.byte()? {
            let name = self.text()?;
            let argument_count = self.byte()?.into();
            let number = self.core.bind(&name, argument_count).ok_or_else(|| {
                Failure::Unplayable(format!("the core has no verb {name} of {argument_count}"))
            })?;
            self.verbs.push(Verb {
                name,
                number,
                argument_count,
            });
        }
        self.entries_at = self.at;
        Ok(())
    }

    fn call(&mut self, verb: usize) -> Result<(), Failure> {
        let count = self.verbs[verb].argument_count;
        let mut arguments = [0; ARGUMENTS_MAX];
        for argument in &mut arguments[..count] {
            *argument = self.word()? as i32;
        }
        let length = self.word()?;
        let input = self.take(length)?;
        let recorded = self.word()? as i32;
        let at = self.about[descriptor::INPUT_ADDRESS];
        self.core.memory()[at..at + length].copy_from_slice(input);
        self.steps += 1;
        let number = self.verbs[verb].number;
        let result = self
            .core
            .call(number, &arguments[..count])
            .map_err(Failure::Trap)?;
        if result == recorded {
            return Ok(());
        }
        let list: Vec<String> = arguments[..count].iter().map(i32::to_string).collect();
        Err(Failure::Difference(format!(
            "step {}: {}({}) returned {result}, recorded {recorded}",
            self.steps,
            self.verbs[verb].name,
            list.join(", ")
        )))
    }

    /// Of an output record everything but its address is hashed, and the bytes it points to.
    fn drain(&mut self) -> Result<(), Failure> {
        use output_record::{ADDRESS, BYTES, LENGTH};
        loop {
            let o = self.core.call(self.poll, &[]).map_err(Failure::Trap)? as usize;
            if o == 0 {
                return Ok(());
            }
            if !self.hashed {
                continue;
            }
            let memory = self.core.memory();
            let (at, length) = (word(memory, o + ADDRESS), word(memory, o + LENGTH));
            let parts = [
                &memory[o..o + ADDRESS],
                &memory[o + LENGTH..o + BYTES],
                &memory[at..at + length],
            ];
            self.outputs = parts.into_iter().fold(self.outputs, fnv);
        }
    }

    fn observe(&mut self) -> Result<(), Failure> {
        let word_index = usize::from(self.byte()?);
        let base = self.about[word_index];
        let follow = self.byte()? == 1;
        let mut at = base + self.word()?;
        let length = self.word()?;
        let memory = self.core.memory();
        if follow {
            at = word(memory, at);
        }
        if self.hashed {
            self.outputs = fnv(self.outputs, &memory[at..at + length]);
        }
        Ok(())
    }

    fn mark(&mut self) -> Result<(), Failure> {
        let (steps, snapshot, outputs) = (self.word()? as u64, self.long()?, self.long()?);
        self.marks += 1;
        if !self.hashed {
            return Ok(());
        }
        let range = self.about[descriptor::SNAPSHOT_START]..self.about[descriptor::SNAPSHOT_END];
        self.snapshot = fnv(FNV_START, &self.core.memory()[range]);
        let what = match () {
            () if steps != self.steps => "steps",
            () if outputs != self.outputs => "outputs",
            () if snapshot != self.snapshot => "snapshot",
            () => return Ok(()),
        };
        let (marks, steps) = (self.marks, self.steps);
        Err(Failure::Difference(format!(
            "mark {marks}, step {steps}: other {what}"
        )))
    }

    /// Plays to the next mark. Returns false when the script has ended.
    fn next(&mut self) -> Result<bool, Failure> {
        loop {
            match self.byte()? {
                END => return Ok(false),
                MARK => return self.mark().map(|()| true),
                DRAIN => self.drain()?,
                OBSERVE => self.observe()?,
                verb => self.call(usize::from(verb) - 1)?,
            }
        }
    }

    /// Plays to the first mark at or behind step `last`.
    pub fn play(&mut self, last: u64) -> Result<String, Failure> {
        let from = Instant::now();
        while self.steps < last && self.next()? {}
        let state = format!(
            r#""snapshot":"{:016x}","outputs":"{:016x}""#,
            self.snapshot, self.outputs
        );
        let (steps, marks, peak) = (self.steps, self.marks, peak_kib());
        let ms = from.elapsed().as_secs_f64() * 1e3;
        Ok(format!(
            r#"{{"steps":{steps},"marks":{marks},{state},"ms":{ms:.1},"peakKiB":{peak}}}"#
        ))
    }

    /// Nanoseconds that a step takes behind the first mark: the best of a second's turns.
    pub fn measure(&mut self) -> Result<f64, Failure> {
        let (mut best, mut all) = (f64::INFINITY, 0.0);
        self.hashed = false;
        while all < 1e9 {
            (self.at, self.steps) = (self.entries_at, 0);
            self.next()?;
            let (first, from) = (self.steps, Instant::now());
            while self.next()? {}
            let ns = from.elapsed().as_secs_f64() * 1e9;
            all += ns;
            best = best.min(ns / (self.steps - first) as f64);
        }
        Ok(best)
    }
}

/// The most memory this process has had, in KiB; 0 where Linux does not say.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
