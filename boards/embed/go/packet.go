package ferrule

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// Packet is a Prepare, Fulfill or Reject (RFC 27). The core checks every packet again; these only
// write and read.
type Packet interface {
	// Encode returns the packet's bytes.
	Encode() []byte
}

// Prepare asks to move value under a condition. The amount is in the sender's base units.
type Prepare struct {
	Amount      uint64
	ExpiresAt   time.Time
	Condition   [32]byte
	Destination string
	Data        []byte
}

// Fulfill is the claim: the fulfillment is the preimage of the condition.
type Fulfill struct {
	Fulfillment [32]byte
	Data        []byte
}

// Reject is a refusal, by whom and why.
type Reject struct {
	Code, TriggeredBy, Message string
	Data                       []byte
}

// ErrPacket says that bytes are no ILP packet.
var ErrPacket = errors.New("these bytes are no ILP packet")

const timeLayout = "20060102150405.000"

// field appends a length prefix in its shortest form, and the bytes (OER).
func field(out []byte, content []byte) []byte {
	switch n := len(content); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, content...)
}

// Encode returns the packet's bytes.
func (p Prepare) Encode() []byte {
	body := binary.BigEndian.AppendUint64(nil, p.Amount)
	body = append(body, strings.Replace(p.ExpiresAt.UTC().Format(timeLayout), ".", "", 1)...)
	body = append(body, p.Condition[:]...)
	body = field(body, []byte(p.Destination))
	return field([]byte{PacketTypePrepare}, field(body, p.Data))
}

// Encode returns the packet's bytes.
func (f Fulfill) Encode() []byte {
	return field([]byte{PacketTypeFulfill}, field(f.Fulfillment[:], f.Data))
}

// Encode returns the packet's bytes.
func (r Reject) Encode() []byte {
	body := field([]byte(r.Code), []byte(r.TriggeredBy))
	body = field(body, []byte(r.Message))
	return field([]byte{PacketTypeReject}, field(body, r.Data))
}

// reader takes fields off the front of a packet; failed once, it fails for good.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) take(count int) []byte {
	if count > len(r.rest) {
		r.failed, r.rest = true, nil
		return make([]byte, count)
	}
	taken := r.rest[:count]
	r.rest = r.rest[count:]
	return taken
}

func (r *reader) field() []byte {
	length := int(r.take(1)[0])
	if length > 0x83 || length == 0x80 {
		r.failed = true
		return nil
	}
	if length > 0x80 {
		size := r.take(length - 0x80)
		length = 0
		for _, b := range size {
			length = length<<8 | int(b)
		}
	}
	return append([]byte{}, r.take(length)...)
}

// DecodePacket reads a packet; ErrPacket when the bytes are none.
func DecodePacket(packet []byte) (Packet, error) {
	outer := reader{rest: packet}
	kind := outer.take(1)[0]
	body := reader{rest: outer.field()}
	var result Packet
	switch kind {
	case PacketTypePrepare:
		p := Prepare{Amount: binary.BigEndian.Uint64(body.take(8))}
		digits := string(body.take(17))
		expires, err := time.Parse(timeLayout, digits[:14]+"."+digits[14:])
		p.ExpiresAt, body.failed = expires, body.failed || err != nil
		p.Condition = [32]byte(body.take(32))
		p.Destination, p.Data = string(body.field()), body.field()
		result = p
	case PacketTypeFulfill:
		result = Fulfill{Fulfillment: [32]byte(body.take(32)), Data: body.field()}
	case PacketTypeReject:
		code, by := string(body.take(3)), string(body.field())
		result = Reject{code, by, string(body.field()), body.field()}
	default:
		return nil, ErrPacket
	}
	if outer.failed || body.failed {
		return nil, ErrPacket
	}
	return result, nil
}
