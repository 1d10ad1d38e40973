/* command_audit.c: upshot audit, are the outcomes what the inputs call for? */
#include "consumer/audit_report.h"
#include "consumer/clock.h"
#include "consumer/command.h"
#include "consumer/options.h"
#include "schemas/channel_file.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arguments {
    struct config config;
    struct replay_range range;
    enum audit_revisions revisions;
    const char *channels; /* another table: what would it have changed? */
    const char *report;
    bool json;
};

enum { KEY_TOPICS = 1, KEY_FROM, KEY_TO, KEY_REVISIONS, KEY_JSON, KEY_REPORT };

static const struct argp_option options[] = {
    OPTIONS_OF_CONFIG,
    {"channels", 'C', "DIR", 0,
     "what would these tables have changed? Counts outcomes by what they are and would be", 1},
    {"report", KEY_REPORT, "FILE", 0, "write a report in Markdown", 1},
    {"json", KEY_JSON, NULL, 0, "one JSON line instead of text", 1},
    {"topics", KEY_TOPICS, "T,...", 0, "input topics; default: input.topics", 2},
    {"from", KEY_FROM, "WHERE", 0,
     "where in the inputs: offset, RFC 3339 time, epoch ms (from 10^11) or duration back from now "
     "(-36h); default: the beginning",
     2},
    {"to", KEY_TO, "WHERE", 0,
     "likewise, exclusive; default: where the stage's group stands at the start", 2},
    {"revisions", KEY_REVISIONS, "WHICH", 0,
     "compare all revisions, the last ones only, or (auto, the default) all where nobody can have "
     "seen another order: one input topic with LogAppendTime",
     2},
    {0},
};

static void set_revisions(struct arguments *arguments, const char *value, struct argp_state *state)
{
    static const char *const words[] = {
        [AUDIT_REVISIONS_AUTO] = "auto",
        [AUDIT_REVISIONS_ALL] = "all",
        [AUDIT_REVISIONS_LAST] = "last",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strcmp(words[i], value) == 0) {
            arguments->revisions = (enum audit_revisions)i;
            return;
        }
    argp_error(state, "--revisions: \"%s\" is none of auto, all, last", value);
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct buffer complaint = {0};

    switch (key) {
    case 'F':
    case 'X':
        return options_parse_config(&arguments->config, key, value);
    case 'C':
        arguments->channels = value;
        return 0;
    case KEY_REPORT:
        arguments->report = value;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case KEY_TOPICS:
        if (!config_set(&arguments->config, "input.topics", value, &complaint))
            argp_error(state, "--topics: %.*s", (int)complaint.size, (const char *)complaint.bytes);
        buffer_release(&complaint);
        return 0;
    case KEY_FROM:
        if (!replay_position_parse(value, clock_wall_ms(), &arguments->range.from))
            argp_error(state, "--from: \"%s\" is no offset, time or duration", value);
        return 0;
    case KEY_TO:
        if (!replay_position_parse(value, clock_wall_ms(), &arguments->range.to))
            argp_error(state, "--to: \"%s\" is no offset, time or duration", value);
        return 0;
    case KEY_REVISIONS:
        set_revisions(arguments, value, state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is one argument too many", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void show_progress(uint64_t done, uint64_t total)
{
    fprintf(stderr, "\r%llu of %llu input records, %.0f%% \033[K", (unsigned long long)done,
            (unsigned long long)total, 100 * (double)done / (double)(total > 0 ? total : 1));
}

static int write_report(const char *path, const struct audit_findings *findings,
                        const struct audit_options *how)
{
    FILE *file = fopen(path, "we");
    bool failed = file == NULL;

    if (!failed) {
        audit_report_markdown(file, findings, how);
        failed = ferror(file) != 0;
        failed = fclose(file) != 0 || failed;
    }
    if (failed)
        fprintf(stderr, "upshot audit: %s: %s\n", path, strerror(errno));
    return failed ? EXIT_WORLD : EXIT_WELL;
}

static int run(const struct arguments *arguments, const struct tables *tables)
{
    struct audit_options how = {
        .config = &arguments->config,
        .tables = tables,
        .range = arguments->range,
        .revisions = arguments->revisions,
        .now_ms = clock_wall_ms(),
        .progress = isatty(STDERR_FILENO) ? show_progress : NULL,
    };
    struct audit_findings *findings = audit_findings_new();
    int code;

    findings->what_if = arguments->channels != NULL;
    code = audit(&how, findings);
    if (how.progress != NULL)
        fputs("\r\033[K", stderr);
    if (code == EXIT_WELL) {
        if (arguments->json)
            audit_report_json(stdout, findings, &how);
        else
            audit_report_text(stdout, findings, &how);
        if (arguments->report != NULL)
            code = write_report(arguments->report, findings, &how);
        if (code == EXIT_WELL && audit_fault_sum(findings) + audit_change_sum(findings) > 0)
            code = EXIT_FOUND;
    }
    free(findings);
    return code;
}

const struct argp argp_of_audit = {
    .options = options,
    .parser = parse,
    .doc =
        "Recomputes outcomes and dead letters from the input topics and compares them with "
        "what the stage has written: missing, extra or different ones, gaps and repeats of "
        "revisions, outcomes in aborted transactions only. It joins no group and writes "
        "nothing; the stage may run meanwhile.\v"
        "Give it the configuration that `run` has. What the stage need not have done yet, and "
        "what hangs on an order of events that nobody knows, is counted, but is no fault.\n\n"
        "Examples:\n"
        "  upshot audit -F run.conf\n"
        "        all that the topics hold\n"
        "  upshot audit -F run.conf --from -36h --json | jq .faults.missing\n"
        "        messages that began in the last 36 hours\n"
        "  upshot audit -F run.conf --channels new-tables --report review.md\n"
        "        before tables go live: delivered -> failed: 1204, with examples\n\n"
        "Exit codes: 0 no difference, 1 a difference (with --channels: a change), 2 usage or "
        "config, 3 the world failed.\n\n" OPTIONS_HELP,
};

int command_audit(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct buffer complaints = {0};
    struct tables tables = {0};
    const char *dir;
    int code;

    config_init(&arguments.config);
    argp_parse(&argp_of_audit, argc, argv, 0, NULL, &arguments);
    dir = arguments.channels != NULL ? arguments.channels : arguments.config.channels_dir;
    code = options_check_config(&arguments.config);
    if (code == EXIT_WELL && !channel_files_load(dir[0] == 0 ? NULL : dir, &tables, &complaints)) {
        fwrite(complaints.bytes, 1, complaints.size, stderr);
        code = EXIT_USAGE;
    }
    if (code == EXIT_WELL)
        code = run(&arguments, &tables);
    tables_release(&tables);
    buffer_release(&complaints);
    config_release(&arguments.config);
    return code;
}
