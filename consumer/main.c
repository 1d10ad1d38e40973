/* main.c: the first word chooses the command. */
#include "consumer/command.h"
#include "schemas/arena.h"

#include <argp.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

static int usage(FILE *out, int code)
{
    fprintf(out, "usage: upshot COMMAND [OPTION...]\n\n"
                 "Drives messages' send and receipt events to one final outcome each.\n\n");
    for (size_t i = 0; i < command_count; i++)
        fprintf(out, "  %-11s %s\n", commands[i].word, commands[i].summary);
    fprintf(out,
            "\n`upshot COMMAND --help` says more, `upshot man | man -l -` says all. Exit codes:\n"
            "0 well, 1 found something wrong, 2 usage or config, 3 the world failed.\n");
    return code;
}

/* The loaded library need not be the one whose headers were at hand; support will ask for both. */
static void version(void)
{
    printf("upshot %s\nlibrdkafka %s (built with %d.%d.%d)\n", UPSHOT_VERSION,
           rd_kafka_version_str(), RD_KAFKA_VERSION >> 24, RD_KAFKA_VERSION >> 16 & 0xff,
           RD_KAFKA_VERSION >> 8 & 0xff);
}

/* What could not be written was not done: a full disk must not look like success. */
static int written(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    perror("upshot: stdout");
    return code == EXIT_WELL ? EXIT_WORLD : code;
}

int main(int argc, char **argv)
{
    char name[64];

    argp_err_exit_status = EXIT_USAGE;
    arena_hook_cjson();
    if (argc < 2)
        return usage(stderr, EXIT_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return written(usage(stdout, EXIT_WELL));
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        version();
        return written(EXIT_WELL);
    }
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(argv[1], commands[i].word) == 0) {
            snprintf(name, sizeof(name), "upshot %s", commands[i].word);
            argv[1] = name;
            return written(commands[i].run(argc - 1, argv + 1));
        }
    fprintf(stderr, "upshot: there is no command \"%s\"\n\n", argv[1]);
    return usage(stderr, EXIT_USAGE);
}
