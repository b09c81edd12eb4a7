// A Raspberry Pi Pico for tests: rp2040js with the flash, the boot ROM's loader and the ROM's flash
// functions modelled here, because the emulator has none of them. The firmware is the released one,
// byte for byte. What is modelled is said in boards/pico/README.md.
import { RP2040 } from "rp2040js";
import { isBootable, readUf2 } from "../../boards/pico/uf2.mjs";
import { readSerialFrame, type SerialFrame } from "../../host/link/serial-frame.js";

const FLASH = 0x10000000;
const RAM = 0x20000000;
/** Where the boot ROM copies boot2 to, and runs it. */
const BOOT2_AT = 0x20041f00;
const BOOT2_SIZE = 256;
const WATCHDOG = 0x40058000;
const NS_PER_CYCLE = 8;
const FIFO_SIZE = 32;
/** A sector erased, a page programmed: typical times of a W25Q16, during which the core waits. */
const ERASE_NS = 45_000_000;
const PROGRAM_NS = 400_000;
const BUSY_STEP_NS = 2000;
/** Most instructions (or moments asleep) of one wait: a test must not run for ever. */
const STEPS_MAX = 20_000_000;

/** The ROM functions that firmware may call, by their two letters; each is one breakpoint. */
const ROM_CALLS = ["IF", "EX", "RE", "RP", "FC", "CX"] as const;

/** The flash chip: it outlives resets and power cuts. */
export class Flash {
  readonly bytes = new Uint8Array(2 * 1024 * 1024).fill(0xff);
  erases = 0;
  programs = 0;
  /** Operations left until the power fails in the middle of one; Infinity: never. */
  cutAfter = Infinity;

  /** Puts a UF2 file on the chip as BOOTSEL does: whole sectors are erased first. */
  load(uf2: Uint8Array): void {
    const pieces = readUf2(uf2);
    for (const { address } of pieces) {
      const sector = (address - FLASH) & ~4095;
      this.bytes.fill(0xff, sector, sector + 4096);
    }
    for (const { address, bytes } of pieces) this.bytes.set(bytes, address - FLASH);
  }
}

/** The emulator's own clock; its types show less of it. */
interface SimulationClock {
  readonly nanos: number;
  readonly nanosToNextAlarm: number;
  tick(ns: number): void;
}

/** What an emulated UART has received and not handed over. */
function fifoOf(mcu: RP2040, link: number): { full: boolean; itemCount: number } {
  return (mcu.uart[link] as unknown as { rxFIFO: ReturnType<typeof fifoOf> }).rxFIFO;
}

/** What the emulator's watchdog has beside its registers. */
function watchdogOf(mcu: RP2040): { onWatchdogTrigger: () => void; reason: number } {
  return mcu.peripherals[0x40058] as unknown as ReturnType<typeof watchdogOf>;
}

export class PowerCut extends Error {}

/** One serial line as its other end sees it. */
export class Wire {
  /** Bytes on the way to the board. */
  readonly queue: number[] = [];
  readonly frames: SerialFrame[] = [];
  /** Frames that could not be opened. */
  bad = 0;
  /** Sees every byte that the board sends. */
  tap: (byte: number) => void = () => undefined;
  /** The board's output since the last delimiter. */
  #open: number[] = [];

  send(...parts: Uint8Array[]): void {
    for (const part of parts) this.queue.push(...part);
  }

  receive(byte: number): void {
    this.tap(byte);
    if (byte !== 0) {
      this.#open.push(byte);
      return;
    }
    if (this.#open.length === 0) return;
    const frame = readSerialFrame(Uint8Array.from(this.#open));
    this.#open = [];
    if (frame) this.frames.push(frame);
    else this.bad += 1;
  }
}

/** A board between power-on and power-off. */
export class Pico {
  readonly wires = [new Wire(), new Wire()] as const;
  readonly flash: Flash;
  readonly complaints: string[] = [];
  /** Resets by the watchdog or by the firmware, which the board survives. */
  resets = 0;
  instructions = 0;
  /** Nanoseconds between two bytes: 86,806 at 115200 baud; 0: as fast as they are taken. */
  byteNs = 0;
  #mcu!: RP2040;
  #clock!: SimulationClock;
  #nextByteNs = [0, 0];
  #resetWanted = false;
  #epochNs = 0;
  #hangs = false;
  #steps = 0;
  #busyUntil = 0;

  constructor(flash: Flash) {
    this.flash = flash;
    this.#start(null);
  }

  /** Simulated milliseconds since power-on. */
  get ms(): number {
    return (this.#epochNs + this.#mcu.clock.nanos) / 1e6;
  }

  get led(): boolean {
    return (this.#mcu.sio.gpioValue & (1 << 25)) !== 0;
  }

  /** What the boot ROM does. A reset keeps the watchdog's scratch registers and its reason. */
  #start(before: RP2040 | null): void {
    if (!isBootable(this.flash.bytes)) throw new Error("the boot ROM finds no firmware to start");
    const mcu = new RP2040();
    this.#clock = mcu.clock as unknown as SimulationClock;
    const kept = before?.readUint32(0x4005800c) ?? 0;
    if (before) this.#epochNs += before.clock.nanos;
    this.#mcu = mcu;
    mcu.logger = {
      debug: () => undefined,
      info: () => undefined,
      warn: (name, message) => this.#complain(name, message),
      error: (name, message) => this.complaints.push(`${name}: ${message}`),
    };
    mcu.flash.set(this.flash.bytes);
    mcu.writeUint32(0x4005800c, kept);
    this.#putRom();
    mcu.sram.set(this.flash.bytes.subarray(0, BOOT2_SIZE), BOOT2_AT - RAM);
    mcu.core.PC = BOOT2_AT;
    mcu.core.SP = BOOT2_AT;
    mcu.uart.forEach((uart, i) => (uart.onByte = (byte) => this.wires[i]!.receive(byte)));
    mcu.onBreak = (code) => this.#callRom(code);
    const watchdog = watchdogOf(mcu);
    if (before) watchdog.reason = watchdogOf(before).reason;
    watchdog.onWatchdogTrigger = () => {
      this.#resetWanted = true;
      // Bitten, it would bite again in the same moment, for ever.
      if (mcu.readUint32(WATCHDOG) & (1 << 30)) mcu.writeUint32(WATCHDOG, 0);
    };
    this.#nextByteNs = [0, 0];
  }

  /** The ring oscillator and the PSM's watchdog mask are not in the emulator; the rest must be. */
  #complain(name: string, message: string): void {
    if (!/ROSC|UARTIFLS|PSM/.test(`${name} ${message}`))
      this.complaints.push(`${name}: ${message}`);
  }

  /** A table of functions at the place where the ROM has it; each is a breakpoint and a return. */
  #putRom(): void {
    const half = (at: number, value: number): void => {
      const word = this.#mcu.bootrom[at >> 2]!;
      const shift = (at & 2) * 8;
      this.#mcu.bootrom[at >> 2] = (word & ~(0xffff << shift)) | (value << shift);
    };
    const table = 0x100;
    const code = 0x200;
    half(0x14, table);
    ROM_CALLS.forEach((name, i) => {
      half(table + 4 * i, name.charCodeAt(0) | (name.charCodeAt(1) << 8));
      half(table + 4 * i + 2, (code + 4 * i) | 1);
      half(code + 4 * i, 0xbe00 | i); // BKPT i
      half(code + 4 * i + 2, 0x4770); // BX LR
    });
    half(table + 4 * ROM_CALLS.length, 0);
  }

  /**
   * A ROM function. While the chip is busy it is called again and again, so that interrupts are
   * taken in between, as on hardware.
   */
  #callRom(code: number): void {
    const { core } = this.#mcu;
    const clock = this.#clock;
    if (clock.nanos < this.#busyUntil) {
      clock.tick(BUSY_STEP_NS);
      core.PC -= 2;
      return;
    }
    if (this.#busyUntil > 0) {
      this.#busyUntil = 0;
      return;
    }
    this.#startRom(code);
    if (this.#busyUntil > 0) core.PC -= 2;
  }

  #startRom(code: number): void {
    const [at, second, third] = [0, 1, 2].map((i) => this.#mcu.core.registers[i]! >>> 0);
    const name = ROM_CALLS[code];
    if (name === "RE") this.#erase(at!, second!);
    else if (name === "RP") this.#program(at!, second!, third!);
    else if (name === undefined) throw new Error(`breakpoint ${code} in the firmware`);
  }

  /** The power fails while a chip is busy: part of the work is done, part is not. */
  #mayCut(halfDone: () => void): void {
    if (--this.flash.cutAfter > 0) return;
    halfDone();
    throw new PowerCut("the power failed");
  }

  #erase(at: number, size: number): void {
    if (at % 4096 || size % 4096) throw new Error(`erase of ${size} bytes at ${at}`);
    this.#mayCut(() => this.flash.bytes.fill(0xff, at, at + size / 2));
    this.flash.erases += 1;
    this.flash.bytes.fill(0xff, at, at + size);
    this.#mcu.flash.set(this.flash.bytes.subarray(at, at + size), at);
    this.#pass(ERASE_NS);
  }

  #program(at: number, from: number, size: number): void {
    if (at % 256 || size % 256) throw new Error(`program of ${size} bytes at ${at}`);
    const bytes = this.#mcu.sram.subarray(from - RAM, from - RAM + size);
    const put = (length: number): void => {
      // Programming only clears bits.
      for (let i = 0; i < length; i++) this.flash.bytes[at + i]! &= bytes[i]!;
    };
    this.#mayCut(() => put(size / 2));
    this.flash.programs += 1;
    put(size);
    this.#mcu.flash.set(this.flash.bytes.subarray(at, at + size), at);
    this.#pass(PROGRAM_NS);
  }

  /** The chip is busy: until then nothing can be read from it, code least of all. */
  #pass(ns: number): void {
    this.#busyUntil = this.#mcu.clock.nanos + ns;
  }

  #feed(link: 0 | 1): void {
    const { queue } = this.wires[link];
    const now = this.#mcu.clock.nanos;
    const fifo = fifoOf(this.#mcu, link);
    let sent = 0;
    while (sent < queue.length && now >= this.#nextByteNs[link]!) {
      // Without pacing the line waits for the board, as RTS has it.
      if (fifo.full && this.byteNs === 0) break;
      if (fifo.itemCount < FIFO_SIZE) this.#mcu.uart[link]!.feedByte(queue[sent]!);
      sent += 1;
      this.#nextByteNs[link] = Math.max(this.#nextByteNs[link]!, now) + this.byteNs;
    }
    if (sent > 0) queue.splice(0, sent);
  }

  /** Runs until `done` says so, at most `ms` simulated milliseconds. Returns whether it did. */
  runUntil(done: () => boolean, ms = 1000): boolean {
    const end = this.ms + ms;
    const limit = this.#steps + STEPS_MAX;
    while (this.ms < end) {
      if (done()) return true;
      if (this.#steps > limit) throw new Error(`no end after ${STEPS_MAX} steps, at ${this.ms} ms`);
      this.#slice();
    }
    return done();
  }

  /** From now on the core executes nothing, until something resets it. */
  hang(): void {
    this.#hangs = true;
  }

  run(ms: number): void {
    this.runUntil(() => false, ms);
  }

  /** A few instructions, with the lines served. */
  #slice(): void {
    const { core } = this.#mcu;
    const clock = this.#clock;
    for (let i = 0; i < 64; i++) {
      this.#steps += 1;
      if ((i & 15) === 0) for (const link of [0, 1] as const) this.#feed(link);
      if (this.#hangs) {
        clock.tick(100_000);
      } else if (core.waiting) {
        const ns = Math.min(clock.nanosToNextAlarm || 1e6, this.#untilByte());
        clock.tick(Math.max(ns, NS_PER_CYCLE));
      } else {
        if (this.#busyUntil > 0 && core.PC >= FLASH && core.PC < RAM) {
          throw new Error(`code in flash runs while it is written: ${core.PC.toString(16)}`);
        }
        clock.tick(core.executeInstruction() * NS_PER_CYCLE);
        this.instructions += 1;
      }
      if (this.#resetWanted) {
        this.#resetWanted = false;
        this.resets += 1;
        this.#hangs = false;
        this.#busyUntil = 0;
        this.#start(this.#mcu);
        return;
      }
    }
  }

  #untilByte(): number {
    const busy = this.wires.some(({ queue }) => queue.length > 0);
    return busy ? Math.max(this.byteNs, 1000) : Infinity;
  }
}
