// Is the core where the model is? Compares outputs byte for byte, then every sum, hold, counter,
// flag and the latest event, as memory has them.
import {
  AccountRecord as A,
  AssetRecord as S,
  Counter,
  Descriptor,
  EventRecord as E,
  MeterRecord as M,
  Rule,
  StateRecord,
} from "../../../host/abi.js";
import { codeText } from "../../../host/core.js";
import type { Machine, Said } from "./machine.js";
import type { Model } from "./model.js";

const METERS = [
  "inFulfilled",
  "inRejected",
  "outFulfilled",
  "outRejected",
  "outExpired",
  "outWrong",
  "rateLimited",
] as const;
const COUNTERS = Array.from({ length: Counter.Count }, (_, i) => Counter[i]!);

export class Difference extends Error {}

function same(what: string, core: unknown, model: unknown): void {
  if (core !== model) throw new Difference(`${what}: core ${String(core)}, model ${String(model)}`);
}

function describe(said: Said[]): string {
  return said
    .map(
      (s) => `kind ${s.kind} account ${s.account} id ${s.requestId} ${s.bytes.toString("latin1")}`,
    )
    .join("\n  ");
}

export function compareOutputs(core: Said[], model: Said[]): void {
  const equal =
    core.length === model.length &&
    core.every((c, i) => {
      const m = model[i]!;
      return (
        c.kind === m.kind &&
        c.account === m.account &&
        c.source === m.source &&
        c.packetType === m.packetType &&
        c.requestId === m.requestId >>> 0 &&
        c.amount === m.amount &&
        c.bytes.equals(m.bytes)
      );
    });
  if (equal) return;
  throw new Difference(`outputs:\n  ${describe(core)}\nmodel:\n  ${describe(model)}`);
}

/** What is cheap to read: flags, link, counters. */
function compareAccount(m: Machine, model: Model, index: number): void {
  const at = m.account(index);
  const a = model.accounts[index]!;
  const meter = m.meter(index);
  const equal =
    m.u32(at + A.flags) === a.flags() &&
    m.u32(meter + M.dirty) === (a.dirty ? 1 : 0) &&
    m.u64(meter + M.riskOpen) === a.riskOpen &&
    m.u64(meter + M.riskWritten) === a.riskWritten &&
    m.bytes[at + A.linkKind] === a.kind &&
    m.view.getUint16(at + A.session, true) === (a.session & 0xffff) &&
    METERS.every((name) => m.u32(meter + M[name]) === a.meters[name]);
  if (equal) return;
  const core = METERS.map((name) => m.u32(meter + M[name]));
  const meters = METERS.map((name) => a.meters[name]);
  const flags = `flags ${m.u32(at + A.flags)}, model ${a.flags()}`;
  throw new Difference(`account ${index}: ${flags}, meters ${core.join()}, model ${meters.join()}`);
}

function compareSums(m: Machine, model: Model, index: number): void {
  const at = m.account(index);
  const a = model.accounts[index]!;
  const name = `account ${index}`;
  const held = model.flights.held();
  same(`${name} debits`, m.wide(at + A.debitsLo), a.debits);
  same(`${name} credits`, m.wide(at + A.creditsLo), a.credits);
  same(`${name} in`, m.u32(at + A.flightsIn), held.filter((f) => f.source === index).length);
  same(`${name} out`, m.u32(at + A.flightsOut), held.filter((f) => f.next === index).length);
  same(`${name} claims in`, m.u64(at + A.claimDebits), a.claimDebits);
  same(`${name} claims out`, m.u64(at + A.claimCredits), a.claimCredits);
  same(`${name} pending in`, m.u64(at + A.debitsPending), model.pendingIn(index));
  same(`${name} pending out`, m.u64(at + A.creditsPending), model.pendingOut(index));
}

function compareAsset(m: Machine, model: Model, index: number): void {
  const at = m.asset(index);
  const asset = model.assets[index]!;
  const held = model.flights.held();
  const assetOf = (account: number): number | undefined => model.accounts[account]!.s?.asset;
  const name = `asset ${index}`;
  const coming = held.filter((f) => assetOf(f.source) === index);
  const going = held.filter((f) => assetOf(f.next) === index);
  const claimed = model.accounts.filter((a) => (a.s?.asset ?? 0) === index);
  const claimsIn = claimed.reduce((sum, a) => sum + a.claimDebits, 0n);
  const claimsOut = claimed.reduce((sum, a) => sum + a.claimCredits, 0n);
  const creditsPending = coming.reduce((sum, f) => sum + f.amountIn, claimsIn);
  const debitsPending = going.reduce((sum, f) => sum + f.amountOut, claimsOut);
  same(`${name} income debits`, m.wide(at + S.incomeDebitsLo), asset.incomeDebits);
  same(`${name} income credits`, m.wide(at + S.incomeCreditsLo), asset.incomeCredits);
  same(`${name} settled debits`, m.wide(at + S.settledDebitsLo), asset.settledDebits);
  same(`${name} settled credits`, m.wide(at + S.settledCreditsLo), asset.settledCredits);
  same(`${name} pending credits`, m.wide(at + S.incomeCreditsPendingLo), creditsPending);
  same(`${name} pending debits`, m.wide(at + S.incomeDebitsPendingLo), debitsPending);
  same(`${name} dirty`, m.bytes[at + S.dirty], asset.dirty ? 1 : 0);
}

function compareEvent(m: Machine, model: Model): void {
  const { noted } = model;
  if (!noted) return;
  const count = model.counters.Events!;
  const slot = (count - 1) % m.get(Descriptor.Events);
  const at = m.get(Descriptor.EventsAddress) + slot * E.SIZE;
  same("event sequence", m.u32(at + E.sequence), count);
  same("event rule", Rule[m.view.getUint16(at + E.rule, true)], noted.rule);
  same("event account", m.view.getUint16(at + E.account, true), noted.account);
  same("event next", m.view.getUint16(at + E.next, true), noted.next);
  // A peer may send three NULs, which the host shows as no code.
  const code = noted.code === "\0\0\0" ? "" : noted.code;
  same("event code", codeText(m.u32(at + E.code)), code);
  same("event request", m.u32(at + E.requestId), noted.requestId >>> 0);
  same("event amount", m.u64(at + E.amount), noted.amount);
  same("event limit", m.u64(at + E.limit), noted.limit);
  same("event value", m.u64(at + E.value), noted.value);
}

/** Throws unless accounts' flags and counters, the node's counters and the latest event agree. */
export function compareState(m: Machine, model: Model): void {
  for (let i = 0; i < model.accounts.length; i++) compareAccount(m, model, i);
  for (const [i, name] of COUNTERS.entries()) same(name, m.counter(i), model.counters[name]);
  same("time", m.u64(m.get(Descriptor.StateAddress) + StateRecord.nowMs), BigInt(model.nowMs));
  compareEvent(m, model);
}

/** Throws unless every sum and hold agrees. */
export function compareBooks(m: Machine, model: Model): void {
  for (let i = 0; i < model.accounts.length; i++) compareSums(m, model, i);
  for (let i = 0; i < model.assets.length; i++) compareAsset(m, model, i);
}
