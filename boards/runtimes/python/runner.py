"""Replays a recorded script (../README.md) in wasmtime or wasm3, driven from Python:

    python runner.py wasmtime|wasm3 CORE SCRIPT [--steps N | --time]

Ends with 0 when all is as recorded, 1 at the first difference, 2 when it cannot play.
"""

import json
import re
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "embed/python"))
from ferrule.abi import ABI_VERSION, Descriptor, OutputRecord  # noqa: E402

END, OBSERVE, DRAIN, MARK = 0, 0xFD, 0xFE, 0xFF
FNV_START, FNV_PRIME, U64 = 0xCBF29CE484222325, 0x100000001B3, 2**64 - 1
ZEROS = re.compile(rb"\0{64,}")


class Difference(Exception):
    """The run is not as recorded."""


def fnv(value: int, content: bytes) -> int:
    for byte in content:
        value = ((value ^ byte) * FNV_PRIME) & U64
    return value


def fnv_sparse(content: bytes) -> int:
    """The same for a snapshot, most of which is zero: n zeros multiply by prime^n."""
    value, at = FNV_START, 0
    for zeros in ZEROS.finditer(content):
        value = fnv(value, content[at : zeros.start()])
        value = value * pow(FNV_PRIME, zeros.end() - zeros.start(), 2**64) & U64
        at = zeros.end()
    return fnv(value, content[at:])


class Wasmtime:
    """The core in wasmtime: compiled by Cranelift, called through ctypes."""

    def __init__(self, wasm: bytes):
        import wasmtime

        engine = wasmtime.Engine()
        self.store = wasmtime.Store(engine)
        module = wasmtime.Module(engine, wasm)
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)
        self.memory = self.exports["memory"]

    def verb(self, name: str):
        function, store = self.exports[name], self.store
        return lambda *arguments: function(store, *arguments)

    def read(self, at: int, length: int) -> bytes:
        return bytes(self.memory.read(self.store, at, at + length))

    def write(self, at: int, content: bytes) -> None:
        self.memory.write(self.store, content, at)


class Wasm3:
    """The core in wasm3, an interpreter."""

    def __init__(self, wasm: bytes):
        import wasm3

        environment = wasm3.Environment()
        self.runtime = environment.new_runtime(1 << 20)
        self.runtime.load(environment.parse_module(wasm))
        self.memory = self.runtime.get_memory(0)

    def verb(self, name: str):
        return self.runtime.find_function(name)

    def read(self, at: int, length: int) -> bytes:
        return bytes(self.memory[at : at + length])

    def write(self, at: int, content: bytes) -> None:
        self.memory[at : at + len(content)] = content


class Player:
    """A script on a core, entry by entry."""

    def __init__(self, core, script: bytes):
        self.core, self.script, self.at = core, script, 0
        self.steps = self.marks = self.snapshot = 0
        self.outputs, self.hashed = FNV_START, True
        self.poll = core.verb("poll")
        at = core.verb("describe")()
        self.about = struct.unpack(f"<{Descriptor.COUNT}I", core.read(at, 4 * Descriptor.COUNT))
        self.input = self.about[Descriptor.INPUT_ADDRESS]
        self.verbs = []
        self._bind()
        self.entries_at = self.at

    def _take(self, form: str):
        values = struct.unpack_from(form, self.script, self.at)
        self.at += struct.calcsize(form)
        return values

    def _text(self) -> str:
        (length,) = self._take("<B")
        return self._take(f"<{length}s")[0].decode()

    def _bind(self) -> None:
        magic, version, abi, _seed = self._take("<8sIII")
        if (magic, version, abi) != (b"FRRLCALL", 1, ABI_VERSION):
            raise ValueError("not a script of this version")
        self._text()
        for _ in range(self._take("<B")[0]):
            name = self._text()
            (count,) = self._take("<B")
            self.verbs.append((name, self.core.verb(name), f"<{count}iI"))

    def _call(self, entry: int) -> None:
        name, verb, form = self.verbs[entry - 1]
        *arguments, length = self._take(form)
        if length:
            self.core.write(self.input, self.script[self.at : self.at + length])
            self.at += length
        (recorded,) = self._take("<i")
        self.steps += 1
        result = verb(*arguments)
        if result != recorded:
            said = ", ".join(map(str, arguments))
            raise Difference(
                f"step {self.steps}: {name}({said}) returned {result}, recorded {recorded}"
            )

    def _drain(self) -> None:
        r, read = OutputRecord, self.core.read
        while o := self.poll():
            if not self.hashed:
                continue
            record = read(o, r.BYTES)
            at, length = struct.unpack_from("<II", record, r.ADDRESS)
            for part in (record[: r.ADDRESS], record[r.LENGTH :], read(at, length)):
                self.outputs = fnv(self.outputs, part)

    def _observe(self) -> None:
        word, follow, offset, length = self._take("<BBII")
        at = self.about[word] + offset
        if follow:
            at = int.from_bytes(self.core.read(at, 4), "little")
        if self.hashed:
            self.outputs = fnv(self.outputs, self.core.read(at, length))

    def _mark(self) -> None:
        recorded = self._take("<IQQ")
        self.marks += 1
        if not self.hashed:
            return
        start, end = self.about[Descriptor.SNAPSHOT_START], self.about[Descriptor.SNAPSHOT_END]
        self.snapshot = fnv_sparse(self.core.read(start, end - start))
        found = (self.steps, self.snapshot, self.outputs)
        for what, i in (("steps", 0), ("outputs", 2), ("snapshot", 1)):
            if found[i] != recorded[i]:
                raise Difference(f"mark {self.marks}, step {self.steps}: other {what}")

    def next(self) -> bool:
        """Plays to the next mark. Returns False when the script has ended."""
        while (entry := self._take("<B")[0]) != END:
            if entry == MARK:
                self._mark()
                return True
            if entry == DRAIN:
                self._drain()
            elif entry == OBSERVE:
                self._observe()
            else:
                self._call(entry)
        return False

    def measure(self) -> float:
        """Nanoseconds that a step takes behind the first mark: the best of a second's turns."""
        self.hashed, best, spent = False, float("inf"), 0
        while spent < 10**9:
            self.at, self.steps = self.entries_at, 0
            self.next()
            first, start = self.steps, time.perf_counter_ns()
            while self.next():
                pass
            ns = time.perf_counter_ns() - start
            spent += ns
            best = min(best, ns / (self.steps - first))
        return best


def peak_kib() -> int:
    """The most memory this process has had; 0 where Linux does not say."""
    try:
        return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])
    except (OSError, TypeError):
        return 0


def main(engine: str, core: str, script: str, mode: str = "", steps: str = "") -> dict:
    start = time.perf_counter()
    engines = {"wasmtime": Wasmtime, "wasm3": Wasm3}
    player = Player(engines[engine](Path(core).read_bytes()), Path(script).read_bytes())
    if mode == "--time":
        return {"nsPerStep": round(player.measure(), 1)}
    last = int(steps) if mode == "--steps" else float("inf")
    while player.steps < last and player.next():
        pass
    return {
        "steps": player.steps,
        "marks": player.marks,
        "snapshot": f"{player.snapshot:016x}",
        "outputs": f"{player.outputs:016x}",
        "ms": round((time.perf_counter() - start) * 1000, 1),
        "peakKiB": peak_kib(),
    }


if __name__ == "__main__":
    try:
        print(json.dumps(main(*sys.argv[1:])))
    except Difference as difference:
        print(difference)
        sys.exit(1)
    except Exception as error:  # whatever it is, it could not be played
        print(f"{type(error).__name__}: {error}")
        sys.exit(2)
