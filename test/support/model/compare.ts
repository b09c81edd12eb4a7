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

export class Difference extends Error {}

function same(what: string, core: unknown, model: unknown): void {
  if (core !== model) throw new Difference(`${what}: core ${String(core)}, model ${String(model)}`);
}

function describe(said: Said[]): string {
  return said
    .map((s) => `kind ${s.kind} account ${s.account} id ${s.requestId} ${s.bytes.toString("latin1")}`)
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

function compareAccount(m: Machine, model: Model, index: number): void {
  const at = m.account(index);
  const a = model.accounts[index]!;
  const name = `account ${index}`;
  const held = model.flights.held();
  same(`${name} flags`, m.u32(at + A.flags), a.flags());
  same(`${name} link`, m.bytes[at + A.linkKind], a.kind);
  same(`${name} session`, m.view.getUint16(at + A.session, true), a.session & 0xffff);
  same(`${name} debits`, m.wide(at + A.debitsLo), a.debits);
  same(`${name} credits`, m.wide(at + A.creditsLo), a.credits);
  same(`${name} in`, m.u32(at + A.flightsIn), held.filter((f) => f.source === index).length);
  same(`${name} out`, m.u32(at + A.flightsOut), held.filter((f) => f.next === index).length);
  same(`${name} pending in`, m.u64(at + A.debitsPending), model.pendingIn(index));
  same(`${name} pending out`, m.u64(at + A.creditsPending), model.pendingOut(index));
  const meter = m.meter(index);
  for (const [key, value] of Object.entries(a.meters)) {
    same(`${name} ${key}`, m.u32(meter + M[key as keyof typeof M]), value);
  }
}

function compareAsset(m: Machine, model: Model, index: number): void {
  const at = m.asset(index);
  const asset = model.assets[index]!;
  const held = model.flights.held();
  const assetOf = (account: number): number | undefined => model.accounts[account]!.s?.asset;
  const name = `asset ${index}`;
  const coming = held.filter((f) => assetOf(f.source) === index);
  const going = held.filter((f) => assetOf(f.next) === index);
  const creditsPending = coming.reduce((sum, f) => sum + f.amountIn, 0n);
  const debitsPending = going.reduce((sum, f) => sum + f.amountOut, 0n);
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
  same("event code", codeText(m.u32(at + E.code)), noted.code);
  same("event request", m.u32(at + E.requestId), noted.requestId >>> 0);
  same("event amount", m.u64(at + E.amount), noted.amount);
  same("event limit", m.u64(at + E.limit), noted.limit);
  same("event value", m.u64(at + E.value), noted.value);
}

/** Throws a Difference unless everything the model knows is so in memory. */
export function compareState(m: Machine, model: Model): void {
  for (let i = 0; i < model.accounts.length; i++) compareAccount(m, model, i);
  for (let i = 0; i < model.assets.length; i++) compareAsset(m, model, i);
  for (const [name, value] of Object.entries(model.counters)) {
    same(name, m.counter(Counter[name as keyof typeof Counter]), value);
  }
  same("time", m.u64(m.get(Descriptor.StateAddress) + StateRecord.nowMs), BigInt(model.nowMs));
  compareEvent(m, model);
}
