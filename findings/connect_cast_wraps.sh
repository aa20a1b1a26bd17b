#!/usr/bin/env bash
# Kafka Connect's Cast (connect-transforms 4.1.1): a spend of 3 000 000 000 that is cast to int32 is -1 294 967 296, and a click that says "1" is false.
#
# Guess: what does not fit the type ends in an error, as it does when the value is a text; "1" and "yes" are true, or an error.
# Seen: a text of 3000000000 is refused ("out of range"), a number of it is cut to its last 32 bits, without a word: 3000.00 in micros is negative. 70 000 is
#   4464 in an int16; 12.9 is 12, and no number at all (NaN) is 0; a float64 beyond int64 is the greatest int64. Texts other than "true" are false. As
#   float32 the id 123456789 is 123456792.
# Why it matters: schemas of warehouses say INT for money in minor units, and micros pass int32 at 2147.48. Small campaigns are right, so tests are, and
#   the largest spender has earned money. Cast to int64 or string, and bound values before the cast.
# Needs Java and Maven.
set -euo pipefail
command -v java >/dev/null && command -v mvn >/dev/null || { echo "Java and Maven are needed." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/pom.xml" <<'XML'
<project><modelVersion>4.0.0</modelVersion><groupId>findings</groupId><artifactId>cast</artifactId><version>1</version>
<packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>connect-transforms</artifactId><version>4.1.1</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
XML
mvn -q -B -f "$folder/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder/libs" >"$folder/maven.log" || exit 2
cat >"$folder/Casts.java" <<'JAVA'
import java.util.Map;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.Cast;

public class Casts {
    static void cast(Object value, String type) {
        try (Cast<SourceRecord> cast = new Cast.Value<>()) {
            cast.configure(Map.of("spec", "spend:" + type));
            Object made = cast.apply(new SourceRecord(null, null, "costs", null, null, null, null, Map.of("spend", value))).value();
            System.out.println(value.getClass().getSimpleName() + " " + value + " as " + type + ": " + ((Map<?, ?>) made).get("spend"));
        } catch (DataException error) {
            System.out.println(value.getClass().getSimpleName() + " " + value + " as " + type + ": DataException");
        }
    }

    public static void main(String[] arguments) {
        cast("3000000000", "int32");
        cast(3_000_000_000L, "int32");
        cast(70_000L, "int16");
        cast("12.9", "int32");
        cast(12.9, "int32");
        cast(Double.NaN, "int32");
        cast(1e19, "int64");
        cast("true", "boolean");
        cast("yes", "boolean");
        cast("1", "boolean");
        cast(123_456_789L, "float32");
    }
}
JAVA
java -Xmx200m -XX:TieredStopAtLevel=1 -cp "$folder/libs/*" "$folder/Casts.java" >"$folder/seen" 2>"$folder/errors" || { cat "$folder/errors" >&2; exit 2; }
cat >"$folder/expected" <<'TXT'
String 3000000000 as int32: DataException
Long 3000000000 as int32: -1294967296
Long 70000 as int16: 4464
String 12.9 as int32: DataException
Double 12.9 as int32: 12
Double NaN as int32: 0
Double 1.0E19 as int64: 9223372036854775807
String true as boolean: true
String yes as boolean: false
String 1 as boolean: false
Long 123456789 as float32: 1.23456792E8
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
