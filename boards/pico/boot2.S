/* Second stage of the RP2040's boot ROM: 256 bytes, checksum included (uf2.mjs writes it). Sets the
 * flash interface up for plain reads (command 03h), which every flash chip knows, and starts what
 * the vector table behind it says. Register addresses: RP2040 data sheet, 4.10.13. */
.syntax unified
.cpu cortex-m0plus
.thumb
.section .boot2, "ax"
.global boot2
boot2:
  ldr r3, =0x18000000       /* SSI */
  movs r1, #0
  str r1, [r3, #0x08]       /* SSIENR: off while it is set up */
  movs r1, #4
  str r1, [r3, #0x14]       /* BAUDR: clk_sys / 4 */
  ldr r1, =(31 << 16) | (3 << 8)
  str r1, [r3, #0x00]       /* CTRLR0: 32-bit frames, read after command and address */
  ldr r1, =(0x03 << 24) | (2 << 8) | (6 << 2)
  ldr r0, =0x180000f4
  str r1, [r0]              /* SPI_CTRLR0: command 03h, 8 bits; address 24 bits */
  movs r1, #0
  str r1, [r3, #0x04]       /* CTRLR1: one frame */
  movs r1, #1
  str r1, [r3, #0x08]       /* SSIENR: on */
  ldr r0, =0x10000100
  ldr r1, =0xe000ed08
  str r0, [r1]              /* VTOR */
  ldmia r0, {r0, r1}
  msr msp, r0
  bx r1
.ltorg
