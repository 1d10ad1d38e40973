package upshot.rival;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * One channel's table, as schemas/channels/*.json has it. A status is its place in the file, which
 * is its strength. Nothing is proven here: upshot's own check did that to the same files.
 */
final class Channel {
    /** No status yet. */
    static final int NONE = -1;

    final int index;
    final String name;
    final byte[] nameBytes;
    final long retentionMs;
    final long orphanHoldMs;
    final long initialSettleAfterMs;
    final Words words;
    final long[] settleAfterMs;
    /** Of status s: the set of those that contradict it. */
    final long[] conflicts;

    // Parts of outcomes that never change, as bytes.
    final byte[] initialOutcomeJson;
    final byte[][] outcomeJson; // ,"outcome":"delivered","status":"DELIVRD","phase":"final"
    final byte[][] seenJson; //    {"status":"DELIVRD","at":"
    final byte[] tableJson; //     },"table":{"version":1,"digest":"..."}}

    private Channel(int index, Draft draft, long digest) {
        this.index = index;
        name = draft.name;
        nameBytes = Words.ascii(name);
        retentionMs = draft.retentionMs;
        orphanHoldMs = draft.orphanHoldMs;
        initialSettleAfterMs = draft.initialSettleAfterMs;

        List<Row> rows = draft.rows;
        words = new Words(rows.stream().map(row -> row.status).toList());
        settleAfterMs = rows.stream().mapToLong(row -> row.settleAfterMs).toArray();
        conflicts = new long[rows.size()];
        for (int a = 0; a < rows.size(); a++) {
            for (int b = 0; b < rows.size(); b++) {
                if (rows.get(a).contradicts(rows.get(b))) {
                    conflicts[a] |= 1L << b;
                }
            }
        }

        initialOutcomeJson = Words.ascii(
                ",\"outcome\":\"" + draft.initialOutcome + "\",\"status\":null,\"phase\":null");
        outcomeJson = rows.stream().map(row -> Words.ascii(",\"outcome\":\"" + row.outcome
                + "\",\"status\":\"" + row.status + "\",\"phase\":\"" + row.phase + "\""))
                .toArray(byte[][]::new);
        seenJson = rows.stream().map(row ->
                Words.ascii("{\"status\":\"" + row.status + "\",\"at\":\"")).toArray(byte[][]::new);
        tableJson = Words.ascii(String.format(
                "},\"table\":{\"version\":%d,\"digest\":\"%016x\"}}", draft.version, digest));
    }

    long settleAfterMs(int state) {
        return state == NONE ? initialSettleAfterMs : settleAfterMs[state];
    }

    // ---- reading ----------------------------------------------------------------------------

    private static final class Row {
        String status;
        String phase;
        String outcome;
        long settleAfterMs;
        final Set<String> then = new HashSet<>();

        boolean contradicts(Row other) {
            return phase.equals("final") && other.phase.equals("final")
                    && !outcome.equals(other.outcome)
                    && !then.contains(other.status) && !other.then.contains(status);
        }
    }

    private static final class Draft {
        String name;
        int version;
        long retentionMs;
        long orphanHoldMs;
        long initialSettleAfterMs;
        String initialOutcome;
        final List<Row> rows = new ArrayList<>();
    }

    /** Every channel that the build put into the jar, in the order of their names. */
    static Channel[] all() throws IOException {
        List<byte[]> files = new ArrayList<>();
        try {
            URI directory = Channel.class.getResource("/channels").toURI();
            if (directory.getScheme().equals("jar")) {
                try (FileSystem jar = FileSystems.newFileSystem(directory, Map.of())) {
                    read(jar.getPath("/channels"), files);
                }
            } else {
                read(Path.of(directory), files);
            }
        } catch (URISyntaxException impossible) {
            throw new IOException(impossible);
        }
        Channel[] channels = new Channel[files.size()];
        for (int i = 0; i < channels.length; i++) {
            channels[i] = new Channel(i, draft(files.get(i)), digest(files.get(i)));
        }
        return channels;
    }

    private static void read(Path directory, List<byte[]> files) throws IOException {
        try (Stream<Path> paths = Files.list(directory)) {
            for (Path path : paths.sorted().toList()) {
                try (InputStream in = Files.newInputStream(path)) {
                    files.add(in.readAllBytes());
                }
            }
        }
    }

    private static Draft draft(byte[] file) throws IOException {
        Draft draft = new Draft();
        try (JsonParser parser = new JsonFactory().createParser(file)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String field = parser.currentName();
                parser.nextToken();
                switch (field) {
                    case "channel" -> draft.name = parser.getText();
                    case "version" -> draft.version = parser.getIntValue();
                    case "retention" -> draft.retentionMs = duration(parser.getText());
                    case "orphan_hold" -> draft.orphanHoldMs = duration(parser.getText());
                    case "initial" -> {
                        Row initial = row(parser);
                        draft.initialSettleAfterMs = initial.settleAfterMs;
                        draft.initialOutcome = initial.outcome;
                    }
                    case "statuses" -> {
                        while (parser.nextToken() == JsonToken.START_OBJECT) {
                            draft.rows.add(row(parser));
                        }
                    }
                    default -> throw new IOException(field + " is no member of a channel file");
                }
            }
        }
        return draft;
    }

    private static Row row(JsonParser parser) throws IOException {
        Row row = new Row();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String field = parser.currentName();
            parser.nextToken();
            switch (field) {
                case "status" -> row.status = parser.getText();
                case "phase" -> row.phase = parser.getText();
                case "outcome" -> row.outcome = parser.getText();
                case "settle_after" -> row.settleAfterMs = duration(parser.getText());
                case "then" -> {
                    while (parser.nextToken() == JsonToken.VALUE_STRING) {
                        row.then.add(parser.getText());
                    }
                }
                default -> parser.skipChildren();
            }
        }
        return row;
    }

    private static long duration(String text) throws IOException {
        int digits = 0;
        while (digits < text.length() && Character.isDigit(text.charAt(digits))) {
            digits++;
        }
        long number = Long.parseLong(text.substring(0, digits));
        return switch (text.substring(digits)) {
            case "ms" -> number;
            case "s" -> number * 1_000;
            case "m" -> number * 60_000;
            case "h" -> number * 3_600_000;
            case "d" -> number * 86_400_000;
            default -> throw new IOException(text + " is no duration");
        };
    }

    /** As wide as upshot's, but of the file's bytes, and by another function. */
    private static long digest(byte[] file) {
        try {
            return ByteBuffer.wrap(MessageDigest.getInstance("SHA-256").digest(file)).getLong();
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
