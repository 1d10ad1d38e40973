package upshot.rival;

import java.util.Arrays;

/**
 * What is known of one message, unpacked, and its packed form: flags, then times as differences to
 * the first one, in variable-length integers. One object per processor, filled for each event.
 */
final class Life {
    private static final byte VERSION = 1;
    private static final int SEND_SEEN = 1;
    private static final int CONFLICT = 2;
    private static final int ATTRIBUTES = 4;
    private static final int REASON = 8;
    private static final int SETTLED = 16;
    private static final int EMITTED_SEND_SEEN = 32;
    private static final int EMITTED_CONFLICT = 64;

    long lifeMs; // timestamp of the record that opened it
    long firstMs; // least timestamp
    long stateMs; // least timestamp that reported the state
    int state;
    boolean sendSeen;
    long sentAtMs;
    boolean conflict;
    int seenCount;
    final int[] seen = new int[64]; // by strength
    final long[] seenAtMs = new long[64];
    byte[] attributes;
    long attributesAtMs;
    byte[] reason;
    long reasonAtMs;
    int input; // the record that set the state, or opened the message
    long offset;
    int revision; // 0: no outcome yet
    int emittedState;
    boolean emittedSendSeen;
    boolean emittedConflict;
    long forgetMs; // with an outcome only

    private byte[] bytes = new byte[4096];
    private int at;

    void open(Event event) {
        lifeMs = event.timestampMs;
        firstMs = event.timestampMs;
        state = Channel.NONE;
        sendSeen = false;
        conflict = false;
        seenCount = 0;
        attributes = null;
        reason = null;
        input = event.input;
        offset = event.offset;
        revision = 0;
    }

    long seenMask() {
        long mask = 0;
        for (int i = 0; i < seenCount; i++) {
            mask |= 1L << seen[i];
        }
        return mask;
    }

    /** Place of a status in seen, or -1. */
    int find(int status) {
        for (int i = 0; i < seenCount; i++) {
            if (seen[i] == status) {
                return i;
            }
        }
        return -1;
    }

    // ---- packing ----------------------------------------------------------------------------

    byte[] pack() {
        at = 0;
        bytes[at++] = VERSION;
        bytes[at++] = (byte) ((sendSeen ? SEND_SEEN : 0) | (conflict ? CONFLICT : 0)
                | (attributes != null ? ATTRIBUTES : 0) | (reason != null ? REASON : 0)
                | (revision > 0 ? SETTLED : 0)
                | (revision > 0 && emittedSendSeen ? EMITTED_SEND_SEEN : 0)
                | (revision > 0 && emittedConflict ? EMITTED_CONFLICT : 0));
        putSigned(lifeMs);
        putSigned(firstMs - lifeMs);
        bytes[at++] = (byte) seenCount;
        for (int i = 0; i < seenCount; i++) {
            bytes[at++] = (byte) seen[i];
            putSigned(seenAtMs[i] - lifeMs);
        }
        if (seenCount > 0) { // the strongest is the state
            putSigned(stateMs - lifeMs);
        }
        if (sendSeen) {
            putSigned(sentAtMs - lifeMs);
        }
        if (attributes != null) {
            putSigned(attributesAtMs - lifeMs);
            putBytes(attributes);
        }
        if (reason != null) {
            putSigned(reasonAtMs - lifeMs);
            putBytes(reason);
        }
        bytes[at++] = (byte) input;
        put(offset);
        if (revision > 0) {
            put(revision);
            bytes[at++] = (byte) emittedState;
            putSigned(forgetMs - lifeMs);
        }
        return Arrays.copyOf(bytes, at);
    }

    void unpack(byte[] packed) {
        if (packed[0] != VERSION) {
            throw new IllegalStateException("a state record of version " + packed[0]);
        }
        bytes = bytes.length >= packed.length ? bytes : new byte[packed.length];
        System.arraycopy(packed, 0, bytes, 0, packed.length);
        int flags = bytes[1];
        at = 2;
        lifeMs = takeSigned();
        firstMs = lifeMs + takeSigned();
        seenCount = bytes[at++];
        for (int i = 0; i < seenCount; i++) {
            seen[i] = bytes[at++];
            seenAtMs[i] = lifeMs + takeSigned();
        }
        state = seenCount > 0 ? seen[seenCount - 1] : Channel.NONE;
        stateMs = seenCount > 0 ? lifeMs + takeSigned() : 0;
        sendSeen = (flags & SEND_SEEN) != 0;
        sentAtMs = sendSeen ? lifeMs + takeSigned() : 0;
        conflict = (flags & CONFLICT) != 0;
        attributes = null;
        if ((flags & ATTRIBUTES) != 0) {
            attributesAtMs = lifeMs + takeSigned();
            attributes = takeBytes();
        }
        reason = null;
        if ((flags & REASON) != 0) {
            reasonAtMs = lifeMs + takeSigned();
            reason = takeBytes();
        }
        input = bytes[at++];
        offset = take();
        revision = 0;
        if ((flags & SETTLED) != 0) {
            revision = (int) take();
            emittedState = bytes[at++];
            emittedSendSeen = (flags & EMITTED_SEND_SEEN) != 0;
            emittedConflict = (flags & EMITTED_CONFLICT) != 0;
            forgetMs = lifeMs + takeSigned();
        }
    }

    private void put(long number) {
        while ((number & ~0x7fL) != 0) {
            bytes[at++] = (byte) (number | 0x80);
            number >>>= 7;
        }
        bytes[at++] = (byte) number;
    }

    private void putSigned(long number) {
        put(number << 1 ^ number >> 63);
    }

    private void putBytes(byte[] some) {
        put(some.length);
        System.arraycopy(some, 0, bytes, at, some.length);
        at += some.length;
    }

    private long take() {
        long number = 0;
        int shift = 0;
        while (bytes[at] < 0) {
            number |= (bytes[at++] & 0x7fL) << shift;
            shift += 7;
        }
        return number | (long) bytes[at++] << shift;
    }

    private long takeSigned() {
        long number = take();
        return number >>> 1 ^ -(number & 1);
    }

    private byte[] takeBytes() {
        int size = (int) take();
        byte[] some = Arrays.copyOfRange(bytes, at, at + size);
        at += size;
        return some;
    }
}
