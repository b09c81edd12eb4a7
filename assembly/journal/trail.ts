// The trail: one record per hold, post, void and expiry, in order. Two for a hold, because of the
// condition.
import { FlightState, Mode, RecordKind } from "../abi";
import { TRAIL } from "../config";
import { flight, requestIdOf } from "../flight/table";
import { state } from "../state";
import { append, seal } from "./record";

/** Is every hold, post, void and expiry to be recorded? */
// @ts-ignore: decorator
@inline
export function isTrailOn(): bool {
  return TRAIL && (state().mode & (Mode.Trail | Mode.Replaying)) == Mode.Trail;
}

export function noteHold(slot: u32): void {
  const f = flight(slot);
  const r = append(RecordKind.Hold, f.inAccount);
  r.a = f.amountIn;
  r.b = f.amountOut;
  r.c = f.deadlineMs;
  r.d = (<u64>f.requestId) | ((<u64>f.destinationMark) << 32);
  r.e = (<u64>f.outAccount) | ((<u64>f.session) << 16) | ((<u64>requestIdOf(slot)) << 32);
  r.f = state().nowMs;
  seal(r);
  const next = append(RecordKind.HoldCondition, f.outAccount);
  next.a = f.condition0;
  next.b = f.condition1;
  next.c = f.condition2;
  next.d = f.condition3;
  next.e = <u64>requestIdOf(slot);
  seal(next);
}

export function noteEnd(slot: u32, outcome: FlightState): void {
  const f = flight(slot);
  let kind = RecordKind.Void;
  if (outcome == FlightState.Posted) kind = RecordKind.Post;
  else if (outcome == FlightState.Expired) kind = RecordKind.Expire;
  const r = append(kind, f.inAccount);
  r.a = f.amountIn;
  r.b = f.amountOut;
  r.e = (<u64>f.outAccount) | ((<u64>requestIdOf(slot)) << 32);
  r.f = state().nowMs;
  seal(r);
}
