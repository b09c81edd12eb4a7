// One Prepare on one wire, and what became of it at both ends. Where the two ends disagree in the
// end, one of them has lost money: that must have a cause that no connector could have prevented.
import type { Payment } from "./payment.js";
import type { Wire } from "./net.js";

/** Why the two ends of a wire may disagree about a packet. */
export enum Cause {
  /** The network lost the Prepare or its reply, or the link was down when the reply was due. */
  Lost = 1,
  /** The reply came after the sender's hold had expired. */
  Late = 2,
  /** The network delivered the Prepare twice. */
  Duplicated = 4,
  /** The sender of a raw request stopped waiting. */
  GivenUp = 8,
  /** An end crashed while it held the packet, or lost what it had booked. */
  Crash = 16,
  /** The other end is one that lies. */
  Liar = 32,
  /** The reply could not be read: the link closed over it. */
  Broken = 64,
}

export class Hop {
  /** Bits of Cause. */
  causes = 0;
  upEnded = false;
  upPosted = false;
  /** Copies that the receiving end holds. */
  downOpen = 0;
  /** Copies that the receiving end posted. */
  downPosted = 0;
  /** Messages about this packet that are on the wire, or due to come back. */
  inAir = 0;
  isDone = false;
  /** The sending end's book has it now: a crash may have lost it, a claim brought it back. */
  upBooked = false;
  /** Copies that the receiving end's book has now. */
  downBooked = 0;
  /** An end has lost what it had booked, and its hold as well: nobody can put that right. */
  isForgotten = false;
  /** An operator has ended a claim for it, and no restart has brought that back. */
  isSettled = false;

  /** `side`: which end of the wire sent it. */
  constructor(
    readonly wire: Wire,
    readonly side: 0 | 1,
    readonly id: number,
    readonly amount: bigint,
    readonly payment: Payment | null,
  ) {
    wire.openHops++;
  }

  /** The sending end no longer holds it. */
  endUp(posted: boolean): void {
    if (this.upEnded) return;
    this.upEnded = true;
    if (posted) {
      this.upPosted = true;
      this.wire.difference -= this.amount;
      this.bookUp(true);
    }
    this.close();
  }

  /** The receiving end no longer holds one of its copies. */
  endDown(posted: boolean): void {
    this.downOpen--;
    if (posted) {
      this.downPosted++;
      this.wire.difference += this.amount;
      this.bookDown(true);
    }
    this.close();
  }

  /** The sending end's book gets it, or loses it. */
  bookUp(gets: boolean): void {
    this.upBooked = gets;
    this.wire.booked += gets ? -this.amount : this.amount;
  }

  /** The receiving end's book gets a copy, or loses one. */
  bookDown(gets: boolean): void {
    this.downBooked += gets ? 1 : -1;
    this.wire.booked += gets ? this.amount : -this.amount;
  }

  arrive(): void {
    this.inAir--;
    this.close();
  }

  /** When nothing can change any more: do both ends agree, or is there a cause? */
  close(): void {
    if (this.isDone || !this.upEnded || this.downOpen > 0 || this.inAir > 0) return;
    this.isDone = true;
    this.wire.openHops--;
    this.wire.closeHop(this);
  }
}
