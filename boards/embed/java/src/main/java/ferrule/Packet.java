package ferrule;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

/** ILP packets (RFC 27) as values. The core checks every packet again; these write and read. */
public sealed interface Packet {
    /** The packet's bytes. */
    byte[] encode();

    /** A request to move value under a condition. The amount is unsigned, in base units. */
    record Prepare(
            long amount, Instant expiresAt, byte[] condition, String destination, byte[] data)
            implements Packet {
        @Override
        public byte[] encode() {
            Writer body = new Writer();
            body.put(ByteBuffer.allocate(8).putLong(amount).array());
            body.put(Writer.TIME.format(expiresAt.atOffset(ZoneOffset.UTC)).getBytes(ASCII));
            body.put(condition).field(destination.getBytes(ASCII)).field(data);
            return body.envelope(Abi.PacketType.PREPARE);
        }
    }

    /** The claim: the fulfillment is the preimage of the condition. */
    record Fulfill(byte[] fulfillment, byte[] data) implements Packet {
        @Override
        public byte[] encode() {
            return new Writer().put(fulfillment).field(data).envelope(Abi.PacketType.FULFILL);
        }
    }

    /** A refusal, by whom and why. */
    record Reject(String code, String triggeredBy, String message, byte[] data)
            implements Packet {
        @Override
        public byte[] encode() {
            Writer body = new Writer().put(code.getBytes(ASCII)).field(triggeredBy.getBytes(ASCII));
            body.field(message.getBytes(StandardCharsets.UTF_8)).field(data);
            return body.envelope(Abi.PacketType.REJECT);
        }
    }

    java.nio.charset.Charset ASCII = StandardCharsets.US_ASCII;

    /** The packet in these bytes. Throws IllegalArgumentException when they are none. */
    static Packet decode(byte[] bytes) {
        try {
            ByteBuffer outer = ByteBuffer.wrap(bytes);
            int type = outer.get();
            ByteBuffer body = ByteBuffer.wrap(field(outer));
            return switch (type) {
                case Abi.PacketType.PREPARE -> new Prepare(
                        body.getLong(), time(take(body, 17)), take(body, 32),
                        new String(field(body), ASCII), field(body));
                case Abi.PacketType.FULFILL -> new Fulfill(take(body, 32), field(body));
                case Abi.PacketType.REJECT -> new Reject(
                        new String(take(body, 3), ASCII), new String(field(body), ASCII),
                        new String(field(body), StandardCharsets.UTF_8), field(body));
                default -> throw new IllegalArgumentException("a packet of type " + type);
            };
        } catch (BufferUnderflowException | DateTimeException error) {
            throw new IllegalArgumentException("these bytes are no ILP packet", error);
        }
    }

    private static Instant time(byte[] digits) {
        LocalDateTime time = LocalDateTime.parse(new String(digits, ASCII), Writer.TIME);
        return time.toInstant(ZoneOffset.UTC);
    }

    private static byte[] take(ByteBuffer from, int count) {
        if (count > from.remaining()) throw new BufferUnderflowException();
        byte[] taken = new byte[count];
        from.get(taken);
        return taken;
    }

    /** Takes a length-prefixed field (OER). */
    private static byte[] field(ByteBuffer from) {
        int length = from.get() & 0xff;
        if (length < 0x80) return take(from, length);
        if (length > 0x83) throw new BufferUnderflowException();
        return take(from, new BigInteger(1, take(from, length - 0x80)).intValue());
    }

    /** Puts fields together. */
    final class Writer {
        private static final DateTimeFormatter TIME =
                DateTimeFormatter.ofPattern("uuuuMMddHHmmssSSS");
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        private Writer put(byte[] bytes) {
            out.writeBytes(bytes);
            return this;
        }

        /** A length prefix in its shortest form, and the bytes. */
        private Writer field(byte[] bytes) {
            int n = bytes.length;
            int size = n < 0x80 ? 0 : n < 0x100 ? 1 : n < 0x10000 ? 2 : 3;
            if (size > 0) out.write(0x80 + size);
            for (int i = Math.max(size, 1); i > 0; i--) out.write(n >> (8 * (i - 1)));
            return put(bytes);
        }

        private byte[] envelope(int type) {
            Writer whole = new Writer();
            whole.out.write(type);
            return whole.field(out.toByteArray()).out.toByteArray();
        }
    }
}
