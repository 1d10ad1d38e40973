package upshot.rival;

/** RFC 3339 in and out, on arrays, without java.time: two or three are written per outcome. */
final class Instants {
    static final int SIZE = 24; // 2026-11-23T10:00:00.000Z
    /** What parse() gives for anything that is no time. */
    static final long NONE = Long.MIN_VALUE;

    static final long MIN_MS = -62_167_219_200_000L; // 0000-01-01T00:00:00.000Z
    static final long MAX_MS = 253_402_300_799_999L; // 9999-12-31T23:59:59.999Z
    private static final int DAY_MS = 86_400_000;

    // Of one writer: the date of the day before this is nearly always the date of this.
    private long day = Long.MIN_VALUE;
    private final byte[] date = new byte[11];

    private static boolean leap(int year) {
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    }

    private static int daysOf(int year, int month) {
        return switch (month) {
            case 2 -> leap(year) ? 29 : 28;
            case 4, 6, 9, 11 -> 30;
            default -> 31;
        };
    }

    /** Days since 1970; years begin in March, so that the leap day is the last one. */
    private static long days(int year, int month, int dayOfMonth) {
        long y = month > 2 ? year : year - 1;
        long era = Math.floorDiv(y, 400);
        long yearOfEra = y - era * 400;
        long dayOfYear = (153L * (month > 2 ? month - 3 : month + 9) + 2) / 5 + dayOfMonth - 1;
        long dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
        return era * 146_097 + dayOfEra - 719_468;
    }

    private static int digits(char[] text, int from, int count) {
        int number = 0;
        for (int i = from; i < from + count; i++) {
            int digit = text[i] - '0';
            if (digit < 0 || digit > 9) {
                return -1;
            }
            number = number * 10 + digit;
        }
        return number;
    }

    /** Milliseconds since 1970; finer fractions are cut. NONE for anything but RFC 3339. */
    static long parse(char[] text, int from, int size) {
        int end = from + size;
        if (size < 20 || text[from + 4] != '-' || text[from + 7] != '-' || text[from + 13] != ':'
                || text[from + 16] != ':' || (text[from + 10] | 0x20) != 't') {
            return NONE;
        }
        int year = digits(text, from, 4);
        int month = digits(text, from + 5, 2);
        int dayOfMonth = digits(text, from + 8, 2);
        int hour = digits(text, from + 11, 2);
        int minute = digits(text, from + 14, 2);
        int second = digits(text, from + 17, 2);
        if (year < 0 || month < 1 || month > 12 || dayOfMonth < 1
                || dayOfMonth > daysOf(year, month) || hour < 0 || hour > 23 || minute < 0
                || minute > 59 || second < 0 || second > 60) {
            return NONE;
        }

        int at = from + 19;
        int millis = 0;
        if (text[at] == '.') {
            int first = ++at;
            int scale = 100;
            for (; at < end && text[at] >= '0' && text[at] <= '9'; at++, scale /= 10) {
                millis += (text[at] - '0') * scale;
            }
            if (at == first) {
                return NONE;
            }
        }
        int offset = offset(text, at, end);
        if (offset == Integer.MIN_VALUE) {
            return NONE;
        }
        long minutes = (days(year, month, dayOfMonth) * 24 + hour) * 60 + minute - offset;
        if (second == 60 && !mayLeap(minutes)) {
            return NONE;
        }
        long ms = minutes * 60_000 + second * 1000L + millis;
        return ms < MIN_MS || ms > MAX_MS ? NONE : ms;
    }

    /** Minutes east, MIN_VALUE for anything that is no offset up to the end. */
    private static int offset(char[] text, int at, int end) {
        if (at == end - 1 && (text[at] | 0x20) == 'z') {
            return 0;
        }
        if (at != end - 6 || text[at] != '+' && text[at] != '-' || text[at + 3] != ':') {
            return Integer.MIN_VALUE;
        }
        int hours = digits(text, at + 1, 2);
        int minutes = digits(text, at + 4, 2);
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
            return Integer.MIN_VALUE;
        }
        return text[at] == '-' ? -(hours * 60 + minutes) : hours * 60 + minutes;
    }

    /** A leap second follows the last minute, in UTC, of a month. */
    private static boolean mayLeap(long minutes) {
        long next = minutes + 1;
        return Math.floorMod(next, 1440L) == 0
                && java.time.LocalDate.ofEpochDay(Math.floorDiv(next, 1440L)).getDayOfMonth() == 1;
    }

    private static void put(byte[] out, int at, int count, int number) {
        for (int i = at + count - 1; i >= at; i--) {
            out[i] = (byte) ('0' + number % 10);
            number /= 10;
        }
    }

    private void setDay(long newDay) {
        java.time.LocalDate local = java.time.LocalDate.ofEpochDay(newDay);
        put(date, 0, 4, local.getYear());
        date[4] = '-';
        put(date, 5, 2, local.getMonthValue());
        date[7] = '-';
        put(date, 8, 2, local.getDayOfMonth());
        date[10] = 'T';
        day = newDay;
    }

    /** Writes SIZE bytes. */
    void format(long ms, byte[] out, int at) {
        ms = Math.max(MIN_MS, Math.min(MAX_MS, ms));
        long newDay = Math.floorDiv(ms, (long) DAY_MS);
        int rest = (int) (ms - newDay * DAY_MS);
        if (newDay != day) {
            setDay(newDay);
        }
        System.arraycopy(date, 0, out, at, 11);
        put(out, at + 11, 2, rest / 3_600_000);
        out[at + 13] = ':';
        put(out, at + 14, 2, rest / 60_000 % 60);
        out[at + 16] = ':';
        put(out, at + 17, 2, rest / 1000 % 60);
        out[at + 19] = '.';
        put(out, at + 20, 3, rest % 1000);
        out[at + 23] = 'Z';
    }
}
