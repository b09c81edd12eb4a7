// What a node's host keeps in memory has bounds, whatever happens: each is checked again and again,
// and after the calm next to nothing is kept.
import { EVIDENCE_MAX } from "../../host/store/image.js";
import type { SimNode } from "./node.js";

/** Engine: time, expiries. Bookkeeper: commit. Claims: age. And one, whatever is done now. */
const TIMERS = 5;
/** A Ping, or another control frame, whose end has not come. */
const TAIL_REST = 256;

interface Bound {
  what: string;
  kept: number;
  most: number;
}

/** Holds that are not durable: a Prepare waits for each of them at most. */
function countUndurable({ watch }: SimNode): number {
  let count = 0;
  for (const { commit } of watch!.flights.values()) if (!watch!.past.isDurable(commit)) count++;
  return count;
}

function boundsOf(node: SimNode): Bound[] {
  const { watch, connector, ports, clock } = node;
  const { engine, books, claims, registry, core } = connector!;
  const { requests, links, tailBytes } = engine.kept;
  const { prepares, records } = books.kept;
  const held = watch!.heldFlights.size;
  const streams = ports.filter(({ wire }) => wire.kind === "stream").length;
  const { image, snapshotRoom } = books.store!;
  const accounts = node.config.accounts.length + 1;
  const waiting = prepares > held ? countUndurable(node) : held;
  return [
    { what: "requests without an answer", kept: requests, most: held },
    { what: "links", kept: links, most: accounts },
    { what: "bytes of streams", kept: tailBytes, most: streams * core.input.length },
    { what: "Prepares that wait for the disk", kept: prepares, most: waiting },
    { what: "bytes of records that wait", kept: records * 64, most: snapshotRoom },
    { what: "possible claims", kept: claims.kept, most: node.claimsAtStart },
    { what: "claims in the image", kept: image.claims.size, most: node.claimsAtStart },
    { what: "holds in the image", kept: image.holds.size, most: core.flightsMax },
    { what: "evidence", kept: image.evidence.length, most: EVIDENCE_MAX },
    { what: "accounts", kept: registry.list().length, most: accounts },
    { what: "accounts in the image", kept: image.accounts.size, most: accounts },
    { what: "timers", kept: clock.timers, most: TIMERS + streams },
  ];
}

/** After the calm: what is kept while nothing is in flight and everything is on disk. */
function restOf(node: SimNode): Bound[] {
  const { engine, books } = node.connector!;
  const { requests, tailBytes } = engine.kept;
  const { prepares, records } = books.kept;
  return [
    { what: "requests without an answer", kept: requests, most: 0 },
    { what: "bytes of streams", kept: tailBytes, most: node.ports.length * TAIL_REST },
    { what: "Prepares that wait for the disk", kept: prepares, most: 0 },
    { what: "records that wait", kept: records, most: 4 },
    { what: "holds in the image", kept: books.store!.image.holds.size, most: 0 },
  ];
}

/** What is over its bound, as a sentence; null when nothing is. */
export function findExcess(node: SimNode, isCalm: boolean): string | null {
  const bounds = isCalm ? [...boundsOf(node), ...restOf(node)] : boundsOf(node);
  const over = bounds.find(({ kept, most }) => kept > most);
  return over ? `${over.kept} ${over.what} are kept, ${over.most} at most` : null;
}
