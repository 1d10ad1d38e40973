/*
 * command_completion.c: upshot completion, for bash and zsh.
 *
 * Made of the same tables as --help. What an argument may be is read off its placeholder: small
 * letters (dump|stat) are the words themselves, FILE and DIR lie on the disk, PROP=VALUE is a
 * property, CHANNEL one of the channels built in.
 */
#include "consumer/command.h"
#include "consumer/config.h"
#include "consumer/option_list.h"
#include "schemas/channel_file.h"

#include <stdio.h>
#include <string.h>

enum kind { KIND_UNKNOWN, KIND_WORDS, KIND_FILES, KIND_PROPERTIES, KIND_CHANNELS };

static enum kind kind_of(const char *placeholder)
{
    if (option_lists_words(placeholder))
        return KIND_WORDS;
    if (strcmp(placeholder, "PROP=VALUE") == 0)
        return KIND_PROPERTIES;
    if (strcmp(placeholder, "CHANNEL") == 0)
        return KIND_CHANNELS;
    if (strstr(placeholder, "FILE") != NULL || strstr(placeholder, "DIR") != NULL)
        return KIND_FILES;
    return KIND_UNKNOWN;
}

/*
 * The first argument of a command as one placeholder, out of what argp shows: "[DIR|FILE...]" is
 * DIR|FILE, "dump\nstat" is dump|stat, "CHANNEL [STATUS...]" is CHANNEL.
 */
static void first_argument(const char *args_doc, char *out, size_t room)
{
    size_t size = 0;

    for (const char *line = args_doc; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (size > 0 && size + 1 < room)
            out[size++] = '|';
        for (const char *at = line; *at != 0 && strchr(" \n", *at) == NULL; at++)
            if (strchr("[].", *at) == NULL && size + 1 < room)
                out[size++] = *at;
    }
    out[size] = 0;
}

static void put_words(const char *placeholder)
{
    const char *before = "";
    size_t size;

    while ((size = option_next_word(&placeholder)) > 0) {
        printf("%s%.*s", before, (int)size, placeholder - size);
        before = " ";
    }
}

static void put_properties(void)
{
    struct buffer all = {0};
    const char *before = "";

    config_describe(&all);
    buffer_put_byte(&all, 0);
    for (const char *line = (const char *)all.bytes; *line != 0; line = strchr(line, '\n') + 1) {
        printf("%s%.*s=", before, (int)strcspn(line, "\t"), line);
        before = " ";
    }
    buffer_release(&all);
}

static void put_channels(void)
{
    for (size_t i = 0; i < builtin_channel_count; i++) {
        const char *file = builtin_channels[i].file;
        printf("%s%.*s", i == 0 ? "" : " ", (int)strcspn(file, "."), file);
    }
}

/* ---- bash ------------------------------------------------------------------------------- */

static void put_bash_choice(const char *placeholder)
{
    switch (kind_of(placeholder)) {
    case KIND_WORDS:
        fputs("_upshot_words '", stdout);
        put_words(placeholder);
        fputs("'", stdout);
        return;
    case KIND_PROPERTIES:
        fputs("_upshot_words \"$_upshot_properties\"", stdout);
        return;
    case KIND_CHANNELS:
        fputs("_upshot_words \"$_upshot_channels\"", stdout);
        return;
    case KIND_FILES:
        fputs("_upshot_files", stdout);
        return;
    case KIND_UNKNOWN:
        fputs(":", stdout);
        return;
    }
}

/* "run -F" | "run --config") _upshot_files ;; */
static void put_bash_option(const char *command, const struct option_row *row)
{
    if (row->argument == NULL)
        return;
    fputs("    ", stdout);
    if (row->letter != 0)
        printf("\"%s -%c\"%s", command, row->letter, row->name == NULL ? "" : " | ");
    if (row->name != NULL)
        printf("\"%s --%s\"", command, row->name);
    fputs(") ", stdout);
    put_bash_choice(row->argument);
    puts(" ;;");
}

static void put_bash_command(const struct command *command)
{
    struct option_list list;
    char argument[128];

    option_list_of(command->argp, &list);
    for (size_t i = 0; i < list.count; i++)
        put_bash_option(command->word, &list.rows[i]);
    printf("    \"%s \"*)\n        case $word in\n        -*) _upshot_words '", command->word);
    for (size_t i = 0; i < list.count; i++)
        if (list.rows[i].name != NULL)
            printf("%s--%s", i == 0 ? "" : " ", list.rows[i].name);
    fputs("' ;;\n        *) ", stdout);
    first_argument(command->argp->args_doc, argument, sizeof(argument));
    put_bash_choice(argument);
    puts(" ;;\n        esac\n        ;;");
}

static void put_bash(void)
{
    fputs("# Completion of upshot for bash, by `upshot completion bash`.\n"
          "_upshot_properties='",
          stdout);
    put_properties();
    fputs("'\n_upshot_channels='", stdout);
    put_channels();
    fputs("'\n\n"
          "_upshot_words() {\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$word\")\n"
          "    if [[ ${COMPREPLY[0]-} == *= ]]; then compopt -o nospace 2>/dev/null; fi\n"
          "}\n\n"
          "_upshot_files() {\n"
          "    mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
          "    compopt -o filenames 2>/dev/null\n"
          "}\n\n"
          "_upshot() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -le 1 ]; then\n"
          "        _upshot_words '",
          stdout);
    for (size_t i = 0; i < command_count; i++)
        printf("%s ", commands[i].word);
    puts("--help --version'\n"
         "        return 0\n"
         "    fi\n"
         "    # --option=value comes in three words.\n"
         "    if [ \"$word\" = = ]; then\n"
         "        word=\n"
         "    elif [ \"$before\" = = ]; then\n"
         "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
         "    fi\n"
         "    case \"${COMP_WORDS[1]} $before\" in");
    for (size_t i = 0; i < command_count; i++)
        put_bash_command(&commands[i]);
    puts("    esac\n"
         "    return 0\n"
         "}\n\n"
         "complete -F _upshot upshot");
}

/* ---- zsh -------------------------------------------------------------------------------- */

/* Within single quotes, and within the brackets of _arguments. */
static void put_zsh_text(const char *text)
{
    for (; *text != 0; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr("[]:\\", *text) != NULL)
            printf("\\%c", *text);
        else
            putchar(*text);
}

static void put_zsh_choice(const char *placeholder)
{
    switch (kind_of(placeholder)) {
    case KIND_WORDS:
        putchar('(');
        put_words(placeholder);
        putchar(')');
        return;
    case KIND_PROPERTIES:
        fputs("_upshot_properties", stdout);
        return;
    case KIND_CHANNELS:
        fputs("_upshot_channels", stdout);
        return;
    case KIND_FILES:
        fputs("_files", stdout);
        return;
    case KIND_UNKNOWN:
        putchar(' ');
        return;
    }
}

static void put_zsh_option(const char *dashes, const char *name, char takes,
                           const struct option_row *row)
{
    printf(" \\\n            '*%s%s", dashes, name);
    if (row->argument != NULL)
        putchar(takes);
    putchar('[');
    put_zsh_text(row->help == NULL ? "" : row->help);
    putchar(']');
    if (row->argument != NULL) {
        putchar(':');
        put_zsh_text(row->argument);
        putchar(':');
        put_zsh_choice(row->argument);
    }
    putchar('\'');
}

static void put_zsh_command(const struct command *command)
{
    struct option_list list;
    char argument[128];

    option_list_of(command->argp, &list);
    printf("        %s)\n            _arguments -s", command->word);
    for (size_t i = 0; i < list.count; i++) {
        const struct option_row *row = &list.rows[i];
        if (row->letter != 0)
            put_zsh_option("-", (char[]){row->letter, 0}, '+', row);
        if (row->name != NULL)
            put_zsh_option("--", row->name, '=', row);
    }
    first_argument(command->argp->args_doc, argument, sizeof(argument));
    if (argument[0] != 0) {
        printf(" \\\n            '%c:", kind_of(argument) == KIND_FILES ? '*' : '1');
        put_zsh_text(argument);
        putchar(':');
        put_zsh_choice(argument);
        putchar('\'');
    }
    puts("\n            ;;");
}

static void put_zsh(void)
{
    fputs("#compdef upshot\n"
          "# Completion of upshot for zsh, by `upshot completion zsh`.\n\n"
          "_upshot_properties() {\n    compadd -S '' -- ",
          stdout);
    put_properties();
    fputs("\n}\n\n_upshot_channels() {\n    compadd -- ", stdout);
    put_channels();
    puts("\n}\n\n"
         "_upshot() {\n"
         "    local curcontext=$curcontext state line\n"
         "    local -A opt_args\n"
         "    local -a commands\n"
         "    commands=(");
    for (size_t i = 0; i < command_count; i++) {
        printf("        '%s:", commands[i].word);
        put_zsh_text(commands[i].summary);
        puts("'");
    }
    puts("    )\n"
         "    _arguments -C '--help[show the commands]' '--version[show the version]' \\\n"
         "        '1: :->command' '*:: :->rest'\n"
         "    case $state in\n"
         "    command) _describe -t commands command commands ;;\n"
         "    rest)\n"
         "        case $line[1] in");
    for (size_t i = 0; i < command_count; i++)
        put_zsh_command(&commands[i]);
    puts("        esac\n"
         "        ;;\n"
         "    esac\n"
         "}\n\n"
         "if [ \"$funcstack[1]\" = _upshot ]; then\n"
         "    _upshot \"$@\"\n"
         "else\n"
         "    compdef _upshot upshot\n"
         "fi");
}

/* ---- the command ------------------------------------------------------------------------ */

static const struct {
    const char *word;
    void (*put)(void);
} shells[] = {{"bash", put_bash}, {"zsh", put_zsh}};

static error_t parse(int key, char *value, struct argp_state *state)
{
    void (**put)(void) = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++)
            if (*put == NULL && strcmp(value, shells[i].word) == 0) {
                *put = shells[i].put;
                return 0;
            }
        argp_error(state, "\"%s\" is not one shell, bash or zsh", value);
        return EINVAL;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name a shell: bash or zsh");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp argp_of_completion = {
    .parser = parse,
    .args_doc = "bash|zsh",
    .doc = "Writes what a shell needs to complete upshot's commands, options, and their "
           "values.\v"
           "Examples:\n"
           "  source <(upshot completion bash)\n"
           "  upshot completion bash > /usr/share/bash-completion/completions/upshot\n"
           "  upshot completion zsh > /usr/share/zsh/site-functions/_upshot",
};

int command_completion(int argc, char **argv)
{
    void (*put)(void) = NULL;

    argp_parse(&argp_of_completion, argc, argv, 0, NULL, &put);
    put();
    return EXIT_WELL;
}
