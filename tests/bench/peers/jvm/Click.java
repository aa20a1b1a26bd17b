import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/** What the job takes of a click, read by Jackson's streaming parser. */
final class Click {
    static final long MINUTE_MS = 60_000L;
    private static final JsonFactory JSON = new JsonFactory();

    final String campaign;
    final long minute;
    final long micros;

    private Click(String campaign, long minute, long micros) {
        this.campaign = campaign;
        this.minute = minute;
        this.micros = micros;
    }

    static Click read(byte[] json) {
        String campaign = null;
        long at = 0;
        long micros = 0;
        try (JsonParser parser = JSON.createParser(json)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                if (name.equals("campaign_id")) {
                    campaign = parser.getText();
                } else if (name.equals("occurred_at")) {
                    at = parser.getLongValue();
                } else if (name.equals("cost")) {
                    micros = micros(parser.getText());
                }
            }
        } catch (IOException error) {
            throw new IllegalArgumentException(error);
        }
        return new Click(campaign, at - at % MINUTE_MS, micros);
    }

    /** A price with two decimals in millionths. */
    static long micros(String price) {
        int point = price.indexOf('.');
        long whole = Long.parseLong(price, 0, point, 10);
        return whole * 1_000_000 + Long.parseLong(price, point + 1, price.length(), 10) * 10_000;
    }

    String window() {
        return campaign + "|" + minute;
    }
}
