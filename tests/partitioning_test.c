/* partitioning_test.c: the three hashes as their own worlds have them, and verdicts on samples. */
#include "consumer/partitioning.h"

#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* With so many partitions, a partition is nearly the hash itself. */
static int32_t hash_of(enum partitioner partitioner, const char *key)
{
    return partition_of(partitioner, (const uint8_t *)key, strlen(key), INT32_MAX);
}

/* The values of UtilsTest.testMurmur2 in Apache Kafka; Java's partitioner drops the sign bit. */
static void murmur2_is_javas(void **state)
{
    static const struct {
        const char *key;
        int32_t hash;
    } cases[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int32_t positive = cases[i].hash & INT32_MAX;
        assert_int_equal(hash_of(PARTITIONER_MURMUR2, cases[i].key), positive);
        for (int32_t partitions = 1; partitions < 100; partitions++)
            assert_int_equal(partition_of(PARTITIONER_MURMUR2, (const uint8_t *)cases[i].key,
                                          strlen(cases[i].key), partitions),
                             positive % partitions);
    }
}

/* The check value of CRC-32, taken as an unsigned number. */
static void crc32_is_the_usual_one(void **state)
{
    (void)state;
    assert_int_equal(hash_of(PARTITIONER_CRC32, "123456789"), 0xcbf43926 % INT32_MAX);
    assert_int_equal(partition_of(PARTITIONER_CRC32, (const uint8_t *)"123456789", 9, 12),
                     0xcbf43926 % 12);
}

/* FNV's own test vectors; Sarama takes the hash as signed, and its absolute value. */
static void fnv1a_is_that_of_go(void **state)
{
    static const struct {
        const char *key;
        uint32_t hash;
    } cases[] = {{"a", 0xe40c292c}, {"foobar", 0xbf9cf968}, {"b", 0xe70c2de5}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int32_t absolute = (int32_t)(0 - cases[i].hash); /* all of them are negative */
        assert_int_equal(hash_of(PARTITIONER_FNV1A, cases[i].key), absolute);
        assert_int_equal(
            partition_of(PARTITIONER_FNV1A, (const uint8_t *)cases[i].key, strlen(cases[i].key), 7),
            absolute % 7);
    }
}

static struct partitioning sample(enum partitioner partitioner, uint32_t keys, int32_t partitions)
{
    struct partitioning partitioning = {0};

    for (uint32_t i = 0; i < keys; i++) {
        char key[32];
        size_t size = (size_t)snprintf(key, sizeof(key), "message-%u", i);
        int32_t partition = partitioner == PARTITIONER_AUTO
                                ? (int32_t)(random_mix(i) % (uint64_t)partitions)
                                : partition_of(partitioner, (uint8_t *)key, size, partitions);
        partitioning_sample(&partitioning, (uint8_t *)key, size, partition, partitions);
    }
    return partitioning;
}

static void samples_name_their_partitioner(void **state)
{
    (void)state;
    for (int32_t partitions = 2; partitions < 40; partitions += 5) {
        for (int i = PARTITIONER_MURMUR2; i <= PARTITIONER_FNV1A; i++) {
            struct partitioning partitioning = sample((enum partitioner)i, 300, partitions);
            assert_int_equal(partitioning.samples, 300);
            assert_int_equal(partitioning.matches[i - 1], 300);
            assert_int_equal(partitioning_verdict(&partitioning), i);
        }
        struct partitioning nobody = sample(PARTITIONER_AUTO, 300, partitions);
        assert_int_equal(partitioning_verdict(&nobody), PARTITIONER_AUTO);
    }
}

static void what_proves_nothing_is_not_counted(void **state)
{
    struct partitioning one = sample(PARTITIONER_MURMUR2, 300, 1);
    struct partitioning many = sample(PARTITIONER_MURMUR2, 5000, 12);

    (void)state;
    assert_int_equal(one.samples, 0);
    partitioning_sample(&one, NULL, 0, 0, 12);
    assert_int_equal(one.samples, 0);
    assert_int_equal(many.samples, PARTITIONING_SAMPLES);
}

static void the_verdict_takes_ninety_five_of_a_hundred(void **state)
{
    static const struct {
        const char *reason;
        struct partitioning partitioning;
        enum partitioner verdict;
    } cases[] = {
        {"nothing yet", {0, {0, 0, 0}}, PARTITIONER_AUTO},
        {"too few", {99, {99, 0, 0}}, PARTITIONER_AUTO},
        {"just enough", {100, {95, 0, 0}}, PARTITIONER_MURMUR2},
        {"just not", {100, {94, 0, 0}}, PARTITIONER_AUTO},
        {"the second", {1000, {80, 950, 90}}, PARTITIONER_CRC32},
        {"the third", {1000, {80, 90, 1000}}, PARTITIONER_FNV1A},
        {"two, one of them more", {1000, {960, 961, 90}}, PARTITIONER_CRC32},
        {"two alike explain nothing", {1000, {1000, 1000, 90}}, PARTITIONER_AUTO},
        {"nor do the last two", {1000, {90, 960, 960}}, PARTITIONER_AUTO},
        {"two alike below the best", {1000, {970, 960, 960}}, PARTITIONER_MURMUR2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (partitioning_verdict(&cases[i].partitioning) != cases[i].verdict)
            fail_msg("%s: %s", cases[i].reason,
                     partitioner_words[partitioning_verdict(&cases[i].partitioning)]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(murmur2_is_javas),
        cmocka_unit_test(crc32_is_the_usual_one),
        cmocka_unit_test(fnv1a_is_that_of_go),
        cmocka_unit_test(samples_name_their_partitioner),
        cmocka_unit_test(what_proves_nothing_is_not_counted),
        cmocka_unit_test(the_verdict_takes_ninety_five_of_a_hundred),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
