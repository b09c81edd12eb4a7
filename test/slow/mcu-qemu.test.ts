// Cortex-M3 boards between two nodes.
import { testBetweenNodes } from "../boards/between.js";
import { LM3S6965, MPS2 } from "../boards/machines.js";

testBetweenNodes(MPS2);
testBetweenNodes(LM3S6965);
