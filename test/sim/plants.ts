// Planted bugs: each breaks one thing in one way, in the core (underneath what is watched) or in
// the host (above it), and exactly one checker must see it.
import { AccountRecord, AssetRecord, FlightRecord, Status } from "../../host/abi.js";
import type { Connector } from "../../host/connector.js";
import { ClaimSide, type Core, type Sink } from "../../host/core.js";
import type { DiskFile } from "../../host/store/disk.js";
import { Machine } from "../support/model/machine.js";
import * as wire from "./bytes.js";
import type { Plant, SimNode } from "./node.js";
import type { PlanOptions } from "./plan.js";

export interface PlantedBug {
  /** The checker that must fire. */
  checker: string;
  what: string;
  plant: Plant;
  /** What the run must be like for the bug to matter. */
  options?: Partial<PlanOptions>;
  /** Checkers that would see a consequence first. */
  mute?: string[];
}

type Write = Sink["frame"];

/** Changes what comes out of a core: `change` gets each frame and passes on what it will. */
function changeFrames(
  core: Core,
  change: (next: Write, ...frame: Parameters<Write>) => void,
): void {
  const drain = core.drain.bind(core);
  core.drain = (sink) => {
    drain({
      ...sink,
      frame: (account, address, length, packetType, id) => {
        change((...frame) => sink.frame(...frame), account, address, length, packetType, id);
      },
    });
  };
}

/** The packet in a frame that leaves a core: offsets are those of the core's memory. */
function packetAt(core: Core, address: number, length: number): wire.Packet | null {
  const bytes = Buffer.from(core.bytes.buffer, address, length);
  return wire.viewFrame(bytes).packet;
}

/** Changes bytes of the packets of one type that leave. */
function changePackets(kind: number, change: (packet: wire.Packet) => void): Plant {
  return {
    core: (_, { core }) => {
      changeFrames(core, (next, account, address, length, type, id) => {
        const packet = packetAt(core, address, length);
        if (packet?.type === kind) change(packet);
        next(account, address, length, type, id);
      });
    },
  };
}

/** Drops the frames that carry Fulfills. */
function dropFulfills(core: Core): void {
  changeFrames(core, (next, account, address, length, type, id) => {
    if (packetAt(core, address, length)?.type !== wire.FULFILL)
      next(account, address, length, type, id);
  });
}

function machineOf(node: SimNode, { core }: Connector): Machine {
  return new Machine(node.profile, 0, core.exports);
}

/** Does something to a core's memory after each call of `frame`. */
function afterFrames(act: (m: Machine, account: number, core: Core) => void): Plant {
  return {
    core: (node, connector) => {
      const { core } = connector;
      const m = machineOf(node, connector);
      const frame = core.frame.bind(core);
      core.frame = (account, length, nowMs) => {
        const status = frame(account, length, nowMs);
        act(m, account, core);
        return status;
      };
    },
  };
}

/** Nothing expires, and nothing is due. */
function stopTime(core: Core): void {
  core.tick = () => 0;
  core.deadline = () => 100;
}

const LIARS = { swarm: { liars: 3 } };

/** A Reject that comes in becomes a Fulfill that opens the condition. */
const forgedFulfill: Plant = {
  core: (node, { core }) => {
    const frame = core.frame.bind(core);
    core.frame = (account, length, nowMs) => {
      const reply = wire.readFrame(Buffer.from(core.input.subarray(0, length)));
      const payment = node.watch?.flights.get(reply?.id ?? 0)?.payment;
      if (reply?.type !== wire.RESPONSE || reply.packet?.type !== wire.REJECT || !payment) {
        return frame(account, length, nowMs);
      }
      const forged = wire.wrap(reply.type, reply.id, wire.writeFulfill(payment.preimage));
      core.input.set(forged);
      return frame(account, forged.length, nowMs);
    };
  },
};

/** A refusal leaves as a Fulfill. */
const refusalFulfilled: Plant = {
  core: (_, { core }) => {
    changeFrames(core, (next, account, address, length, type, id) => {
      const packet = packetAt(core, address, length);
      if (packet?.type !== wire.REJECT) return next(account, address, length, type, id);
      const to = wire.viewFrame(packet.bytes).id;
      const lie = wire.wrap(wire.RESPONSE, to, wire.writeFulfill(Buffer.alloc(32)));
      core.bytes.set(lie, address);
      next(account, address, lie.length, wire.FULFILL, id);
    });
  },
};

/** Time does not pass for packets in flight, and a Fulfill is good whenever it comes. */
const lateAccepted: Plant = {
  core: (node, connector) => {
    const { core } = connector;
    const m = machineOf(node, connector);
    const frame = core.frame.bind(core);
    stopTime(core);
    core.frame = (account, length, nowMs) => {
      const bytes = Buffer.from(core.input.subarray(0, length));
      const { id, packet } = wire.readFrame(bytes) ?? { id: 0, packet: null };
      const flight = node.watch?.flights.get(id);
      const late = flight?.state === "held" && flight.deadlineMs <= nowMs;
      if (packet?.type === wire.FULFILL && late) {
        const at = m.flight(id & (core.flightsMax - 1)) + FlightRecord.deadlineMs;
        m.longs[at >> 3] = BigInt(nowMs + 1);
      }
      return frame(account, length, nowMs);
    };
  },
};

const boundless: Plant = {
  core: (node, connector) => {
    const m = machineOf(node, connector);
    for (const { index } of connector.registry.list()) {
      m.longs[(m.account(index) + AccountRecord.balanceMaxHi) >> 3] = 1n;
      m.longs[(m.account(index) + AccountRecord.balanceMinHi) >> 3] = BigInt.asUintN(64, -2n);
    }
  },
};

const backToSource: Plant = {
  core: (_, { core }) => {
    let source = 0;
    const frame = core.frame.bind(core);
    core.frame = (account, length, nowMs) => {
      source = account;
      return frame(account, length, nowMs);
    };
    changeFrames(core, (next, account, address, length, type, id) => {
      const isPrepare = packetAt(core, address, length)?.type === wire.PREPARE;
      next(isPrepare ? source : account, address, length, type, id);
    });
  },
};

const swallowedRequest: Plant = {
  core: (_, { core }) => {
    let count = 0;
    const frame = core.frame.bind(core);
    core.frame = (account, length, nowMs) => {
      const isRequest = core.input[0] === wire.MESSAGE;
      return isRequest && ++count % 10 === 0 ? Status.Ok : frame(account, length, nowMs);
    };
  },
};

const settledTwice: Plant = {
  host: (node, { core }) => {
    const book = core.bookSettlement.bind(core);
    core.bookSettlement = (account, paid, amount) => {
      book(account, paid, amount);
      if (paid) return;
      book(account, paid, amount);
      node.watch!.sums[account]!.credits += amount;
      node.watch!.assets[0]!.settledDebits += amount;
    };
  },
};

const CRASHES = { swarm: { crashes: 2_000_000, diskFaults: false, tightLimits: false } };
const STRICT = { profile: "gateway-scalar", swarm: { strictPercent: 100 } } as const;

/** Every second batch is written without its records. */
const forgottenBatch: Plant = {
  host: (_, { books }) => {
    const store = books.store!;
    const append = store.append.bind(store);
    let count = 0;
    store.append = (records, stamp, done) => append(++count % 2 ? records : [], stamp, done);
  },
};

/** A disk that says it has synced, and has not. */
const lyingDisk: Plant = {
  store: ({ disk }) => {
    const lie = (file: DiskFile): DiskFile => ({
      size: file.size,
      read: (offset, length) => file.read(offset, length),
      write: (offset, bytes, written) => file.write(offset, bytes, written),
      sync: (written) => disk.options.later(1, () => written(null)),
      close: () => file.close(),
    });
    const [open, create] = [disk.open.bind(disk), disk.create.bind(disk)];
    disk.create = (name, size) => lie(create(name, size));
    disk.open = (name) => {
      const file = open(name);
      return file && lie(file);
    };
  },
};

/** What was on hold when the node went down is forgotten. */
const forgottenClaims: Plant = {
  core: (_, { core, registry }) => {
    for (const { index } of registry.list()) {
      const { claimDebits, claimCredits } = core.account(index);
      if (claimDebits) core.voidClaim(index, ClaimSide.Debits, claimDebits);
      if (claimCredits) core.voidClaim(index, ClaimSide.Credits, claimCredits);
    }
  },
};

/** What was on hold before a crash is taken for fulfilled. */
const postedClaims: Plant = {
  host: (_, { core, registry }) => {
    for (const { index } of registry.list()) {
      const { claimCredits } = core.account(index);
      if (claimCredits) core.postClaim(index, ClaimSide.Credits, claimCredits);
    }
  },
};

/** What has been written is taken for durable before it is. */
const earlyDurable: Plant = {
  core: (_, { core }) => {
    const [commit, durable] = [core.commit.bind(core), core.durable.bind(core)];
    core.commit = function* () {
      yield* commit();
      durable();
    };
  },
  host: (_, { core }) => core.durable(),
};

/** Bytes of a stream go astray on their way to the core. */
const lostByte: Plant = {
  host: (_, { engine }) => {
    const stream = engine.stream.bind(engine);
    let count = 0;
    engine.stream = (account, chunk) => {
      stream(account, ++count % 50 === 0 ? chunk.subarray(0, -1) : chunk);
    };
  },
};

/** Pings are read and forgotten. */
const noPongs: Plant = {
  core: (_, { core }) => {
    changeFrames(core, (next, account, address, length, type, id) => {
      if (core.bytes[address] !== 0x8a) next(account, address, length, type, id);
    });
  },
};

/** An operator's word counts for one unit less. */
const deafNode: Plant = {
  host: (_, { core }) => {
    const { postClaim, voidClaim } = core;
    const less = (amount: bigint): bigint => (amount > 1n ? amount - 1n : amount);
    core.postClaim = (account, side, amount) => postClaim.call(core, account, side, less(amount));
    core.voidClaim = (account, side, amount) => voidClaim.call(core, account, side, less(amount));
  },
};

/** A timer is set with every frame, and never ends. */
const forgottenTimers: Plant = {
  host: ({ clock }, { engine }) => {
    const frame = engine.frame.bind(engine);
    engine.frame = (account, bytes) => {
      clock.after(1e9, () => {});
      return frame(account, bytes);
    };
  },
};

/** Every tenth answer of the core to a raw link is dropped: whoever waits for it stays. */
const forgottenAnswers: Plant = {
  host: (_, { core }) => {
    const drain = core.drain.bind(core);
    let count = 0;
    core.drain = (sink) => {
      drain({
        ...sink,
        reply: (...reply) => {
          if (++count % 10) sink.reply(...reply);
        },
      });
    };
  },
};

const STREAMS = { profile: "gateway-scalar", swarm: { streamPercent: 100 } } as const;
const OPERATORS = { swarm: { ...CRASHES.swarm, operators: 1_000_000, claimExpiryMs: 0 } };

/** The name of each says what is broken. */
export const PLANTS: Record<string, PlantedBug> = {
  amount: {
    checker: "exchange",
    what: "the outgoing amount is one more than the rate gives",
    plant: changePackets(wire.PREPARE, (p) => void p.bytes[p.content + 7]!++),
  },
  data: {
    checker: "identical",
    what: "the last byte of the data is changed",
    plant: changePackets(wire.PREPARE, (p) => void p.bytes[p.end - 1]!++),
  },
  condition: {
    checker: "identical",
    what: "the condition is changed",
    plant: changePackets(wire.PREPARE, (p) => void p.bytes[p.content + 25]!++),
  },
  expiry: {
    checker: "expiry",
    what: "the outgoing expiry is in another year",
    plant: changePackets(wire.PREPARE, (p) => void p.bytes.write("2027", p.content + 8, "latin1")),
  },
  proof: {
    checker: "proof",
    what: "a Reject is taken for a Fulfill",
    plant: forgedFulfill,
  },
  fulfillment: {
    checker: "relay",
    what: "a Fulfill goes upstream with another fulfillment",
    plant: changePackets(wire.FULFILL, (p) => void p.bytes[p.content]!++),
  },
  relay: {
    checker: "relay",
    what: "the core forgets to pass a Fulfill on",
    plant: { core: (_, { core }) => dropFulfills(core) },
  },
  told: {
    checker: "told",
    what: "a refusal is sent as a Fulfill",
    plant: refusalFulfilled,
    options: { swarm: { tightLimits: true } },
  },
  late: {
    checker: "late",
    what: "a Fulfill counts after its packet's deadline",
    plant: lateAccepted,
    options: LIARS,
    mute: ["deadline"],
  },
  deadline: {
    checker: "deadline",
    what: "packets in flight never expire",
    plant: { core: (_, { core }) => stopTime(core) },
    options: LIARS,
  },
  books: {
    checker: "books",
    what: "an account's debits grow by one with every frame",
    plant: afterFrames((m, account) => {
      m.longs[(m.account(account) + AccountRecord.debitsLo) >> 3]!++;
    }),
  },
  pending: {
    checker: "books",
    what: "the hold on a packet that ended is not let go",
    plant: afterFrames((m, account, core) => {
      if (core.input[0] !== wire.RESPONSE) return;
      m.longs[(m.account(account) + AccountRecord.creditsPending) >> 3]!++;
    }),
  },
  income: {
    checker: "income",
    what: "income grows on both sides, as if by another packet",
    plant: afterFrames((m) => {
      m.longs[(m.asset(0) + AssetRecord.incomeDebitsLo) >> 3]!++;
      m.longs[(m.asset(0) + AssetRecord.incomeCreditsLo) >> 3]!++;
    }),
  },
  unbalanced: {
    checker: "postedBalance",
    what: "income grows on one side",
    plant: afterFrames((m) => {
      m.longs[(m.asset(0) + AssetRecord.incomeDebitsLo) >> 3]!++;
    }),
  },
  limits: {
    checker: "limits",
    what: "balance limits are not kept",
    plant: boundless,
    options: { swarm: { tightLimits: true, load: 50, settlements: 0 } },
  },
  reflection: {
    checker: "reflection",
    what: "a Prepare goes back where it came from",
    plant: backToSource,
    options: { swarm: { misroutes: false } },
  },
  outcome: {
    checker: "outcome",
    what: "every tenth request is forgotten",
    plant: swallowedRequest,
  },
  clock: {
    checker: "clock",
    what: "the monotonic clock goes back",
    plant: {
      host: ({ clock, world }) => {
        world.scheduler.after(5_000_000, () => (clock.nowErrorMs -= 5000));
      },
    },
  },
  stopped: {
    checker: "liveness",
    what: "the monotonic clock stands still",
    plant: {
      host: ({ clock }) => {
        const now = clock.nowMs();
        clock.nowMs = () => now;
      },
    },
    options: LIARS,
  },
  evidence: {
    checker: "evidence",
    what: "nobody is told of a Fulfill that came late",
    plant: {
      core: (_, { core }) => {
        const drain = core.drain.bind(core);
        core.drain = (sink) => drain({ ...sink, lateFulfill() {} });
      },
    },
    options: LIARS,
  },
  lost: {
    checker: "lost",
    what: "the host forgets to write a Fulfill",
    plant: { host: (_, { core }) => dropFulfills(core) },
    options: { swarm: { breaks: 0 } },
  },
  twice: {
    checker: "host",
    what: "the host writes a Prepare twice",
    plant: {
      host: (_, { core }) => {
        changeFrames(core, (next, account, address, length, type, id) => {
          next(account, address, length, type, id);
          const isPrepare = packetAt(core, address, length)?.type === wire.PREPARE;
          if (isPrepare) next(account, address, length, type, id);
        });
      },
    },
  },
  batch: {
    checker: "recovery",
    what: "every second batch is written empty",
    plant: forgottenBatch,
    options: CRASHES,
  },
  sync: {
    checker: "recovery",
    what: "the disk says it has synced and has not",
    plant: lyingDisk,
    options: CRASHES,
  },
  claims: {
    checker: "recovery",
    what: "what was on hold before a crash is forgotten",
    plant: forgottenClaims,
    options: CRASHES,
  },
  claim: {
    checker: "claim",
    what: "what was on hold before a crash is posted unproved",
    plant: postedClaims,
    options: CRASHES,
  },
  risk: {
    checker: "risk",
    what: "what is written counts as durable at once",
    plant: earlyDurable,
    options: { profile: "board" },
  },
  strict: {
    checker: "strict",
    what: "Prepares do not wait for their holds to be durable",
    plant: { host: (_, { books }) => void (books.hold = (_id, send) => send()) },
    options: STRICT,
  },
  settlement: {
    checker: "conservation",
    what: "a settlement that came in is booked twice",
    plant: settledTwice,
    options: { swarm: { settlements: 1_000_000, assets: 1 } },
  },
  chunk: {
    checker: "stream",
    what: "the last byte of a chunk does not reach the core",
    plant: lostByte,
    options: STREAMS,
  },
  pong: {
    checker: "stream",
    what: "the core answers no Pings",
    plant: noPongs,
    options: STREAMS,
  },
  operator: {
    checker: "claim",
    what: "of what an operator ends, one unit stays open",
    plant: deafNode,
    options: OPERATORS,
  },
  timers: {
    checker: "memory",
    what: "timers are set that never end",
    plant: forgottenTimers,
  },
  answers: {
    checker: "memory",
    what: "requests that got no answer are kept for ever",
    plant: forgottenAnswers,
    options: { swarm: { rawPercent: 100 } },
  },
};
