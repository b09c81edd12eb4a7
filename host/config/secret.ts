// A token or password that cannot be printed by accident: every way of turning it into text gives
// "[redacted]". Only `reveal()` gives the value, so a search for that word finds every use. It does
// not protect memory.
import { createHash, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

/** What stands in place of a secret in everything people can see; refused as a token when read. */
export const REDACTED = "[redacted]";

/** Where a secret was found, so that the configuration can be written again without the value. */
export type SecretSource =
  | { readonly kind: "inline" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "env"; readonly name: string };

export class Secret {
  readonly #value: string;
  readonly source: SecretSource;

  constructor(value: string, source: SecretSource = { kind: "inline" }) {
    this.#value = value;
    this.source = source;
  }

  /** The value itself; for the wire only. */
  reveal(): string {
    return this.#value;
  }

  /** Whether the value is empty: BTP-01 allows an empty token when dialling. */
  get isEmpty(): boolean {
    return this.#value === "";
  }

  /**
   * Compares in constant time; digests of one length are compared, so lengths do not leak (BTP-04).
   */
  matches(candidate: string): boolean {
    return timingSafeEqual(digest(this.#value), digest(candidate));
  }

  /** SHA-256 of the value in hex: a key for looking an account up by its token. */
  fingerprint(): string {
    return digest(this.#value).toString("hex");
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}
