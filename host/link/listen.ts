// What every listening port needs: its TLS files read and checked, its socket opened, and failures
// told in sentences an operator can act on. It knows no protocol.
import { readFileSync } from "node:fs";
import type { AddressInfo, Server } from "node:net";
import { createSecureContext } from "node:tls";
import type { Tls } from "../config/types.js";

/** Certificate and key of the port called `name`, e.g. `HTTP`. Throws a sentence. */
export function readTls(tls: Tls, name: string): { cert: Buffer; key: Buffer } {
  const read = (what: string, path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      const reason = (error as Error).message;
      throw new Error(`The TLS ${what} of the ${name} port cannot be read: ${reason}.`);
    }
  };
  const pair = { cert: read("certificate", tls.cert), key: read("key", tls.key) };
  try {
    createSecureContext(pair);
  } catch (error) {
    const reason = (error as Error).message;
    throw new Error(`The TLS certificate and key of the ${name} port cannot be used: ${reason}.`);
  }
  return pair;
}

/**
 * Listens and resolves to `host:port` with the port that was opened (`port` 0 = any free one).
 * Rejects with a sentence.
 */
export function openPort(
  server: Server,
  host: string,
  port: number,
  name: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      const reasons: Record<string, string> = {
        EADDRINUSE: "another program uses this port; stop it or choose another port",
        EACCES: "this user may not open it; choose a port above 1023",
        EADDRNOTAVAIL: "this machine does not have that address; choose one it has",
        ENOTFOUND: "there is no such host; write an address of this machine",
      };
      const reason = reasons[error.code ?? ""] ?? error.message;
      reject(new Error(`${name} cannot listen on ${host} port ${port}: ${reason}.`));
    };
    server.once("error", fail);
    server.listen(port, host, () => {
      server.off("error", fail);
      const actual = (server.address() as AddressInfo).port;
      resolve(`${host.includes(":") ? `[${host}]` : host}:${actual}`);
    });
  });
}
