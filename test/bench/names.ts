// Names that contenders are configured with and the driver uses.
import type { Case } from "./cases.js";

export const ROUTE_DIGITS = 6;

export const token = (id: string): string => `token-of-${id}`;
export const route = (i: number): string => `test.route${String(i).padStart(ROUTE_DIGITS, "0")}`;

/** Addresses of a pair's packets: the routes that lead to its second account, in turn. */
export function prefixOf(one: Case, pair: number): (i: number) => string {
  const { pairs, routes } = one;
  const own = Math.floor((routes - pair - 1) / pairs) + 1;
  return (i) => route(pair + pairs * ((i * 97) % own));
}
