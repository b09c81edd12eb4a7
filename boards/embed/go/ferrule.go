// Package ferrule is the Ferrule connector core in a Go program, by wazero. Every method that takes
// a packet or time returns what the core wants done; the core itself is driven one mutation at a
// time. A Core is not safe for use by several goroutines at once.
package ferrule

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// LocalAccount is the node's own account: packets for this node come out on it.
const LocalAccount = 0

// RefusedError is a refusal of the core; Status is one of the Status constants.
type RefusedError struct {
	Verb   string
	Status int32
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the core refused %s: status %d", e.Verb, e.Status)
}

// Account is an account's settings. Amounts are in its asset's base units; nil means no limit.
type Account struct {
	Name           string
	Relation       uint8
	Asset          uint16
	BalanceMinimum *big.Int
	BalanceMaximum *big.Int
	PacketMaximum  *uint64
}

// Output is what the core wants done.
//
// OutputKindRequest: carry Packet on the raw link of Account; answer with Reply or Fail and the ID.
// OutputKindReply: Packet answers the Request made on Account with this ID. OutputKindFrame: write
// Bytes to the framed link. OutputKindSettlementDue, OutputKindLateFulfill: Amount.
// OutputKindClose: close the link of Account.
type Output struct {
	Kind, Account uint16
	ID            uint32
	Amount        uint64
	Bytes         []byte
	Packet        Packet
}

// Core is a running core.
type Core struct {
	ctx     context.Context
	runtime wazero.Runtime
	module  api.Module
	memory  api.Memory
	verbs   map[string]api.Function
	about   [DescriptorCount]uint32
}

// New starts an empty core. seed must not be predictable: request ids and hashes depend on it.
func New(ctx context.Context, wasm []byte, seed [8]byte) (*Core, error) {
	c := &Core{ctx: ctx, runtime: wazero.NewRuntime(ctx), verbs: map[string]api.Function{}}
	module, err := c.runtime.Instantiate(ctx, wasm)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.module, c.memory = module, module.Memory()
	for name := range module.ExportedFunctionDefinitions() {
		c.verbs[name] = module.ExportedFunction(name)
	}
	at, err := c.call("describe")
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	for i := range c.about {
		c.about[i] = c.word(uint32(at) + uint32(4*i))
	}
	if c.about[DescriptorMagic] != ABIMagic || c.about[DescriptorVersion] != ABIVersion {
		return nil, errors.Join(errors.New("this is no Ferrule core of this version"), c.Close())
	}
	lo, hi := words(binary.LittleEndian.Uint64(seed[:]))
	return c, c.must("init", lo, hi)
}

// Close frees the core.
func (c *Core) Close() error { return c.runtime.Close(c.ctx) }

func words(n uint64) (int32, int32) { return int32(n), int32(n >> 32) }

func nowWords(now time.Duration) (int32, int32) { return words(uint64(now.Milliseconds())) }

// ---- memory

func (c *Core) bytes(at, length uint32) []byte {
	view, ok := c.memory.Read(at, length)
	if !ok {
		panic(fmt.Sprintf("the core gave an address outside its memory: %d+%d", at, length))
	}
	return view
}

func (c *Core) word(at uint32) uint32 { return binary.LittleEndian.Uint32(c.bytes(at, 4)) }

func (c *Core) input(content []byte) (int32, error) {
	if len(content) > int(c.about[DescriptorInputBytes]) {
		return 0, &RefusedError{"input", StatusBadArgument}
	}
	c.memory.Write(c.about[DescriptorInputAddress], content)
	return int32(len(content)), nil
}

func (c *Core) call(verb string, arguments ...int32) (int32, error) {
	stack := [6]uint64{}
	for i, argument := range arguments {
		stack[i] = api.EncodeI32(argument)
	}
	if err := c.verbs[verb].CallWithStack(c.ctx, stack[:]); err != nil {
		return 0, err
	}
	return api.DecodeI32(stack[0]), nil
}

func (c *Core) must(verb string, arguments ...int32) error {
	result, err := c.call(verb, arguments...)
	if err == nil && result < 0 {
		err = &RefusedError{verb, result}
	}
	return err
}

// mustWith is must with content in the input and its length in front of the arguments.
func (c *Core) mustWith(verb string, content []byte, arguments ...int32) error {
	length, err := c.input(content)
	if err != nil {
		return err
	}
	return c.must(verb, append([]int32{length}, arguments...)...)
}

// ---- settings

// Clock tells which wall-clock time belongs to a monotonic one. Nothing is forwarded before.
func (c *Core) Clock(now time.Duration, wall time.Time) error {
	lo, hi := nowWords(now)
	wallLo, wallHi := words(uint64(wall.UnixMilli()))
	return c.must("clock", lo, hi, wallLo, wallHi)
}

// SetAsset opens or changes an asset.
func (c *Core) SetAsset(asset uint16, code string, scale uint8) error {
	if len(code) > math.MaxUint8 {
		return &RefusedError{"setAsset", StatusBadArgument}
	}
	settings := make([]byte, AssetSettingsRecordBytes)
	settings[AssetSettingsRecordScale] = scale
	settings[AssetSettingsRecordCodeLength] = uint8(len(code))
	if _, err := c.input(append(settings, code...)); err != nil {
		return err
	}
	return c.must("setAsset", int32(asset))
}

// SetRate makes one unit of from worth numerator / denominator units of to. An asset needs a rate
// to itself.
func (c *Core) SetRate(from, to uint16, numerator, denominator uint64) error {
	settings := make([]byte, RateSettingsRecordBytes)
	binary.LittleEndian.PutUint64(settings[RateSettingsRecordNumerator:], numerator)
	binary.LittleEndian.PutUint64(settings[RateSettingsRecordDenominator:], denominator)
	if _, err := c.input(settings); err != nil {
		return err
	}
	return c.must("setRateOf", int32(from), int32(to))
}

// unlimited stands for no balance limit; wideMask has the 128 bits of a limit.
var (
	unlimited = new(big.Int).Lsh(big.NewInt(1), 120)
	wideMask  = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))
)

// putWide writes a signed 128-bit number.
func putWide(at []byte, value *big.Int) {
	wide := new(big.Int).And(value, wideMask)
	bytes := wide.FillBytes(make([]byte, 16))
	for i, b := range bytes {
		at[15-i] = b
	}
}

// SetAccount opens or changes an account.
func (c *Core) SetAccount(index uint32, account Account) error {
	s := make([]byte, AccountSettingsRecordBytes)
	s[AccountSettingsRecordRelation] = account.Relation
	minimum, maximum, packet := new(big.Int).Neg(unlimited), unlimited, uint64(math.MaxUint64)
	if account.BalanceMinimum != nil {
		minimum = account.BalanceMinimum
	}
	if account.BalanceMaximum != nil {
		maximum = account.BalanceMaximum
	}
	if account.PacketMaximum != nil {
		packet = *account.PacketMaximum
	}
	putWide(s[AccountSettingsRecordBalanceMinLo:], minimum)
	putWide(s[AccountSettingsRecordBalanceMaxLo:], maximum)
	le := binary.LittleEndian
	le.PutUint16(s[AccountSettingsRecordAsset:], account.Asset)
	le.PutUint16(s[AccountSettingsRecordNameLength:], uint16(len(account.Name)))
	le.PutUint64(s[AccountSettingsRecordPacketMaxIn:], packet)
	le.PutUint64(s[AccountSettingsRecordPacketMaxOut:], packet)
	le.PutUint64(s[AccountSettingsRecordPendingMax:], math.MaxUint64)
	le.PutUint64(s[AccountSettingsRecordRiskMax:], math.MaxUint64)
	le.PutUint32(s[AccountSettingsRecordThroughputPeriodMs:], 1000)
	le.PutUint32(s[AccountSettingsRecordRatePeriodMs:], 60_000)
	le.PutUint32(s[AccountSettingsRecordFlightsMax:], c.about[DescriptorFlights])
	if _, err := c.input(append(s, account.Name...)); err != nil {
		return err
	}
	return c.must("setAccount", int32(index))
}

// SetAddress sets the node's own address.
func (c *Core) SetAddress(address string) error { return c.mustWith("setAddress", []byte(address)) }

// SetRoute sends packets for a prefix to an account.
func (c *Core) SetRoute(prefix string, account uint32) error {
	return c.mustWith("setRoute", []byte(prefix), int32(account))
}

// LinkUp says that the link of an account can carry packets; kind is one of the LinkKinds.
func (c *Core) LinkUp(account uint32, kind uint8) error {
	return c.must("linkUp", int32(account), int32(kind))
}

// SetFrozen stops new packets of an account, or lets them pass again.
func (c *Core) SetFrozen(account uint32, frozen bool) error {
	set, clear := int32(AccountFlagFrozen), int32(0)
	if !frozen {
		set, clear = clear, set
	}
	return c.must("setFlags", int32(account), set, clear)
}

// ---- packets

// Request hands over a Prepare from the raw link of an account; the answer carries the same id.
func (c *Core) Request(account, id uint32, packet Prepare, now time.Duration) ([]Output, error) {
	return c.packet("request", account, id, packet, now)
}

// Reply answers an OutputKindRequest. A wrong fulfillment goes back as a Reject; nothing moves.
func (c *Core) Reply(account, id uint32, packet Packet, now time.Duration) ([]Output, error) {
	return c.packet("reply", account, id, packet, now)
}

func (c *Core) packet(
	verb string, account, id uint32, packet Packet, now time.Duration,
) ([]Output, error) {
	length, err := c.input(packet.Encode())
	if err != nil {
		return nil, err
	}
	lo, hi := nowWords(now)
	if err := c.must(verb, int32(account), int32(id), length, lo, hi); err != nil {
		return nil, err
	}
	return c.drain(nil)
}

// Fail says that an OutputKindRequest could not be carried; code is F00, F01, T00, T01 or T03.
func (c *Core) Fail(account, id uint32, code string, now time.Duration) ([]Output, error) {
	word := binary.LittleEndian.Uint32(append([]byte(code), 0))
	lo, hi := nowWords(now)
	if err := c.must("fail", int32(account), int32(id), int32(word), lo, hi); err != nil {
		return nil, err
	}
	return c.drain(nil)
}

// Tick expires what is due. Call it when Deadline says so.
func (c *Core) Tick(now time.Duration) (outputs []Output, err error) {
	lo, hi := nowWords(now)
	for more := int32(1); more == 1 && err == nil; {
		if more, err = c.call("tick", lo, hi); err == nil {
			outputs, err = c.drain(outputs)
		}
	}
	return outputs, err
}

// Deadline is the time until Tick has work; false when nothing is in flight.
func (c *Core) Deadline(now time.Duration) (time.Duration, bool, error) {
	lo, hi := nowWords(now)
	ms, err := c.call("deadline", lo, hi)
	return time.Duration(uint32(ms)) * time.Millisecond, ms != -1, err
}

func (c *Core) drain(outputs []Output) ([]Output, error) {
	for {
		at, err := c.call("poll")
		if at == 0 || err != nil {
			return outputs, err
		}
		le, record := binary.LittleEndian, c.bytes(uint32(at), OutputRecordBytes)
		o := Output{
			Kind:    le.Uint16(record[OutputRecordKind:]),
			Account: le.Uint16(record[OutputRecordAccount:]),
			ID:      le.Uint32(record[OutputRecordRequestId:]),
			Amount:  le.Uint64(record[OutputRecordAmount:]),
		}
		address, length := le.Uint32(record[OutputRecordAddress:]), le.Uint32(record[OutputRecordLength:])
		o.Bytes = append(o.Bytes, c.bytes(address, length)...)
		if o.Kind == OutputKindRequest || o.Kind == OutputKindReply {
			if o.Packet, err = DecodePacket(o.Bytes); err != nil {
				return outputs, err
			}
		}
		outputs = append(outputs, o)
	}
}

// ---- reading

// wide reads a signed 128-bit number.
func (c *Core) wide(at uint32) *big.Int {
	bytes := c.bytes(at, 16)
	low, high := binary.LittleEndian.Uint64(bytes), int64(binary.LittleEndian.Uint64(bytes[8:]))
	value := new(big.Int).Lsh(big.NewInt(high), 64)
	return value.Or(value, new(big.Int).SetUint64(low))
}

// Balance is what the owner of an account owes this node; negative: what the node owes.
func (c *Core) Balance(account uint32) *big.Int {
	at := c.about[DescriptorAccountsAddress] + account*c.about[DescriptorAccountStride]
	debits, credits := c.wide(at+AccountRecordDebitsLo), c.wide(at+AccountRecordCreditsLo)
	return debits.Sub(debits, credits)
}
