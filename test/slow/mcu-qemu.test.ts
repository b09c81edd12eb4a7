// Cortex-M3 boards between two nodes.
import { testBetweenNodes } from "../boards/between.js";
import { LM3S6965, MPS2 } from "../boards/machines.js";

testBetweenNodes(MPS2);
// A line of a real board is a terminal: its speed and mode are set, it is opened as a file.
testBetweenNodes(MPS2, true);
testBetweenNodes(LM3S6965);
