package upshot.rival;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** UTF-8: is it, and from characters into it. */
final class Text {
    private static final VarHandle LONGS =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private Text() {
    }

    /** Jackson lets overlong forms and encoded surrogates pass, RFC 3629 does not. */
    static boolean valid(byte[] bytes) {
        int at = 0;
        while (at < bytes.length) {
            if (at + 8 <= bytes.length && ((long) LONGS.get(bytes, at) & 0x8080808080808080L) == 0) {
                at += 8;
            } else if (bytes[at] >= 0) {
                at++;
            } else {
                int size = sequence(bytes, at);
                if (size == 0) {
                    return false;
                }
                at += size;
            }
        }
        return true;
    }

    /** Size of the sequence that begins here, 0 where there is none. */
    private static int sequence(byte[] bytes, int at) {
        int first = bytes[at] & 0xff;
        int size = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
        if (size == 0 || at + size > bytes.length) {
            return 0;
        }
        for (int i = 1; i < size; i++) {
            if ((bytes[at + i] & 0xc0) != 0x80) {
                return 0;
            }
        }
        int second = bytes[at + 1] & 0xff;
        boolean bad = first == 0xe0 && second < 0xa0 || first == 0xed && second >= 0xa0
                || first == 0xf0 && second < 0x90 || first == 0xf4 && second >= 0x90;
        return bad ? 0 : size;
    }

    /** True where the characters hold a NUL or half of a surrogate pair. */
    static boolean unkeepable(char[] text, int from, int size) {
        for (int i = from; i < from + size; i++) {
            char c = text[i];
            if (c == 0) {
                return true;
            }
            if (Character.isSurrogate(c)) {
                if (Character.isLowSurrogate(c) || i + 1 == from + size
                        || !Character.isLowSurrogate(text[i + 1])) {
                    return true;
                }
                i++;
            }
        }
        return false;
    }

    /** As bytes, whole pairs given. Returns how many; at most three for each character. */
    static int encode(char[] text, int from, int size, byte[] out) {
        int n = 0;
        for (int i = from; i < from + size; i++) {
            int c = text[i];
            if (c < 0x80) {
                out[n++] = (byte) c;
            } else if (c < 0x800) {
                out[n++] = (byte) (0xc0 | c >> 6);
                out[n++] = (byte) (0x80 | c & 0x3f);
            } else if (Character.isHighSurrogate(text[i])) {
                c = Character.toCodePoint(text[i], text[++i]);
                out[n++] = (byte) (0xf0 | c >> 18);
                out[n++] = (byte) (0x80 | c >> 12 & 0x3f);
                out[n++] = (byte) (0x80 | c >> 6 & 0x3f);
                out[n++] = (byte) (0x80 | c & 0x3f);
            } else {
                out[n++] = (byte) (0xe0 | c >> 12);
                out[n++] = (byte) (0x80 | c >> 6 & 0x3f);
                out[n++] = (byte) (0x80 | c & 0x3f);
            }
        }
        return n;
    }

    /** The largest size up to the limit that ends between two characters. */
    static int cut(byte[] bytes, int size, int limit) {
        if (size <= limit) {
            return size;
        }
        int cut = limit;
        while (cut > 0 && (bytes[cut] & 0xc0) == 0x80) {
            cut--;
        }
        return cut;
    }
}
