/*
 * store.h: the records of one task, with their deadlines, and a way back.
 *
 * Memory never runs ahead of Kafka (DESIGN 5). Every change since the last landing is pending: the
 * first change of a record puts a new block beside the old one, and a journal keeps the old. When
 * the transaction has committed, store_land() forgets the old ones; when it has not, store_undo()
 * puts them back, deadlines included. The journal is also the list of what the transaction owes
 * the state topic.
 *
 * Pending are at most two layers: store_seal() closes the one that a transaction now carries, and
 * what is changed while that is under way goes into the next, on top. The lower one lands first;
 * where it does not, the upper one stands on nothing, and both are undone.
 *
 * Memory per record: its packed bytes (pack.h), 7 + id size + about 40, rounded up to 8; 12 in the
 * timers' heap; 10 to 20 in the index, 13.7 over a doubling. One thread at a time.
 */
#ifndef UPSHOT_STATEMACHINE_STORE_H
#define UPSHOT_STATEMACHINE_STORE_H

#include "statemachine/intern.h"
#include "statemachine/record.h"

struct store;

struct message_key {
    struct text id;
    uint8_t channel;
};

/* Where a record was found, or would be: good until the next change of the store. */
struct place {
    uint64_t hash;
    uint32_t handle; /* 0: there is no such record */
};

struct store *store_new(hash_fn *hash, uint64_t seed);
void store_free(struct store **store);

/*
 * What the hash of its keys is seeded with. Records that come in the order of another store's walk
 * find their places in that order where both are seeded alike; only an empty store can change it.
 */
uint64_t store_seed(const struct store *store);
void store_seed_as(struct store *store, uint64_t seed);

/*
 * Finds a record. Its texts are borrowed from the store, until its next change.
 * False, with *place good for store_put(), where there is none.
 */
bool store_find(const struct store *store, struct message_key key, struct place *place,
                struct record *record);

/*
 * Puts a record at the place that store_find() or store_first_due() gave for the same key, to be
 * woken at wake_ms. Its texts are interned.
 */
void store_put(struct store *store, struct message_key key, struct place place,
               const struct record *record, int64_t wake_ms);

/* Forgets a record that is there. */
void store_forget(struct store *store, struct message_key key, struct place place);

/*
 * The record with the least (deadline, message id, channel), if that deadline is at or before
 * until_ms. The key borrows from the store, as the record does.
 */
bool store_first_due(const struct store *store, int64_t until_ms, int64_t *deadline_ms,
                     struct message_key *key, struct place *place, struct record *record);

/* Deadline of the next one, INT64_MAX where there is none. */
int64_t store_next_deadline(const struct store *store);

/* How many keys changed in the open layer; one changed twice may count twice. */
size_t store_touched(const struct store *store);

/* The i-th changed key as it is now; false where it is forgotten. */
bool store_touched_at(const struct store *store, size_t i, struct message_key *key,
                      struct record *record);

/* What has changed becomes the sealed layer, and a new one is open. None may be sealed already. */
void store_seal(struct store *store);

/* The transaction has committed: the changes stay, those of the sealed layer where there is one. */
void store_land(struct store *store);

/* The transaction has not: everything as it was at the last landing, both layers. */
void store_undo(struct store *store);

/*
 * For readers of many records, who know the next keys early (restore): the memory is asked for what
 * finding this key will look at, and comes while others are dealt with. First for its place, and
 * when that has come, for the record that may be there. The hash is what the second and putting
 * want to have.
 */
uint64_t store_expect(const struct store *store, struct message_key key);
void store_expect_record(const struct store *store, uint64_t hash);

/*
 * The same for many keys, whose records will be changed: all that finding and putting them looks
 * at, one place after another, the waits of one key under those of the others. Some hundreds at a
 * time; of thousands the first would be gone from the cache again.
 */
void store_expect_all(const struct store *store, const struct message_key *keys, size_t count);

/*
 * Puts a record, or forgets one that may be there, landed at once: nothing of it is pending, so
 * nothing may be pending before (restore).
 */
void store_put_landed(struct store *store, struct message_key key, uint64_t hash,
                      const struct record *record, int64_t wake_ms);
void store_forget_landed(struct store *store, struct message_key key, uint64_t hash);

/*
 * Keeps a text in the pool for as long as the store lives, for what many events will bring (a
 * topic's name): interning it again then costs nothing.
 */
struct text store_keep_text(struct store *store, struct text text);

/* How many records it holds. */
size_t store_count(const struct store *store);

/*
 * How many of a channel's records are in a state (STATUS_NONE: in none yet) and stand so; what is
 * pending is counted as if it had landed. Kept with every change: asking costs nothing.
 */
uint32_t store_census(const struct store *store, uint8_t channel, uint8_t state,
                      enum standing standing);

/*
 * The records that are due next, the earliest first, `most` of them at most (UPCOMING_MAX). The
 * keys are borrowed until the next change. Returns how many there are.
 */
enum { UPCOMING_MAX = 16 };
struct upcoming {
    int64_t deadline_ms;
    struct message_key key;
    uint8_t state;
    enum standing standing;
};
size_t store_upcoming(const struct store *store, struct upcoming *upcoming, size_t most);

/*
 * How many deadlines lie before each of these times, which ascend: counts[i] is of those before
 * bounds[i] and not before bounds[i - 1]; counts[count] of all others. Of a large store it is an
 * estimate, from some thousands that lie evenly in it; true is returned where it is exact.
 */
bool store_ahead(const struct store *store, const int64_t *bounds_ms, size_t count,
                 uint64_t *counts);

/* What it holds and what that costs, by part; bytes. */
struct store_size {
    size_t records;
    size_t records_bytes;
    size_t index_bytes;
    size_t timers_bytes;
    size_t texts;
    size_t texts_bytes;
    size_t journal_bytes;
};

struct store_size store_measure(const struct store *store);
void store_size_add(struct store_size *to, const struct store_size *from);

/* Walks over all records, in no particular order, until `visit` says false. */
typedef bool store_visit(void *context, struct message_key key, const struct record *record);
void store_walk(const struct store *store, store_visit *visit, void *context);

/*
 * One part of a walk over all records, some hundreds of them, while the store lives on; nothing may
 * be pending. Start with *from 0, go on until it says false. A record that was there from the first
 * part to the last is visited once, as it is then; what came or went in between, once or not at
 * all: an image from which the changes since the first part make the store (DESIGN 5, snapshots).
 */
typedef void store_visit_each(void *context, struct message_key key, const struct record *record);
bool store_walk_part(const struct store *store, uint64_t *from, store_visit_each *visit,
                     void *context);

/* Forgets all records; the texts of store_keep_text() stay. Nothing may be pending. */
void store_clear(struct store *store);

#endif
