package upshot.rival;

import java.util.Arrays;

/**
 * The rules: an event joins a life, and a life settles. What comes of it stands in the fields
 * until the next call. No clock, no Kafka.
 */
final class Step {
    /** As outcomes say it. */
    enum SettledBy { status, deadline, orphan }

    boolean emits;
    SettledBy settledBy;
    long settledAtMs;
    boolean forgets;
    long wakeMs; // when to look again

    // ---- joining ----------------------------------------------------------------------------

    void event(Life life, Event event, long streamMs) {
        life.firstMs = Math.min(life.firstMs, event.timestampMs);
        if (event.isSend) {
            joinSend(life, event);
        }
        if (event.status != Channel.NONE) {
            joinStatus(life, event);
        }
        settle(event.channel, life, streamMs);
        forgets = false; // nobody is forgotten by being heard of
    }

    void deadline(Channel channel, Life life, long streamMs) {
        settle(channel, life, streamMs);
    }

    private static void joinSend(Life life, Event event) {
        life.sentAtMs = life.sendSeen ? Math.min(life.sentAtMs, event.atMs) : event.atMs;
        life.sendSeen = true;
        if (wins(event.attributes, event.atMs, life.attributes, life.attributesAtMs)) {
            life.attributes = event.attributes;
            life.attributesAtMs = event.atMs;
        }
    }

    /** The least (at, bytes) stays; absent ones lose. */
    private static boolean wins(byte[] text, long atMs, byte[] kept, long keptAtMs) {
        if (text == null || kept == null) {
            return text != null;
        }
        return atMs < keptAtMs || atMs == keptAtMs && Arrays.compareUnsigned(text, kept) < 0;
    }

    private static void joinStatus(Life life, Event event) {
        if ((event.channel.conflicts[event.status] & life.seenMask()) != 0) {
            life.conflict = true;
        }
        joinSeen(life, event);
        if (event.status > life.state) { // NONE is below every status
            life.state = event.status;
            life.stateMs = event.timestampMs;
            life.reason = null;
            life.input = event.input;
            life.offset = event.offset;
        }
        if (event.status == life.state) {
            life.stateMs = Math.min(life.stateMs, event.timestampMs);
            if (wins(event.reason, event.atMs, life.reason, life.reasonAtMs)) {
                life.reason = event.reason;
                life.reasonAtMs = event.atMs;
            }
        }
    }

    private static void joinSeen(Life life, Event event) {
        int place = life.find(event.status);
        if (place >= 0) {
            life.seenAtMs[place] = Math.min(life.seenAtMs[place], event.atMs);
            return;
        }
        place = life.seenCount++;
        for (; place > 0 && life.seen[place - 1] > event.status; place--) {
            life.seen[place] = life.seen[place - 1];
            life.seenAtMs[place] = life.seenAtMs[place - 1];
        }
        life.seen[place] = event.status;
        life.seenAtMs[place] = event.atMs;
    }

    // ---- settling ---------------------------------------------------------------------------

    private static boolean pending(Life life) {
        return life.revision == 0 || life.emittedState != life.state
                || life.emittedSendSeen != life.sendSeen || life.emittedConflict != life.conflict;
    }

    /** When a life that was kept wants to be looked at: its facts alone say it. */
    long wakeMs(Channel channel, Life life) {
        return pending(life) ? due(channel, life) : life.forgetMs;
    }

    private void settle(Channel channel, Life life, long streamMs) {
        emits = false;
        forgets = false;
        if (pending(life)) {
            long ripeMs = due(channel, life);
            if (ripeMs > streamMs) {
                wakeMs = ripeMs;
                return;
            }
            emits = true;
            life.revision++;
            life.emittedState = life.state;
            life.emittedSendSeen = life.sendSeen;
            life.emittedConflict = life.conflict;
            life.forgetMs = Math.max(settledAtMs, streamMs) + channel.retentionMs;
        } else {
            forgets = life.forgetMs <= streamMs;
        }
        wakeMs = life.forgetMs;
    }

    /** When its verdict is to be emitted, MIN_VALUE for at once; and what the outcome will say. */
    private long due(Channel channel, Life life) {
        long afterMs = channel.settleAfterMs(life.state);
        settledAtMs = (life.state == Channel.NONE ? life.firstMs : life.stateMs) + afterMs;
        settledBy = afterMs == 0 ? SettledBy.status : SettledBy.deadline;
        long ripeMs = afterMs == 0 ? Long.MIN_VALUE : settledAtMs;
        if (!life.sendSeen && life.revision == 0) { // held, until its send comes
            long holdEndMs = life.firstMs + channel.orphanHoldMs;
            settledBy = holdEndMs > settledAtMs ? SettledBy.orphan : settledBy;
            ripeMs = Math.max(ripeMs, holdEndMs);
            settledAtMs = Math.max(settledAtMs, holdEndMs);
        }
        return ripeMs;
    }
}
