// Assets: code and scale, and the node's own side of the double entry. Each asset has an income
// account (spread, rounding, exchange position) and a settlement account (value that moved outside
// Interledger), so that per asset all sums add up to zero at any moment.
import { ASSETS, ASSET_CODE_SIZE } from "../config";
import { ASSET_RECORDS, ASSET_STRIDE } from "../layout";


@unmanaged
export class Asset {
  open: u8;
  scale: u8;
  codeLength: u8;
  dirty: u8;
  accounts: u32;
  incomeDebitsLo: u64;
  incomeDebitsHi: u64;
  incomeCreditsLo: u64;
  incomeCreditsHi: u64;
  incomeDebitsPendingLo: u64;
  incomeDebitsPendingHi: u64;
  incomeCreditsPendingLo: u64;
  incomeCreditsPendingHi: u64;
  settledDebitsLo: u64;
  settledDebitsHi: u64;
  settledCreditsLo: u64;
  settledCreditsHi: u64;
  code0: u64;
  code1: u64;
  code2: u64;
  code3: u64;
  reserved0: u64;
  reserved1: u64;
  reserved2: u64;
  reserved3: u64;
  reserved4: u64;
  reserved5: u64;
  reserved6: u64;
}

if (offsetof<Asset>() != ASSET_STRIDE) ERROR("asset record");
if (offsetof<Asset>("reserved0") - offsetof<Asset>("code0") != ASSET_CODE_SIZE) ERROR("asset code");

// @ts-ignore: decorator
@inline
export function asset(index: u32): Asset {
  return changetype<Asset>(ASSET_RECORDS + <usize>(index * ASSET_STRIDE));
}

// @ts-ignore: decorator
@inline
export function assetCode(index: u32): usize {
  return changetype<usize>(asset(index)) + offsetof<Asset>("code0");
}

/** Is any sum of the asset's own side not zero? */
export function hasSums(a: Asset): bool {
  const end = changetype<usize>(a) + offsetof<Asset>("code0");
  let all: u64 = 0;
  for (let p = changetype<usize>(a) + offsetof<Asset>("incomeDebitsLo"); p < end; p += 8) {
    all |= load<u64>(p);
  }
  return all != 0;
}

// @ts-ignore: decorator
@inline
export function isAsset(index: u32): bool {
  return index < ASSETS && asset(index).open != 0;
}
