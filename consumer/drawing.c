/*
 * drawing.c: a table as dot and as mermaid, and dot's svg of it.
 *
 * A status that lists B and C, where B lists C too, would make a web of arrows; so only the
 * transitive reduction of `then` is drawn, and the caption says how many ways that leaves out.
 */
#include "consumer/drawing.h"

#include "consumer/clock.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { DOT_MS = 30000, REST_MS = 5 };

struct colours {
    const char *fill, *line, *ground;
};

static const struct colours phase_colours[PHASE_COUNT] = {
    [PHASE_QUEUED] = {"#eceff1", "#78909c", "#fafbfb"},
    [PHASE_TRANSIT] = {"#dcebfb", "#3f7fbf", "#f7fbff"},
    [PHASE_PROVISIONAL] = {"#fff0d0", "#c98a1b", "#fffcf5"},
    [PHASE_FINAL] = {"#dff2df", "#3d8b40", "#f8fdf8"},
};

/* ---- ways ------------------------------------------------------------------------------- */

struct ways {
    uint64_t short_ones[STATUSES_MAX]; /* the transitive reduction */
    uint64_t long_ones[STATUSES_MAX];  /* listed, but there is a way through others, too */
    int long_count;
};

/* `then` points to stronger ones only, so from the strongest down all that follows is known. */
static void find_ways(const struct table *table, struct ways *ways)
{
    uint64_t reached[STATUSES_MAX] = {0};

    *ways = (struct ways){0};
    for (size_t from = table->count; from-- > 0;) {
        uint64_t then = table->statuses[from].then;
        uint64_t through = 0;
        for (size_t to = from + 1; to < table->count; to++)
            if ((then >> to & 1) != 0)
                through |= reached[to];
        reached[from] = then | through;
        ways->short_ones[from] = then & ~through;
        ways->long_ones[from] = then & through;
        ways->long_count += __builtin_popcountll(then & through);
    }
}

/* ---- words ------------------------------------------------------------------------------ */

/* In the largest unit that leaves a whole number; people say 72h, not 3d. */
static const char *duration_text(int64_t ms, char text[32])
{
    static const struct {
        int64_t ms, least_ms;
        const char *unit;
    } units[] = {
        {86400000, 4 * 86400000LL, "d"},
        {3600000, 3600000, "h"},
        {60000, 60000, "m"},
        {1000, 0, "s"},
        {1, 1, "ms"},
    };
    size_t i = 0;

    while (ms < units[i].least_ms || ms % units[i].ms != 0)
        i++;
    snprintf(text, 32, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
    return text;
}

/* Second line of a status: what it comes to, and when. */
static void put_verdict(struct buffer *out, enum outcome outcome, int64_t settle_after_ms)
{
    char text[32];

    if (settle_after_ms > 0)
        buffer_printf(out, "%s after %s", outcome_words[outcome],
                      duration_text(settle_after_ms, text));
    else
        buffer_printf(out, "%s", outcome_words[outcome]);
}

static void put_caption(struct buffer *out, const struct table *table, const struct ways *ways,
                        bool all)
{
    buffer_printf(out, "%s, version %" PRId64 ": %u statuses, the weakest first", table->channel,
                  table->version, table->count);
    if (ways->long_count > 0)
        buffer_printf(out,
                      all ? "; pale, for there is a way through others: %d"
                          : "; left out, for there is a way through others: %d",
                      ways->long_count);
}

/* The page finds a status in the drawing by this, in lower case; "" is no status yet. */
static void put_dot_id(struct buffer *out, const char *status)
{
    buffer_printf(out, "id=\"state-");
    for (; *status != 0; status++)
        buffer_put_byte(out, (uint8_t)tolower((unsigned char)*status));
    buffer_printf(out, "\"");
}

/* A meaning is anybody's text; dot knows escapes and entities. */
static void put_dot_text(struct buffer *out, const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '"' || *text == '\\')
            buffer_printf(out, "\\%c", *text);
        else if (*text == '&')
            buffer_printf(out, "&amp;");
        else if (*text > 0 && *text < ' ')
            buffer_printf(out, " ");
        else
            buffer_put_byte(out, (uint8_t)*text);
    }
}

/* ---- dot -------------------------------------------------------------------------------- */

static void put_dot_status(struct buffer *out, const struct status *status, size_t i)
{
    const struct colours *colours = &phase_colours[status->phase];

    buffer_printf(out, "        s%zu [", i);
    put_dot_id(out, status->name);
    buffer_printf(out, ", label=\"%s\\n", status->name);
    put_verdict(out, status->outcome, status->settle_after_ms);
    buffer_printf(out, "\", fillcolor=\"%s\", color=\"%s\"", colours->fill, colours->line);
    if (status->phase == PHASE_FINAL)
        buffer_printf(out, ", peripheries=2");
    buffer_printf(out, ", tooltip=\"");
    put_dot_text(out, status->meaning[0] != 0 ? status->meaning : status->name);
    buffer_printf(out, "\"];\n");
}

static void put_dot_phase(struct buffer *out, const struct table *table, enum phase phase)
{
    bool begun = false;

    for (size_t i = 0; i < table->count; i++) {
        if (table->statuses[i].phase != phase)
            continue;
        if (!begun)
            buffer_printf(out,
                          "    subgraph cluster_%s {\n"
                          "        label=\"%s\"; labelloc=t; style=\"rounded,filled\";\n"
                          "        color=\"%s\"; fontcolor=\"%s\";\n",
                          phase_words[phase], phase_words[phase], phase_colours[phase].ground,
                          phase_colours[phase].line);
        begun = true;
        put_dot_status(out, &table->statuses[i], i);
    }
    if (begun)
        buffer_printf(out, "    }\n");
}

static void put_dot_ways(struct buffer *out, size_t from, uint64_t then, const char *manner)
{
    for (size_t to = 0; to < STATUSES_MAX; to++)
        if ((then >> to & 1) != 0)
            buffer_printf(out, "    s%zu -> s%zu%s;\n", from, to, manner);
}

void drawing_dot(struct buffer *out, const struct table *table, bool all)
{
    struct ways ways;

    find_ways(table, &ways);
    buffer_printf(out, "digraph \"%s\" {\n", table->channel);
    buffer_printf(
        out, "    rankdir=LR; nodesep=0.18; ranksep=0.4; bgcolor=white; labelloc=b; fontsize=11;\n"
             "    fontname=\"Helvetica\"; fontcolor=\"#546e7a\";\n"
             "    node [shape=box, style=\"rounded,filled\", width=1.2];\n"
             "    node [fontname=\"Helvetica\", fontsize=11];\n"
             "    edge [color=\"#607d8b\", arrowsize=0.7];\n"
             "    label=\"");
    put_caption(out, table, &ways, all);
    buffer_printf(out, "\";\n    none [");
    put_dot_id(out, "");
    buffer_printf(out, ", label=\"no status yet\\n");
    put_verdict(out, table->initial_outcome, table->initial_settle_after_ms);
    buffer_printf(out, "\", style=dashed, color=\"#90a4ae\", tooltip=\"the send alone\"];\n");
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        put_dot_phase(out, table, (enum phase)phase);
    buffer_printf(out, "    none -> s0 [style=dashed];\n");
    for (size_t from = 0; from < table->count; from++) {
        put_dot_ways(out, from, ways.short_ones[from], "");
        if (all)
            put_dot_ways(out, from, ways.long_ones[from], " [color=\"#cfd8dc\", constraint=false]");
    }
    buffer_printf(out, "}\n");
}

/* ---- mermaid ---------------------------------------------------------------------------- */

static void put_mermaid_phase(struct buffer *out, const struct table *table, enum phase phase)
{
    bool begun = false;

    for (size_t i = 0; i < table->count; i++) {
        const struct status *status = &table->statuses[i];
        bool final = phase == PHASE_FINAL;
        if (status->phase != phase)
            continue;
        if (!begun)
            buffer_printf(out, "    subgraph %s\n", phase_words[phase]);
        begun = true;
        buffer_printf(out, "        s%zu%s\"%s<br/>", i, final ? "[[" : "(", status->name);
        put_verdict(out, status->outcome, status->settle_after_ms);
        buffer_printf(out, "\"%s:::%s\n", final ? "]]" : ")", phase_words[phase]);
    }
    if (begun)
        buffer_printf(out, "    end\n");
}

static void put_mermaid_ways(struct buffer *out, size_t from, uint64_t then, const char *arrow)
{
    for (size_t to = 0; to < STATUSES_MAX; to++)
        if ((then >> to & 1) != 0)
            buffer_printf(out, "    s%zu %s s%zu\n", from, arrow, to);
}

void drawing_mermaid(struct buffer *out, const struct table *table, bool all)
{
    struct ways ways;

    find_ways(table, &ways);
    buffer_printf(out, "---\ntitle: \"");
    put_caption(out, table, &ways, all);
    buffer_printf(out, "\"\n---\nflowchart LR\n    none(\"no status yet<br/>");
    put_verdict(out, table->initial_outcome, table->initial_settle_after_ms);
    buffer_printf(out, "\")\n");
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        put_mermaid_phase(out, table, (enum phase)phase);
    buffer_printf(out, "    none -.-> s0\n");
    for (size_t from = 0; from < table->count; from++) {
        put_mermaid_ways(out, from, ways.short_ones[from], "-->");
        if (all)
            put_mermaid_ways(out, from, ways.long_ones[from], "-.->");
    }
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        buffer_printf(out, "    classDef %s fill:%s,stroke:%s,color:#263238\n", phase_words[phase],
                      phase_colours[phase].fill, phase_colours[phase].line);
}

/* ---- svg ---------------------------------------------------------------------------------- */

/* A file that nobody else sees, for a child's stdin or stdout: no pipe, so no deadlock. */
static int memory_file(const struct buffer *content)
{
    int fd = memfd_create("upshot-drawing", MFD_CLOEXEC);
    size_t done = 0;

    while (fd >= 0 && done < content->size) {
        ssize_t size = write(fd, content->bytes + done, content->size - done);
        if (size < 0) {
            close(fd);
            return -1;
        }
        done += (size_t)size;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool read_all(int fd, struct buffer *out)
{
    uint8_t part[4096];
    ssize_t size;

    if (lseek(fd, 0, SEEK_SET) < 0)
        return false;
    while ((size = read(fd, part, sizeof(part))) > 0)
        buffer_put(out, part, (size_t)size);
    return size == 0 && !out->failed;
}

/* Runs dot from one file to the other. */
static enum drawing_result run_dot(int from, int to, const atomic_bool *give_up)
{
    char *const words[] = {(char[]){"dot"}, (char[]){"-Tsvg"}, NULL};
    posix_spawn_file_actions_t actions;
    int64_t until_ms = clock_monotonic_ms() + DOT_MS;
    int status = 0, error;
    pid_t child, ended;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, from, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    error = posix_spawnp(&child, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return DRAWING_NO_DOT;
    while ((ended = waitpid(child, &status, WNOHANG)) == 0 && clock_monotonic_ms() < until_ms &&
           (give_up == NULL || !atomic_load(give_up)))
        clock_sleep_ms(REST_MS);
    if (ended == 0) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    return ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? DRAWING_MADE
                                                                           : DRAWING_FAILED;
}

enum drawing_result drawing_svg(struct buffer *out, const struct table *table, bool all,
                                const atomic_bool *give_up)
{
    struct buffer dot = {0}, nothing = {0};
    enum drawing_result result = DRAWING_FAILED;
    int from, to;

    drawing_dot(&dot, table, all);
    from = dot.failed ? -1 : memory_file(&dot);
    to = memory_file(&nothing);
    if (from >= 0 && to >= 0)
        result = run_dot(from, to, give_up);
    if (result == DRAWING_MADE && !read_all(to, out))
        result = DRAWING_FAILED;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    buffer_release(&dot);
    return result;
}
