package upshot.rival;

/** One event as read; one object per processor, filled anew for each record. */
final class Event {
    boolean isSend;
    Channel channel;
    int status; // Channel.NONE: a send that carries none
    byte[] id; // the record's key, which is the message id
    long atMs;
    byte[] reason; // null: none
    byte[] attributes; // null: none; the bytes as they came

    // Of the record, set by whoever has it.
    long timestampMs;
    int input;
    long offset;
}
