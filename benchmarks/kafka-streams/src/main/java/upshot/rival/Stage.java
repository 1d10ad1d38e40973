package upshot.rival;

import java.util.Arrays;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The stage itself: one object per task. A record fires what its timestamp makes due, then joins
 * its message. Store key: id, NUL, channel, so that its order is that in which deadlines fire.
 */
final class Stage implements Processor<byte[], byte[], byte[], byte[]> {
    static final String STORE = "messages";
    static final String OUTCOMES = "outcomes";
    static final String DEAD_LETTERS = "dead-letters";

    private static final Headers OUTCOME_HEADERS = new RecordHeaders()
            .add("upshot-schema", Words.ascii(OutcomeWriter.SCHEMA))
            .add("content-type", Words.ascii(OutcomeWriter.CONTENT_TYPE));

    private final Channel[] channels;
    private final String[] inputs;
    private final EventReader reader;
    private final Event event = new Event();
    private final Life life = new Life();
    private final Step step = new Step();

    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<Bytes, byte[]> store;
    private OutcomeWriter writer;
    private Deadlines deadlines;
    private long reachedMs; // deadlines up to here have fired
    private boolean started;

    Stage(Channel[] channels, String[] inputs) {
        this.channels = channels;
        this.inputs = inputs;
        reader = new EventReader(channels);
    }

    /** Again on the same object where Streams throws a task's state away and restores it. */
    @Override
    public void init(ProcessorContext<byte[], byte[]> newContext) {
        context = newContext;
        deadlines = new Deadlines();
        reachedMs = Long.MIN_VALUE;
        store = context.getStateStore(STORE);
        writer = new OutcomeWriter(inputs, context.taskId().partition());
        try (KeyValueIterator<Bytes, byte[]> all = store.all()) {
            while (all.hasNext()) {
                KeyValue<Bytes, byte[]> row = all.next();
                life.unpack(row.value);
                deadlines.set(row.key.get(), step.wakeMs(channelOf(row.key.get()), life));
            }
        }
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        if (!started) {
            started = true;
            Main.firstRecord();
        }
        advance(context.currentStreamTimeMs());
        String reason = reader.read(record.key(), record.value(), record.timestamp(), event);
        if (reason != null) {
            bury(record, reason);
            return;
        }
        RecordMetadata metadata = context.recordMetadata().orElseThrow();
        event.input = inputOf(metadata.topic());
        event.offset = metadata.offset();
        join(event);
    }

    private int inputOf(String topic) {
        int input = 0;
        while (!inputs[input].equals(topic)) {
            input++;
        }
        return input;
    }

    private static byte[] keyOf(byte[] id, byte[] channel) {
        byte[] key = Arrays.copyOf(id, id.length + 1 + channel.length);
        System.arraycopy(channel, 0, key, id.length + 1, channel.length);
        return key;
    }

    private static int idSize(byte[] key) {
        int size = 0;
        while (key[size] != 0) {
            size++;
        }
        return size;
    }

    private Channel channelOf(byte[] key) {
        int from = idSize(key) + 1;
        for (Channel channel : channels) {
            if (Arrays.equals(key, from, key.length, channel.nameBytes, 0,
                    channel.nameBytes.length)) {
                return channel;
            }
        }
        throw new IllegalStateException("the store holds a channel that has no table");
    }

    private void join(Event joining) {
        Channel channel = joining.channel;
        byte[] key = keyOf(joining.id, channel.nameBytes);
        Bytes storeKey = Bytes.wrap(key);
        byte[] packed = store.get(storeKey);
        if (packed == null) {
            life.open(joining);
        } else {
            life.unpack(packed);
        }
        step.event(life, joining, reachedMs);
        if (step.emits) {
            emit(channel, joining.id);
        }
        store.put(storeKey, life.pack());
        deadlines.set(key, step.wakeMs);
    }

    private void advance(long streamMs) {
        if (streamMs > reachedMs) {
            deadlines.fire(streamMs, this::fire);
            reachedMs = streamMs;
        }
    }

    /** Time is at the deadline while it fires, however far the record that moved it will go. */
    private void fire(byte[] key, long deadlineMs) {
        reachedMs = Math.max(reachedMs, deadlineMs);
        Channel channel = channelOf(key);
        Bytes storeKey = Bytes.wrap(key);
        life.unpack(store.get(storeKey));
        step.deadline(channel, life, reachedMs);
        if (step.emits) {
            emit(channel, Arrays.copyOf(key, idSize(key)));
        }
        if (step.forgets) {
            store.delete(storeKey);
            deadlines.remove(key);
        } else {
            store.put(storeKey, life.pack());
            deadlines.set(key, step.wakeMs);
        }
    }

    private void emit(Channel channel, byte[] id) {
        context.forward(new Record<>(id, writer.write(channel, id, life, step),
                context.currentSystemTimeMs(), OUTCOME_HEADERS), OUTCOMES);
    }

    private void bury(Record<byte[], byte[]> record, String reason) {
        RecordMetadata metadata = context.recordMetadata().orElseThrow();
        Headers headers = new RecordHeaders(record.headers())
                .add("upshot-reason", Words.ascii(reason))
                .add("upshot-detail", Words.ascii(reader.detail))
                .add("upshot-source", Words.ascii(metadata.topic() + "/" + metadata.partition()
                        + "/" + metadata.offset()));
        context.forward(new Record<>(record.key(), record.value(), context.currentSystemTimeMs(),
                headers), DEAD_LETTERS);
    }
}
