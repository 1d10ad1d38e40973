package upshot.rival;

import java.util.Arrays;

/** An outcome as bytes, member by member in the order in which upshot writes them. */
final class OutcomeWriter {
    static final String SCHEMA = "upshot.outcome/1";
    static final String CONTENT_TYPE = "application/json";

    private static final byte[] HEX = Words.ascii("0123456789abcdef");
    private static final byte[] BEGIN =
            Words.ascii("{\"schema\":\"" + SCHEMA + "\",\"outcome_id\":\"");
    private static final byte[] MESSAGE_ID = Words.ascii("\",\"message_id\":\"");
    private static final byte[] CHANNEL = Words.ascii("\",\"channel\":\"");
    private static final byte[] LIFE = Words.ascii("\",\"life\":");
    private static final byte[] REVISION = Words.ascii(",\"revision\":");
    private static final byte[] SUPERSEDES = Words.ascii(",\"supersedes\":\"");
    private static final byte[] QUOTE = Words.ascii("\"");
    private static final byte[][] SETTLED_BY = Arrays.stream(Step.SettledBy.values())
            .map(by -> Words.ascii(",\"settled_by\":\"" + by + "\",\"settled_at\":\""))
            .toArray(byte[][]::new);
    private static final byte[] SEND_SEEN = Words.ascii("\",\"send_seen\":");
    private static final byte[] CONFLICT = Words.ascii(",\"conflict\":");
    private static final byte[] TRUE = Words.ascii("true");
    private static final byte[] FALSE = Words.ascii("false");
    private static final byte[] SENT_AT = Words.ascii(",\"sent_at\":\"");
    private static final byte[] STATUS_AT = Words.ascii(",\"status_at\":\"");
    private static final byte[] LATENCY = Words.ascii(",\"latency_ms\":");
    private static final byte[] NULL = Words.ascii("null");
    private static final byte[] REASON = Words.ascii(",\"reason\":\"");
    private static final byte[] TIMELINE = Words.ascii(",\"timeline\":[");
    private static final byte[] END_OF_SEEN = Words.ascii("\"}");
    private static final byte[] ATTRIBUTES = Words.ascii(",\"attributes\":");
    private static final byte[] SOURCE = Words.ascii(",\"source\":{\"topic\":\"");
    private static final byte[] PARTITION = Words.ascii("\",\"partition\":");
    private static final byte[] OFFSET = Words.ascii(",\"offset\":");

    // 64 statuses of 128 bytes, ids and reason escaped, attributes: less than half of this.
    private final byte[] out = new byte[32_768];
    private int at;
    private final byte[][] inputs;
    private final int partition;
    private final Instants instants = new Instants();
    private final byte[] digits = new byte[20];
    private final int[] order = new int[64];

    OutcomeWriter(String[] inputs, int partition) {
        this.inputs = Arrays.stream(inputs).map(Words::ascii).toArray(byte[][]::new);
        this.partition = partition;
    }

    byte[] write(Channel channel, byte[] id, Life life, Step step) {
        at = 0;
        put(BEGIN);
        putOutcomeId(channel, id, life, life.revision);
        put(MESSAGE_ID);
        putEscaped(id);
        put(CHANNEL);
        put(channel.nameBytes);
        put(LIFE);
        put(life.lifeMs);
        put(life.state == Channel.NONE ? channel.initialOutcomeJson
                : channel.outcomeJson[life.state]);
        put(REVISION);
        put(life.revision);
        if (life.revision > 1) {
            put(SUPERSEDES);
            putOutcomeId(channel, id, life, life.revision - 1);
            put(QUOTE);
        }
        put(SETTLED_BY[step.settledBy.ordinal()]);
        putTime(step.settledAtMs);
        put(SEND_SEEN);
        put(life.sendSeen ? TRUE : FALSE);
        put(CONFLICT);
        put(life.conflict ? TRUE : FALSE);
        putTimes(life);
        if (life.reason != null) {
            put(REASON);
            putEscaped(life.reason);
            put(QUOTE);
        }
        putTimeline(channel, life);
        if (life.attributes != null) {
            put(ATTRIBUTES);
            put(life.attributes);
        }
        put(SOURCE);
        put(inputs[life.input]);
        put(PARTITION);
        put(partition);
        put(OFFSET);
        put(life.offset);
        put(channel.tableJson);
        return Arrays.copyOf(out, at);
    }

    private void putTimes(Life life) {
        long statusAtMs = life.seenCount > 0 ? life.seenAtMs[life.seenCount - 1] : 0;
        if (life.sendSeen) {
            put(SENT_AT);
            putTime(life.sentAtMs);
            put(QUOTE);
        }
        if (life.seenCount > 0) {
            put(STATUS_AT);
            putTime(statusAtMs);
            put(QUOTE);
        }
        put(LATENCY);
        if (life.sendSeen && life.seenCount > 0) {
            put(statusAtMs - life.sentAtMs);
        } else {
            put(NULL);
        }
    }

    /** By (at, strength): an insertion sort, which is stable, of what lies by strength. */
    private void putTimeline(Channel channel, Life life) {
        for (int i = 0; i < life.seenCount; i++) {
            int place = i;
            for (; place > 0 && life.seenAtMs[order[place - 1]] > life.seenAtMs[i]; place--) {
                order[place] = order[place - 1];
            }
            order[place] = i;
        }
        put(TIMELINE);
        for (int i = 0; i < life.seenCount; i++) {
            if (i > 0) {
                out[at++] = ',';
            }
            put(channel.seenJson[life.seen[order[i]]]);
            putTime(life.seenAtMs[order[i]]);
            put(END_OF_SEEN);
        }
        out[at++] = ']';
    }

    private void putOutcomeId(Channel channel, byte[] id, Life life, int revision) {
        put(channel.nameBytes);
        out[at++] = ':';
        putEscaped(id);
        out[at++] = ':';
        put(life.lifeMs);
        out[at++] = ':';
        put(revision);
    }

    private void put(byte[] bytes) {
        System.arraycopy(bytes, 0, out, at, bytes.length);
        at += bytes.length;
    }

    private void putTime(long ms) {
        instants.format(ms, out, at);
        at += Instants.SIZE;
    }

    private void put(long number) {
        if (number < 0) {
            out[at++] = '-';
        }
        int from = digits.length;
        do {
            digits[--from] = (byte) ('0' + Math.abs(number % 10));
            number /= 10;
        } while (number != 0);
        System.arraycopy(digits, from, out, at, digits.length - from);
        at += digits.length - from;
    }

    private void putEscaped(byte[] text) {
        for (byte b : text) {
            if (b >= 0x20 && b != '"' && b != '\\' || b < 0) {
                out[at++] = b;
                continue;
            }
            out[at++] = '\\';
            switch (b) {
                case '"', '\\' -> out[at++] = b;
                case '\b' -> out[at++] = 'b';
                case '\f' -> out[at++] = 'f';
                case '\n' -> out[at++] = 'n';
                case '\r' -> out[at++] = 'r';
                case '\t' -> out[at++] = 't';
                default -> {
                    out[at++] = 'u';
                    out[at++] = '0';
                    out[at++] = '0';
                    out[at++] = HEX[b >> 4];
                    out[at++] = HEX[b & 15];
                }
            }
        }
    }
}
