// Mixed traffic through a core that is being recorded: settings and their changes, every link kind,
// honest and hostile packets, answers of every kind, time, expiries, a full flight table, journal.
// What a step does depends on the seed and on what the core said; nothing is judged here.
import {
  AccountRecord as A,
  AccountFlag,
  AccountSettingsRecord as R,
  AssetSettingsRecord,
  BatchItemRecord,
  Counter,
  Descriptor,
  FrameViewRecord,
  LinkKind,
  Mode,
  OutputKind,
  PacketViewRecord,
  PolicySettingsRecord,
  RateSettingsRecord,
  Relation,
  VerdictRecord,
} from "../../host/abi.js";
import { codeWord } from "../../host/core.js";
import * as codec from "./model/codec.js";
import type { Random } from "./model/random.js";
import { serialFrame, wsFrame } from "./framing.js";
import type { Recorder, Said } from "./player.js";

const WALL_MS = Date.UTC(2026, 10, 23, 12);
const START_MS = 2 ** 32 - 60_000;
const U64 = 2n ** 64n - 1n;
const LIMIT = 2n ** 120n;
const RECORD_SIZE = 64;
const AMOUNTS = [0n, 1n, 2n, 99n, 1000n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, U64 - 1n, U64];
const LONG = "test.net.p1." + "x".repeat(1011);
const STRANGE = [
  "g.alice",
  "peer.config",
  "peer.route.control",
  "peer.x",
  "self.x",
  "test.nowhere",
  "private.q",
  "example.y",
  "test.net.node",
  "test.net.node.a",
  LONG,
];
const CODES = ["F02", "F08", "T04", "F99", "R01", "X42"];
const FAILURES = ["F00", "F01", "T00", "T01", "T03", "R00"];
const WS_KINDS: number[] = [LinkKind.WsServer, LinkKind.WsClient];

/** A forwarded Prepare that waits for an answer. */
interface Pending {
  account: number;
  id: number;
  preimage: Buffer;
}

/** A packet on its way to the core: a request, or the reply to `id`. */
interface Item {
  reply: boolean;
  id: number;
  packet: Buffer;
}

interface Link {
  kind: number;
  relation: number;
  /** Bytes of the stream that the core has not consumed. */
  tail: Buffer;
  /** Bytes of tail without which it will not consume any. */
  needed: number;
}

export interface TrafficOptions {
  /** Accounts to open, the node's own included. */
  accounts: number;
  assets: number;
  routes: number;
  /** Only what costs the same each time: for counting instructions. */
  plain?: boolean;
}

function wordsOf(n: number): [number, number] {
  return [(n % 2 ** 32) | 0, Math.floor(n / 2 ** 32) | 0];
}

export class Traffic {
  readonly links: Link[] = [];
  readonly prefixes: string[] = [];
  packets = 0;
  #pending: Pending[] = [];
  #ended: Pending[] = [];
  #nowMs = START_MS;
  #wallMs = WALL_MS;
  #hoarding = false;
  #records: Buffer = Buffer.alloc(0);
  #keys = 0;
  readonly #kinds: number[];
  readonly #packetMax: number;
  readonly #inputMax: number;
  readonly #flights: number;

  constructor(
    readonly recorder: Recorder,
    readonly random: Random,
    readonly options: TrafficOptions,
  ) {
    const { runtime } = recorder;
    this.#packetMax = Math.min(32767, runtime.get(Descriptor.PacketBytes) - 200);
    this.#inputMax = runtime.get(Descriptor.InputBytes);
    this.#flights = runtime.get(Descriptor.Flights);
    recorder.call("init", [random.word(), random.word()]);
    this.#kinds = options.plain ? [LinkKind.Raw] : [LinkKind.Raw, LinkKind.Btp];
    this.#setUp();
  }

  // ---- running

  /** Steps until `packets` Prepares were sent, with a mark after each `every` steps. */
  run(packets: number, every = 1000): void {
    let marked = this.recorder.steps;
    while (this.packets < packets) {
      // Once, half way, nobody answers until the flight table is full.
      const half = this.packets > packets * 0.4 && this.packets < packets * 0.9;
      const full = this.recorder.runtime.counter(Counter.FlightsFull) > 0;
      this.#hoarding = half && !full && !this.options.plain;
      this.step();
      if (this.recorder.steps - marked < every) continue;
      this.#mark();
      marked = this.recorder.steps;
    }
    this.#mark();
  }

  #mark(): void {
    this.#takeRecords();
    this.recorder.mark();
  }

  step(): void {
    const { random } = this;
    const crowded = this.#pending.length > this.#flights * (this.#hoarding ? 1.5 : 0.6);
    const n = random.below(1000);
    this.#nowMs += this.#hoarding ? 0 : random.below(3);
    if (this.options.plain) this.#exchange(n < 500 && !crowded);
    else if (n < 850) this.#exchange(this.#hoarding ? n < 840 : n < 425 && !crowded);
    else if (n < 880) this.#time();
    else if (n < 925) this.#configure();
    else if (n < 955) this.#inspect();
    else if (n < 985) this.#sendHostile();
    else this.#journal();
    if (random.chance(2) && !this.options.plain) this.#takeRecords();
  }

  #exchange(request: boolean): void {
    if (request) this.#request();
    else this.#answer();
  }

  #call(verb: string, args: number[], input?: Uint8Array): number {
    return this.recorder.call(verb, args, input);
  }

  /** A verb that may cause outputs. */
  #mutate(verb: string, args: number[], input: Uint8Array, preimage: Buffer): number {
    const result = this.#call(verb, [...args, ...wordsOf(this.#nowMs)], input);
    // Now and then a host forgets to poll, and is told so.
    if (!this.options.plain && this.random.below(500) === 0)
      this.#call("tick", wordsOf(this.#nowMs));
    this.#hear(this.recorder.drain(), preimage);
    return result;
  }

  #hear(said: Said[], preimage: Buffer): void {
    for (const { kind, account, packetType, requestId: id } of said) {
      if (packetType === 12) this.#pending.push({ account, id, preimage });
      const isOver = kind === (OutputKind.Close as number);
      if (isOver) this.#linkUp(account, this.random.pick(this.#kinds));
    }
  }

  // ---- settings

  #setUp(): void {
    const { options, random } = this;
    this.#call("clock", [...wordsOf(this.#nowMs), ...wordsOf(this.#wallMs)]);
    for (let i = 0; i < options.assets; i++) this.#setAsset(i, `C${i}`, [9, 6, 2, 0][i % 4]!);
    for (let i = 0; i < options.accounts; i++) {
      const relation = i === 0 ? Relation.Local : random.pick([2, 2, 3, 3, 1]);
      this.links.push({ kind: 0, relation, tail: Buffer.alloc(0), needed: 0 });
      this.#setAccount(i, i > 0 && !options.plain && random.chance(25));
    }
    if (!options.plain) {
      const kinds = [LinkKind.WsServer, LinkKind.WsClient, LinkKind.Serial];
      this.#kinds.push(...kinds.filter((kind) => this.#call("linkUp", [0, kind]) === 0));
    }
    this.links.forEach((_, i) => {
      this.#linkUp(i, i ? this.#kinds[i % this.#kinds.length]! : LinkKind.Raw);
    });
    const all = Array.from({ length: options.assets }, (_, i) => i);
    for (const from of all) for (const to of all) this.#setRate(from, to, options.plain);
    this.#write("setAddress", "test.net.node", []);
    for (let i = 0; i < options.routes; i++) this.#addRoute(i);
    this.#setPolicy(1000, 30000, 2, 60000);
  }

  #setAsset(index: number, code: string, scale: number): void {
    const input = Buffer.alloc(AssetSettingsRecord.SIZE + code.length);
    input[AssetSettingsRecord.scale] = scale;
    input[AssetSettingsRecord.codeLength] = code.length;
    input.write(code, AssetSettingsRecord.SIZE);
    this.#call("setAsset", [index], input);
  }

  /** `tight`: limits that will be met. */
  #setAccount(index: number, tight: boolean): void {
    const { random } = this;
    const name = `a${index}`;
    const segment = random.chance(80) ? `c${index}` : "";
    const input = Buffer.alloc(R.SIZE + name.length + segment.length);
    const wide = (at: number, value: bigint): void => {
      input.writeBigUInt64LE(BigInt.asUintN(64, value), at);
      input.writeBigInt64LE(value >> 64n, at + 8);
    };
    const some = (chance: number, value: bigint): bigint =>
      tight && random.chance(chance) ? value : U64;
    const settles = !this.options.plain && random.chance(30);
    input[R.relation] = this.links[index]?.relation ?? Relation.Peer;
    input[R.options] = (settles ? AccountFlag.Settles : 0) | (random.chance(5) ? 32 : 0);
    input.writeUInt16LE((index & 0xffff) % this.options.assets, R.asset);
    input.writeUInt16LE(name.length, R.nameLength);
    input.writeUInt16LE(segment.length, R.segmentLength);
    wide(R.balanceMinLo, tight ? -BigInt(random.below(1e7)) : -LIMIT);
    wide(R.balanceMaxLo, tight ? BigInt(random.below(1e7)) : LIMIT);
    wide(R.settleThresholdLo, -BigInt(random.below(1e7)));
    wide(R.settleToLo, random.pick([0n, -100n, 2n ** 70n]));
    input.writeBigUInt64LE(some(30, 500_000n), R.packetMaxIn);
    input.writeBigUInt64LE(some(30, 400_000n), R.packetMaxOut);
    input.writeBigUInt64LE(some(30, 3_000_000n), R.pendingMax);
    input.writeBigUInt64LE(some(20, 5_000_000n), R.riskMax);
    input.writeBigUInt64LE(tight && random.chance(50) ? 2_000_000n : 0n, R.throughputIn);
    input.writeBigUInt64LE(tight && random.chance(50) ? 2_000_000n : 0n, R.throughputOut);
    input.writeUInt32LE(random.pick([1, 1000, 60000]), R.throughputPeriodMs);
    input.writeUInt32LE(tight && random.chance(50) ? 20 : 0, R.rateCount);
    input.writeUInt32LE(1000, R.ratePeriodMs);
    input.writeUInt32LE(5, R.rateCapacity);
    input.writeUInt32LE(tight ? 1 + random.below(20) : this.#flights, R.flightsMax);
    input.write(name + segment, R.SIZE);
    this.#call("setAccount", [index], input);
  }

  #setRate(from: number, to: number, exact = false): void {
    const { random } = this;
    const odd = !exact && random.chance(5);
    const numbers = [1n, 3n, 997n, 517_000_003n, 2n ** 40n, U64];
    const pick = (): bigint => (odd ? random.pick(numbers) : BigInt(900 + random.below(200)));
    const input = Buffer.alloc(RateSettingsRecord.SIZE);
    const none = !exact && random.chance(1) ? 0n : 1n;
    input.writeBigUInt64LE(from === to ? 1n : none * pick(), RateSettingsRecord.numerator);
    input.writeBigUInt64LE(from === to ? 1n : none * pick(), RateSettingsRecord.denominator);
    input.writeUInt32LE(from === to ? 0 : 2_000_000, RateSettingsRecord.spreadPpb);
    this.#call("setRateOf", [from, to], input);
  }

  #write(verb: string, text: string, args: number[]): number {
    return this.#call(verb, [text.length, ...args], Buffer.from(text, "latin1"));
  }

  #addRoute(number: number): void {
    const account = number % this.links.length;
    const prefix = `test.net.p${account}${number < this.links.length ? "" : `.r${number}`}`;
    if (this.#write("setRoute", prefix, [account]) === 0) this.prefixes.push(prefix);
  }

  #setPolicy(...values: number[]): void {
    const input = Buffer.alloc(PolicySettingsRecord.SIZE);
    values.forEach((value, i) => input.writeUInt32LE(value, i * 4));
    this.#call("setPolicy", [], input);
  }

  #linkUp(index: number, kind: number): void {
    if (this.#call("linkUp", [index, kind]) !== 0) return;
    Object.assign(this.links[index] ?? {}, { kind, tail: Buffer.alloc(0), needed: 0 });
  }

  #pickAccount(): number {
    const n = this.links.length;
    if (!this.options.plain && this.random.chance(1)) return this.random.pick([n, 65535, -1]);
    // Some peers send more than others, so that packets for one link come together.
    return Math.floor(n * (this.random.word() / 2 ** 32) ** 3);
  }

  #configure(): void {
    const { random } = this;
    const index = this.#pickAccount();
    const bits = (): number => random.pick([0, 0, 4, 8, 16, 32, 64]);
    const amount = Buffer.alloc(8);
    amount.writeBigUInt64LE(BigInt(random.below(1e6)));
    const changes: (() => void)[] = [
      () => this.#setAccount(index, random.chance(30)),
      () => this.#setRate(random.below(this.options.assets), random.below(this.options.assets)),
      () => this.#setAsset(random.below(this.options.assets), "XRP", 9),
      () => void this.#write("setRoute", random.pick(this.prefixes), [index]),
      () => void this.#write("deleteRoute", random.pick(this.prefixes), []),
      () => this.#addRoute(random.below(this.options.routes)),
      () => void this.#call("setFlags", [index, bits(), bits()]),
      () => void this.#call("setDefaultRoute", [random.chance(60) ? -1 : index]),
      () => void this.#call("setMode", [random.pick([0, 0, Mode.Trail, 1]), 0]),
      () => void this.#call("setMode", [0, Mode.Draining | Mode.Trail]),
      () => void this.#call("bookSettlement", [index, random.below(3)], amount),
      () => this.#setPolicy(1000, random.pick([5000, 30000, 99999]), random.below(4), 60000),
      () => this.#setPolicy(1000, 30000, 2, random.pick([1000, 60000])),
      () => void this.#write("setAddress", random.pick(["test.net.node", "test.net.n", "g.x"]), []),
      () => this.#linkUp(index, random.pick(index ? this.#kinds : [LinkKind.Raw])),
      () => void this.#call("linkDown", [index]),
      () => {
        this.#call("closeAccount", [index]);
        this.#setAccount(index, false);
        this.#linkUp(index, random.pick(this.#kinds));
      },
    ];
    random.pick(changes)();
    if (random.chance(60)) this.#restore(index);
  }

  /** Ends what would keep most packets from passing. */
  #restore(index: number): void {
    this.#write("setAddress", "test.net.node", []);
    this.#call("setMode", [0, Mode.Draining]);
    this.#call("setFlags", [index, 0, 0x7c & ~64]);
    if (this.random.chance(50)) this.#linkUp(index, this.links[index]?.kind ?? LinkKind.Raw);
    this.#setPolicy(1000, 30000, 2, 60000);
  }

  // ---- packets

  #amount(): bigint {
    const { random } = this;
    if (!this.options.plain && random.chance(4)) return random.pick(AMOUNTS);
    return BigInt(1000 + random.below(100_000));
  }

  #bytes(length: number): Buffer<ArrayBuffer> {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(this.random.word(), i);
    return bytes;
  }

  #data(): Buffer<ArrayBuffer> {
    const { random } = this;
    if (this.options.plain || random.chance(97)) return this.#bytes(4 * random.below(12));
    return this.#bytes(random.chance(90) ? random.below(1500) : random.below(this.#packetMax));
  }

  /** `from`: account of the sender. */
  #destination(from: number): string {
    const { random } = this;
    if (!this.options.plain && random.chance(6)) return random.pick(STRANGE);
    // Routes of the accounts that are picked most come first.
    let at = Math.floor(this.prefixes.length * (random.word() / 2 ** 32) ** 2);
    if (this.options.plain && at % this.links.length === from) at += at === 0 ? 1 : -1;
    return `${this.prefixes[at]!}.${"u".repeat(4 + random.below(30))}.${random.below(1000)}`;
  }

  #preimage(): Buffer {
    const preimage = Buffer.alloc(32);
    preimage.writeUInt32LE(this.#keys++);
    return preimage;
  }

  #prepare(preimage: Buffer, from = 0): Buffer {
    const { options, random } = this;
    const holds = options.plain
      ? 20_000
      : random.pick([100, 2500, 5000, 9000, 9000, 31_000, 31_000, 40_000]);
    const wallMs = this.#wallMs + this.#nowMs - START_MS;
    const hold = this.#hoarding ? 31_000 : holds;
    const destination = this.#destination(from);
    const condition = codec.sha256(preimage);
    this.packets += 1;
    return codec.prepare(this.#amount(), wallMs + hold, condition, destination, this.#data()).bytes;
  }

  #request(): void {
    const { random } = this;
    const index = this.#pickAccount();
    const count = this.options.plain || random.chance(80) ? 1 : 1 + random.below(6);
    const forPeer = !this.options.plain && random.chance(2);
    const preimage = forPeer ? Buffer.alloc(32) : this.#preimage();
    const items = Array.from({ length: count }, () => {
      return { reply: false, id: random.word(), packet: this.#prepare(preimage, index) };
    });
    if (forPeer) items[0]!.packet = this.#peerRequest();
    if (!this.options.plain && random.below(200) === 0) {
      this.#mutate(
        "direct",
        [index, random.word(), items[0]!.packet.length],
        items[0]!.packet,
        preimage,
      );
    } else {
      // A packet that comes back by another way is the same packet.
      if (random.chance(1) && !this.options.plain) items.push(...items, ...items);
      this.#deliver(index, items, preimage);
    }
  }

  #peerRequest(): Buffer {
    const wallMs = this.#wallMs + this.#nowMs - START_MS;
    const to = this.random.pick(["peer.config", "peer.config", "peer.settle"]);
    return codec.prepare(0n, wallMs + 60_000, codec.PEER_CONDITION, to).bytes;
  }

  #replyTo({ preimage }: Pending): Buffer {
    const { random } = this;
    const n = this.options.plain ? 0 : random.below(100);
    if (n < 72) return codec.fulfill(preimage, this.#data()).bytes;
    if (n < 90) {
      const by = random.chance(80) ? "test.net.p1.x" : "";
      return codec.reject(random.pick(CODES), by, "no", this.#data()).bytes;
    }
    if (n < 93) return codec.fulfill(this.#preimage()).bytes;
    if (n < 95) return this.#prepare(preimage);
    return this.#damage(codec.fulfill(preimage, this.#data()).bytes);
  }

  /** Answers one packet, and others that went out on the same link. */
  #answer(): void {
    const { random } = this;
    // Everything in flight expires, and then the answer comes.
    if (!this.options.plain && !this.#hoarding && random.below(1000) === 0) {
      this.#nowMs += 45_000;
      this.#time();
    }
    const again = !this.options.plain && random.chance(3) && this.#ended.length > 0;
    const from = again ? this.#ended : this.#pending;
    if (from.length === 0) return;
    const at = random.below(from.length);
    const first = from[at]!;
    const single = this.options.plain || random.chance(50);
    const group = from.slice(at, at + (single ? 1 : 24));
    const chosen = group.filter((p) => p.account === first.account);
    if (!again) {
      const late = this.options.plain ? 0 : 1;
      const others = group.filter((p) => p.account !== first.account || random.chance(late));
      this.#pending.splice(at, group.length, ...others);
      if (random.chance(20)) this.#ended.push(...chosen);
      if (this.#ended.length > 100) this.#ended.splice(0, 50);
    }
    const items = chosen.map((p) => ({ reply: true, id: p.id, packet: this.#replyTo(p) }));
    const index = random.chance(99) || this.options.plain ? first.account : this.#pickAccount();
    if (random.chance(3) && this.links[index]?.kind === LinkKind.Raw && !this.options.plain) {
      const code = codeWord(random.pick(FAILURES));
      this.#mutate("fail", [index, first.id, code], Buffer.alloc(0), first.preimage);
    } else this.#deliver(index, items, first.preimage);
  }

  // ---- links

  /** Hands packets to the core the way the account's link brings them. */
  #deliver(index: number, items: Item[], preimage: Buffer): void {
    const kind = this.links[index]?.kind ?? LinkKind.Raw;
    if (kind === LinkKind.Raw) {
      if (items.length > 1) this.#sendBatch(index, items, preimage);
      else this.#sendRaw(index, items[0]!, preimage);
    } else if (kind === LinkKind.Btp) {
      for (const item of items) this.#sendFrame(index, this.#frameOf(item), preimage);
    } else {
      const parts = items.map((item) =>
        WS_KINDS.includes(kind)
          ? this.#wsMessage(kind, this.#frameOf(item))
          : serialFrame(item.reply ? 2 : 1, item.id, item.packet),
      );
      this.#sendBytes(index, Buffer.concat(parts), preimage);
    }
  }

  #frameOf({ reply, id, packet }: Item): Buffer {
    return codec.frame(reply ? 1 : 6, id, packet);
  }

  #sendRaw(index: number, { reply, id, packet }: Item, preimage: Buffer): void {
    this.#mutate(reply ? "reply" : "request", [index, id, packet.length], packet, preimage);
  }

  #sendFrame(index: number, frame: Buffer, preimage: Buffer): void {
    this.#mutate("frame", [index, frame.length], frame, preimage);
  }

  #sendBatch(index: number, items: Item[], preimage: Buffer): void {
    const parts = items.flatMap(({ reply, id, packet }) => {
      const head = Buffer.alloc(BatchItemRecord.SIZE);
      head.writeUInt32LE(reply ? 2 : 1, BatchItemRecord.kind);
      head.writeUInt32LE(id >>> 0, BatchItemRecord.requestId);
      head.writeUInt32LE(packet.length, BatchItemRecord.length);
      return [head, packet, Buffer.alloc(-packet.length & 7)];
    });
    let rest = Buffer.concat(parts);
    if (rest.length > this.#inputMax) return;
    for (let turn = 0; turn < 20 && rest.length > 0; turn++) {
      const done = this.#mutate("batch", [index, rest.length], rest, preimage);
      if (done <= 0) return;
      rest = rest.subarray(done);
    }
  }

  #wsMessage(kind: number, frame: Buffer): Buffer {
    const { random } = this;
    const mask = kind === LinkKind.WsServer ? this.#bytes(4) : undefined;
    if (random.chance(90)) return wsFrame(2, frame, true, mask);
    const cut = random.below(frame.length);
    const ping = wsFrame(9, this.#bytes(4 * random.below(8)), true, mask);
    const first = wsFrame(2, frame.subarray(0, cut), false, mask);
    return Buffer.concat([first, ping, wsFrame(0, frame.subarray(cut), true, mask)]);
  }

  /** Bytes of a stream: some of them come later, with the next. */
  #sendBytes(index: number, bytes: Buffer, preimage: Buffer): void {
    const link = this.links[index]!;
    const late = this.random.chance(10) ? this.random.below(bytes.length) : 0;
    const now = bytes.subarray(0, bytes.length - late);
    link.tail = Buffer.concat([link.tail, now]);
    if (link.tail.length > this.#inputMax) this.#linkUp(index, link.kind);
    for (let turn = 0; turn < 50 && link.tail.length >= Math.max(1, link.needed); turn++) {
      if (!this.#stream(index, link, preimage)) return;
    }
    link.tail = Buffer.concat([link.tail, bytes.subarray(now.length)]);
  }

  /** Hands over what there is of a stream. @returns false when the stream is over. */
  #stream(index: number, link: Link, preimage: Buffer): boolean {
    const { runtime } = this.recorder;
    const done = this.#call(
      "stream",
      [index, link.tail.length, ...wordsOf(this.#nowMs)],
      link.tail,
    );
    // The core may have joined what it left: it is kept as it lies. A link that is down loses all.
    const at = runtime.input + done;
    link.tail =
      done < 0
        ? Buffer.alloc(0)
        : Buffer.from(runtime.bytes.slice(at, at + link.tail.length - done));
    const said = this.recorder.drain();
    this.#hear(said, preimage);
    link.needed = done < 0 ? 1 : this.#call("streamNeeded", []);
    return !said.some(({ kind }) => kind === (OutputKind.Close as number));
  }

  // ---- time

  #time(): void {
    const { random } = this;
    const leap = random.below(100) === 0 && !this.#hoarding;
    if (leap) this.#nowMs += random.pick([1000, 5000, 40_000]);
    if (random.chance(3)) {
      this.#wallMs += random.pick([-5000, -10, 0, 10, 5000]);
      const wall = this.#wallMs + this.#nowMs - START_MS;
      this.#call("clock", [...wordsOf(this.#nowMs), ...wordsOf(wall)]);
    }
    const back = random.chance(1) ? random.below(1000) : 0;
    this.#call("deadline", wordsOf(this.#nowMs));
    for (let turn = 0, more = 1; more === 1 && turn < 1000; turn++) {
      more = this.#call("tick", wordsOf(this.#nowMs - back));
      this.#hear(this.recorder.drain(), Buffer.alloc(32));
      if (more === 1) this.#takeRecords();
    }
    const most = this.#flights * 2;
    if (this.#pending.length > most) this.#pending.splice(0, this.#pending.length - most);
  }

  // ---- hostile bytes

  #damage(bytes: Buffer): Buffer {
    const { random } = this;
    const copy = Buffer.from(bytes);
    const n = random.below(5);
    if (n === 0) return copy.subarray(0, random.below(copy.length));
    if (n === 1) return Buffer.concat([copy, this.#bytes(4 * random.below(5))]);
    if (n === 2) return this.#bytes(random.below(200));
    for (let i = 0; i <= random.below(3); i++) {
      copy[random.below(copy.length)]! ^= 1 << random.below(8);
    }
    return copy;
  }

  #sendHostile(): void {
    const { random } = this;
    const index = this.#pickAccount();
    const kind = this.links[index]?.kind ?? LinkKind.Raw;
    const packet = this.#damage(this.#prepare(this.#preimage()));
    const item = { reply: random.chance(30), id: random.word(), packet };
    const none = Buffer.alloc(32);
    if (random.chance(20)) {
      const verb = random.pick(["request", "frame", "stream", "batch", "direct", "reply"]);
      const length = random.pick([0, 1, this.#inputMax + 1, -1]);
      const wild = verb === "request" || verb === "reply" || verb === "direct";
      this.#mutate(verb, wild ? [index, 7, length] : [index, length], Buffer.alloc(1), none);
    } else if (kind === LinkKind.Raw) this.#deliver(index, [item], none);
    else if (kind === LinkKind.Btp) {
      const frame = this.#frameOf(item);
      this.#sendFrame(index, random.chance(50) ? this.#damage(frame) : frame, none);
    } else if (random.chance(70)) this.#deliver(index, [item], none);
    else this.#sendBytes(index, this.#damage(packet), none);
  }

  /** Dry runs and readers; what they leave in memory is observed. */
  #inspect(): void {
    const { random } = this;
    const whole = this.#prepare(this.#preimage());
    const packet = random.chance(60) ? whole : this.#damage(whole);
    const n = random.below(3);
    if (n === 0) {
      const index = this.#pickAccount();
      const size = this.#call("explain", [index, packet.length], packet);
      const word = Descriptor.VerdictAddress;
      if (size >= 0) this.recorder.observe({ word, offset: 0, length: VerdictRecord.route });
      const offset = VerdictRecord.reserved;
      if (size > 0) this.recorder.observe({ word, offset, length: size, follow: true });
    } else if (n === 1) {
      const V = PacketViewRecord;
      if (this.#call("inspectPacket", [packet.length], packet) !== 0 || packet[0] !== 12) return;
      const word = Descriptor.ViewAddress;
      this.recorder.observe({ word, offset: V.amount, length: V.SIZE - V.amount });
      const { runtime } = this.recorder;
      const length = runtime.view.getUint32(runtime.get(word) + V.destinationLength, true);
      this.recorder.observe({ word, offset: V.destination, length, follow: true });
    } else {
      const V = FrameViewRecord;
      const frame = codec.frame(6, random.word(), packet);
      const bytes = random.chance(60) ? frame : this.#damage(frame);
      if (this.#call("inspectFrame", [bytes.length], bytes) !== 0) return;
      const word = Descriptor.FrameAddress;
      this.recorder.observe({ word, offset: V.requestId, length: 4 });
      this.recorder.observe({ word, offset: V.size, length: 4 });
    }
  }

  // ---- journal

  #takeRecords(): void {
    const count = this.#call("takeRecords", []);
    const word = Descriptor.RecordsAddress;
    const length = count * RECORD_SIZE;
    if (length === 0) return;
    this.recorder.observe({ word, offset: 0, length });
    const { runtime } = this.recorder;
    const from = runtime.get(word);
    this.#records = Buffer.from(runtime.bytes.slice(from, from + length));
  }

  /** Commits; then replays what was committed last, sometimes damaged. */
  #journal(): void {
    const { random } = this;
    for (let more = 1; more === 1;) {
      this.#takeRecords();
      more = this.#call("commit", []);
      this.#takeRecords();
    }
    if (random.chance(70) || this.#records.length > this.#inputMax) return;
    const records = random.chance(50) ? this.#records : this.#damage(this.#records);
    const padding = Buffer.alloc(-records.length & (RECORD_SIZE - 1));
    const input = Buffer.concat([records, padding]).subarray(0, this.#inputMax);
    this.#call("replay", [input.length / RECORD_SIZE], input);
    this.#endClaims();
  }

  /** Most of the claims that were replayed end: otherwise balance limits would let nothing pass. */
  #endClaims(): void {
    const { runtime } = this.recorder;
    const stride = runtime.get(Descriptor.AccountStride);
    for (let i = 0; i < runtime.get(Descriptor.Accounts); i++) {
      const at = runtime.get(Descriptor.AccountsAddress) + i * stride;
      for (const [side, field] of [A.claimDebits, A.claimCredits].entries()) {
        const input = Buffer.from(runtime.bytes.slice(at + field, at + field + 8));
        if (!input.readBigUInt64LE() || this.random.chance(10)) continue;
        this.#call(this.random.chance(50) ? "postClaim" : "voidClaim", [i, side], input);
      }
    }
    if (this.random.chance(50)) this.#call("durable", []);
  }
}
