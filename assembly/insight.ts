// The ring of recent events: every reject with the rule that decided and its values, readable by
// the host at any time without a call. Oldest entries are overwritten.
import { Counter, Event, Rule, Verdict } from "./abi";
import { EVENT_COUNT } from "./config";
import { EVENTS, EVENT_STRIDE } from "./layout";
import { count, state, wallMs } from "./state";

if (offsetof<Event>() != EVENT_STRIDE) ERROR("event record");

/** Appends an event; the caller fills what the arguments do not. */
export function note(rule: Rule, index: u32, next: u32, code: u32): Event {
  const s = state();
  const slot = (<u32>s.eventSequence) & (EVENT_COUNT - 1);
  const e = changetype<Event>(EVENTS + <usize>(slot * EVENT_STRIDE));
  s.eventSequence += 1;
  count(Counter.Events);
  e.sequence = s.eventSequence;
  e.timeMs = wallMs();
  e.rule = <u16>rule;
  e.account = <u16>index;
  e.next = <u16>next;
  e.reserved = 0;
  e.code = code;
  e.requestId = 0;
  e.amount = 0;
  e.limit = 0;
  e.value = 0;
  e.condition = 0;
  return e;
}

/** Notes a refusal, with the values the verdict holds. */
export function noteVerdict(v: Verdict, requestId: u32): Event {
  const e = note(v.rule, v.account, v.next, v.code);
  e.requestId = requestId;
  e.amount = v.amountIn;
  e.limit = v.limitLo;
  e.value = v.valueLo;
  return e;
}
