// Which account and asset has which index in the core. Indices are given once and stay: the books
// on disk name accounts by index and id, and a restart puts both back together.
import { LOCAL_ACCOUNT, Relation } from "./core.js";
import type { AccountOptions, Core } from "./core.js";
import type { Account, AccountLimits, Asset, OpenAccount } from "./config/types.js";

export interface AssetEntry {
  index: number;
  code: string;
  scale: number;
}

export interface AccountEntry {
  index: number;
  id: string;
  /** Address segment of a child; empty for others. */
  segment: string;
  relation: Relation;
  assetCode: string;
  assetScale: number;
  /** Made by an open token, not by the configuration. */
  open: boolean;
  config: Account | null;
}

/** The node's own account. */
const OWN_ID = "local";
const RELATIONS = { parent: Relation.Parent, peer: Relation.Peer, child: Relation.Child } as const;

/** Limits as the core takes them. */
function limitOptions(limits: AccountLimits): Partial<AccountOptions> {
  return {
    balanceMinimum: limits.balance.minimum,
    balanceMaximum: limits.balance.maximum,
    settleThreshold: limits.balance.settleThreshold,
    settleTo: limits.balance.settleTo,
    packetMaxIn: limits.maxPacketAmount,
    packetMaxOut: limits.maxPacketAmountOut,
    pendingMax: limits.maxInFlightAmount,
    riskMax: limits.maxAtRisk,
    throughputIn: limits.throughput.incomingAmount,
    throughputOut: limits.throughput.outgoingAmount,
    throughputPeriodMs: limits.throughput.refillPeriodMs,
    rateCount: limits.rateLimit.refillCount,
    ratePeriodMs: limits.rateLimit.refillPeriodMs,
    rateCapacity: limits.rateLimit.capacity,
    flightsMax: limits.maxInFlight,
  };
}

export class Registry {
  readonly #core: Core;
  readonly #assets: AssetEntry[] = [];
  readonly #accounts: (AccountEntry | undefined)[] = [];
  readonly #byId = new Map<string, AccountEntry>();

  constructor(core: Core) {
    this.#core = core;
  }

  list(): AccountEntry[] {
    return this.#accounts.filter((entry) => entry !== undefined);
  }

  byId(id: string): AccountEntry | undefined {
    return this.#byId.get(id);
  }

  byIndex(index: number): AccountEntry | undefined {
    return this.#accounts[index];
  }

  assets(): AssetEntry[] {
    return [...this.#assets];
  }

  /** Index of an asset, opened in the core if it is new. `index` puts it back where it was. */
  asset(asset: Asset, index = this.#assets.length): AssetEntry {
    const { assetCode: code, assetScale: scale } = asset;
    const known = this.#assets.find((entry) => entry.code === code && entry.scale === scale);
    if (known) return known;
    if (index >= this.#core.assetsMax) {
      throw new Error(
        `This build holds ${this.#core.assetsMax} assets: ${code} with scale ${scale} is one too ` +
          "many.",
      );
    }
    this.#core.setAsset(index, code, scale);
    const entry = { index, code, scale };
    this.#assets[index] = entry;
    return entry;
  }

  /** Opens the node's own account. It may send to itself: an operator pings this node first. */
  openLocal(asset: Asset): void {
    const entry = { id: OWN_ID, segment: "", relation: Relation.Local, open: false, config: null };
    this.#open(LOCAL_ACCOUNT, entry, asset, { reflect: true });
  }

  /** Opens a configured account, at `index` if it had one. */
  openConfigured(config: Account, reflect: boolean, index = this.#free()): AccountEntry {
    const entry = {
      id: config.id,
      segment: config.relation === "child" ? config.ilpAddressSegment : "",
      relation: RELATIONS[config.relation],
      open: false,
      config,
    };
    const options = { ...limitOptions(config), frozen: config.frozen, reflect };
    return this.#open(index, entry, config, options);
  }

  /** Opens a child account for whoever holds a token; `id` is also its address segment. */
  openChild(
    id: string,
    template: OpenAccount,
    reflect: boolean,
    index = this.#free(),
  ): AccountEntry {
    const entry = { id, segment: id, relation: Relation.Child, open: true, config: null };
    return this.#open(index, entry, template, { ...limitOptions(template), reflect });
  }

  /**
   * Keeps the books of an account that is in neither configuration nor template any more: frozen.
   * `open` says that a token made it: it comes back to life when such accounts are wanted again.
   */
  openClosed(id: string, asset: Asset, index: number, open: boolean): AccountEntry {
    // Earlier versions let a configuration call an account `local`. No configuration can call one
    // this: it stays closed, and is not taken for the node's own.
    const name = id === OWN_ID ? `~${OWN_ID}` : id;
    const entry = { id: name, segment: "", relation: Relation.Peer, open, config: null };
    return this.#open(index, entry, asset, { frozen: true });
  }

  #open(
    index: number,
    about: Omit<AccountEntry, "index" | "assetCode" | "assetScale">,
    asset: Asset,
    options: Partial<AccountOptions>,
  ): AccountEntry {
    const { assetCode, assetScale } = asset;
    const { id, segment, relation } = about;
    const assetIndex = this.asset(asset).index;
    this.#core.setAccount(index, { ...options, name: id, segment, relation, asset: assetIndex });
    const entry = { ...about, index, assetCode, assetScale };
    this.#accounts[index] = entry;
    this.#byId.set(id, entry);
    return entry;
  }

  /** Takes back an account that was opened just now. Throws CoreError when it is in use. */
  close(entry: AccountEntry): void {
    this.#core.closeAccount(entry.index);
    this.#accounts[entry.index] = undefined;
    this.#byId.delete(entry.id);
  }

  /** Lowest free index. Throws a sentence when the core's table is full. */
  #free(): number {
    for (let index = 1; index < this.#core.accountsMax; index++) {
      if (!this.#accounts[index]) return index;
    }
    throw new Error(`This build holds ${this.#core.accountsMax - 1} accounts and all are taken.`);
  }
}
