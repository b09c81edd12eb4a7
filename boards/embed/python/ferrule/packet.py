"""ILP packets (RFC 27) as values. The core checks every packet again; these only write and read."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .abi import PacketType

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Prepare:
    """A request to move value under a condition. The amount is in the sender's base units."""

    amount: int
    expires_at_ms: int
    """Milliseconds since 1970, UTC."""
    condition: bytes
    destination: str
    data: bytes = b""

    def encode(self) -> bytes:
        body = self.amount.to_bytes(8, "big") + _timestamp(self.expires_at_ms)
        body += self.condition + _field(self.destination.encode()) + _field(self.data)
        return bytes([PacketType.PREPARE]) + _field(body)


@dataclass(frozen=True)
class Fulfill:
    """The claim: the fulfillment is the preimage of the condition."""

    fulfillment: bytes
    data: bytes = b""

    def encode(self) -> bytes:
        return bytes([PacketType.FULFILL]) + _field(self.fulfillment + _field(self.data))


@dataclass(frozen=True)
class Reject:
    """A refusal, by whom and why."""

    code: str
    triggered_by: str
    message: str
    data: bytes = b""

    def encode(self) -> bytes:
        body = self.code.encode() + _field(self.triggered_by.encode())
        body += _field(self.message.encode()) + _field(self.data)
        return bytes([PacketType.REJECT]) + _field(body)


Packet = Prepare | Fulfill | Reject


def decode(packet: bytes) -> Packet:
    """The packet in these bytes. Raises ValueError when they are none."""
    body = _Reader(_Reader(packet[1:]).field())
    match packet[:1]:
        case b"\x0c":
            amount = int.from_bytes(body.take(8), "big")
            expires_at_ms = _milliseconds(body.take(17))
            condition = body.take(32)
            return Prepare(amount, expires_at_ms, condition, body.text(), body.field())
        case b"\x0d":
            return Fulfill(body.take(32), body.field())
        case b"\x0e":
            return Reject(body.take(3).decode(), body.text(), body.text(), body.field())
    raise ValueError("these bytes are no ILP packet")


def _field(content: bytes) -> bytes:
    """A length prefix in its shortest form, and the bytes (OER)."""
    length = len(content)
    if length < 0x80:
        return bytes([length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([0x80 + size]) + length.to_bytes(size, "big") + content


def _timestamp(ms: int) -> bytes:
    """17 digits, UTC."""
    time = _EPOCH + timedelta(milliseconds=ms)
    return f"{time:%Y%m%d%H%M%S}{time.microsecond // 1000:03}".encode()


def _milliseconds(digits: bytes) -> int:
    text = digits.decode()
    time = datetime.strptime(text[:14] + text[14:] + "000+0000", "%Y%m%d%H%M%S%f%z")
    return (time - _EPOCH) // timedelta(milliseconds=1)


class _Reader:
    def __init__(self, content: bytes):
        self._rest = content

    def take(self, count: int) -> bytes:
        taken, self._rest = self._rest[:count], self._rest[count:]
        if len(taken) < count:
            raise ValueError("the packet is cut short")
        return taken

    def field(self) -> bytes:
        length = self.take(1)[0]
        if length >= 0x80:
            length = int.from_bytes(self.take(length - 0x80), "big")
        return self.take(length)

    def text(self) -> str:
        return self.field().decode()
