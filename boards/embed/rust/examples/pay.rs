//! Alice pays Bob through a connector of our own: `cargo run --release --example pay CORE`.
use ferrule::{
    Account, Core, Fulfill, LOCAL_ACCOUNT, Output, Packet, Prepare, link_kind, relation,
};
use sha2::{Digest, Sha256};

const NOW_MS: u64 = 1000;
const WALL_MS: u64 = 1_767_225_600_000; // 2026-01-01: in earnest, the clock's

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: pay CORE")?;
    let mut core = Core::new(&std::fs::read(path)?, *b"8 random")?; // in earnest, random
    core.clock(NOW_MS, WALL_MS)?;
    core.set_asset(0, "XRP", 9)?;
    core.set_rate(0, 0, 1, 1)?;
    core.set_account(LOCAL_ACCOUNT, &Account::new("local", relation::LOCAL, 0))?;
    let alice = Account {
        balance_maximum: 1000,
        ..Account::new("alice", relation::PEER, 0)
    };
    core.set_account(1, &alice)?;
    core.set_account(2, &Account::new("bob", relation::PEER, 0))?;
    core.set_address("test.rust")?;
    core.set_route("test.bob", 2)?;
    core.link_up(1, link_kind::RAW)?;
    core.link_up(2, link_kind::RAW)?;

    let secret = [7; 32];
    let prepare = Prepare {
        amount: 250,
        expires_at_ms: WALL_MS + 10_000,
        condition: Sha256::digest(secret).into(),
        destination: "test.bob.shop".into(),
        data: vec![],
    };
    for fulfillment in [secret, [8; 32]] {
        let outputs = core.request(1, 77, &prepare, NOW_MS)?;
        let [
            Output::Request {
                account,
                id,
                packet: Packet::Prepare(sent),
            },
        ] = &outputs[..]
        else {
            return Err(format!("not forwarded: {outputs:?}").into());
        };
        println!(
            "to account {account}: Prepare {} for {}",
            sent.amount, sent.destination
        );
        let fulfill = Fulfill {
            fulfillment,
            data: vec![],
        }
        .into();
        for output in core.reply(*account, *id, &fulfill, NOW_MS)? {
            match output {
                Output::Reply {
                    account,
                    packet: Packet::Fulfill(_),
                    ..
                } => {
                    println!("to account {account}: Fulfill");
                }
                Output::Reply {
                    account,
                    packet: Packet::Reject(r),
                    ..
                } => {
                    println!("to account {account}: Reject {} {}", r.code, r.message);
                }
                other => println!("{other:?}"),
            }
        }
        println!("alice {}, bob {}", core.balance(1), core.balance(2));
    }
    Ok(())
}
