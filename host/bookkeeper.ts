// The bookkeeper: between the core's journal records and the store. Takes what the core has
// recorded, has it written in group commits, tells the core what is durable, lets Prepares go whose
// holds are (durability "strict"), and puts the books back at start. It works out no sums.
import { createHash } from "node:crypto";
import { Mode, RecordKind } from "./abi.js";
import type { Cancel, Clock } from "./clock.js";
import type { Config } from "./config/index.js";
import { LOCAL_ACCOUNT, type Core } from "./core.js";
import type { Gate } from "./engine.js";
import type { Log } from "./log.js";
import type { Registry } from "./registry.js";
import { RECORD_SIZE, writeWhole, type Stamp } from "./store/block.js";
import { PAGE_SIZE, type Disk } from "./store/disk.js";
import { indexOf, kindOf, writeAsset, writeName } from "./store/record.js";
import { Store } from "./store/store.js";

/** Records of the trail that fill a page behind its header: written without waiting for more. */
const PAGE_RECORDS = PAGE_SIZE / RECORD_SIZE - 1;
/** Parts of a snapshot's room in use at which no new packets are taken, and are taken again. */
const ROOM_HIGH = 0.8;
const ROOM_LOW = 0.6;

export interface BookkeeperDeps {
  readonly config: Config;
  readonly core: Core;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  /** For what chance decides, by which the same seed does the same. */
  readonly seed: Uint8Array;
  /** The disk has failed: end the node once packets in flight have ended. Called once. */
  onFailure(error: Error): void;
}

/** A Prepare that waits for its hold to be durable. */
interface Waiting {
  readonly id: number;
  readonly send: () => void;
}

export class Bookkeeper implements Gate {
  readonly #deps: BookkeeperDeps;
  readonly #isStrict: boolean;
  readonly #hasTrail: boolean;
  #store: Store | null = null;
  #timer: Cancel | null = null;
  /** The timer is set to the end of this turn: what comes meanwhile must not put it off. */
  #isSoon = false;
  /** Something may have changed since the last commit was taken from the core. */
  #isDirty = false;
  #isWriting = false;
  #commitAtMs = 0;
  /** Records of the trail, and of the host, that the next commit takes along. */
  #records: Uint8Array[] = [];
  #waiting: Waiting[] = [];
  /** What the log has been told of, of what was let go for want of room. */
  #dropped = 0;
  /** No new packets: there is no room for their holds. */
  #isPressed = false;
  #isStopping = false;
  /** Told when the write under way is over. */
  #idle: (() => void) | null = null;
  /** Told when the next commit is durable, or cannot be. */
  #durable: ((error: Error | null) => void)[] = [];

  constructor(deps: BookkeeperDeps) {
    this.#deps = deps;
    this.#isStrict = deps.config.durability === "strict";
    this.#hasTrail = this.#isStrict || deps.config.trail;
  }

  /** Null when the books are in memory only. */
  get store(): Store | null {
    return this.#store;
  }

  /** Why nothing is written any more; null while all is well. */
  get failure(): Error | null {
    return this.#store?.failure ?? null;
  }

  /** What waits for the next commit: Prepares for their holds, records of trail and host. */
  get kept(): { prepares: number; records: number } {
    return { prepares: this.#waiting.length, records: this.#records.length };
  }

  // ---- start and end

  /**
   * Opens the store and puts back accounts, their indices and their sums. `older`: records to begin
   * an empty store with. Throws a sentence.
   */
  open(disk: Disk, timeMs: () => number, older: readonly Uint8Array[]): void {
    const { config, core, log, registry } = this.#deps;
    const store = new Store(disk, {
      size: config.journalSize,
      timeMs,
      identity: nameBooks(this.#deps.seed),
    });
    const { recovery, image } = store;
    if (!recovery.found) for (const record of older) image.apply(record);
    this.#store = store;
    this.#noteDropped(store);
    if (recovery.torn) log.warn("the journal was torn", { what: recovery.torn });
    for (const { index, code, scale } of image.assets.values()) {
      registry.asset({ assetCode: code, assetScale: scale }, index);
    }
    for (const { index, id, open, asset } of image.accounts.values()) {
      const { code, scale } = image.assets.get(asset)!;
      reopen(config, registry, { index, id, open, assetCode: code, assetScale: scale });
    }
    for (const { sums } of image.accounts.values()) if (sums) core.replay([sums]);
    for (const { income, settlement } of image.assets.values()) {
      if (income) core.replay([income]);
      if (settlement) core.replay([settlement]);
    }
    if (this.#hasTrail) core.setMode(Mode.Trail);
  }

  /** Calls `then` once, when the next commit is durable. */
  whenDurable(then: () => void): void {
    this.#durable.push((error) => {
      if (!error) then();
    });
  }

  /**
   * Writes all there is at once. Resolves when everything up to now is durable; rejects when the
   * disk fails.
   */
  flush(): Promise<void> {
    if (!this.#store) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (this.failure) return reject(this.failure);
      this.#durable.push((error) => (error ? reject(error) : resolve()));
      if (!this.#isWriting) this.#commitSoon();
    });
  }

  /** Writes what was opened: the first snapshot of this life. */
  begin(): void {
    if (!this.#store) return;
    this.#isDirty = true;
    this.#commit();
  }

  /** Writes what is left and closes the store. Resolves when that is done or has failed. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const store = this.#store;
    if (!store) return;
    await this.#settle();
    // Also what was booked through the core alone, of which nobody has said `changed`.
    if (!store.failure) {
      this.#commit();
      await this.#settle();
    }
    for (const tell of this.#durable.splice(0)) tell(new Error("The node has stopped."));
    this.#timer?.();
    this.#timer = null;
    store.close();
  }

  async #settle(): Promise<void> {
    if (this.#isWriting) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  // ---- while it runs

  /** A mutation is over. */
  changed(): void {
    const store = this.#store;
    if (!store || store.failure) return;
    if (this.#hasTrail) {
      for (const record of this.#deps.core.takeRecords()) this.#records.push(record);
      this.#watchRoom(store);
    }
    this.#isDirty = true;
    if (this.#isWriting) return;
    const isAsked = this.#waiting.length > 0 || this.#durable.length > 0;
    const isUrgent = isAsked || this.#records.length >= PAGE_RECORDS;
    if (isUrgent) this.#commitSoon();
    else this.#commitLater();
  }

  hold(id: number, send: () => void): void {
    if (this.#store) this.#waiting.push({ id, send });
    else send();
  }

  /** Adds records of the host's own to the next commit. */
  note(records: readonly Uint8Array[]): void {
    if (!this.#store || this.failure) return;
    for (const record of records) this.#records.push(record);
    this.#watchRoom(this.#store);
    this.changed();
  }

  /** The books as they are on disk and on their way there: one block, as a file to keep. */
  backUp(): { bytes: Uint8Array; sequence: number } | null {
    const store = this.#store;
    if (!store) return null;
    const { identity, image, facts } = store;
    const sequence = facts.sequence + (store.isBusy ? 1 : 0);
    const books = { epoch: facts.epoch, sequence, identity, records: image.records() };
    return { bytes: writeWhole({ ...books, ...this.#stamp() }), sequence };
  }

  #commitLater(): void {
    if (this.#timer) return;
    const { clock, config } = this.#deps;
    const sinceMs = clock.nowMs() - this.#commitAtMs;
    const waitMs = Math.max(1, config.commitPeriodMs - sinceMs);
    // Records gather for a whole period unless the last commit is long past.
    this.#timer = clock.after(
      sinceMs > config.commitPeriodMs ? config.commitPeriodMs : waitMs,
      () => this.#commit(),
    );
  }

  #commitSoon(): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    this.#timer?.();
    this.#timer = this.#deps.clock.after(0, () => this.#commit());
  }

  #commit(): void {
    this.#timer?.();
    this.#timer = null;
    this.#isSoon = false;
    const store = this.#store!;
    if (this.#isWriting || store.failure) return;
    const { core, clock } = this.#deps;
    const sums = [...core.commit()];
    const records = [...this.#nameOwners(store, sums), ...this.#records, ...sums];
    const covered = this.#waiting;
    const told = this.#durable;
    this.#durable = [];
    this.#records = [];
    this.#waiting = [];
    this.#isDirty = false;
    // Before its first snapshot the store may have books that are not on the disk yet.
    const isAll = told.length === 0 || store.facts.snapshots > 0;
    if (records.length === 0 && isAll) return told.forEach((tell) => tell(null));
    this.#isWriting = true;
    this.#commitAtMs = clock.nowMs();
    store.append(records, this.#stamp(), (error) => {
      this.#isWriting = false;
      if (error) this.#fail(error);
      else this.#release(covered);
      for (const tell of error ? [...told, ...this.#durable.splice(0)] : told) tell(error);
      this.#idle?.();
      this.#idle = null;
    });
  }

  #stamp(): Stamp {
    const { clock } = this.#deps;
    return { nowMs: clock.nowMs(), wallMs: clock.wallMs() };
  }

  /** Names of accounts and assets whose sums are to be written and which the store lacks. */
  #nameOwners(store: Store, sums: readonly Uint8Array[]): Uint8Array[] {
    const { registry } = this.#deps;
    const names: Uint8Array[] = [];
    for (const record of sums) {
      const index = indexOf(record);
      const kind = kindOf(record) as RecordKind;
      if (kind === RecordKind.Income) {
        const asset = registry.assets()[index];
        if (asset && !store.image.assets.has(index)) names.push(writeAsset(asset));
      } else if (kind === RecordKind.Account) {
        const entry = registry.byIndex(index);
        if (!entry) continue;
        const known = store.image.accounts.get(index);
        if (known?.id === entry.id && known.open === entry.open) continue;
        const asset = registry.asset(entry).index;
        names.push(...writeName({ index, id: entry.id, open: entry.open, asset }));
      }
    }
    return names;
  }

  /** A commit is durable. */
  #release(covered: readonly Waiting[]): void {
    const { core, clock } = this.#deps;
    const nowMs = clock.nowMs();
    core.durable();
    for (const { id, send } of covered) {
      const flight = core.flight(id);
      if (flight?.isHeld && nowMs < flight.deadlineMs) send();
    }
    this.#watchRoom(this.#store!);
    this.#noteDropped(this.#store!);
    if (this.#waiting.length > 0 || this.#durable.length > 0) this.#commitSoon();
    else if (this.#isDirty) this.#commitLater();
  }

  /** Takes no new packets while more is to be kept than a snapshot has room for. */
  #watchRoom(store: Store): void {
    const bytes = store.snapshotBytes + this.#records.length * RECORD_SIZE;
    const limit = store.snapshotRoom * (this.#isPressed ? ROOM_LOW : ROOM_HIGH);
    if (bytes > limit === this.#isPressed) return;
    this.#isPressed = bytes > limit;
    const { core, log } = this.#deps;
    if (this.#isPressed) {
      core.setMode(Mode.Draining);
      log.warn("the snapshots are nearly full, no new packets are taken for now", fillOf(store));
    } else if (!this.#isStopping) {
      core.setMode(0, Mode.Draining);
      log.info("the snapshots have room again, packets are taken");
    }
  }

  /** Says what was let go for want of room, once a commit at most. */
  #noteDropped(store: Store): void {
    const { claims, evidence } = store.image.dropped;
    if (claims + evidence === this.#dropped) return;
    this.#dropped = claims + evidence;
    this.#deps.log.warn(
      "the oldest late Fulfills, or details of claims, were let go: there is no room for more",
      { claims, lateFulfills: evidence, advice: "a restore with a larger journalSize gives room" },
    );
  }

  /** Nothing is written any more, and so nothing new is promised. */
  #fail(error: Error): void {
    const { core, log } = this.#deps;
    core.setMode(Mode.Draining);
    this.#waiting = [];
    log.error("the books cannot be written, no new packets are taken, the node will end", {
      reason: error.message,
    });
    this.#deps.onFailure(error);
  }

  /** No new packets from now on, for good. */
  drain(): void {
    this.#isStopping = true;
    this.#deps.core.setMode(Mode.Draining);
  }
}

/** A name for new books. */
function nameBooks(seed: Uint8Array): number {
  return createHash("sha256").update("books").update(seed).digest().readUInt32LE() || 1;
}

/** What a snapshot is full of, for the log. */
function fillOf({ image }: Store): Readonly<Record<string, unknown>> {
  const { accounts, holds, claims, evidence } = image;
  return {
    accounts: accounts.size,
    packetsOnHold: holds.size,
    claims: claims.size,
    lateFulfills: evidence.length,
    advice:
      "packets on hold end by themselves, claims with `ferrule claims resolve`; for more room " +
      "back the books up, set a larger journalSize and restore them",
  };
}

interface SavedAccount {
  index: number;
  id: string;
  open: boolean;
  assetCode: string;
  assetScale: number;
}

/** Opens an account at the index it had. One that is no longer configured keeps its books. */
function reopen(config: Config, registry: Registry, saved: SavedAccount): void {
  const { index, id, open, assetCode, assetScale } = saved;
  const account = config.accounts.find((candidate) => candidate.id === id);
  if (account && (account.assetCode !== assetCode || account.assetScale !== assetScale)) {
    throw new Error(
      `The books hold account ${id} in ${assetCode} with scale ${assetScale}, the ` +
        `configuration says ${account.assetCode} with scale ${account.assetScale}: ` +
        "use another account id.",
    );
  }
  if (index === LOCAL_ACCOUNT) registry.openLocal({ assetCode, assetScale });
  else if (account) registry.openConfigured(account, config.reflectPayments, index);
  else if (open && config.btp.open) {
    const template = { ...config.btp.open, assetCode, assetScale };
    registry.openChild(id, template, config.reflectPayments, index);
  } else registry.openClosed(id, { assetCode, assetScale }, index, open);
}
