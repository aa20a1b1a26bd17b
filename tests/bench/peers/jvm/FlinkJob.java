import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Clicks and micros by campaign and minute on Flink's DataStream, exactly once: a checkpoint each second, sums in the heap,
 * objects reused, the windows that changed sent each second.
 */
public final class FlinkJob {
    public static void main(String[] arguments) throws Exception {
        String broker = arguments[0];
        String source = arguments[1];
        String target = arguments[2];
        Configuration settings = new Configuration();
        settings.setString("pipeline.object-reuse", "true");
        settings.setString("state.backend.type", "hashmap");
        settings.setString("execution.checkpointing.dir", "file://" + arguments[4]);
        settings.setString("taskmanager.memory.network.max", "256m");
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.getExecutionEnvironment(settings);
        environment.setParallelism(2);
        environment.enableCheckpointing(1_000);
        KafkaSource<Tuple3<String, Long, Long>> clicks =
                KafkaSource.<Tuple3<String, Long, Long>>builder()
                        .setBootstrapServers(broker)
                        .setTopics(source)
                        .setGroupId(target + "-flink")
                        .setStartingOffsets(OffsetsInitializer.earliest())
                        .setProperty("max.partition.fetch.bytes", String.valueOf(4 << 20))
                        .setProperty("max.poll.records", "20000")
                        .setValueOnlyDeserializer(new Clicks())
                        .build();
        KafkaSink<Tuple2<String, String>> sums =
                KafkaSink.<Tuple2<String, String>>builder()
                        .setBootstrapServers(broker)
                        .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
                        .setTransactionalIdPrefix(target + "-flink")
                        .setProperty("transaction.timeout.ms", "60000")
                        .setRecordSerializer(
                                (KafkaRecordSerializationSchema<Tuple2<String, String>>)
                                        (each, context, time) ->
                                                new ProducerRecord<>(
                                                        target,
                                                        each.f0.getBytes(StandardCharsets.UTF_8),
                                                        each.f1.getBytes(StandardCharsets.UTF_8)))
                        .build();
        environment
                .fromSource(clicks, WatermarkStrategy.noWatermarks(), "clicks")
                .keyBy(click -> click.f0, Types.STRING)
                .process(new Sums())
                .sinkTo(sums);
        environment.execute("clicks by campaign and minute");
    }

    /** Campaign, minute and micros of a click. */
    private static final class Clicks implements DeserializationSchema<Tuple3<String, Long, Long>> {
        @Override
        public Tuple3<String, Long, Long> deserialize(byte[] json) {
            Click click = Click.read(json);
            return Tuple3.of(click.campaign, click.minute, click.micros);
        }

        @Override
        public boolean isEndOfStream(Tuple3<String, Long, Long> click) {
            return false;
        }

        @Override
        public TypeInformation<Tuple3<String, Long, Long>> getProducedType() {
            return Types.TUPLE(Types.STRING, Types.LONG, Types.LONG);
        }
    }

    /** Sums by minute of a campaign; a timer a second after the first change sends those that changed. */
    private static final class Sums
            extends KeyedProcessFunction<String, Tuple3<String, Long, Long>, Tuple2<String, String>> {
        private transient MapState<Long, Tuple3<Long, Long, Boolean>> minutes;
        private transient ValueState<Boolean> isWaiting;

        @Override
        public void open(OpenContext context) {
            minutes =
                    getRuntimeContext()
                            .getMapState(
                                    new MapStateDescriptor<>(
                                            "minutes",
                                            Types.LONG,
                                            Types.TUPLE(Types.LONG, Types.LONG, Types.BOOLEAN)));
            isWaiting =
                    getRuntimeContext().getState(new ValueStateDescriptor<>("waiting", Types.BOOLEAN));
        }

        @Override
        public void processElement(
                Tuple3<String, Long, Long> click, Context context, Collector<Tuple2<String, String>> out)
                throws Exception {
            Tuple3<Long, Long, Boolean> sum = minutes.get(click.f1);
            minutes.put(
                    click.f1,
                    sum == null
                            ? Tuple3.of(1L, click.f2, true)
                            : Tuple3.of(sum.f0 + 1, sum.f1 + click.f2, true));
            if (isWaiting.value() == null) {
                isWaiting.update(true);
                context.timerService()
                        .registerProcessingTimeTimer(
                                context.timerService().currentProcessingTime() + 1_000);
            }
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Tuple2<String, String>> out)
                throws Exception {
            for (var each : minutes.entries()) {
                Tuple3<Long, Long, Boolean> sum = each.getValue();
                if (sum.f2) {
                    out.collect(
                            Tuple2.of(
                                    context.getCurrentKey() + "|" + each.getKey(), sum.f0 + "," + sum.f1));
                    each.setValue(Tuple3.of(sum.f0, sum.f1, false));
                }
            }
            isWaiting.clear();
        }
    }
}
