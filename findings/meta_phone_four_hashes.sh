#!/usr/bin/env bash
# Meta's SDKs for the Conversions API, Python 26.0.3, Node.js 24.0.1 and Java 24.0.1: one phone number has four hashes.
#
# Guess: SDKs of one platform that normalise and hash by themselves give one person one hash, and refuse a number without its country.
# Seen: Java hashes "+12025550147" with its plus, Python and Node.js without; 00 in front stays in Java only. With points in between Python raises
#   ValueError, and the two others hash the points too. Numbers without their country pass in all three: "01632 960018" is one text in Python and
#   another in Node.js and Java, "020 7946 0018" one in Python and Node.js and another in Java. Java takes "ã" out of a state, though not out of a city.
# Why it matters: a platform can only find who has an equal hash. Where a site sends its leads from Node.js and a shop its orders from Java, one buyer is
#   two people, or nobody, and no error says so. Bring numbers to digits that begin with the country, and hash them oneself: what is a
#   hash already passes all three as it is.
set -euo pipefail
command -v java >/dev/null && command -v mvn >/dev/null && command -v npm >/dev/null || { echo "Java, Maven and npm are needed." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check facebook-business==26.0.3 || exit 2
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix js facebook-nodejs-business-sdk@24.0.1 >/dev/null) || exit 2
cat >"$folder/pom.xml" <<'XML'
<project><modelVersion>4.0.0</modelVersion><groupId>findings</groupId><artifactId>sdk</artifactId><version>1</version>
<packaging>pom</packaging><dependencies>
<dependency><groupId>com.facebook.business.sdk</groupId><artifactId>facebook-java-business-sdk</artifactId><version>24.0.1</version></dependency>
</dependencies></project>
XML
mvn -q -B -f "$folder/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder/libs" >"$folder/maven.log" || exit 2
cat >"$folder/people.txt" <<'TXT'
ph|12025550147
ph|+12025550147
ph|+1 (202) 555-0147
ph|+1.202.555.0147
ph|0044 20 7946 0018
ph|020 7946 0018
ph|01632 960018
ct|São Paulo
st|São Paulo
em| Visitor@Example.com
TXT
cat >"$folder/People.java" <<'JAVA'
import com.facebook.ads.sdk.serverside.UserData;
import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.nio.file.*;

public class People {
  public static void main(String[] arguments) throws Exception {
    for (String line : Files.readAllLines(Path.of(arguments[0]))) {
      String[] pair = line.split("\\|");
      UserData person = new UserData();
      switch (pair[0]) {
        case "ph" -> person.phone(pair[1]);
        case "ct" -> person.city(pair[1]);
        case "st" -> person.state(pair[1]);
        case "em" -> person.email(pair[1]);
      }
      System.out.println(new Gson().fromJson(new Gson().toJson(person), JsonObject.class).getAsJsonArray(pair[0]).get(0).getAsString());
    }
  }
}
JAVA
java -Xmx200m -cp "$folder/libs/*" "$folder/People.java" "$folder/people.txt" >"$folder/java.txt"
cat >"$folder/js/people.js" <<'JS'
const { UserData } = require("facebook-nodejs-business-sdk")
const names = { ph: "phone", ct: "city", st: "state", em: "email" }
for (const line of require("fs").readFileSync(process.argv[2], "utf8").trim().split("\n")) {
  const [field, text] = line.split("|")
  const person = new UserData()
  person[names[field]] = text
  console.log(person.normalize()[field][0])
}
JS
node "$folder/js/people.js" "$folder/people.txt" >"$folder/node.txt"
FOLDER=$folder "$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import os
from hashlib import sha256
from pathlib import Path

from facebook_business.adobjects.serverside.user_data import UserData

folder = Path(os.environ["FOLDER"])
names = {"ph": "phone", "ct": "city", "st": "state", "em": "email"}
# Texts that may have been hashed; what is printed is the one that was, in Python, Node.js and Java.
texts = "12025550147 442079460018 00442079460018 2079460018 02079460018 1632960018 01632960018 1.202.555.0147 sãopaulo sopaulo visitor@example.com".split()
known = {sha256(f"{plus}{text}".encode()).hexdigest(): f"{plus}{text}" for text in texts for plus in ("", "+")}


def of_python(field, text):
    try:
        return UserData(**{names[field]: text}).normalize()[field][0]
    except ValueError as error:
        return type(error).__name__


lines = [(folder / name).read_text().splitlines() for name in ("people.txt", "node.txt", "java.txt")]
for line, node, java in zip(*lines, strict=True):
    python = of_python(*line.split("|"))
    print(f"{line}:", *(known.get(each, each) for each in (python, node, java)))
PY
cat >"$folder/expected" <<'TXT'
ph|12025550147: 12025550147 12025550147 12025550147
ph|+12025550147: 12025550147 12025550147 +12025550147
ph|+1 (202) 555-0147: 12025550147 12025550147 +12025550147
ph|+1.202.555.0147: ValueError 1.202.555.0147 +1.202.555.0147
ph|0044 20 7946 0018: 442079460018 442079460018 00442079460018
ph|020 7946 0018: 2079460018 2079460018 02079460018
ph|01632 960018: 1632960018 01632960018 01632960018
ct|São Paulo: sãopaulo sãopaulo sãopaulo
st|São Paulo: sãopaulo sãopaulo sopaulo
em| Visitor@Example.com: visitor@example.com visitor@example.com visitor@example.com
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
