"""The Ferrule connector core in a Python program, by wasmtime.

Every method that takes a packet or time returns what the core wants done, as `Output`s; the core
itself is driven one mutation at a time.
"""

from dataclasses import dataclass
from pathlib import Path

from wasmtime import Engine, Instance, Module, Store

from .abi import ABI_MAGIC, ABI_VERSION, AccountFlag, AccountRecord, AccountSettingsRecord
from .abi import AssetSettingsRecord, Descriptor, LinkKind, OutputKind, OutputRecord
from .abi import RateSettingsRecord, Relation, Status
from .packet import Fulfill, Packet, Prepare, Reject, decode

__all__ = ["Account", "Core", "CoreError", "Fulfill", "LinkKind", "LOCAL_ACCOUNT", "Output"]
__all__ += ["OutputKind", "Packet", "Prepare", "Reject", "Relation", "Status", "decode"]

LOCAL_ACCOUNT = 0
"""The node's own account: packets for this node come out on it."""
UNLIMITED = 2**120 - 1
"""A balance limit that stands for "unlimited"."""
_U64_MAX = 2**64 - 1
_NONE = 0xFFFFFFFF


class CoreError(Exception):
    """The core refused a verb."""

    def __init__(self, verb: str, status: int):
        self.status = Status(status)
        super().__init__(f"the core refused {verb}: {self.status.name}")


@dataclass
class Account:
    """An account's settings. Amounts are in its asset's base units."""

    name: str
    relation: Relation
    asset: int = 0
    balance_minimum: int = -UNLIMITED
    balance_maximum: int = UNLIMITED
    packet_maximum: int = _U64_MAX


@dataclass(frozen=True)
class Output:
    """What the core wants done.

    REQUEST: carry `packet` on the raw link of `account`; answer with `reply` or `fail` and the id.
    REPLY: `packet` answers the `request` made on `account` with this id.
    FRAME: write `content` to the framed link of `account`.
    SETTLEMENT_DUE, LATE_FULFILL: `amount`. CLOSE: close the link of `account`.
    """

    kind: OutputKind
    account: int
    id: int
    amount: int
    content: bytes

    @property
    def packet(self) -> Packet:
        return decode(self.content)


def _words(n: int) -> tuple[int, int]:
    """64 bits as two signed words, low and high."""
    return _signed(n & _NONE), _signed(n >> 32)


def _signed(n: int) -> int:
    """The signed integer of the same 32 bits."""
    return (n & _NONE ^ 0x80000000) - 0x80000000


class Core:
    """A running core."""

    def __init__(self, wasm: bytes | str | Path, seed: bytes):
        """Starts an empty core.

        `wasm`: its bytes or file. `seed`: eight bytes that nobody can predict: request ids and
        hashes depend on them.
        """
        code = wasm if isinstance(wasm, bytes) else Path(wasm).read_bytes()
        engine = Engine()
        self._store = Store(engine)
        self._exports = Instance(self._store, Module(engine, code), []).exports(self._store)
        self._memory = self._exports["memory"]
        at = self._call("describe")
        self._about = [self._int(at + 4 * i, 4) for i in range(Descriptor.COUNT)]
        found = self._about[Descriptor.MAGIC], self._about[Descriptor.VERSION]
        if found != (ABI_MAGIC, ABI_VERSION):
            raise ValueError("this is no Ferrule core of this version")
        self._must("init", *_words(int.from_bytes(seed[:8], "little")))

    # ---- memory

    def _bytes(self, at: int, length: int) -> bytes:
        return bytes(self._memory.read(self._store, at, at + length))

    def _int(self, at: int, size: int, signed: bool = False) -> int:
        return int.from_bytes(self._bytes(at, size), "little", signed=signed)

    def _input(self, content: bytes) -> int:
        """Puts bytes into the input buffer. Returns how many."""
        if len(content) > self._about[Descriptor.INPUT_BYTES]:
            raise CoreError("input", Status.BAD_ARGUMENT)
        self._memory.write(self._store, content, self._about[Descriptor.INPUT_ADDRESS])
        return len(content)

    def _call(self, verb: str, *arguments: int) -> int:
        return self._exports[verb](self._store, *arguments)

    def _must(self, verb: str, *arguments: int) -> int:
        result = self._call(verb, *arguments)
        if result < 0:
            raise CoreError(verb, result)
        return result

    # ---- settings

    def clock(self, now_ms: int, wall_ms: int) -> None:
        """Tells which wall-clock time belongs to a monotonic one. Nothing is forwarded before."""
        self._must("clock", *_words(now_ms), *_words(wall_ms))

    def set_asset(self, asset: int, code: str, scale: int) -> None:
        settings = bytearray(AssetSettingsRecord.BYTES)
        settings[AssetSettingsRecord.SCALE] = scale
        settings[AssetSettingsRecord.CODE_LENGTH] = len(code)
        self._input(bytes(settings) + code.encode())
        self._must("setAsset", asset)

    def set_rate(self, source: int, target: int, numerator: int, denominator: int) -> None:
        """One unit of `source` is numerator / denominator units of `target`.

        An asset needs a rate to itself.
        """
        settings = bytearray(RateSettingsRecord.BYTES)
        _put(settings, RateSettingsRecord.NUMERATOR, 8, numerator)
        _put(settings, RateSettingsRecord.DENOMINATOR, 8, denominator)
        self._input(bytes(settings))
        self._must("setRateOf", source, target)

    def set_account(self, index: int, account: Account) -> None:
        r, name = AccountSettingsRecord, account.name.encode()
        settings = bytearray(r.BYTES)
        _put(settings, r.RELATION, 1, account.relation)
        _put(settings, r.ASSET, 2, account.asset)
        _put(settings, r.NAME_LENGTH, 2, len(name))
        _put(settings, r.BALANCE_MIN_LO, 16, account.balance_minimum)
        _put(settings, r.BALANCE_MAX_LO, 16, account.balance_maximum)
        _put(settings, r.PACKET_MAX_IN, 8, account.packet_maximum)
        _put(settings, r.PACKET_MAX_OUT, 8, account.packet_maximum)
        _put(settings, r.PENDING_MAX, 8, _U64_MAX)
        _put(settings, r.RISK_MAX, 8, _U64_MAX)
        _put(settings, r.THROUGHPUT_PERIOD_MS, 4, 1000)
        _put(settings, r.RATE_PERIOD_MS, 4, 60_000)
        _put(settings, r.FLIGHTS_MAX, 4, self._about[Descriptor.FLIGHTS])
        self._input(bytes(settings) + name)
        self._must("setAccount", index)

    def set_address(self, address: str) -> None:
        """The node's own address."""
        self._must("setAddress", self._input(address.encode()))

    def set_route(self, prefix: str, account: int) -> None:
        self._must("setRoute", self._input(prefix.encode()), account)

    def link_up(self, account: int, kind: LinkKind = LinkKind.RAW) -> None:
        self._must("linkUp", account, kind)

    def set_frozen(self, account: int, frozen: bool) -> None:
        """Stops new packets of an account, or lets them pass again."""
        flag = AccountFlag.FROZEN
        self._must("setFlags", account, flag if frozen else 0, 0 if frozen else flag)

    # ---- packets

    def request(self, account: int, id: int, packet: Prepare, now_ms: int) -> list[Output]:
        """A Prepare from the raw link of an account; the answer carries the same id."""
        length = self._input(packet.encode())
        self._must("request", account, _signed(id), length, *_words(now_ms))
        return self._drain()

    def reply(self, account: int, id: int, packet: Fulfill | Reject, now_ms: int) -> list[Output]:
        """The answer to a REQUEST. A wrong fulfillment goes back as a Reject, and nothing moves."""
        length = self._input(packet.encode())
        self._must("reply", account, _signed(id), length, *_words(now_ms))
        return self._drain()

    def fail(self, account: int, id: int, code: str, now_ms: int) -> list[Output]:
        """A REQUEST could not be carried. `code`: F00, F01, T00, T01 or T03."""
        word = int.from_bytes(code.encode(), "little")
        self._must("fail", account, _signed(id), word, *_words(now_ms))
        return self._drain()

    def tick(self, now_ms: int) -> list[Output]:
        """Expires what is due. Call it when `deadline` says so."""
        outputs, more = [], 1
        while more:
            more = self._must("tick", *_words(now_ms))
            outputs += self._drain()
        return outputs

    def deadline(self, now_ms: int) -> int | None:
        """Milliseconds until `tick` has work; None when nothing is in flight."""
        ms = self._call("deadline", *_words(now_ms)) & _NONE
        return None if ms == _NONE else ms

    def _drain(self) -> list[Output]:
        """Everything the core has to say."""
        outputs = []
        while at := self._call("poll"):
            r = OutputRecord
            length, address = self._int(at + r.LENGTH, 4), self._int(at + r.ADDRESS, 4)
            outputs.append(
                Output(
                    OutputKind(self._int(at + r.KIND, 2)),
                    self._int(at + r.ACCOUNT, 2),
                    self._int(at + r.REQUEST_ID, 4),
                    self._int(at + r.AMOUNT, 8),
                    self._bytes(address, length),
                )
            )
        return outputs

    # ---- reading

    def balance(self, account: int) -> int:
        """What the owner of an account owes this node; negative: what the node owes."""
        stride = self._about[Descriptor.ACCOUNT_STRIDE]
        at = self._about[Descriptor.ACCOUNTS_ADDRESS] + account * stride
        debits = self._int(at + AccountRecord.DEBITS_LO, 16, signed=True)
        return debits - self._int(at + AccountRecord.CREDITS_LO, 16, signed=True)


def _put(settings: bytearray, at: int, size: int, value: int) -> None:
    settings[at : at + size] = value.to_bytes(size, "little", signed=value < 0)
