package ferrule.runtimes;

import com.dylibso.chicory.compiler.MachineFactoryCompiler;
import com.dylibso.chicory.runtime.ExportFunction;
import com.dylibso.chicory.runtime.Instance;
import com.dylibso.chicory.runtime.Memory;
import com.dylibso.chicory.wasm.ChicoryException;
import com.dylibso.chicory.wasm.Parser;
import ferrule.Abi;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Replays a recorded script (../README.md) on the core in Chicory.
 *
 * <pre>java ferrule.runtimes.Runner compiler|interpreter CORE SCRIPT [--steps N | --time]</pre>
 *
 * Ends with 0 when all is as recorded, 1 at the first difference, 2 when it cannot play, 3 when the
 * core trapped.
 */
public final class Runner {
    private static final int END = 0;
    private static final int OBSERVE = 0xfd;
    private static final int DRAIN = 0xfe;
    private static final int MARK = 0xff;
    private static final long FNV_START = 0xcbf29ce484222325L;
    private static final long FNV_PRIME = 0x100000001b3L;
    private static final long FNV_PRIME_8 = power(FNV_PRIME, 8);

    /** The run is not as recorded. */
    private static final class Difference extends RuntimeException {
        private static final long serialVersionUID = 1;

        Difference(String message) {
            super(message);
        }
    }

    private record Verb(String name, ExportFunction call, int count) {}

    private final Memory memory;
    private final ExportFunction poll;
    private final int[] about = new int[Abi.Descriptor.COUNT];
    private final List<Verb> verbs = new ArrayList<>();
    private final ByteBuffer script;
    private final int entriesAt;
    private long steps;
    private long marks;
    private long snapshot;
    private long outputs = FNV_START;
    private boolean hashed = true;

    private Runner(String engine, byte[] wasm, byte[] bytes) {
        Instance.Builder builder = Instance.builder(Parser.parse(wasm));
        if (engine.equals("compiler")) builder.withMachineFactory(MachineFactoryCompiler::compile);
        Instance instance = builder.build();
        memory = instance.memory();
        poll = instance.export("poll");
        int at = (int) instance.export("describe").apply()[0];
        for (int i = 0; i < about.length; i++) about[i] = memory.readInt(at + 4 * i);
        script = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        String magic = new String(take(8), StandardCharsets.US_ASCII);
        if (!magic.equals("FRRLCALL") || script.getInt() != 1 || script.getInt() != Abi.VERSION) {
            throw new IllegalArgumentException("not a script of this version");
        }
        script.getInt(); // seed
        text();
        for (int left = octet(); left > 0; left--) {
            String name = text();
            verbs.add(new Verb(name, instance.export(name), octet()));
        }
        entriesAt = script.position();
    }

    private static long power(long base, int exponent) {
        long product = 1;
        for (int i = 0; i < exponent; i++) product *= base;
        return product;
    }

    /** FNV-1a. Of a snapshot most is zero: eight zero bytes are one multiplication. */
    private static long fnv(long start, byte[] bytes) {
        ByteBuffer words = ByteBuffer.wrap(bytes);
        long hash = start;
        int at = 0;
        for (; at + 8 <= bytes.length; at += 8) {
            if (words.getLong(at) == 0) hash *= FNV_PRIME_8;
            else for (int i = at; i < at + 8; i++) hash = (hash ^ bytes[i] & 0xff) * FNV_PRIME;
        }
        for (; at < bytes.length; at++) hash = (hash ^ bytes[at] & 0xff) * FNV_PRIME;
        return hash;
    }

    private byte[] take(int count) {
        if (count > script.remaining()) throw new BufferUnderflowException();
        byte[] bytes = new byte[count];
        script.get(bytes);
        return bytes;
    }

    private int octet() {
        return script.get() & 0xff;
    }

    private String text() {
        return new String(take(octet()), StandardCharsets.US_ASCII);
    }

    private void call(Verb verb) {
        long[] arguments = new long[verb.count];
        for (int i = 0; i < arguments.length; i++) arguments[i] = script.getInt();
        memory.write(about[Abi.Descriptor.INPUT_ADDRESS], take(script.getInt()));
        int recorded = script.getInt();
        steps++;
        int result = (int) verb.call.apply(arguments)[0];
        if (result == recorded) return;
        String list =
                Arrays.stream(arguments).mapToObj(Long::toString).collect(Collectors.joining(", "));
        throw new Difference(String.format("step %d: %s(%s) returned %d, recorded %d",
                steps, verb.name, list, result, recorded));
    }

    /** Of an output record everything but its address is hashed, and the bytes it points to. */
    private void drain() {
        for (int o = (int) poll.apply()[0]; o != 0; o = (int) poll.apply()[0]) {
            if (!hashed) continue;
            int at = memory.readInt(o + Abi.OutputRecord.ADDRESS);
            int length = memory.readInt(o + Abi.OutputRecord.LENGTH);
            int rest = Abi.OutputRecord.BYTES - Abi.OutputRecord.LENGTH;
            outputs = fnv(outputs, memory.readBytes(o, Abi.OutputRecord.ADDRESS));
            outputs = fnv(outputs, memory.readBytes(o + Abi.OutputRecord.LENGTH, rest));
            outputs = fnv(outputs, memory.readBytes(at, length));
        }
    }

    private void observe() {
        int base = about[octet()];
        boolean follow = octet() == 1;
        int at = base + script.getInt();
        int length = script.getInt();
        if (follow) at = memory.readInt(at);
        if (hashed) outputs = fnv(outputs, memory.readBytes(at, length));
    }

    private void mark() {
        long recordedSteps = script.getInt();
        long recordedSnapshot = script.getLong();
        long recordedOutputs = script.getLong();
        marks++;
        if (!hashed) return;
        int from = about[Abi.Descriptor.SNAPSHOT_START];
        int length = about[Abi.Descriptor.SNAPSHOT_END] - from;
        snapshot = fnv(FNV_START, memory.readBytes(from, length));
        String what = recordedSteps != steps ? "steps"
                : recordedOutputs != outputs ? "outputs"
                : recordedSnapshot != snapshot ? "snapshot" : null;
        if (what == null) return;
        throw new Difference(String.format("mark %d, step %d: other %s", marks, steps, what));
    }

    /** Plays to the next mark. Returns false when the script has ended. */
    private boolean next() {
        while (true) {
            int entry = octet();
            switch (entry) {
                case END:
                    return false;
                case MARK:
                    mark();
                    return true;
                case DRAIN:
                    drain();
                    break;
                case OBSERVE:
                    observe();
                    break;
                default:
                    call(verbs.get(entry - 1));
            }
        }
    }

    /** Nanoseconds that a step takes behind the first mark: the best of a second's turns. */
    private double measure() {
        double best = Double.MAX_VALUE;
        hashed = false;
        for (long all = 0; all < 1_000_000_000L;) {
            script.position(entriesAt);
            steps = 0;
            next();
            long first = steps;
            long from = System.nanoTime();
            while (next()) continue;
            long ns = System.nanoTime() - from;
            all += ns;
            best = Math.min(best, (double) ns / (steps - first));
        }
        return best;
    }

    /** The most memory this process has had, in KiB; 0 where Linux does not say. */
    private static long peakKiB() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmHWM:")) return Long.parseLong(line.replaceAll("\\D", ""));
            }
        } catch (IOException notLinux) {
            return 0;
        }
        return 0;
    }

    private static String run(String[] arguments) throws IOException {
        byte[] core = Files.readAllBytes(Path.of(arguments[1]));
        byte[] script = Files.readAllBytes(Path.of(arguments[2]));
        long from = System.nanoTime();
        Runner runner = new Runner(arguments[0], core, script);
        String mode = arguments.length > 3 ? arguments[3] : "";
        if (mode.equals("--time")) {
            return String.format(Locale.ROOT, "{\"nsPerStep\":%.1f}", runner.measure());
        }
        long last = mode.equals("--steps") ? Long.parseLong(arguments[4]) : Long.MAX_VALUE;
        while (runner.steps < last && runner.next()) continue;
        return String.format(Locale.ROOT,
                "{\"steps\":%d,\"marks\":%d,\"snapshot\":\"%016x\",\"outputs\":\"%016x\","
                        + "\"ms\":%.1f,\"peakKiB\":%d}",
                runner.steps, runner.marks, runner.snapshot, runner.outputs,
                (System.nanoTime() - from) / 1e6, peakKiB());
    }

    public static void main(String[] arguments) {
        int status = 0;
        try {
            System.out.println(run(arguments));
        } catch (Difference difference) {
            System.out.println(difference.getMessage());
            status = 1;
        } catch (ChicoryException trap) {
            System.out.println("the core trapped: " + trap);
            status = 3;
        } catch (IOException | RuntimeException error) {
            System.out.println(error);
            status = 2;
        }
        System.exit(status);
    }
}
