// Planted bugs: each breaks one thing in one way, and exactly one checker must see it.
import type { Plant } from "./node.js";

export interface PlantedBug {
  /** The checker that must fire. */
  checker: string;
  what: string;
  plant: Plant;
}

export const PLANTS: Record<string, PlantedBug> = {};
