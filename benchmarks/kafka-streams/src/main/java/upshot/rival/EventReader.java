package upshot.rival;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Arrays;
import java.util.List;

/**
 * Bytes to an event, or to the reason why not, in the order in which upshot judges: first that it
 * is JSON to the last byte, then the fields, then key, channel, status.
 */
final class EventReader {
    private static final int VALUE_MAX = 65_536;
    private static final int ID_MAX = 128;
    private static final int REASON_MAX = 256;
    private static final int ATTRIBUTES_MAX = 1024;
    private static final long AT_MIN_MS = 100_000_000_000L; // less would be seconds

    private static final int TYPE = 0;
    private static final int MESSAGE_ID = 1;
    private static final int CHANNEL = 2;
    private static final int STATUS = 3;
    private static final int AT = 4;
    private static final int REASON = 5;
    private static final int ATTRIBUTES = 6;
    private static final List<String> FIELDS =
            List.of("type", "message_id", "channel", "status", "at", "reason", "attributes");

    // What is said of a field.
    private static final String TWICE = "is given twice";
    private static final String NO_STRING = "is not a string";
    private static final String NO_OBJECT = "is not an object";
    private static final String UNKEEPABLE = "has a NUL or a lone surrogate";
    private static final String MISSING = "is missing";
    private static final String NO_TIME = "is not a time (RFC 3339, or epoch milliseconds)";

    // The limits are those of the contract, and where it has none there is none.
    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(64)
                    .maxNumberLength(VALUE_MAX).maxNameLength(VALUE_MAX).build())
            .disable(JsonFactory.Feature.CHARSET_DETECTION)
            .build();

    private final Channel[] channels;
    private final Words channelWords;

    /** Further words on the reason that read() gave. */
    String detail;

    // What was found in the value that is being read.
    private final boolean[] given = new boolean[FIELDS.size()];
    private final String[] faults = new String[FIELDS.size()];
    private byte[] value;
    private boolean isSend;
    private boolean typeKnown;
    private final byte[] id = new byte[ID_MAX];
    private int idSize; // more than ID_MAX: too long, and not kept
    private int channel;
    private final char[] statusText = new char[64];
    private int statusSize;
    private long atMs;
    private byte[] reason;
    private int attributesFrom;
    private int attributesSize;

    EventReader(Channel[] channels) {
        this.channels = channels;
        channelWords = new Words(Arrays.stream(channels).map(c -> c.name).toList());
    }

    /** Null, and the event filled; or why the record is a dead letter. */
    String read(byte[] key, byte[] bytes, long timestampMs, Event event) {
        if (bytes == null) {
            return because("no_value", "the record has no value");
        }
        if (bytes.length > VALUE_MAX) {
            return because("too_large", bytes.length + " bytes, more than " + VALUE_MAX);
        }
        if (!Text.valid(bytes)) {
            return because("not_json", "is not UTF-8");
        }
        value = bytes;
        try (JsonParser parser = JSON.createParser(bytes)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return because("not_json", "is not an object");
            }
            readMembers(parser);
            if (parser.nextToken() != null) {
                return because("not_json", "something follows the object");
            }
        } catch (JsonProcessingException fault) {
            return because("not_json", fault.getOriginalMessage());
        } catch (IOException impossible) { // from an array?
            throw new IllegalStateException(impossible);
        }
        return judge(key, timestampMs, event);
    }

    private String because(String word, String words) {
        detail = words;
        return word;
    }

    // ---- reading ----------------------------------------------------------------------------

    private void readMembers(JsonParser parser) throws IOException {
        Arrays.fill(given, false);
        Arrays.fill(faults, null);
        JsonToken token;
        while ((token = parser.nextToken()) == JsonToken.FIELD_NAME) {
            int field = field(parser.currentName());
            token = parser.nextToken();
            if (field < 0) {
                skip(parser, token);
            } else if (given[field]) {
                faults[field] = TWICE;
                skip(parser, token);
            } else {
                given[field] = true;
                readMember(parser, field, token);
            }
        }
    }

    /** The parser interns names, so a usual one is equal at the first look. */
    private static int field(String name) {
        for (int i = 0; i < FIELDS.size(); i++) {
            if (name.equals(FIELDS.get(i))) {
                return i;
            }
        }
        return -1;
    }

    private static void skip(JsonParser parser, JsonToken token) throws IOException {
        if (token.isStructStart()) {
            parser.skipChildren();
        }
    }

    private void readMember(JsonParser parser, int field, JsonToken token) throws IOException {
        if (field == ATTRIBUTES) {
            readAttributes(parser, token);
            return;
        }
        if (field == AT && token.isNumeric()) {
            long number = number(parser, token);
            atMs = number < AT_MIN_MS ? Instants.NONE : number;
            return;
        }
        if (token != JsonToken.VALUE_STRING) {
            faults[field] = field == AT ? NO_TIME : NO_STRING;
            skip(parser, token);
            return;
        }
        char[] text = parser.getTextCharacters();
        int from = parser.getTextOffset();
        int size = parser.getTextLength();
        if (Text.unkeepable(text, from, size)) {
            faults[field] = UNKEEPABLE;
            return;
        }
        switch (field) {
            case TYPE -> {
                isSend = is("send", text, from, size);
                typeKnown = isSend || is("receipt", text, from, size);
            }
            case MESSAGE_ID -> readId(text, from, size);
            case CHANNEL -> channel = channelWords.find(text, from, size);
            case STATUS -> { // of which channel, may be told later
                statusSize = Math.min(size, statusText.length + 1);
                System.arraycopy(text, from, statusText, 0, Math.min(size, statusText.length));
            }
            case AT -> atMs = Instants.parse(text, from, size);
            default -> readReason(text, from, size);
        }
    }

    private static boolean is(String word, char[] text, int from, int size) {
        if (word.length() != size) {
            return false;
        }
        for (int i = 0; i < size; i++) {
            if (word.charAt(i) != text[from + i]) {
                return false;
            }
        }
        return true;
    }

    private void readId(char[] text, int from, int size) {
        if (size * 3 <= ID_MAX) {
            idSize = Text.encode(text, from, size, id);
            return;
        }
        byte[] whole = new byte[size * 3];
        idSize = Text.encode(text, from, size, whole);
        System.arraycopy(whole, 0, id, 0, Math.min(idSize, ID_MAX));
    }

    private void readReason(char[] text, int from, int size) {
        byte[] whole = new byte[size * 3];
        int cut = Text.cut(whole, Text.encode(text, from, size, whole), REASON_MAX);
        reason = cut == 0 ? null : Arrays.copyOf(whole, cut);
    }

    /** The exact integer; a fraction is cut. NONE where it is far from any time. */
    private static long number(JsonParser parser, JsonToken token) throws IOException {
        if (token == JsonToken.VALUE_NUMBER_INT) {
            return parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
                    ? Instants.NONE : parser.getLongValue();
        }
        String text = parser.getText();
        try {
            BigDecimal decimal = new BigDecimal(text);
            if ((long) decimal.precision() - decimal.scale() > 18) {
                return Instants.NONE;
            }
            return decimal.setScale(0, RoundingMode.FLOOR).longValueExact();
        } catch (ArithmeticException | NumberFormatException far) {
            return Instants.NONE;
        }
    }

    private void readAttributes(JsonParser parser, JsonToken token) throws IOException {
        if (token != JsonToken.START_OBJECT) {
            faults[ATTRIBUTES] = NO_OBJECT;
            skip(parser, token);
            return;
        }
        attributesFrom = (int) parser.currentTokenLocation().getByteOffset();
        parser.skipChildren();
        attributesSize = (int) parser.currentLocation().getByteOffset() - attributesFrom;
        for (int i = attributesFrom; i < attributesFrom + attributesSize; i++) {
            if (value[i] == '\\') { // only an escape can write what cannot be kept
                if (unkeepableInside()) {
                    faults[ATTRIBUTES] = UNKEEPABLE;
                }
                return;
            }
        }
    }

    private boolean unkeepableInside() throws IOException {
        try (JsonParser parser = JSON.createParser(value, attributesFrom, attributesSize)) {
            JsonToken token;
            while ((token = parser.nextToken()) != null) {
                boolean text = token == JsonToken.FIELD_NAME || token == JsonToken.VALUE_STRING;
                if (text && Text.unkeepable(parser.getTextCharacters(), parser.getTextOffset(),
                        parser.getTextLength())) {
                    return true;
                }
            }
        }
        return false;
    }

    // ---- judging ----------------------------------------------------------------------------

    private String badField(int field, String words) {
        return because("bad_field", FIELDS.get(field) + " " + words);
    }

    private String judge(byte[] key, long timestampMs, Event event) {
        for (int i = 0; i < faults.length; i++) {
            if (faults[i] == TWICE) {
                return badField(i, TWICE);
            }
        }
        for (int i = 0; i < faults.length; i++) {
            if (faults[i] != null) {
                return badField(i, faults[i]);
            }
        }
        for (int i = TYPE; i <= CHANNEL; i++) {
            if (!given[i]) {
                return badField(i, MISSING);
            }
        }
        if (!typeKnown) {
            return badField(TYPE, "is neither send nor receipt");
        }
        if (idSize == 0) {
            return badField(MESSAGE_ID, "is empty");
        }
        if (idSize > ID_MAX) {
            return badField(MESSAGE_ID, "is longer than 128 bytes");
        }
        if (!isSend && !given[STATUS]) {
            return badField(STATUS, MISSING);
        }
        if (given[AT] && (atMs < Instants.MIN_MS || atMs > Instants.MAX_MS)) {
            return badField(AT, NO_TIME);
        }
        if (given[ATTRIBUTES] && attributesSize > ATTRIBUTES_MAX) {
            return badField(ATTRIBUTES, "is larger than 1024 bytes");
        }
        if (key == null) {
            return because("key_mismatch", "the record has no key");
        }
        if (!Arrays.equals(key, 0, key.length, id, 0, idSize)) {
            return because("key_mismatch", "the record's key is not its message_id");
        }
        if (channel == Words.NONE) {
            return because("unknown_channel", "channel is not in the tables");
        }
        event.channel = channels[channel];
        event.status = Channel.NONE;
        if (given[STATUS]) {
            event.status = event.channel.words.find(statusText, 0,
                    Math.min(statusSize, statusText.length));
            if (event.status == Words.NONE || statusSize > statusText.length) {
                return because("unknown_status", "status is not in the tables");
            }
        }
        event.isSend = isSend;
        event.id = key;
        event.timestampMs = timestampMs;
        event.atMs = given[AT] ? atMs : timestampMs;
        event.reason = given[REASON] && given[STATUS] ? reason : null;
        event.attributes = isSend && given[ATTRIBUTES] ? Arrays.copyOfRange(value, attributesFrom,
                attributesFrom + attributesSize) : null;
        return null;
    }
}
