package upshot.rival;

import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A closed list of words, looked up by a slice of characters: the parser's buffer is asked as it
 * is, and no String is made for each event. Open addressing, at most half full.
 */
final class Words {
    static final int NONE = -1;

    private final char[][] words;
    private final byte[] places; // index + 1 in words; 0: free

    Words(List<String> list) {
        words = list.stream().map(String::toCharArray).toArray(char[][]::new);
        places = new byte[Integer.highestOneBit(Math.max(2, words.length)) * 4];
        for (int i = 0; i < words.length; i++) {
            int slot = hash(words[i], 0, words[i].length) & places.length - 1;
            while (places[slot] != 0) {
                slot = slot + 1 & places.length - 1;
            }
            places[slot] = (byte) (i + 1);
        }
    }

    int find(char[] text, int from, int size) {
        int slot = hash(text, from, size) & places.length - 1;
        for (; places[slot] != 0; slot = slot + 1 & places.length - 1) {
            if (same(words[places[slot] - 1], text, from, size)) {
                return places[slot] - 1;
            }
        }
        return NONE;
    }

    static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static boolean same(char[] word, char[] text, int from, int size) {
        if (word.length != size) {
            return false;
        }
        for (int i = 0; i < size; i++) {
            if (word[i] != text[from + i]) {
                return false;
            }
        }
        return true;
    }

    private static int hash(char[] text, int from, int size) {
        int hash = size;
        for (int i = from; i < from + size; i++) {
            hash = hash * 31 + text[i];
        }
        return hash ^ hash >>> 7;
    }
}
