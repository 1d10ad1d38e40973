package upshot.rival;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.UsePartitionTimeOnInvalidTimestamp;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** The process: options, settings, topology, and a clean end at SIGTERM. */
public final class Main {
    private static final AtomicBoolean FIRST = new AtomicBoolean();

    private Main() {
    }

    /** For whoever measures: when the first record was taken. */
    static void firstRecord() {
        if (FIRST.compareAndSet(false, true)) {
            System.out.println("first_record_ms=" + System.currentTimeMillis());
            System.out.flush();
        }
    }

    // ---- options ----------------------------------------------------------------------------

    private static final Set<String> NEEDED = Set.of("bootstrap", "app-id", "outcomes",
            "dead-letters", "inputs", "state-dir");
    private static final Map<String, String> DEFAULTS =
            Map.of("store", "mem", "threads", "1", "commit-ms", "1000", "instance-id", "1");

    private static Map<String, String> options(String[] arguments, Properties more) {
        Map<String, String> options = new HashMap<>(DEFAULTS);
        for (int i = 0; i < arguments.length; i += 2) {
            if (i + 1 == arguments.length) {
                usage(arguments[i] + " has no value");
            }
            String value = arguments[i + 1];
            String name = arguments[i].startsWith("--") ? arguments[i].substring(2) : "";
            if (arguments[i].equals("-X") && value.contains("=")) {
                more.put(value.substring(0, value.indexOf('=')),
                        value.substring(value.indexOf('=') + 1));
            } else if (NEEDED.contains(name) || DEFAULTS.containsKey(name)) {
                options.put(name, value);
            } else {
                usage(arguments[i] + " is no option");
            }
        }
        for (String name : NEEDED) {
            if (!options.containsKey(name)) {
                usage("--" + name + " is missing");
            }
        }
        if (!List.of("mem", "hash", "rocksdb").contains(options.get("store"))) {
            usage("--store " + options.get("store") + " is no store");
        }
        return options;
    }

    private static void usage(String fault) {
        System.err.println("rival: " + fault);
        System.err.println("run --bootstrap HOST:PORT --app-id ID --outcomes T --dead-letters T "
                + "--inputs A,B --state-dir DIR [--store mem|hash|rocksdb] [--threads N] "
                + "[--commit-ms N] [--instance-id I] [-X property=value]");
        System.exit(2);
    }

    // ---- settings ---------------------------------------------------------------------------

    private static Properties settings(Map<String, String> options) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("bootstrap"));
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, options.get("app-id"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, options.get("state-dir"));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.get("threads"));
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.get("commit-ms"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "0");
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, "20000");
        settings.put(StreamsConfig.DEFAULT_TIMESTAMP_EXTRACTOR_CLASS_CONFIG,
                UsePartitionTimeOnInvalidTimestamp.class);
        settings.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksTuning.class);

        consumer(settings, ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        consumer(settings, ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "20000");
        consumer(settings, ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, "8388608");
        consumer(settings, ConsumerConfig.RECEIVE_BUFFER_CONFIG, "1048576");
        consumer(settings, ConsumerConfig.CHECK_CRCS_CONFIG, "false");
        consumer(settings, ConsumerConfig.MAX_POLL_INTERVAL_MS_CONFIG, "900000");
        if (!options.get("instance-id").isEmpty()) { // otherwise a killed one is missed for 45 s
            consumer(settings, ConsumerConfig.GROUP_INSTANCE_ID_CONFIG,
                    options.get("instance-id"));
        }

        producer(settings, ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
        producer(settings, ProducerConfig.BATCH_SIZE_CONFIG, "262144");
        producer(settings, ProducerConfig.LINGER_MS_CONFIG, "50");
        producer(settings, ProducerConfig.BUFFER_MEMORY_CONFIG, "134217728");
        producer(settings, ProducerConfig.SEND_BUFFER_CONFIG, "1048576");
        // Without a store on disk a process has a new transactional id each time, and after a kill
        // the offsets are not stable before the old one's transaction has timed out.
        producer(settings, ProducerConfig.TRANSACTION_TIMEOUT_CONFIG,
                String.valueOf(Math.max(10_000, 3 * Long.parseLong(options.get("commit-ms")))));
        return settings;
    }

    private static void consumer(Properties settings, String name, String value) {
        settings.put(StreamsConfig.mainConsumerPrefix(name), value);
    }

    private static void producer(Properties settings, String name, String value) {
        settings.put(StreamsConfig.producerPrefix(name), value);
    }

    // ---- topology ---------------------------------------------------------------------------

    private static StoreBuilder<KeyValueStore<Bytes, byte[]>> store(String kind, boolean cached) {
        KeyValueBytesStoreSupplier supplier = switch (kind) {
            case "rocksdb" -> Stores.persistentKeyValueStore(Stage.STORE);
            case "hash" -> new HashStore.Supplier(Stage.STORE);
            default -> Stores.inMemoryKeyValueStore(Stage.STORE);
        };
        StoreBuilder<KeyValueStore<Bytes, byte[]>> builder =
                Stores.keyValueStoreBuilder(supplier, Serdes.Bytes(), Serdes.ByteArray())
                        .withLoggingEnabled(Map.of(TopicConfig.SEGMENT_BYTES_CONFIG, "268435456"));
        return cached ? builder.withCachingEnabled() : builder.withCachingDisabled();
    }

    private static Topology topology(Map<String, String> options, boolean cached)
            throws IOException {
        Channel[] channels = Channel.all();
        String[] inputs = options.get("inputs").split(",");
        ByteArraySerializer serializer = new ByteArraySerializer();
        ByteArrayDeserializer deserializer = new ByteArrayDeserializer();
        return new Topology()
                .addSource("events", deserializer, deserializer, inputs)
                .addProcessor("stage", () -> new Stage(channels, inputs), "events")
                .addStateStore(store(options.get("store"), cached), "stage")
                .addSink(Stage.OUTCOMES, options.get("outcomes"), serializer, serializer, "stage")
                .addSink(Stage.DEAD_LETTERS, options.get("dead-letters"), serializer, serializer,
                        "stage");
    }

    /** As many partitions as the inputs have; a topic that is there stays as it is. */
    private static void createOutputs(Map<String, String> options)
            throws InterruptedException, ExecutionException {
        Map<String, Object> settings =
                Map.of(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("bootstrap"));
        String input = options.get("inputs").split(",")[0];
        try (Admin admin = Admin.create(settings)) {
            int partitions = admin.describeTopics(List.of(input)).allTopicNames().get().get(input)
                    .partitions().size();
            Set<String> there = admin.listTopics().names().get();
            List<NewTopic> missing = new ArrayList<>();
            for (String output : List.of(options.get("outcomes"), options.get("dead-letters"))) {
                if (!there.contains(output)) {
                    missing.add(new NewTopic(output, partitions, (short) -1));
                }
            }
            admin.createTopics(missing).all().get();
        }
    }

    // ---- running ----------------------------------------------------------------------------

    /** Ends by SIGTERM, or with 1 when Streams gives up. */
    public static void main(String[] arguments) throws Exception {
        Properties more = new Properties();
        Map<String, String> options = options(arguments, more);
        Properties settings = settings(options);
        settings.putAll(more);
        boolean cached = !"0".equals(settings.get(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG));

        createOutputs(options);
        KafkaStreams streams = new KafkaStreams(topology(options, cached), settings);
        CountDownLatch failed = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(fault -> {
            fault.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR) {
                failed.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(30)),
                "shutdown"));
        streams.start();
        failed.await();
        System.exit(1);
    }
}
