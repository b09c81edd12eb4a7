// Setters as journal records: a Command record with the verb, its arguments and the number of
// parameter bytes, then the parameters, 48 bytes to a record. Replaying them calls the setters
// again.
import { Mode, RecordKind, Status, Verb } from "../abi";
import { TRAIL } from "../config";
import { INPUT } from "../layout";
import { state } from "../state";
import { Record, append, hasRecords, seal } from "./record";

/** Bytes of parameters that one record carries. */
export const PAYLOAD: u32 = 48;

// @ts-ignore: decorator
@inline
function isOn(): bool {
  return TRAIL && (state().mode & (Mode.Commands | Mode.Replaying)) == Mode.Commands;
}

/** Records that a command with `length` bytes of parameters takes. */
// @ts-ignore: decorator
@inline
export function commandRecords(length: u32): u32 {
  return 1 + (length + PAYLOAD - 1) / PAYLOAD;
}

/** May a setter with `length` bytes of parameters be journalled now? */
// @ts-ignore: decorator
@inline
export function canNote(length: u32): bool {
  return !isOn() || hasRecords(commandRecords(length));
}

/** Journals a setter that was carried out, with the parameters in the input. @returns `status`. */
export function noteCommand(status: Status, verb: Verb, a: u32, b: u32, length: u32): Status {
  if (status < 0 || !isOn()) return status;
  const r = append(RecordKind.Command, verb);
  r.a = (<u64>a) | ((<u64>b) << 32);
  r.b = length;
  r.f = state().nowMs;
  seal(r);
  for (let i: u32 = 0; i < length; i += PAYLOAD) {
    const part = append(RecordKind.Parameters, verb);
    const rest = length - i;
    const p = changetype<usize>(part) + offsetof<Record>("a");
    memory.copy(p, INPUT + i, rest < PAYLOAD ? rest : PAYLOAD);
    seal(part);
  }
  return status;
}
