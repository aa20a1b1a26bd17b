import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/**
 * Clicks and micros by campaign and minute in Flink SQL, exactly once: a checkpoint each second, rows aggregated in batches
 * of up to a second before and after they are exchanged.
 */
public final class FlinkSqlJob {
    public static void main(String[] arguments) {
        String broker = arguments[0];
        String source = arguments[1];
        String target = arguments[2];
        Configuration settings = new Configuration();
        settings.setString("pipeline.object-reuse", "true");
        settings.setString("parallelism.default", "2");
        settings.setString("state.backend.type", "hashmap");
        settings.setString("execution.checkpointing.interval", "1 s");
        settings.setString("execution.checkpointing.dir", "file://" + arguments[4]);
        settings.setString("table.exec.mini-batch.enabled", "true");
        settings.setString("table.exec.mini-batch.allow-latency", "1 s");
        settings.setString("table.exec.mini-batch.size", "100000");
        settings.setString("table.optimizer.agg-phase-strategy", "TWO_PHASE");
        TableEnvironment tables =
                TableEnvironment.create(
                        EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(settings).build());
        tables.executeSql(
                "CREATE TABLE clicks (occurred_at BIGINT, campaign_id STRING, cost DECIMAL(18, 6)) WITH ("
                        + "'connector' = 'kafka', 'topic' = '" + source + "', 'format' = 'json', "
                        + "'properties.bootstrap.servers' = '" + broker + "', "
                        + "'properties.max.partition.fetch.bytes' = '4194304', "
                        + "'properties.max.poll.records' = '20000', "
                        + "'scan.startup.mode' = 'earliest-offset')");
        tables.executeSql(
                "CREATE TABLE sums (campaign_id STRING, from_ms BIGINT, clicks BIGINT, micros BIGINT, "
                        + "PRIMARY KEY (campaign_id, from_ms) NOT ENFORCED) WITH ("
                        + "'connector' = 'upsert-kafka', 'topic' = '" + target + "', "
                        + "'key.format' = 'json', 'value.format' = 'json', "
                        + "'properties.bootstrap.servers' = '" + broker + "', "
                        + "'properties.transaction.timeout.ms' = '60000', "
                        + "'sink.delivery-guarantee' = 'exactly-once', "
                        + "'sink.transactional-id-prefix' = '" + target + "-sql')");
        tables.executeSql(
                "INSERT INTO sums SELECT campaign_id, occurred_at - MOD(occurred_at, 60000), COUNT(*), "
                        + "CAST(SUM(cost) * 1000000 AS BIGINT) "
                        + "FROM clicks GROUP BY campaign_id, occurred_at - MOD(occurred_at, 60000)");
    }
}
