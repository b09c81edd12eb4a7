// Replays a recorded script (../README.md) on the core in wazero:
//
//	runtimes compiler|interpreter CORE SCRIPT [--steps N | --time]
//
// Ends with 0 when all is as recorded, 1 at the first difference, 2 when it cannot play, 3 when the
// core trapped.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"example.org/ferrule"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

const (
	entryEnd     = 0
	entryObserve = 0xfd
	entryDrain   = 0xfe
	entryMark    = 0xff
	fnvStart     = uint64(0xcbf29ce484222325)
	fnvPrime     = uint64(0x100000001b3)
)

var le = binary.LittleEndian

// fail ends the program with a status.
func fail(status int, format string, arguments ...any) {
	fmt.Printf(format+"\n", arguments...)
	os.Exit(status)
}

func must[T any](value T, err error) T {
	if err != nil {
		fail(2, "%v", err)
	}
	return value
}

var fnvPrime8 = func() uint64 {
	product := uint64(1)
	for range 8 {
		product *= fnvPrime
	}
	return product
}()

// fnv is FNV-1a. Of a snapshot most is zero: eight zero bytes are one multiplication.
func fnv(hash uint64, content []byte) uint64 {
	for ; len(content) >= 8; content = content[8:] {
		if le.Uint64(content) == 0 {
			hash *= fnvPrime8
			continue
		}
		for _, b := range content[:8] {
			hash = (hash ^ uint64(b)) * fnvPrime
		}
	}
	for _, b := range content {
		hash = (hash ^ uint64(b)) * fnvPrime
	}
	return hash
}

type verb struct {
	name  string
	call  api.Function
	count int
}

// player is a script on a core, entry by entry.
type player struct {
	ctx               context.Context
	memory            []byte
	poll              api.Function
	verbs             []verb
	about             [ferrule.DescriptorCount]uint32
	script            []byte
	at, entriesAt     int
	steps, marks      uint64
	snapshot, outputs uint64
	hashed            bool
	stack             [8]uint64
}

func (p *player) take(count int) []byte {
	if p.at+count > len(p.script) {
		fail(2, "the script ends inside an entry")
	}
	p.at += count
	return p.script[p.at-count : p.at]
}

func (p *player) word() uint32 { return le.Uint32(p.take(4)) }
func (p *player) text() string { return string(p.take(int(p.take(1)[0]))) }

func (p *player) invoke(function api.Function) uint32 {
	if err := function.CallWithStack(p.ctx, p.stack[:]); err != nil {
		fail(3, "the core trapped: %v", err)
	}
	return uint32(p.stack[0])
}

func start(engine string, wasm, script []byte) *player {
	config := wazero.NewRuntimeConfigCompiler()
	if engine == "interpreter" {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	ctx := context.Background()
	module := must(wazero.NewRuntimeWithConfig(ctx, config).Instantiate(ctx, wasm))
	p := &player{ctx: ctx, script: script, outputs: fnvStart, hashed: true}
	p.memory, _ = module.Memory().Read(0, module.Memory().Size())
	p.poll = module.ExportedFunction("poll")
	at := p.invoke(module.ExportedFunction("describe"))
	for i := range p.about {
		p.about[i] = le.Uint32(p.memory[int(at)+4*i:])
	}
	magic, version, abi := p.take(8), p.word(), p.word()
	if !bytes.Equal(magic, []byte("FRRLCALL")) || version != 1 || abi != ferrule.ABIVersion {
		fail(2, "not a script of this version")
	}
	p.take(4) // seed
	p.text()
	for range p.take(1)[0] {
		v := verb{name: p.text(), count: int(p.take(1)[0])}
		if v.call = module.ExportedFunction(v.name); v.call == nil {
			fail(2, "the core has no verb %s", v.name)
		}
		p.verbs = append(p.verbs, v)
	}
	p.entriesAt = p.at
	return p
}

func (p *player) call(v *verb) {
	arguments := p.take(4 * v.count)
	for i := range v.count {
		p.stack[i] = uint64(le.Uint32(arguments[4*i:]))
	}
	input := p.take(int(p.word()))
	copy(p.memory[p.about[ferrule.DescriptorInputAddress]:], input)
	recorded := p.word()
	p.steps++
	result := p.invoke(v.call)
	if result == recorded {
		return
	}
	list := make([]string, v.count)
	for i := range list {
		list[i] = strconv.Itoa(int(int32(le.Uint32(arguments[4*i:]))))
	}
	fail(1, "step %d: %s(%s) returned %d, recorded %d", p.steps, v.name,
		strings.Join(list, ", "), int32(result), int32(recorded))
}

// drain hashes of an output record everything but its address, and the bytes it points to.
func (p *player) drain() {
	for o := p.invoke(p.poll); o != 0; o = p.invoke(p.poll) {
		if !p.hashed {
			continue
		}
		record := p.memory[o : o+ferrule.OutputRecordBytes]
		at := le.Uint32(record[ferrule.OutputRecordAddress:])
		length := le.Uint32(record[ferrule.OutputRecordLength:])
		p.outputs = fnv(p.outputs, record[:ferrule.OutputRecordAddress])
		p.outputs = fnv(p.outputs, record[ferrule.OutputRecordLength:])
		p.outputs = fnv(p.outputs, p.memory[at:at+length])
	}
}

func (p *player) observe() {
	at := p.about[p.take(1)[0]]
	follow := p.take(1)[0] == 1
	at += p.word()
	length := p.word()
	if follow {
		at = le.Uint32(p.memory[at:])
	}
	if p.hashed {
		p.outputs = fnv(p.outputs, p.memory[at:at+length])
	}
}

func (p *player) mark() {
	steps, snapshot, outputs := uint64(p.word()), le.Uint64(p.take(8)), le.Uint64(p.take(8))
	p.marks++
	if !p.hashed {
		return
	}
	from, to := p.about[ferrule.DescriptorSnapshotStart], p.about[ferrule.DescriptorSnapshotEnd]
	p.snapshot = fnv(fnvStart, p.memory[from:to])
	what := ""
	switch {
	case steps != p.steps:
		what = "steps"
	case outputs != p.outputs:
		what = "outputs"
	case snapshot != p.snapshot:
		what = "snapshot"
	default:
		return
	}
	fail(1, "mark %d, step %d: other %s", p.marks, p.steps, what)
}

// next plays to the next mark; false when the script has ended.
func (p *player) next() bool {
	for {
		switch entry := p.take(1)[0]; entry {
		case entryEnd:
			return false
		case entryMark:
			p.mark()
			return true
		case entryDrain:
			p.drain()
		case entryObserve:
			p.observe()
		default:
			p.call(&p.verbs[entry-1])
		}
	}
}

// measure is nanoseconds per step behind the first mark: the best of a second's turns.
func (p *player) measure() float64 {
	best := math.Inf(1)
	p.hashed = false
	for all := time.Duration(0); all < time.Second; {
		p.at, p.steps = p.entriesAt, 0
		p.next()
		first, from := p.steps, time.Now()
		for p.next() {
		}
		spent := time.Since(from)
		all += spent
		best = min(best, float64(spent.Nanoseconds())/float64(p.steps-first))
	}
	return best
}

// peakKiB is the most memory this process has had; 0 where Linux does not say.
func peakKiB() int {
	status, _ := os.ReadFile("/proc/self/status")
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ = strings.Cut(line, "kB")
	kib, _ := strconv.Atoi(strings.TrimSpace(line))
	return kib
}

func main() {
	if len(os.Args) < 4 {
		fail(2, "usage: runtimes compiler|interpreter CORE SCRIPT [--steps N | --time]")
	}
	from := time.Now()
	p := start(os.Args[1], must(os.ReadFile(os.Args[2])), must(os.ReadFile(os.Args[3])))
	last := uint64(math.MaxUint64)
	if len(os.Args) == 5 && os.Args[4] == "--time" {
		fmt.Printf("{\"nsPerStep\":%.1f}\n", p.measure())
		return
	}
	if len(os.Args) == 6 && os.Args[4] == "--steps" {
		last = must(strconv.ParseUint(os.Args[5], 10, 64))
	}
	for p.steps < last && p.next() {
	}
	ms := float64(time.Since(from).Microseconds()) / 1e3
	fmt.Printf(`{"steps":%d,"marks":%d,"snapshot":"%016x","outputs":"%016x",`,
		p.steps, p.marks, p.snapshot, p.outputs)
	fmt.Printf(`"ms":%.1f,"peakKiB":%d}`+"\n", ms, peakKiB())
}
