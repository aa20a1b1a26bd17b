import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashSet;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Clicks and micros by campaign and minute on Kafka Streams, exactly once.
 *
 * <p>usual: a grouping by campaign, windows of a minute, the defaults. tuned: sums by partition in memory before the records are
 * grouped again, so that a second's partial sums travel and not its clicks; commits each second.
 */
public final class StreamsJob {
    private static final String PARTIALS = "partials";

    public static void main(String[] arguments) {
        String broker = arguments[0];
        String source = arguments[1];
        String target = arguments[2];
        boolean isTuned = arguments[3].equals("tuned");
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, target + "-streams");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, broker);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
        settings.put("consumer.auto.offset.reset", "earliest");
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        StreamsBuilder builder = new StreamsBuilder();
        KStream<byte[], byte[]> clicks =
                builder.stream(source, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()));
        if (isTuned) {
            settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
            settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
            settings.put("consumer.max.poll.records", 20_000);
            settings.put("consumer.max.partition.fetch.bytes", 4 << 20);
            settings.put("producer.linger.ms", 100);
            tuned(builder, clicks, target);
        } else {
            usual(clicks, target);
        }
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
    }

    private static void usual(KStream<byte[], byte[]> clicks, String target) {
        clicks.map(
                        (key, value) -> {
                            Click click = Click.read(value);
                            return KeyValue.pair(click.campaign, click.micros);
                        })
                .groupByKey(Grouped.with(Serdes.String(), Serdes.Long()))
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofHours(1)))
                .aggregate(
                        () -> "0,0",
                        (campaign, micros, sums) -> {
                            int comma = sums.indexOf(',');
                            return (Long.parseLong(sums, 0, comma, 10) + 1)
                                    + ","
                                    + (Long.parseLong(sums, comma + 1, sums.length(), 10) + micros);
                        },
                        Materialized.with(Serdes.String(), Serdes.String()))
                .toStream((window, sums) -> window.key() + "|" + window.window().start())
                .to(target, Produced.with(Serdes.String(), Serdes.String()));
    }

    private static void tuned(StreamsBuilder builder, KStream<byte[], byte[]> clicks, String target) {
        builder.addStateStore(
                Stores.keyValueStoreBuilder(
                                Stores.inMemoryKeyValueStore(PARTIALS), Serdes.String(), Serdes.ByteArray())
                        .withCachingEnabled());
        clicks.process(Partials::new, PARTIALS)
                .groupByKey(Grouped.with(Serdes.String(), Serdes.String()))
                .aggregate(
                        () -> "",
                        (window, partial, parts) -> merged(partial, parts),
                        Materialized.<String, String>as(Stores.inMemoryKeyValueStore("sums"))
                                .withKeySerde(Serdes.String())
                                .withValueSerde(Serdes.String()))
                .toStream()
                .mapValues(StreamsJob::total)
                .to(target, Produced.with(Serdes.String(), Serdes.String()));
    }

    /** The newest partial sum of each partition: {@code partition:clicks:micros;...}. */
    private static String merged(String partial, String parts) {
        TreeMap<String, String> found = new TreeMap<>();
        for (String part : (parts.isEmpty() ? partial : parts + ";" + partial).split(";")) {
            found.put(part.substring(0, part.indexOf(':')), part);
        }
        return String.join(";", found.values());
    }

    private static String total(String parts) {
        long clicks = 0;
        long micros = 0;
        for (String part : parts.split(";")) {
            String[] fields = part.split(":");
            clicks += Long.parseLong(fields[1]);
            micros += Long.parseLong(fields[2]);
        }
        return clicks + "," + micros;
    }

    /**
     * Sums of one partition in a cached, logged store: it is written to its log once a commit. What changed goes on each second;
     * after a start all of it, since the windows that had not gone on are not known.
     */
    private static final class Partials implements Processor<byte[], byte[], String, String> {
        private final Set<String> changed = new HashSet<>();
        private ProcessorContext<String, String> context;
        private KeyValueStore<String, byte[]> store;
        private long lastTime;

        @Override
        public void init(ProcessorContext<String, String> given) {
            context = given;
            store = given.getStateStore(PARTIALS);
            try (var kept = store.all()) {
                kept.forEachRemaining(each -> changed.add(each.key));
            }
            given.schedule(Duration.ofSeconds(1), PunctuationType.WALL_CLOCK_TIME, at -> forward());
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            Click click = Click.read(record.value());
            String window = click.window();
            byte[] kept = store.get(window);
            ByteBuffer sums = ByteBuffer.allocate(16);
            if (kept == null) {
                sums.putLong(1).putLong(click.micros);
            } else {
                ByteBuffer before = ByteBuffer.wrap(kept);
                sums.putLong(before.getLong() + 1).putLong(before.getLong() + click.micros);
            }
            store.put(window, sums.array());
            changed.add(window);
            lastTime = record.timestamp();
        }

        private void forward() {
            for (String window : changed) {
                ByteBuffer sums = ByteBuffer.wrap(store.get(window));
                String partial = context.taskId().partition() + ":" + sums.getLong() + ":" + sums.getLong();
                context.forward(new Record<>(window, partial, lastTime));
            }
            changed.clear();
        }
    }
}
