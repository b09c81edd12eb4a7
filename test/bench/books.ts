// The books that packets of the core's benchmarks are judged by: two accounts in two assets with
// every limit on, and routes to the second.
import { LinkKind, Relation, type AccountOptions, type Core } from "../../host/core.js";

/** Opens account 1 (alice) and 2 (bob), both linked, and `routes` routes to bob. */
export function openBooks(core: Core, routes: number, more: Partial<AccountOptions> = {}): void {
  core.setAsset(0, "XRP", 9);
  core.setAsset(1, "USD", 6);
  core.setAccount(0, { name: "local", relation: Relation.Local, asset: 0 });
  const limits = {
    relation: Relation.Peer,
    balanceMinimum: -(10n ** 18n),
    balanceMaximum: 10n ** 18n,
    packetMaxIn: 10n ** 12n,
    packetMaxOut: 10n ** 12n,
    pendingMax: 10n ** 15n,
    throughputIn: 10n ** 15n,
    throughputOut: 10n ** 15n,
    rateCount: 1_000_000_000,
    ratePeriodMs: 1000,
    rateCapacity: 1_000_000_000,
    flightsMax: 10000,
    ...more,
  };
  core.setAccount(1, { ...limits, name: "alice", asset: 0 });
  core.setAccount(2, { ...limits, name: "bob", asset: 1 });
  core.setAddress("test.connector");
  for (let i = 0; i < routes; i++) core.setRoute(`test.connector.bob${i}`, 2);
  core.setRate(0, 1, 517n, 1_000_003n, 2_000_000);
  core.linkUp(1, LinkKind.Raw);
  core.linkUp(2, LinkKind.Raw);
}
