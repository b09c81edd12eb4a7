// The Pico's release on an emulated RP2040, and what tests of it do again and again. Time is the
// emulator's: nothing here waits.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { PICO_SETTINGS } from "../../boards/mcu/settings.mjs";
import { writeUf2 } from "../../boards/pico/uf2.mjs";
import type { SerialFrame } from "../../host/link/serial-frame.js";
import { Op, Outcome, readReport, settingsBlock, status, time, type Report } from "./board-line.js";
import { Flash, Pico } from "./pico.js";

const release = new URL("../../boards/pico/release/", import.meta.url);
export const uf2 = readFileSync(new URL("ferrule-pico.uf2", release));
export const about = JSON.parse(readFileSync(new URL("ferrule-pico.json", release), "utf8")) as {
  sha256: string;
  coreSha256: string;
};
export const WALL_MS = Date.UTC(2026, 10, 1);
export const seed = Number(process.env.FERRULE_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** A chip with the released firmware, and settings unless they are null. */
export function flashed(settings: Buffer | null = settingsBlock()): Flash {
  const flash = new Flash();
  flash.load(uf2);
  if (settings) flash.load(writeUf2(settings, PICO_SETTINGS));
  return flash;
}

/** Sends on a line and waits for the answer of that id. */
export function ask(pico: Pico, line: 0 | 1, id: number, frame: Buffer): SerialFrame {
  const { frames } = pico.wires[line];
  const found = (): SerialFrame | undefined => frames.find((f) => f.id === id && f.kind !== 1);
  pico.wires[line].send(frame);
  assert.ok(
    pico.runUntil(() => found() !== undefined),
    `no answer to ${id} on line ${line}`,
  );
  const answer = found()!;
  frames.splice(frames.indexOf(answer), 1);
  return answer;
}

export function report(pico: Pico): Report {
  return readReport(ask(pico, 0, 900, status(900, Op.Report)).payload);
}

/** Powers a board up and tells it the time. */
export function start(flash: Flash): Pico {
  const pico = new Pico(flash);
  const hello = (): boolean => pico.wires.every((wire) => wire.frames.length > 0);
  assert.ok(pico.runUntil(hello, 500), "the board does not say hello");
  for (const wire of pico.wires) assert.equal(wire.frames.shift()!.payload[0], Op.Hello);
  const answer = ask(pico, 0, 901, time(901, WALL_MS));
  assert.deepEqual([...answer.payload], [Op.Answer + Op.Time, Outcome.Done]);
  return pico;
}

/** What a run must leave: a running board that nothing has surprised. */
export function check(pico: Pico, resets = 0): void {
  assert.deepEqual(pico.complaints, [], "the emulator saw something that hardware would not take");
  assert.equal(pico.resets, resets);
}
