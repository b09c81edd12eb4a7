// The ABI: these exports and `memory`, nothing else. assembly/README.md describes each.
export { poll } from "./channel";
export {
  batch,
  clock,
  deadline,
  describe,
  direct,
  explain,
  fail,
  frame,
  init,
  inspectFrame,
  inspectPacket,
  reply,
  request,
  stream,
  streamNeeded,
  tick,
} from "./core";
export { commit, durable } from "./journal/commit";
export { takeRecords } from "./journal/record";
export { replay } from "./replay";
export {
  bookSettlement,
  closeAccount,
  deleteRoute,
  linkDown,
  linkUp,
  postClaim,
  setAccount,
  setAddress,
  setAsset,
  setDefaultRoute,
  setFlags,
  setMode,
  setPolicy,
  setRateOf,
  setRoute,
  voidClaim,
} from "./setup";
