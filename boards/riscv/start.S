/* All harts come here; hart 0, the small one without an MMU (E31: rv32imac), is the board. */
.section .start, "ax"
.global _start
_start:
  csrr t0, mhartid
  bnez t0, park
  la sp, stack_top
  la t0, on_trap
  csrw mtvec, t0
  j reset
park:
  wfi
  j park
