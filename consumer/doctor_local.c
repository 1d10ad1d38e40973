/* doctor_local.c: checks of what is on this machine: tables, memory, a directory. */
#include "consumer/doctor_inside.h"

#include "consumer/memory_limit.h"
#include "schemas/channel_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static void say_each_line(struct doctor *doctor, const char *target, const struct buffer *lines)
{
    const char *at = (const char *)lines->bytes, *last = at + lines->size;

    while (at < last) {
        const char *line_end = memchr(at, '\n', (size_t)(last - at));
        int size = (int)((line_end == NULL ? last : line_end) - at);
        doctor_say(doctor, DOCTOR_FAIL, target, "correct the file; `upshot check` proves it alone",
                   "%.*s", size, at);
        at += size + 1;
    }
}

void doctor_tables(struct doctor *doctor)
{
    const char *path = doctor->config->channels_dir;
    const char *target = path[0] == 0 ? "built in" : path;
    struct buffer text = {0};
    struct tables tables = {0};

    if (channel_files_load(path[0] == 0 ? NULL : path, &tables, &text)) {
        for (size_t i = 0; i < tables.count; i++) {
            buffer_put_string(&text, i == 0 ? "" : ", ");
            buffer_put_string(&text, tables.rows[i]->channel);
        }
        doctor_say(doctor, DOCTOR_OK, target, NULL, "%zu channels: %.*s", tables.count,
                   (int)text.size, (const char *)text.bytes);
    } else {
        say_each_line(doctor, target, &text);
    }
    tables_release(&tables);
    buffer_release(&text);
}

/* Of the limit that is known: how much is left for records beside the buffers. */
static void say_room(struct doctor *doctor, int64_t machine, int64_t limit)
{
    const struct config *config = doctor->config;
    int32_t partitions = doctor->answered ? doctor->topics[0].look.partitions : 0;
    int64_t buffers = memory_buffers(limit, partitions, (int64_t)config->input_topics.count,
                                     config->workers);
    int64_t records = memory_records(limit, buffers);

    if (memory_is_full(memory_resident(""), limit))
        doctor_say(doctor, DOCTOR_FAIL, "memory.max", "give the process more memory",
                   "%" PRId64 " MiB are full before the first record", limit / MIB);
    else if (machine > 0 && limit > machine)
        doctor_say(doctor, DOCTOR_WARN, "memory.max",
                   "lower it, or the kernel ends the stage before it can say why",
                   "%" PRId64 " MiB, but this machine or its cgroup has %" PRId64 " MiB",
                   limit / MIB, machine / MIB);
    else if (config->records_max > records)
        doctor_say(doctor, DOCTOR_WARN, "records.max",
                   "give the process more memory, or lower records.max",
                   "%" PRId64 " live records, but %" PRId64 " MiB have room for %" PRId64,
                   config->records_max, limit / MIB, records);
    else if (buffers == limit / 2)
        doctor_say(doctor, DOCTOR_WARN, "memory.max",
                   "give the process more memory, or share the partitions among more processes",
                   "of %" PRId64 " MiB librdkafka's buffers may take half or more, with a backlog "
                   "in each of %d partitions",
                   limit / MIB, partitions);
    else
        doctor_say(doctor, DOCTOR_OK, "memory.max", NULL,
                   "%" PRId64 " MiB, room for %" PRId64 " live records of usual size and the "
                   "buffers of %d partitions",
                   limit / MIB, records, partitions);
}

void doctor_memory(struct doctor *doctor)
{
    int64_t machine = memory_limit(""), limit = doctor->config->memory_max;

    if (limit == 0)
        limit = machine;
    if (limit == 0)
        doctor_say(doctor, DOCTOR_WARN, "memory.max", "set memory.max",
                   "the machine does not tell how much memory there is");
    else
        say_room(doctor, machine, limit);
}

void doctor_state_dir(struct doctor *doctor)
{
    const char *dir = doctor->config->state_dir;
    struct stat stat_of;
    struct statvfs room;

    if (dir[0] == 0) {
        doctor_say(doctor, DOCTOR_OK, "state.dir", NULL,
                   "not set: a start reads the whole state topic");
    } else if (stat(dir, &stat_of) != 0) {
        doctor_say(doctor, DOCTOR_FAIL, dir, "create it, for the user that the stage runs as",
                   "%s", strerror(errno));
    } else if (!S_ISDIR(stat_of.st_mode)) {
        doctor_say(doctor, DOCTOR_FAIL, dir, "name a directory", "is none");
    } else if (access(dir, R_OK | W_OK | X_OK) != 0) {
        doctor_say(doctor, DOCTOR_FAIL, dir,
                   "give it to the user that the stage runs as, on a file system that can be "
                   "written; this was asked as the user who asks",
                   "%s", strerror(errno));
    } else if (statvfs(dir, &room) != 0) {
        doctor_say(doctor, DOCTOR_WARN, dir, "see whether its disk has room for the state twice",
                   "can be written; how much room there is, is not told: %s", strerror(errno));
    } else {
        doctor_say(doctor, DOCTOR_OK, dir, NULL, "can be written, %" PRIu64 " MiB free",
                   (uint64_t)room.f_bavail * room.f_frsize / MIB);
    }
}
