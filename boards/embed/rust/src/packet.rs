//! ILP packets (RFC 27) as values. The core checks every packet again; these only write and read.

/// A request to move value under a condition. The amount is in the sender's base units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepare {
    pub amount: u64,
    /// Milliseconds since 1970, UTC.
    pub expires_at_ms: u64,
    pub condition: [u8; 32],
    pub destination: String,
    pub data: Vec<u8>,
}

/// The claim: the fulfillment is the preimage of the condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fulfill {
    pub fulfillment: [u8; 32],
    pub data: Vec<u8>,
}

/// A refusal, by whom and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub code: String,
    pub triggered_by: String,
    pub message: String,
    pub data: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    Prepare(Prepare),
    Fulfill(Fulfill),
    Reject(Reject),
}

const PREPARE: u8 = crate::abi::packet_type::PREPARE as u8;
const FULFILL: u8 = crate::abi::packet_type::FULFILL as u8;
const REJECT: u8 = crate::abi::packet_type::REJECT as u8;
const DAY_MS: u64 = 86_400_000;

/// A length prefix in its shortest form, and the bytes (OER).
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        n @ 0..=0x7f => out.push(n as u8),
        n @ 0x80..=0xff => out.extend([0x81, n as u8]),
        n @ 0x100..=0xffff => out.extend([0x82, (n >> 8) as u8, n as u8]),
        n => out.extend([0x83, (n >> 16) as u8, (n >> 8) as u8, n as u8]),
    }
    out.extend_from_slice(bytes);
}

/// Takes `count` bytes off the front.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

/// Takes a length-prefixed field off the front.
fn take_field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let first = take(rest, 1)?[0];
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81..=0x83 => take(rest, usize::from(first - 0x80))?
            .iter()
            .fold(0, |n, b| n << 8 | usize::from(*b)),
        _ => return None,
    };
    take(rest, length)
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// Year, month and day of a day since 1970 (days_from_civil, inverted).
fn civil(day: u64) -> (u64, u64, u64) {
    let z = day + 719_468;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * day_of_year + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = year_of_era + z / 146_097 * 400 + u64::from(month <= 2);
    (year, month, day_of_year - (153 * m + 2) / 5 + 1)
}

/// 17 digits, UTC.
fn timestamp(ms: u64) -> String {
    let ((year, month, day), t) = (civil(ms / DAY_MS), ms % DAY_MS);
    let (h, m, s, ms) = (t / 3_600_000, t / 60_000 % 60, t / 1000 % 60, t % 1000);
    format!("{year:04}{month:02}{day:02}{h:02}{m:02}{s:02}{ms:03}")
}

fn parse_timestamp(digits: &[u8]) -> Option<u64> {
    let part = |from: usize, to: usize| std::str::from_utf8(&digits[from..to]).ok()?.parse().ok();
    let (year, month, day): (u64, u64, u64) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let y = year - u64::from(month <= 2);
    let m = if month > 2 { month - 3 } else { month + 9 };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    let ms = part(8, 10)? * 3_600_000 + part(10, 12)? * 60_000 + part(12, 17)?;
    Some(days * DAY_MS + ms)
}

impl Packet {
    /// The packet's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let kind = match self {
            Packet::Prepare(p) => {
                body.extend(p.amount.to_be_bytes());
                body.extend(timestamp(p.expires_at_ms).as_bytes());
                body.extend(p.condition);
                put(&mut body, p.destination.as_bytes());
                put(&mut body, &p.data);
                PREPARE
            }
            Packet::Fulfill(f) => {
                body.extend(f.fulfillment);
                put(&mut body, &f.data);
                FULFILL
            }
            Packet::Reject(r) => {
                body.extend(r.code.as_bytes());
                put(&mut body, r.triggered_by.as_bytes());
                put(&mut body, r.message.as_bytes());
                put(&mut body, &r.data);
                REJECT
            }
        };
        let mut out = vec![kind];
        put(&mut out, &body);
        out
    }

    /// The packet in these bytes; None when they are none.
    pub fn decode(mut bytes: &[u8]) -> Option<Packet> {
        let kind = take(&mut bytes, 1)?[0];
        let mut body = take_field(&mut bytes)?;
        let b = &mut body;
        match kind {
            PREPARE => Some(Packet::Prepare(Prepare {
                amount: u64::from_be_bytes(take(b, 8)?.try_into().ok()?),
                expires_at_ms: parse_timestamp(take(b, 17)?)?,
                condition: take(b, 32)?.try_into().ok()?,
                destination: text(take_field(b)?)?,
                data: take_field(b)?.to_vec(),
            })),
            FULFILL => Some(Packet::Fulfill(Fulfill {
                fulfillment: take(b, 32)?.try_into().ok()?,
                data: take_field(b)?.to_vec(),
            })),
            REJECT => Some(Packet::Reject(Reject {
                code: text(take(b, 3)?)?,
                triggered_by: text(take_field(b)?)?,
                message: text(take_field(b)?)?,
                data: take_field(b)?.to_vec(),
            })),
            _ => None,
        }
    }
}

impl From<Prepare> for Packet {
    fn from(packet: Prepare) -> Self {
        Packet::Prepare(packet)
    }
}

impl From<Fulfill> for Packet {
    fn from(packet: Fulfill) -> Self {
        Packet::Fulfill(packet)
    }
}

impl From<Reject> for Packet {
    fn from(packet: Reject) -> Self {
        Packet::Reject(packet)
    }
}
