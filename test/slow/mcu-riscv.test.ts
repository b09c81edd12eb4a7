// A RISC-V microcontroller between two nodes.
import { testBetweenNodes } from "../boards/between.js";
import { SIFIVE } from "../boards/machines.js";

testBetweenNodes(SIFIVE);
