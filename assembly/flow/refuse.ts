// Answering with a Reject of this node's own making.
import { Counter, Rule, Verdict } from "../abi";
import { compose, keep } from "../channel";
import { note, noteVerdict } from "../insight";
import { account } from "../ledger/account";
import { meter } from "../ledger/meter";
import { send } from "../link";
import { VERDICT, VIEW } from "../layout";
import { OWN_ADDRESS, count, state } from "../state";
import { MESSAGE, writeMessage, writeUnknownAddress } from "../text";
import { writeU64 } from "../wire/oer";
import { PacketView, writeReject } from "../wire/ilp";
import { AccountFlag } from "../abi";
import { F08 } from "./judge";

const AMOUNTS: usize = memory.data(16, 8);
const UNKNOWN: usize = memory.data(16, 8);

/** Composes the Reject a verdict asks for in the arena. @returns its size; it is at `compose()`. */
export function composeReject(v: Verdict, view: PacketView): u32 {
  const messageLength = writeMessage(v, view);
  let own: usize = OWN_ADDRESS;
  let ownLength = state().ownLength;
  if (!ownLength) {
    own = UNKNOWN;
    ownLength = writeUnknownAddress(UNKNOWN);
  }
  let dataLength: u32 = 0;
  if (v.code == F08) {
    writeU64(AMOUNTS, v.amountIn);
    writeU64(AMOUNTS + 8, v.maximum);
    dataLength = 16;
  }
  const out = compose();
  return writeReject(out, v.code, own, ownLength, MESSAGE, messageLength, AMOUNTS, dataLength);
}

/** Answers the request with the verdict's Reject and notes why. */
export function answerReject(v: Verdict, requestId: u32): void {
  const view = changetype<PacketView>(VIEW);
  const packet = compose();
  const size = composeReject(v, view);
  keep(size);
  send(v.account, true, requestId, packet, size, v.account);
  count(Counter.Refusals);
  if (v.rule == <u32>Rule.Loop) count(Counter.LoopBreaks);
  if (v.rule == <u32>Rule.TableFull) count(Counter.FlightsFull);
  meter(v.account).inRejected += 1;
  noteVerdict(v, requestId);
}

/**
 * Answers a packet that was in flight with a Reject of this node's own (timeout, wrong fulfillment,
 * failed link), if the link it came from is still the one it came on.
 */
export function answerEnded(
  index: u32,
  session: u32,
  requestId: u32,
  rule: Rule,
  code: u32,
  next: u32,
  amount: u64,
): void {
  const v = changetype<Verdict>(VERDICT);
  memory.fill(VERDICT, 0, offsetof<Verdict>());
  v.account = index;
  v.next = next;
  v.rule = rule;
  v.code = code;
  v.amountIn = amount;
  meter(index).inRejected += 1;
  const e = note(rule, index, next, code);
  e.requestId = requestId;
  e.amount = amount;
  const a = account(index);
  if (!(a.flags & AccountFlag.Linked) || <u32>a.session != session) {
    count(Counter.Orphans);
    return;
  }
  const packet = compose();
  const size = composeReject(v, changetype<PacketView>(VIEW));
  keep(size);
  send(index, true, requestId, packet, size, next);
}
