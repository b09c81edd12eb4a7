// The ABI's vocabulary: every number and record a host sees. The TypeScript constants, the C header
// and the WIT file are generated from this file (and from the records named in tools/abi.mjs);
// nobody types these numbers twice. It imports nothing.

/** Version of everything in this file; a host refuses a core with another version. */
export const ABI_VERSION: u32 = 2;
/** First word of the descriptor, "FRRL" in memory order. */
export const ABI_MAGIC: u32 = 0x4c525246;

/** What a verb returns: 0 or more is success, negative is a refusal that changed nothing. */
export const enum Status {
  Ok = 0,
  /** An index, length or flag outside its range. */
  BadArgument = -1,
  /** A table is at its capacity. */
  Full = -2,
  /** No such account, asset, route or rate. */
  NotFound = -3,
  /** Not an ILP address or prefix. */
  BadAddress = -4,
  /** A rate whose numerator or denominator is zero or does not fit once spread is applied. */
  BadRate = -5,
  /** Bytes that are not a frame of the link's framing; the link should be closed. */
  BadFrame = -6,
  /** Bytes that are not the ILP packet expected here. */
  BadPacket = -7,
  /** Outputs of the previous call have not been polled. */
  Undrained = -8,
  /** The account has packets in flight, open claims or sums; the asset has accounts or sums. */
  Busy = -9,
  /** A journal record that does not follow, or whose checksum is wrong. */
  BadRecord = -10,
  /** A reply that matches nothing in flight; nothing moved. */
  Unsolicited = -11,
  /** The books would not balance: more than the claim that is open. */
  Unbalanced = -12,
}

/** Kind of an output record. */
export const enum OutputKind {
  None = 0,
  /** Bytes for a framed link, to be written as they are. */
  Frame = 1,
  /** A Prepare for a raw link; its reply comes back through `reply` with this request id. */
  Request = 2,
  /** A Fulfill or Reject that answers the host's `request` with this request id. */
  Reply = 3,
  /** An account passed its settlement threshold; `amount` is what would bring it to settleTo. */
  SettlementDue = 4,
  /** A valid Fulfill that came after its packet had expired: evidence, nothing moved. */
  LateFulfill = 5,
  /** The stream is over: write what was said before, call linkDown at once, close the link. */
  Close = 6,
  /** A Fulfill to nothing in flight, from an account with claims that it may prove. */
  Unsolicited = 7,
}

/** How a link carries packets. */
export const enum LinkKind {
  None = 0,
  /** Whole ILP packets with a request id of the host's (HTTP, the local link, embedders). */
  Raw = 1,
  /** Whole BTP frames, one per WebSocket message. */
  Btp = 2,
  /** BTP in a WebSocket byte stream of which this node is the server. */
  WsServer = 3,
  /** BTP in a WebSocket byte stream of which this node is the client. */
  WsClient = 4,
  /** A byte stream of serial frames (COBS and CRC32C). */
  Serial = 5,
}

/** Relation of an account's owner to this node (RFC 32, NODE-05). */
export const enum Relation {
  Local = 0,
  Parent = 1,
  Peer = 2,
  Child = 3,
}

/** Bits of Account.flags. */
export const enum AccountFlag {
  Open = 1,
  /** The link can carry packets. */
  Linked = 2,
  /** The link's send queue is full: requests to it are answered T03, replies still go out. */
  Congested = 4,
  /** No new Prepares from it or to it. */
  Frozen = 8,
  /** No new Prepares from it. */
  Draining = 16,
  /** May send a packet whose route leads back to itself. */
  Reflect = 32,
  /** settleThreshold applies. */
  Settles = 64,
  /** SettlementDue was said and not yet acted on. */
  SettlementSaid = 128,
}

/** State of a slot of the flight table. */
export const enum FlightState {
  Free = 0,
  Held = 1,
  Posted = 2,
  Voided = 3,
  Expired = 4,
}

/** The rule that decided about a packet: shown by explain, events and metrics. */
export const enum Rule {
  Forwarded = 0,
  InvalidPacket = 1,
  UnexpectedType = 2,
  NodeDraining = 3,
  ClockUnset = 4,
  AccountFrozen = 5,
  RateLimit = 6,
  MaxPacketAmount = 7,
  ThroughputIn = 8,
  BalanceMaximum = 9,
  InFlightCount = 10,
  InFlightAmount = 11,
  PeerProtocol = 12,
  PeerCondition = 13,
  Scheme = 14,
  NoRoute = 15,
  Reflection = 16,
  NextFrozen = 17,
  LinkDown = 18,
  LinkBusy = 19,
  NoRate = 20,
  RateOverflow = 21,
  RoundsToZero = 22,
  Expired = 23,
  ExpiresSoon = 24,
  MaxPacketAmountOut = 25,
  ThroughputOut = 26,
  BalanceMinimum = 27,
  NextInFlightCount = 28,
  NextInFlightAmount = 29,
  Loop = 30,
  TableFull = 31,
  Timeout = 32,
  WrongFulfillment = 33,
  PeerRejected = 34,
  InvalidReply = 35,
  LinkFailed = 36,
  IldcpRefused = 37,
  IldcpAnswered = 38,
  ValueAtRisk = 39,
}

/** Index of each 64-bit counter in the counter region. */
export const enum Counter {
  Prepares = 0,
  Forwards = 1,
  Fulfills = 2,
  Rejects = 3,
  /** Prepares this node itself answered with a Reject. */
  Refusals = 4,
  Expiries = 5,
  /** Replies to nothing in flight. */
  Unsolicited = 6,
  /** Replies that came again after the packet had ended. */
  Duplicates = 7,
  /** Valid Fulfills after expiry. */
  LateFulfills = 8,
  WrongFulfillments = 9,
  BadFrames = 10,
  /** Replies whose requester's link was replaced in the meantime. */
  Orphans = 11,
  IldcpAnswers = 12,
  LoopBreaks = 13,
  FlightsFull = 14,
  CrossLink = 15,
  FlightsMax = 16,
  OutputsMax = 17,
  Events = 18,
  ClockSteps = 19,
  Count = 20,
}

/** Kind of a journal record (64 bytes each). */
export const enum RecordKind {
  None = 0,
  /** Absolute sums of an account. */
  Account = 1,
  /** Absolute sums of an asset's income account. */
  Income = 2,
  /** Absolute sums of an asset's settlement account. */
  Settlement = 3,
  /** First part of a setter's parameters: verb, arguments, byte count. */
  Command = 4,
  /** 48 further bytes of the command before it. */
  Parameters = 5,
  Hold = 6,
  HoldCondition = 7,
  Post = 8,
  Void = 9,
  Expire = 10,
}

/** Setters that the journal records as commands. */
export const enum Verb {
  None = 0,
  AssetSet = 1,
  AccountSet = 2,
  AccountClose = 3,
  RateSet = 4,
  RouteSet = 5,
  RouteDelete = 6,
  AddressSet = 7,
  PolicySet = 8,
  DefaultRoute = 9,
  AccountFlags = 10,
  Settle = 11,
  LinkUp = 12,
  LinkDown = 13,
  ClaimPost = 14,
  ClaimVoid = 15,
}

/** Which of an account's possible claims: holds of an earlier life whose outcome is unknown. */
export const enum ClaimSide {
  /** What the account's owner may owe this node. */
  Debits = 0,
  /** What this node may owe the account's owner. */
  Credits = 1,
}

/** Bits of State.mode. */
export const enum Mode {
  /** New Prepares are answered T03; packets in flight finish. */
  Draining = 1,
  /** The wall clock was given. */
  ClockSet = 2,
  /** The trail is on: one record per hold, post, void and expiry. */
  Trail = 4,
  /** Setters are journalled as commands (nodes without a configuration file). */
  Commands = 8,
  /** Records are being replayed: nothing is journalled or said. */
  Replaying = 16,
}

/** Word index in the descriptor that `describe()` returns. All words are u32. */
export const enum Descriptor {
  Magic = 0,
  Version = 1,
  Accounts = 2,
  Assets = 3,
  Flights = 4,
  RouteSlots = 5,
  NameBytes = 6,
  Events = 7,
  Outputs = 8,
  InputBytes = 9,
  Records = 10,
  PacketBytes = 11,
  StateAddress = 12,
  AccountsAddress = 13,
  NamesAddress = 14,
  MetersAddress = 15,
  AssetsAddress = 16,
  RatesAddress = 17,
  FlightsAddress = 18,
  CountersAddress = 19,
  EventsAddress = 20,
  OutputsAddress = 21,
  InputAddress = 22,
  RecordsAddress = 23,
  VerdictAddress = 24,
  ViewAddress = 25,
  FrameAddress = 26,
  SnapshotStart = 27,
  SnapshotEnd = 28,
  MemoryEnd = 29,
  AccountStride = 30,
  MeterStride = 31,
  AssetStride = 32,
  FlightStride = 33,
  EventStride = 34,
  HoldMaxMs = 35,
  BooksStart = 36,
  BooksEnd = 37,
  Simd = 38,
  Count = 39,
}

/** One thing the core wants done, 32 bytes. Valid until the next mutation. */
@unmanaged
export class Output {
  kind: u16;
  /** Account whose link it is for; for SettlementDue the account concerned. */
  account: u16;
  /** Account the packet came from (requests on the local link need it). */
  source: u16;
  /** 12, 13 or 14: what is in the bytes. */
  packetType: u16;
  requestId: u32;
  address: u32;
  length: u32;
  reserved: u32;
  /** SettlementDue, LateFulfill: amount in the account's units. */
  amount: u64;
}

/** What happened, 64 bytes in the event ring. */
@unmanaged
export class Event {
  sequence: u64;
  /** Wall-clock milliseconds. */
  timeMs: i64;
  rule: u16;
  account: u16;
  /** Account the packet would have gone to or came back from; 0xffff when there is none. */
  next: u16;
  reserved: u16;
  /** Reject code, three bytes in memory order; 0 when there is none. */
  code: u32;
  requestId: u32;
  amount: u64;
  /** The limit that decided and the value that met it, low 64 bits. */
  limit: u64;
  value: u64;
  /** First eight bytes of the condition. */
  condition: u64;
}

/** Outcome of judging a Prepare: what `explain` returns and the reject text is made from. */
@unmanaged
export class Verdict {
  rule: u32;
  code: u32;
  account: u32;
  next: u32;
  amountIn: u64;
  amountOut: u64;
  /** Expiry written into the outgoing Prepare, wall-clock milliseconds. */
  expiresAtMs: i64;
  /** The same on the core's monotonic clock. */
  deadlineMs: u64;
  /** The limit that decided (signed 128-bit). */
  limitLo: u64;
  limitHi: u64;
  /** The value that met it (signed 128-bit). */
  valueLo: u64;
  valueHi: u64;
  /** F08: largest amount that would pass, in the incoming account's units. */
  maximum: u64;
  /** Route record that matched, 0 for the default route. */
  route: u32;
  reserved: u32;
}

/** One packet of a `batch`, in the input: this header, then the packet, padded to 8 bytes. */
@unmanaged
export class BatchItem {
  /** 1 request, 2 reply. */
  kind: u32;
  requestId: u32;
  length: u32;
  /** Room for the headers that the packet may get on its way out. */
  room0: u32;
  room1: u64;
  room2: u64;
  room3: u64;
  room4: u64;
}

/** Parameters of `setAccount`, written to the input buffer. Limits are signed 128-bit. */
@unmanaged
export class AccountSettings {
  relation: u8;
  /** AccountFlag bits that are settings: Frozen, Draining, Reflect, Settles. */
  options: u8;
  asset: u16;
  nameLength: u16;
  segmentLength: u16;
  balanceMinLo: u64;
  balanceMinHi: u64;
  balanceMaxLo: u64;
  balanceMaxHi: u64;
  settleThresholdLo: u64;
  settleThresholdHi: u64;
  settleToLo: u64;
  settleToHi: u64;
  packetMaxIn: u64;
  packetMaxOut: u64;
  /** Cap on the value in flight in one direction, account units. */
  pendingMax: u64;
  /**
   * Cap on the incoming value that a power cut could lose, that in flight included; the largest u64
   * means no limit.
   */
  riskMax: u64;
  /** Throughput per period, account units; 0 means no limit. */
  throughputIn: u64;
  throughputOut: u64;
  throughputPeriodMs: u32;
  /** Packets per period; 0 means no limit. */
  rateCount: u32;
  ratePeriodMs: u32;
  rateCapacity: u32;
  /** Cap on packets in flight from this account, and on packets in flight to it. */
  flightsMax: u32;
  reserved: u32;
}

/** Parameters of `setRateOf`. */
@unmanaged
export class RateSettings {
  /** One unit of `from` is numerator / denominator units of `to`, before spread. */
  numerator: u64;
  denominator: u64;
  /** Parts per 1 000 000 000 kept by this node. */
  spreadPpb: u32;
  reserved: u32;
}

/** Parameters of `setAsset`. The code follows, UTF-8. */
@unmanaged
export class AssetSettings {
  scale: u8;
  codeLength: u8;
  reserved: u16;
}

/** Parameters of `setPolicy`. */
@unmanaged
export class PolicySettings {
  minMessageWindowMs: u32;
  maxHoldTimeMs: u32;
  /** Identical packets to one next hop that may be in flight at once, 64 at most; 0: any. */
  loopMax: u32;
  /** How long an ended packet is remembered to recognise a late reply. */
  evidenceMs: u32;
}
