// What is measured: which traffic, through what kind of configuration.

export type Durability = "none" | "group" | "strict";

export interface Case {
  name: string;
  /** For tables. */
  title: string;
  link: "btp" | "http";
  dataSize: number;
  inFlight: number;
  /** Pairs of accounts with traffic between them. */
  pairs: number;
  /** Accounts configured, those with traffic included; all others stay unused. */
  accounts: number;
  /** Static routes; the traffic uses them in turn. */
  routes: number;
  durability: Durability;
  /** Part of the short run. */
  quick: boolean;
  /** Compared with this case of the same contender. */
  base?: string;
}

const KIB = 1024;
const BASE = {
  link: "btp",
  dataSize: 0,
  inFlight: 100,
  pairs: 1,
  accounts: 2,
  routes: 10,
} as const;

function sizeTitle(bytes: number): string {
  return bytes < KIB ? `${bytes} B` : `${Math.round(bytes / KIB)} KiB`;
}

function traffic(link: "btp" | "http", dataSize: number, inFlight: number, quick = false): Case {
  const size = sizeTitle(dataSize);
  return {
    ...BASE,
    name: `${link}-${size.replace(" ", "")}-${inFlight}`,
    title: `${link === "btp" ? "BTP" : "HTTP"}, ${size} data, ${inFlight} in flight`,
    link,
    dataSize,
    inFlight,
    durability: "group",
    quick,
  };
}

function isQuick(dataSize: number, inFlight: number): boolean {
  return dataSize === 0 ? inFlight > 1 : inFlight === 100;
}

function tables(accounts: number, routes: number, quick = false): Case {
  const sizes = `${accounts.toLocaleString("en")} accounts, ${routes.toLocaleString("en")} routes`;
  const base = traffic("btp", 0, 100);
  const name = `btp-${accounts}-accounts-${routes}-routes`;
  return { ...base, name, title: `BTP, ${sizes}`, accounts, routes, quick, base: base.name };
}

function spreadOver(accounts: number): Case {
  const base = traffic("btp", 0, 1000);
  const count = accounts.toLocaleString("en");
  return {
    ...base,
    name: `btp-spread-${accounts}`,
    title: `BTP, 0 B data, 1000 in flight over ${count} connections`,
    accounts,
    pairs: accounts / 2,
    routes: accounts,
  };
}

function durable(durability: Durability): Case {
  const base = traffic("btp", 0, 100);
  const name = `btp-${durability}`;
  const title = `BTP, 0 B data, durability ${durability}`;
  return { ...base, name, title, durability, base: base.name };
}

/** Every case; which durability modes there are, the configuration says. */
export function allCases(modes: readonly Durability[]): Case[] {
  const sizes = [0, KIB, 32 * KIB - 1];
  const btp = sizes.flatMap((size) =>
    [1, 100, 1000].map((n) => traffic("btp", size, n, isQuick(size, n))),
  );
  const http = sizes.map((size) => traffic("http", size, 100, size === 0));
  return [
    ...btp,
    traffic("http", 0, 1),
    ...http,
    tables(100, 10),
    tables(1000, 10),
    tables(2, 10_000),
    tables(2, 100_000),
    tables(1000, 100_000, true),
    spreadOver(100),
    spreadOver(1000),
    ...modes.filter((mode) => mode !== "group").map(durable),
  ];
}
