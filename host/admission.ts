// Who may use a link: finds the account that a token belongs to, or opens one for it where the
// configuration lets strangers in. Tokens are looked up by their SHA-256, so that neither the
// comparison nor its duration says anything about a token one does not have (BTP-04).
import { createHash } from "node:crypto";
import type { Config } from "./config/index.js";
import type { Log } from "./log.js";
import type { AccountEntry, Registry } from "./registry.js";

const UNKNOWN = "no account with these credentials";
const NO_ROOM = "connector has no room for another account";
/** Clients of configured accounts and of open tokens alike, unless the account says otherwise. */
const OPEN_PING_INTERVAL_MS = 30_000;

type Admitted = { account: number; pingIntervalMs: number } | { refusal: string };

export class Admission {
  readonly #config: Config;
  readonly #registry: Registry;
  readonly #opened: (entry: AccountEntry) => void;
  readonly #log: Log;
  /** Accounts by the hex SHA-256 of the token their peer shows. */
  readonly #btp = new Map<string, AccountEntry>();
  readonly #http = new Map<string, AccountEntry>();
  #openCount = 0;

  /** `opened` is told of every account made for a new token. */
  constructor(config: Config, registry: Registry, opened: (entry: AccountEntry) => void, log: Log) {
    this.#config = config;
    this.#registry = registry;
    this.#opened = opened;
    this.#log = log;
    for (const entry of registry.list()) {
      if (entry.open) this.#openCount++;
      const link = entry.config?.link;
      if (link?.kind === "btp-listen") this.#btp.set(link.token.fingerprint(), entry);
      if (link?.kind !== "http" || !link.incomingToken) continue;
      this.#http.set(link.incomingToken.fingerprint(), entry);
    }
  }

  /** The account of a BTP token; the refusal's text is for the client. */
  btp(token: string, username: string): Admitted {
    const digest = createHash("sha256").update(token, "utf8").digest();
    const entry = this.#btp.get(digest.toString("hex"));
    if (entry) {
      const { link } = entry.config!;
      if (username && username !== entry.id) return { refusal: UNKNOWN };
      const pingIntervalMs = link.kind === "btp-listen" ? link.pingIntervalMs : 0;
      return { account: entry.index, pingIntervalMs };
    }
    if (!this.#config.btp.open) return { refusal: UNKNOWN };
    // moneyd's rule: the account, and so its address, is the hash of the token.
    return this.#open(digest.toString("base64url"));
  }

  #open(id: string): Admitted {
    const template = this.#config.btp.open!;
    const known = this.#registry.byId(id);
    if (known) return { account: known.index, pingIntervalMs: OPEN_PING_INTERVAL_MS };
    if (this.#openCount >= template.maxAccounts) return { refusal: NO_ROOM };
    try {
      const entry = this.#registry.openChild(id, template, this.#config.reflectPayments);
      try {
        this.#opened(entry);
      } catch (error) {
        this.#registry.close(entry);
        throw error;
      }
      this.#openCount++;
      return { account: entry.index, pingIntervalMs: OPEN_PING_INTERVAL_MS };
    } catch (error) {
      this.#log.warn("account refused", { reason: (error as Error).message });
      return { refusal: NO_ROOM };
    }
  }

  /** The account of an ILP-over-HTTP token; `id`, when the path names one, must be that account. */
  http(id: string | null, token: string): { account: number } | null {
    const digest = createHash("sha256").update(token, "utf8").digest("hex");
    const entry = this.#http.get(digest);
    return entry && (id === null || id === entry.id) ? { account: entry.index } : null;
  }
}
