/*
 * snapshot.h: local images of tasks' state, so that a start need not read the whole state topic.
 *
 * An image is fuzzy, like a database's checkpoint: taken in parts while the stage goes on. It
 * begins at a landed transaction, whose control record lies at offset O of the state partition.
 * Every later part is taken between transactions, so it shows landed values only. Whatever changed
 * since has its newest value, or its tombstone, in the topic at or after O: so reading the topic
 * from O on makes any such image whole, however late its parts were taken (state records are whole
 * values). That holds
 *   - once the topic was read beyond the last transaction that had landed when the last part was
 *     taken (valid_from),
 *   - as long as no tombstone at or after O was cleaned away, which Kafka may do
 *     delete.retention.ms after it was written: an image is used for half of that,
 *   - for the same log only. Names and offsets do not tell a log from one that was made anew under
 *     its name; the lineage in the control record does. Reading begins at O itself, so one control
 *     record is certainly seen, unless the log is not the same.
 *
 * A process that sleeps, is replaced, wakes up and goes on writing its image does no harm: its
 * memory holds what had landed when it was replaced, all of it at offsets below the new owner's
 * first; the image is as old as its beginning, and as good as any image of that age.
 *
 * Whatever is wrong with a file costs one warning and the time to read the topic instead. And at
 * the end the count of messages is compared with what the last control record says.
 */
#ifndef UPSHOT_CONSUMER_SNAPSHOT_H
#define UPSHOT_CONSUMER_SNAPSHOT_H

#include "schemas/snapshot_file.h"
#include "statemachine/store.h"

enum { SNAPSHOT_PATH_MAX = 4096 };

/* Where snapshots are, and whose are good. Borrowed strings; they outlive all that use this. */
struct snapshot_place {
    const char *dir;
    const char *app_id;
    const char *state_topic;
    const char *cluster; /* empty: not known */
    int32_t partitions;
    int64_t most_age_ms; /* half of the state topic's delete.retention.ms */
    const struct tables *tables;
};

/* Over the channels' names and digests: what a record means depends on them. */
uint64_t snapshot_tables_digest(const struct tables *tables);

/* The paths of one task's snapshots, the newest first. */
struct snapshot_paths {
    char **items;
    size_t count;
};

/* False where the directory cannot be read; errno says why. */
bool snapshot_list(const struct snapshot_place *place, int32_t partition,
                   struct snapshot_paths *paths);
void snapshot_paths_release(struct snapshot_paths *paths);

/*
 * DIR/STATE_TOPIC-PARTITION.TRANSACTION.TOKEN.snapshot; the transaction's number in 20 digits. The
 * token tells writers apart, and has letters, digits and - only.
 */
bool snapshot_path(char out[SNAPSHOT_PATH_MAX], const struct snapshot_place *place,
                   int32_t partition, uint64_t transaction, const char *token);

/* One message into an open frame of pairs. */
void snapshot_put_message(struct buffer *out, const struct tables *tables, struct message_key key,
                          const struct record *record, struct snapshot_seal *seal);

/* So that a file that was made or renamed there is there after a crash, too; errno where not. */
bool snapshot_sync_directory(const char *path);

/* While it is written it is called this. */
#define SNAPSHOT_PART ".part"

/*
 * Of this task, keeps the one that was just written and the one before it. Later numbers go, too:
 * whoever has the task has just written a lower one, so those are of a log that is no more. And all
 * that was never finished.
 */
void snapshot_prune(const struct snapshot_place *place, int32_t partition, const char *written);

#endif
