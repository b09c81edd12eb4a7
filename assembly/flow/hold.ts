// Holds, begun and ended: the ledger, the expiry wheel, the loop breaker and the trail go together.
import { FlightState } from "../abi";
import { linkTwin, unlinkTwin } from "../flight/loop";
import { Flight, endSlot, flight } from "../flight/table";
import { schedule, unschedule } from "../flight/wheel";
import { isTrailOn, noteEnd, noteHold } from "../journal/trail";
import { account } from "../ledger/account";
import { hold, post, release, touch } from "../ledger/balance";
import { meter } from "../ledger/meter";
import { addClamped } from "../ledger/wide";

/** The holds of both accounts change: the next commit must say so. */
// @ts-ignore: decorator
@inline
function touchHolds(f: Flight): void {
  meter(f.inAccount).dirty = 1;
  meter(f.outAccount).dirty = 1;
}

/** Puts a slot that has been taken and filled on hold. The caller has checked every limit. */
export function launch(slot: u32): void {
  const f = flight(slot);
  hold(account(f.inAccount), f.amountIn, account(f.outAccount), f.amountOut);
  touchHolds(f);
  schedule(slot);
  linkTwin(slot);
  if (isTrailOn()) noteHold(slot);
}

/** Takes a held flight out of every structure; its slot keeps the outcome. */
function endFlight(slot: u32, outcome: FlightState): void {
  unschedule(slot);
  unlinkTwin(slot);
  endSlot(slot, outcome);
  if (isTrailOn()) noteEnd(slot, outcome);
}

/** Ends a hold by posting it. */
export function postFlight(slot: u32): void {
  const f = flight(slot);
  post(account(f.inAccount), f.amountIn, account(f.outAccount), f.amountOut);
  touch(f.inAccount);
  touch(f.outAccount);
  const m = meter(f.inAccount);
  m.riskOpen = addClamped(m.riskOpen, f.amountIn);
  endFlight(slot, FlightState.Posted);
}

/** Ends a hold without posting. */
export function voidFlight(slot: u32, outcome: FlightState): void {
  const f = flight(slot);
  release(account(f.inAccount), f.amountIn, account(f.outAccount), f.amountOut);
  touchHolds(f);
  endFlight(slot, outcome);
}
