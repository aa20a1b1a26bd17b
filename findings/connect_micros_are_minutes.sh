#!/usr/bin/env bash
# Kafka Connect's TimestampConverter (connect-transforms 4.1.1): an event of 10:00:00.999999 is of 10:16:39.999, and the 13th month is next January.
#
# Guess: a format that ends in SSSSSS reads six digits after the point as a fraction of a second; a day or month that does not exist is an error.
# Seen: the digits are a count of milliseconds, however many: .123456 is two minutes and 3.456 seconds later, .5 is five milliseconds. 2026-13-02
#   is 2 January 2027 and 2026-02-30 is 2 March. Seconds given to the default precision, milliseconds, lie in January 1970. Written with
#   YYYY, the year of the week, the last days of a year are in the next one (2026-12-31 is 2027-12-31).
# Why it matters: Python's and PostgreSQL's times have six digits, so every event that passes this transformation is up to 16 minutes and 39 seconds
#   late, each by another span. Order within a journey is lost, hours lose their last events to the next, and no record is refused. Let a
#   source write milliseconds, or a number with `unix.precision`.
# Needs Java and Maven.
set -euo pipefail
command -v java >/dev/null && command -v mvn >/dev/null || { echo "Java and Maven are needed." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/pom.xml" <<'XML'
<project><modelVersion>4.0.0</modelVersion><groupId>findings</groupId><artifactId>times</artifactId><version>1</version>
<packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>connect-transforms</artifactId><version>4.1.1</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
XML
mvn -q -B -f "$folder/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder/libs" >"$folder/maven.log" || exit 2
cat >"$folder/Times.java" <<'JAVA'
import java.time.Instant;
import java.util.Date;
import java.util.Map;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.TimestampConverter;

public class Times {
    static Object convert(Object value, Map<String, String> how) {
        try (TimestampConverter<SourceRecord> converter = new TimestampConverter.Value<>()) {
            converter.configure(how);
            return ((Map<?, ?>) converter.apply(new SourceRecord(null, null, "clicks", null, null, null, null, Map.of("at", value))).value()).get("at");
        }
    }

    static void read(Object value, String format) {
        Date at = (Date) convert(value, Map.of("field", "at", "target.type", "Timestamp", "format", format));
        System.out.println(value + ": " + at.toInstant());
    }

    public static void main(String[] arguments) {
        read("2026-11-02 10:00:00.123", "yyyy-MM-dd HH:mm:ss.SSS");
        for (String fraction : new String[] {"123456", "999999", "5"}) read("2026-11-02 10:00:00." + fraction, "yyyy-MM-dd HH:mm:ss.SSSSSS");
        read("2026-13-02", "yyyy-MM-dd");
        read("2026-02-30", "yyyy-MM-dd");
        read(1_793_613_600L, "");
        Date last = Date.from(Instant.parse("2026-12-31T00:00:00Z"));
        System.out.println("written: " + convert(last, Map.of("field", "at", "target.type", "string", "format", "YYYY-MM-dd")));
    }
}
JAVA
java -Xmx200m -XX:TieredStopAtLevel=1 -Duser.timezone=UTC -Duser.language=en -Duser.country=US -cp "$folder/libs/*" "$folder/Times.java" \
  >"$folder/seen" 2>"$folder/errors" || { cat "$folder/errors" >&2; exit 2; }
cat >"$folder/expected" <<'TXT'
2026-11-02 10:00:00.123: 2026-11-02T10:00:00.123Z
2026-11-02 10:00:00.123456: 2026-11-02T10:02:03.456Z
2026-11-02 10:00:00.999999: 2026-11-02T10:16:39.999Z
2026-11-02 10:00:00.5: 2026-11-02T10:00:00.005Z
2026-13-02: 2027-01-02T00:00:00Z
2026-02-30: 2026-03-02T00:00:00Z
1793613600: 1970-01-21T18:13:33.600Z
written: 2027-12-31
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
