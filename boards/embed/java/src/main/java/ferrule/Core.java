package ferrule;

import com.dylibso.chicory.compiler.MachineFactoryCompiler;
import com.dylibso.chicory.runtime.Instance;
import com.dylibso.chicory.runtime.Memory;
import com.dylibso.chicory.wasm.Parser;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/**
 * A running core, by Chicory. Every method that takes a packet or time returns what the core wants
 * done; the core itself is driven one mutation at a time. Not for several threads at once.
 */
public final class Core {
    /** The node's own account: packets for this node come out on it. */
    public static final int LOCAL_ACCOUNT = 0;

    /** A balance limit that stands for "unlimited". */
    public static final BigInteger UNLIMITED = BigInteger.ONE.shiftLeft(120);

    /** The core refused a verb; the status is one of Abi.Status. */
    public static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;
        public final int status;

        Refused(String verb, int status) {
            super("the core refused " + verb + ": status " + status);
            this.status = status;
        }
    }

    /** An account's settings. Amounts are in its asset's base units. */
    public record Account(
            String name, int relation, int asset, BigInteger balanceMinimum,
            BigInteger balanceMaximum, long packetMaximum) {
        /** Without limits. */
        public Account(String name, int relation, int asset) {
            this(name, relation, asset, UNLIMITED.negate(), UNLIMITED, -1);
        }

        public Account withBalanceMaximum(long maximum) {
            BigInteger limit = BigInteger.valueOf(maximum);
            return new Account(name, relation, asset, balanceMinimum, limit, packetMaximum);
        }
    }

    /**
     * What the core wants done. REQUEST: carry the packet on the raw link of the account; answer
     * with `reply` or `fail` and the id. REPLY: the packet answers the `request` made on the
     * account with this id. FRAME: write the bytes to the framed link. SETTLEMENT_DUE, LATE_FULFILL: amount
     * (unsigned). CLOSE: close the link.
     *
     * @param kind one of Abi.OutputKind
     */
    public record Output(int kind, int account, int id, long amount, byte[] bytes) {
        public Packet packet() {
            return Packet.decode(bytes);
        }
    }

    private final Instance instance;
    private final Memory memory;
    private final int[] about = new int[Abi.Descriptor.COUNT];

    /** Starts an empty core. Nobody may predict the seed: request ids and hashes depend on it. */
    public Core(byte[] wasm, long seed) {
        instance = Instance.builder(Parser.parse(wasm))
                .withMachineFactory(MachineFactoryCompiler::compile)
                .build();
        memory = instance.memory();
        int at = call("describe");
        for (int i = 0; i < about.length; i++) about[i] = memory.readInt(at + 4 * i);
        if (about[Abi.Descriptor.MAGIC] != Abi.MAGIC
                || about[Abi.Descriptor.VERSION] != Abi.VERSION) {
            throw new IllegalArgumentException("this is no Ferrule core of this version");
        }
        must("init", (int) seed, (int) (seed >> 32));
    }

    // ---- memory

    private int input(byte[] bytes) {
        if (bytes.length > about[Abi.Descriptor.INPUT_BYTES]) {
            throw new Refused("input", Abi.Status.BAD_ARGUMENT);
        }
        memory.write(about[Abi.Descriptor.INPUT_ADDRESS], bytes);
        return bytes.length;
    }

    private int input(String text) {
        return input(text.getBytes(StandardCharsets.US_ASCII));
    }

    private int call(String verb, int... arguments) {
        long[] values = new long[arguments.length];
        for (int i = 0; i < values.length; i++) values[i] = arguments[i];
        return (int) instance.export(verb).apply(values)[0];
    }

    private int must(String verb, int... arguments) {
        int result = call(verb, arguments);
        if (result < 0) throw new Refused(verb, result);
        return result;
    }

    private static int low(Duration now) {
        return (int) now.toMillis();
    }

    private static int high(Duration now) {
        return (int) (now.toMillis() >> 32);
    }

    /** Room for a settings record, and text behind it. */
    private static ByteBuffer settings(int size, String text) {
        byte[] tail = text.getBytes(StandardCharsets.US_ASCII);
        ByteBuffer record = ByteBuffer.allocate(size + tail.length).order(ByteOrder.LITTLE_ENDIAN);
        return record.put(size, tail);
    }

    /** Writes a signed 128-bit number. */
    private static void putWide(ByteBuffer record, int at, BigInteger value) {
        record.putLong(at, value.longValue()).putLong(at + 8, value.shiftRight(64).longValue());
    }

    // ---- settings

    /** Tells which wall-clock time belongs to a monotonic one. Nothing is forwarded before. */
    public void clock(Duration now, Instant wall) {
        long ms = wall.toEpochMilli();
        must("clock", low(now), high(now), (int) ms, (int) (ms >> 32));
    }

    public void setAsset(int asset, String code, int scale) {
        if (code.length() > 0xff) {
            throw new IllegalArgumentException("an asset's code of more than 255 bytes");
        }
        ByteBuffer record = settings(Abi.AssetSettingsRecord.BYTES, code);
        record.put(Abi.AssetSettingsRecord.SCALE, (byte) scale);
        record.put(Abi.AssetSettingsRecord.CODE_LENGTH, (byte) code.length());
        input(record.array());
        must("setAsset", asset);
    }

    /** One unit of `from` is numerator / denominator of `to`. An asset needs one to itself. */
    public void setRate(int from, int to, long numerator, long denominator) {
        ByteBuffer record = settings(Abi.RateSettingsRecord.BYTES, "");
        record.putLong(Abi.RateSettingsRecord.NUMERATOR, numerator);
        record.putLong(Abi.RateSettingsRecord.DENOMINATOR, denominator);
        input(record.array());
        must("setRateOf", from, to);
    }

    public void setAccount(int index, Account account) {
        ByteBuffer record = settings(Abi.AccountSettingsRecord.BYTES, account.name());
        record.put(Abi.AccountSettingsRecord.RELATION, (byte) account.relation());
        record.putShort(Abi.AccountSettingsRecord.ASSET, (short) account.asset());
        record.putShort(Abi.AccountSettingsRecord.NAME_LENGTH, (short) account.name().length());
        putWide(record, Abi.AccountSettingsRecord.BALANCE_MIN_LO, account.balanceMinimum());
        putWide(record, Abi.AccountSettingsRecord.BALANCE_MAX_LO, account.balanceMaximum());
        record.putLong(Abi.AccountSettingsRecord.PACKET_MAX_IN, account.packetMaximum());
        record.putLong(Abi.AccountSettingsRecord.PACKET_MAX_OUT, account.packetMaximum());
        record.putLong(Abi.AccountSettingsRecord.PENDING_MAX, -1);
        record.putLong(Abi.AccountSettingsRecord.RISK_MAX, -1);
        record.putInt(Abi.AccountSettingsRecord.THROUGHPUT_PERIOD_MS, 1000);
        record.putInt(Abi.AccountSettingsRecord.RATE_PERIOD_MS, 60_000);
        record.putInt(Abi.AccountSettingsRecord.FLIGHTS_MAX, about[Abi.Descriptor.FLIGHTS]);
        input(record.array());
        must("setAccount", index);
    }

    /** The node's own address. */
    public void setAddress(String address) {
        must("setAddress", input(address));
    }

    public void setRoute(String prefix, int account) {
        must("setRoute", input(prefix), account);
    }

    /** @param kind one of Abi.LinkKind */
    public void linkUp(int account, int kind) {
        must("linkUp", account, kind);
    }

    /** Stops new packets of an account, or lets them pass again. */
    public void setFrozen(int account, boolean frozen) {
        int flag = Abi.AccountFlag.FROZEN;
        must("setFlags", account, frozen ? flag : 0, frozen ? 0 : flag);
    }

    // ---- packets

    /** A Prepare from the raw link of an account; the answer carries the same id. */
    public List<Output> request(int account, int id, Packet.Prepare packet, Duration now) {
        must("request", account, id, input(packet.encode()), low(now), high(now));
        return drain(new ArrayList<>());
    }

    /** The answer to a REQUEST. A wrong fulfillment goes back as a Reject, and nothing moves. */
    public List<Output> reply(int account, int id, Packet packet, Duration now) {
        must("reply", account, id, input(packet.encode()), low(now), high(now));
        return drain(new ArrayList<>());
    }

    /** A REQUEST could not be carried. The code is F00, F01, T00, T01 or T03. */
    public List<Output> fail(int account, int id, String code, Duration now) {
        int word = code.charAt(0) | code.charAt(1) << 8 | code.charAt(2) << 16;
        must("fail", account, id, word, low(now), high(now));
        return drain(new ArrayList<>());
    }

    /** Expires what is due. Call it when `deadline` says so. */
    public List<Output> tick(Duration now) {
        List<Output> outputs = new ArrayList<>();
        int more;
        do {
            more = must("tick", low(now), high(now));
            drain(outputs);
        } while (more == 1);
        return outputs;
    }

    /** Milliseconds until `tick` has work; empty when nothing is in flight. */
    public OptionalLong deadline(Duration now) {
        int ms = call("deadline", low(now), high(now));
        return ms == -1 ? OptionalLong.empty() : OptionalLong.of(Integer.toUnsignedLong(ms));
    }

    /** Everything the core has to say. */
    private List<Output> drain(List<Output> outputs) {
        for (int o = call("poll"); o != 0; o = call("poll")) {
            int address = memory.readInt(o + Abi.OutputRecord.ADDRESS);
            int length = memory.readInt(o + Abi.OutputRecord.LENGTH);
            outputs.add(new Output(
                    memory.readShort(o + Abi.OutputRecord.KIND) & 0xffff,
                    memory.readShort(o + Abi.OutputRecord.ACCOUNT) & 0xffff,
                    memory.readInt(o + Abi.OutputRecord.REQUEST_ID),
                    memory.readLong(o + Abi.OutputRecord.AMOUNT),
                    memory.readBytes(address, length)));
        }
        return outputs;
    }

    // ---- reading

    /** Reads a signed 128-bit number. */
    private BigInteger wide(int at) {
        byte[] number = memory.readBytes(at, 16);
        byte[] reversed = new byte[16];
        for (int i = 0; i < 16; i++) reversed[15 - i] = number[i];
        return new BigInteger(reversed);
    }

    /** What the owner of an account owes this node; negative: what the node owes. */
    public BigInteger balance(int account) {
        int stride = about[Abi.Descriptor.ACCOUNT_STRIDE];
        int at = about[Abi.Descriptor.ACCOUNTS_ADDRESS] + account * stride;
        BigInteger credits = wide(at + Abi.AccountRecord.CREDITS_LO);
        return wide(at + Abi.AccountRecord.DEBITS_LO).subtract(credits);
    }
}
