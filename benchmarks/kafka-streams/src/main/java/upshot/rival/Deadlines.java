package upshot.rival;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.TreeMap;

/**
 * When each message of a store wants to be looked at again: one time a message, in memory only,
 * made anew from the store when a task begins.
 *
 * Far times lie in buckets of four seconds, unsorted; the bucket that time has reached is poured
 * into a heap. Most messages move several times before they are due, so a message that moves back
 * in time stays where it is listed and is passed on when its bucket is opened: moving costs a look
 * into a map, and no search in anything sorted.
 */
final class Deadlines {
    interface Firing {
        /** The store's key, and its time, which has been reached. */
        void fire(byte[] key, long atMs);
    }

    private static final int BUCKET_SHIFT = 12;
    private static final int UNLISTED = Integer.MIN_VALUE;
    private static final long NEVER = Long.MAX_VALUE;

    private static final class Entry {
        byte[] key;
        int hash;
        int listed = UNLISTED; // the bucket that lists it
        long atMs = NEVER;

        void setKey(byte[] newKey) {
            key = newKey;
            hash = Arrays.hashCode(newKey);
        }

        @Override
        public int hashCode() {
            return hash;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Entry entry && Arrays.equals(key, entry.key);
        }
    }

    /** An entry as it stood when it was poured; void where the entry has moved since. */
    private record Near(long atMs, Entry entry) implements Comparable<Near> {
        @Override
        public int compareTo(Near other) {
            int order = Long.compare(atMs, other.atMs);
            return order != 0 ? order : Arrays.compareUnsigned(entry.key, other.entry.key);
        }
    }

    private final Map<Entry, Entry> entries = new HashMap<>();
    private final TreeMap<Integer, List<Entry>> far = new TreeMap<>();
    private final PriorityQueue<Near> near = new PriorityQueue<>();
    private final Entry probe = new Entry();
    private int opened = Integer.MIN_VALUE; // buckets up to this one are in the heap

    // The bucket of the last call, and its list: nearly always that of the next, too.
    private int recent = Integer.MIN_VALUE;
    private List<Entry> recentList;

    private static int bucket(long atMs) {
        return (int) Math.max(Integer.MIN_VALUE + 1,
                Math.min(Integer.MAX_VALUE - 1, atMs >> BUCKET_SHIFT));
    }

    /** Keeps the key, if it is new: it must not change. */
    void set(byte[] key, long atMs) {
        probe.setKey(key);
        Entry entry = entries.get(probe);
        if (entry == null) {
            entry = new Entry();
            entry.key = key;
            entry.hash = probe.hash;
            entries.put(entry, entry);
        } else if (entry.atMs == atMs) {
            return;
        }
        entry.atMs = atMs;
        list(entry);
    }

    void remove(byte[] key) {
        probe.setKey(key);
        Entry entry = entries.remove(probe);
        if (entry != null) {
            entry.atMs = NEVER;
        }
    }

    private void list(Entry entry) {
        int bucket = bucket(entry.atMs);
        if (bucket <= opened) {
            near.add(new Near(entry.atMs, entry));
        } else if (entry.listed <= opened || bucket < entry.listed) {
            if (bucket != recent) {
                recent = bucket;
                recentList = far.computeIfAbsent(bucket, unused -> new ArrayList<>());
            }
            recentList.add(entry);
            entry.listed = bucket;
        }
    }

    private void open(int until) {
        while (!far.isEmpty() && far.firstKey() <= until) {
            Map.Entry<Integer, List<Entry>> first = far.pollFirstEntry();
            opened = first.getKey();
            recent = Integer.MIN_VALUE;
            for (Entry entry : first.getValue()) {
                if (entry.listed == opened && entry.atMs != NEVER) {
                    entry.listed = UNLISTED;
                    list(entry);
                }
            }
        }
        opened = Math.max(opened, until);
    }

    /** Fires all that is due up to a time, in the order of (time, key). */
    void fire(long untilMs, Firing firing) {
        if (bucket(untilMs) > opened) {
            open(bucket(untilMs));
        }
        while (!near.isEmpty() && near.peek().atMs <= untilMs) {
            Near first = near.poll();
            if (first.entry.atMs == first.atMs) {
                first.entry.atMs = NEVER;
                firing.fire(first.entry.key, first.atMs);
            }
        }
    }
}
