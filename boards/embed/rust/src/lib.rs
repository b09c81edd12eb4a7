//! The Ferrule connector core in a Rust program, by wasmtime. Every method that takes a packet or
//! time returns what the core wants done; the core itself is driven one mutation at a time.
pub mod abi;
mod packet;

pub use abi::{link_kind, relation, status};
pub use packet::{Fulfill, Packet, Prepare, Reject};

use abi::{
    account_flag, account_record, account_settings_record, asset_settings_record, descriptor,
    output_kind, output_record, rate_settings_record,
};
use std::fmt;
use wasmtime::{Engine, Instance, Memory, Module, Store, WasmParams};

/// The node's own account: packets for this node come out on it.
pub const LOCAL_ACCOUNT: u32 = 0;
/// A balance limit that stands for "unlimited".
pub const UNLIMITED: i128 = (1 << 120) - 1;

/// The core would not do it, or could not run.
#[derive(Debug)]
pub enum Error {
    /// The verb, and one of `status`.
    Refused(&'static str, i32),
    Engine(wasmtime::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Refused(verb, status) => write!(f, "the core refused {verb}: status {status}"),
            Error::Engine(error) => write!(f, "the core does not run: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<wasmtime::Error> for Error {
    fn from(error: wasmtime::Error) -> Self {
        Error::Engine(error)
    }
}

pub type Result<T> = std::result::Result<T, Error>;

/// An account's settings. Amounts are in its asset's base units.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    pub name: &'a str,
    /// One of `relation`.
    pub relation: i32,
    pub asset: u16,
    pub balance_minimum: i128,
    pub balance_maximum: i128,
    pub packet_maximum: u64,
}

impl<'a> Account<'a> {
    /// Without limits.
    pub fn new(name: &'a str, relation: i32, asset: u16) -> Self {
        let (balance_minimum, balance_maximum) = (-UNLIMITED, UNLIMITED);
        Self {
            name,
            relation,
            asset,
            balance_minimum,
            balance_maximum,
            packet_maximum: u64::MAX,
        }
    }
}

/// What the core wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Carry this Prepare on the raw link of `account`; answer with `reply` or `fail` and the id.
    Request {
        account: u32,
        id: u32,
        packet: Packet,
    },
    /// Answers the `request` made on `account` with this id.
    Reply {
        account: u32,
        id: u32,
        packet: Packet,
    },
    /// Write these bytes to the framed link of `account`.
    Frame {
        account: u32,
        bytes: Vec<u8>,
    },
    SettlementDue {
        account: u32,
        amount: u64,
    },
    /// A genuine Fulfill after the packet had ended: evidence of a possible claim.
    LateFulfill {
        account: u32,
        id: u32,
        amount: u64,
    },
    /// Close the link of `account`.
    Close {
        account: u32,
    },
}

/// A running core.
pub struct Core {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    /// Address of the descriptor.
    about: usize,
}

fn words(n: u64) -> (i32, i32) {
    (n as i32, (n >> 32) as i32)
}

impl Core {
    /// Starts an empty core. `seed` must not be predictable: request ids and hashes depend on it.
    pub fn new(wasm: &[u8], seed: [u8; 8]) -> Result<Self> {
        let engine = Engine::default();
        let module = Module::new(&engine, wasm)?;
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[])?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| wasmtime::Error::msg("this is not a Ferrule core"))?;
        let mut core = Self {
            store,
            instance,
            memory,
            about: 0,
        };
        core.about = core.call("describe", ())? as usize;
        let found = (
            core.describe(descriptor::MAGIC),
            core.describe(descriptor::VERSION),
        );
        if found != (abi::ABI_MAGIC as usize, abi::ABI_VERSION as usize) {
            return Err(wasmtime::Error::msg("this core is of another version").into());
        }
        let seed = words(u64::from_le_bytes(seed));
        core.must("init", seed)?;
        Ok(core)
    }

    // ---- memory

    fn bytes(&self, at: usize, length: usize) -> &[u8] {
        &self.memory.data(&self.store)[at..at + length]
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().expect("four bytes"))
    }

    fn describe(&self, index: usize) -> usize {
        self.word(self.about + 4 * index) as usize
    }

    /// Puts bytes into the input buffer.
    fn input(&mut self, bytes: &[u8]) -> Result<i32> {
        if bytes.len() > self.describe(descriptor::INPUT_BYTES) {
            return Err(Error::Refused("input", status::BAD_ARGUMENT));
        }
        let at = self.describe(descriptor::INPUT_ADDRESS);
        self.memory.data_mut(&mut self.store)[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len() as i32)
    }

    /// Calls a verb. A trap is an error; a refusal is a negative result.
    fn call(&mut self, verb: &str, arguments: impl WasmParams) -> Result<i32> {
        let function = self.instance.get_typed_func(&mut self.store, verb)?;
        Ok(function.call(&mut self.store, arguments)?)
    }

    /// Calls a verb that must not refuse.
    fn must(&mut self, verb: &'static str, arguments: impl WasmParams) -> Result<i32> {
        match self.call(verb, arguments)? {
            refused if refused < 0 => Err(Error::Refused(verb, refused)),
            result => Ok(result),
        }
    }

    // ---- settings

    /// Tells which wall-clock time belongs to a monotonic one. Nothing is forwarded before.
    pub fn clock(&mut self, now_ms: u64, wall_ms: u64) -> Result<()> {
        let ((a, b), (c, d)) = (words(now_ms), words(wall_ms));
        self.must("clock", (a, b, c, d)).map(drop)
    }

    pub fn set_asset(&mut self, asset: u16, code: &str, scale: u8) -> Result<()> {
        use asset_settings_record::{BYTES, CODE_LENGTH, SCALE};
        let mut input = vec![0; BYTES];
        input[SCALE] = scale;
        input[CODE_LENGTH] = u8::try_from(code.len())
            .map_err(|_| Error::Refused("setAsset", status::BAD_ARGUMENT))?;
        input.extend(code.as_bytes());
        self.input(&input)?;
        self.must("setAsset", i32::from(asset)).map(drop)
    }

    /// One unit of `from` is numerator / denominator units of `to`. An asset needs one to itself.
    pub fn set_rate(&mut self, from: u16, to: u16, numerator: u64, denominator: u64) -> Result<()> {
        use rate_settings_record::{BYTES, DENOMINATOR, NUMERATOR};
        let mut input = [0; BYTES];
        input[NUMERATOR..NUMERATOR + 8].copy_from_slice(&numerator.to_le_bytes());
        input[DENOMINATOR..DENOMINATOR + 8].copy_from_slice(&denominator.to_le_bytes());
        self.input(&input)?;
        self.must("setRateOf", (i32::from(from), i32::from(to)))
            .map(drop)
    }

    pub fn set_account(&mut self, index: u32, account: &Account) -> Result<()> {
        use account_settings_record as r;
        let mut input = vec![0; r::BYTES];
        let mut put = |at: usize, bytes: &[u8]| input[at..at + bytes.len()].copy_from_slice(bytes);
        put(r::RELATION, &[account.relation as u8]);
        put(r::ASSET, &account.asset.to_le_bytes());
        put(r::NAME_LENGTH, &(account.name.len() as u16).to_le_bytes());
        put(r::BALANCE_MIN_LO, &account.balance_minimum.to_le_bytes());
        put(r::BALANCE_MAX_LO, &account.balance_maximum.to_le_bytes());
        put(r::PACKET_MAX_IN, &account.packet_maximum.to_le_bytes());
        put(r::PACKET_MAX_OUT, &account.packet_maximum.to_le_bytes());
        put(r::PENDING_MAX, &u64::MAX.to_le_bytes());
        put(r::RISK_MAX, &u64::MAX.to_le_bytes());
        put(r::THROUGHPUT_PERIOD_MS, &1000u32.to_le_bytes());
        put(r::RATE_PERIOD_MS, &60_000u32.to_le_bytes());
        let flights = self.describe(descriptor::FLIGHTS) as u32;
        put(r::FLIGHTS_MAX, &flights.to_le_bytes());
        input.extend(account.name.as_bytes());
        self.input(&input)?;
        self.must("setAccount", index as i32).map(drop)
    }

    /// The node's own address.
    pub fn set_address(&mut self, address: &str) -> Result<()> {
        let length = self.input(address.as_bytes())?;
        self.must("setAddress", length).map(drop)
    }

    pub fn set_route(&mut self, prefix: &str, account: u32) -> Result<()> {
        let length = self.input(prefix.as_bytes())?;
        self.must("setRoute", (length, account as i32)).map(drop)
    }

    /// `kind`: one of `link_kind`.
    pub fn link_up(&mut self, account: u32, kind: i32) -> Result<()> {
        self.must("linkUp", (account as i32, kind)).map(drop)
    }

    // ---- packets

    /// A Prepare from the raw link of an account; the answer carries the same id.
    pub fn request(
        &mut self,
        account: u32,
        id: u32,
        packet: &Prepare,
        now_ms: u64,
    ) -> Result<Vec<Output>> {
        let length = self.input(&Packet::from(packet.clone()).encode())?;
        let (lo, hi) = words(now_ms);
        self.must("request", (account as i32, id as i32, length, lo, hi))?;
        self.drain()
    }

    /// The answer to `Output::Request`. A wrong fulfillment goes back as a Reject; nothing moves.
    pub fn reply(
        &mut self,
        account: u32,
        id: u32,
        packet: &Packet,
        now_ms: u64,
    ) -> Result<Vec<Output>> {
        let length = self.input(&packet.encode())?;
        let (lo, hi) = words(now_ms);
        self.must("reply", (account as i32, id as i32, length, lo, hi))?;
        self.drain()
    }

    /// `Output::Request` could not be carried. `code`: F00, F01, T00, T01 or T03.
    pub fn fail(
        &mut self,
        account: u32,
        id: u32,
        code: &[u8; 3],
        now_ms: u64,
    ) -> Result<Vec<Output>> {
        let code = i32::from_le_bytes([code[0], code[1], code[2], 0]);
        let (lo, hi) = words(now_ms);
        self.must("fail", (account as i32, id as i32, code, lo, hi))?;
        self.drain()
    }

    /// Expires what is due. Call it when `deadline` says so.
    pub fn tick(&mut self, now_ms: u64) -> Result<Vec<Output>> {
        let mut outputs = Vec::new();
        loop {
            let more = self.must("tick", words(now_ms))?;
            outputs.extend(self.drain()?);
            if more == 0 {
                return Ok(outputs);
            }
        }
    }

    /// Milliseconds until `tick` has work; None when nothing is in flight.
    pub fn deadline(&mut self, now_ms: u64) -> Result<Option<u32>> {
        let ms = self.call("deadline", words(now_ms))? as u32;
        Ok((ms != u32::MAX).then_some(ms))
    }

    /// Everything the core has to say.
    fn drain(&mut self) -> Result<Vec<Output>> {
        let mut outputs = Vec::new();
        loop {
            match self.call("poll", ())? as usize {
                0 => return Ok(outputs),
                at => outputs.push(self.output(at)?),
            }
        }
    }

    fn output(&self, at: usize) -> Result<Output> {
        use output_record as r;
        let half = |field: usize| {
            u32::from(u16::from_le_bytes([
                self.bytes(at + field, 1)[0],
                self.bytes(at + field + 1, 1)[0],
            ]))
        };
        let (account, id) = (half(r::ACCOUNT), self.word(at + r::REQUEST_ID));
        let amount = self
            .bytes(at + r::AMOUNT, 8)
            .try_into()
            .expect("eight bytes");
        let amount = u64::from_le_bytes(amount);
        let bytes = self.bytes(
            self.word(at + r::ADDRESS) as usize,
            self.word(at + r::LENGTH) as usize,
        );
        let packet = || {
            Packet::decode(bytes).ok_or_else(|| wasmtime::Error::msg("the core wrote no packet"))
        };
        Ok(match half(r::KIND) as i32 {
            output_kind::REQUEST => Output::Request {
                account,
                id,
                packet: packet()?,
            },
            output_kind::REPLY => Output::Reply {
                account,
                id,
                packet: packet()?,
            },
            output_kind::FRAME => Output::Frame {
                account,
                bytes: bytes.to_vec(),
            },
            output_kind::SETTLEMENT_DUE => Output::SettlementDue { account, amount },
            output_kind::LATE_FULFILL => Output::LateFulfill {
                account,
                id,
                amount,
            },
            output_kind::CLOSE => Output::Close { account },
            kind => return Err(wasmtime::Error::msg(format!("unknown output {kind}")).into()),
        })
    }

    // ---- reading

    /// What the owner of an account owes this node; negative: what the node owes.
    pub fn balance(&self, account: u32) -> i128 {
        use account_record as r;
        let stride = self.describe(descriptor::ACCOUNT_STRIDE);
        let at = self.describe(descriptor::ACCOUNTS_ADDRESS) + account as usize * stride;
        let wide = |field: usize| {
            i128::from_le_bytes(
                self.bytes(at + field, 16)
                    .try_into()
                    .expect("sixteen bytes"),
            )
        };
        wide(r::DEBITS_LO) - wide(r::CREDITS_LO)
    }

    /// Stops new packets of an account, or lets them pass again.
    pub fn set_frozen(&mut self, account: u32, frozen: bool) -> Result<()> {
        let flag = account_flag::FROZEN;
        let (set, clear) = if frozen { (flag, 0) } else { (0, flag) };
        self.must("setFlags", (account as i32, set, clear))
            .map(drop)
    }
}
