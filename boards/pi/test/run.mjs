// `npm run test:pi [part…]`: the tests of executables, Debian packages and card image, one after
// the other, because each starts machines. Parts: sea deb deb-arm image cuts update full uboot
// raspi3b. `--long`: twenty power cuts instead of two (`--cuts=N`), and what is left out otherwise.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Which file has which parts. */
const FILES = {
  "sea.test.mjs": ["sea"],
  "deb.test.mjs": ["deb"],
  "deb-arm.test.mjs": ["deb-arm"],
  "pi.test.mjs": ["image", "cuts", "update", "full", "uboot", "raspi3b"],
};

const options = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const parts = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const known = Object.values(FILES).flat();
const unknown = parts.filter((part) => !known.includes(part));
const unclear = options.filter((option) => !/^--(long|cuts=\d+)$/.test(option));
if (unknown.length > 0 || unclear.length > 0) {
  console.error(`There is no part or option "${[...unknown, ...unclear].join(" ")}".`);
  console.error(`Parts: ${known.join(" ")}. Options: --long, --cuts=N.`);
  process.exit(2);
}
const isLong = options.includes("--long");
const [cuts] = options.flatMap((option) => /^--cuts=(\d+)$/.exec(option)?.[1] ?? []);
const folder = fileURLToPath(new URL("./", import.meta.url));
const files = Object.entries(FILES)
  .filter(([, inside]) => parts.length === 0 || inside.some((part) => parts.includes(part)))
  .map(([name]) => folder + name);
const env = {
  ...process.env,
  FERRULE_PI_PARTS: parts.join(","),
  FERRULE_LONG: isLong ? "1" : "0",
  FERRULE_CUTS: cuts ?? (isLong ? "20" : "2"),
};
const reporters = ["spec", `${folder}summary.mjs`].flatMap((reporter) => [
  `--test-reporter=${reporter}`,
  "--test-reporter-destination=stdout",
]);
const flags = ["--import", "tsx", "--test", ...reporters, "--test-concurrency=1"];
const { status } = spawnSync(process.execPath, [...flags, ...files], { env, stdio: "inherit" });
process.exit(status ?? 1);
