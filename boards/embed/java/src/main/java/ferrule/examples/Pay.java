package ferrule.examples;

import ferrule.Abi;
import ferrule.Core;
import ferrule.Core.Account;
import ferrule.Core.Output;
import ferrule.Packet;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;

/** Alice pays Bob through a connector of our own: java ferrule.examples.Pay CORE. */
public final class Pay {
    private static final Duration NOW = Duration.ofSeconds(1); // in earnest, time since the start
    private static final Instant WALL = Instant.parse("2026-01-01T00:00:00Z"); // Instant.now()

    private Pay() {}

    public static void main(String[] arguments) throws Exception {
        Core core = new Core(Files.readAllBytes(Path.of(arguments[0])), 8); // in earnest, random
        core.clock(NOW, WALL);
        core.setAsset(0, "XRP", 9);
        core.setRate(0, 0, 1, 1);
        core.setAccount(Core.LOCAL_ACCOUNT, new Account("local", Abi.Relation.LOCAL, 0));
        core.setAccount(1, new Account("alice", Abi.Relation.PEER, 0).withBalanceMaximum(1000));
        core.setAccount(2, new Account("bob", Abi.Relation.PEER, 0));
        core.setAddress("test.java");
        core.setRoute("test.bob", 2);
        core.linkUp(1, Abi.LinkKind.RAW);
        core.linkUp(2, Abi.LinkKind.RAW);

        byte[] secret = new byte[32];
        Arrays.fill(secret, (byte) 7);
        byte[] condition = MessageDigest.getInstance("SHA-256").digest(secret);
        Instant expiresAt = WALL.plusSeconds(10);
        var prepare = new Packet.Prepare(250, expiresAt, condition, "test.bob.shop", new byte[0]);
        for (byte[] fulfillment : new byte[][] {secret, new byte[32]}) {
            Output request = core.request(1, 77, prepare, NOW).get(0);
            Packet.Prepare sent = (Packet.Prepare) request.packet();
            System.out.printf("to account %d: Prepare %d for %s%n",
                    request.account(), sent.amount(), sent.destination());
            var fulfill = new Packet.Fulfill(fulfillment, new byte[0]);
            for (Output o : core.reply(request.account(), request.id(), fulfill, NOW)) {
                if (o.packet() instanceof Packet.Reject reject) {
                    System.out.printf("to account %d: Reject %s %s%n",
                            o.account(), reject.code(), reject.message());
                } else System.out.printf("to account %d: Fulfill%n", o.account());
            }
            System.out.printf("alice %d, bob %d%n", core.balance(1), core.balance(2));
        }
    }
}
