// The operators of the nodes: they look at what a crash left open, ask the operator at the other
// end of the wire what came of it, and have it posted or voided. They are honest and careful; what
// they do not know yet they leave.
import { Random } from "../support/model/random.js";
import {
  SIDES,
  accountOf,
  agrees,
  claimsOf,
  hopOf,
  sumOf,
  type ClaimSide,
  type OpenClaim,
} from "./claims.js";
import { Cause, type Hop } from "./hop.js";
import type { SimNode } from "./node.js";
import { Port } from "./port.js";
import { SECOND, type Scheduler } from "./scheduler.js";
import { Violation } from "./violation.js";

interface OperatedWorld {
  readonly scheduler: Scheduler;
  readonly nodes: SimNode[];
  readonly isCalm: boolean;
}

/** One side of one claim. */
interface Item {
  node: SimNode;
  claim: OpenClaim;
  side: ClaimSide;
}

export class Operators {
  readonly #random: Random;
  /** Packets of which an operator has ended a claim. */
  readonly #ended = new Set<Hop>();

  constructor(
    private readonly world: OperatedWorld,
    seed: number,
  ) {
    this.#random = new Random(seed ^ 0x165667b1);
  }

  /** `mean` microseconds between two looks. */
  start(mean: number): void {
    const { scheduler } = this.world;
    const random = this.#random;
    const again = (): void => {
      const { nodes, isCalm } = this.world;
      // Never so long that the calm is over before anybody looks.
      const drawn = -Math.log((random.below(1e6) + 1) / 1e6) * mean;
      const pause = Math.min(drawn, 20 * SECOND);
      scheduler.after(isCalm ? 2 * SECOND : Math.ceil(pause), () => {
        if (isCalm) for (const node of nodes) this.#look(node);
        else this.#look(random.pick(nodes));
        again();
      });
    };
    again();
  }

  #look(node: SimNode): void {
    if (!node.isUp || node.watch!.claims.length === 0) return;
    // The admin API refuses, because nothing could be written.
    if (node.connector!.books.failure) return;
    const watch = node.watch!;
    watch.claims = watch.claims.filter(({ owed, owing }) => owed || owing);
    const due: [Item, boolean][] = [];
    for (const claim of watch.claims) {
      for (const side of SIDES) {
        if (!claim[side]) continue;
        const item = { node, claim, side };
        const posts = this.#ask(item);
        if (posts !== null) due.push([item, posts]);
      }
    }
    for (const posts of [true, false]) {
      this.#tell(
        node,
        posts,
        due.filter(([, says]) => says === posts).map(([item]) => item),
      );
    }
  }

  /** What the peer says: it was fulfilled, it was not; null: it is not known yet. */
  #ask({ claim, side }: Item): boolean | null {
    const hop = hopOf(claim, side);
    // It never left, or came from nobody that has a book.
    if (!hop) return false;
    if (!hop.wire.isHonest) return this.#random.chance(50);
    const peer = hop.wire.ends[side === "owing" ? hop.side ^ 1 : hop.side]!;
    if (!peer.isReady || hop.inAir > 0 || hop.downOpen > 0 || !hop.upEnded) return null;
    const other = this.#otherSide(hop, side);
    if (!other) return side === "owing" ? hop.downBooked > 0 : hop.upBooked;
    // Neither knows: whether the one that received it has paid for it decides, at both ends.
    const receiver = side === "owed" ? claim : other.claim;
    if (receiver.owing) return null;
    const posts = receiver.flight.outHop?.upBooked ?? false;
    this.#tell(other.node, posts, [other]);
    return posts;
  }

  /** The peer's claim for the same packet. */
  #otherSide(hop: Hop, mine: ClaimSide): Item | null {
    const end = hop.wire.ends[mine === "owing" ? hop.side ^ 1 : hop.side]!;
    if (!(end instanceof Port)) return null;
    const side = mine === "owing" ? "owed" : "owing";
    const { node } = end;
    const claim = node.watch!.claims.find((each) => each[side] && hopOf(each, side) === hop);
    return claim ? { node, claim, side } : null;
  }

  /** Says so to the node, in one sum for each side of each account. */
  #tell(node: SimNode, posts: boolean, items: readonly Item[]): void {
    const { registry, claims: books } = node.connector!;
    for (const { index } of registry.list()) {
      for (const side of SIDES) {
        // The admin API has them wait.
        if (books.answerableUntil(registry.byIndex(index)!, side) > 0) continue;
        const mine = items.filter((i) => i.side === side && accountOf(i.claim, side) === index);
        const claims = mine.map(({ claim }) => claim);
        if (claims.length === 0) continue;
        for (const claim of claims) {
          const hop = hopOf(claim, side);
          if (!hop?.wire.isHonest) continue;
          hop.isSettled = true;
          this.#ended.add(hop);
        }
        const amount = sumOf(claims, side);
        // Packets without value leave nothing to end.
        if (amount === 0n) {
          for (const claim of claims) node.endClaim(claim, side, posts);
          continue;
        }
        node.resolution = { account: index, side, posts, amount, claims };
        books.resolve(registry.byIndex(index)!, side, posts, amount);
        if (!node.resolution) continue;
        node.watch!.fail("claim", `the operator's word did not reach the core: ${amount} ${side}`);
      }
    }
  }

  /** After the calm nothing is open between honest ends, and they agree on what was. */
  checkEnd(): void {
    for (const node of this.world.nodes) {
      const watch = node.watch!;
      for (const side of SIDES) {
        for (const port of node.ports) {
          const open = claimsOf(watch.claims, port.account, side).length;
          if (open > 0) watch.fail("claim", `${open} claims ${side} on ${port.id} are still open`);
        }
      }
    }
    const blameless = Cause.Duplicated | Cause.Liar;
    for (const hop of this.#ended) {
      if (agrees(hop) || !hop.isSettled || hop.isForgotten || hop.causes & blameless) continue;
      const text = `packet ${hop.id}: the ends differ though operators have ended its claims`;
      throw new Violation("claim", text, [], hop.payment);
    }
  }
}
