/*
 * command_man.c: upshot man, the manual page.
 *
 * In the man macros that groff and mandoc share. What it says of commands and options is what
 * their --help says, and of properties what `check --properties` does: nothing is told twice.
 */
#include "consumer/command.h"
#include "consumer/config.h"
#include "consumer/option_list.h"

#include <stdio.h>
#include <string.h>

/* ---- text ------------------------------------------------------------------------------- */

/* One character of plain text, so that it comes out as it is. */
static void put_char(char letter)
{
    switch (letter) {
    case '\\':
        fputs("\\e", stdout);
        break;
    case '-':
        fputs("\\-", stdout);
        break;
    case '\'':
        fputs("\\(aq", stdout);
        break;
    case '`':
        fputs("\\(ga", stdout);
        break;
    case '"':
        fputs("\\(dq", stdout);
        break;
    case '^':
        fputs("\\(ha", stdout);
        break;
    case '~':
        fputs("\\(ti", stdout);
        break;
    default:
        putchar(letter);
    }
}

/* A line that begins with a dot would be a request. */
static void put_plain(const char *text, size_t size)
{
    if (size > 0 && *text == '.')
        fputs("\\&", stdout);
    for (size_t i = 0; i < size; i++)
        put_char(text[i]);
}

/* A line of prose: `what is quoted so` is bold. */
static void put_prose(const char *text, size_t size)
{
    bool bold = false;

    if (size > 0 && *text == '.')
        fputs("\\&", stdout);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '`') {
            fputs(bold ? "\\fR" : "\\fB", stdout);
            bold = !bold;
        } else {
            put_char(text[i]);
        }
    }
    fputs(bold ? "\\fR\n" : "\n", stdout);
}

static void put_bold(const char *text)
{
    fputs("\\fB", stdout);
    put_plain(text, strlen(text));
    fputs("\\fR", stdout);
}

static void put_italic(const char *text)
{
    fputs("\\fI", stdout);
    put_plain(text, strlen(text));
    fputs("\\fR", stdout);
}

/* Lines that are set in are examples, and stand as they are; the others make paragraphs. */
static void put_lines(const char *text)
{
    bool example = false, paragraph = false;

    while (*text != 0) {
        size_t size = strcspn(text, "\n");
        bool set_in = strncmp(text, "  ", 2) == 0;

        if (set_in != example)
            puts(set_in ? ".RS 4\n.EX" : ".EE\n.RE");
        example = set_in;
        if (set_in) {
            put_plain(text + 2, size - 2);
            putchar('\n');
        } else if (size > 0) {
            fputs(paragraph ? "" : ".PP\n", stdout);
            put_prose(text, size);
        }
        paragraph = size > 0 && !set_in;
        text += size + (text[size] == '\n');
    }
    if (example)
        puts(".EE\n.RE");
}

/* ---- parts ------------------------------------------------------------------------------ */

static void put_option(const struct option_row *row)
{
    puts(".TP");
    if (row->letter != 0) {
        put_bold((char[]){'-', row->letter, 0});
        fputs(row->name == NULL ? "" : ", ", stdout);
    }
    if (row->name != NULL) {
        fputs("\\fB\\-\\-", stdout);
        put_plain(row->name, strlen(row->name));
        fputs("\\fR", stdout);
    }
    if (row->argument != NULL) {
        putchar(row->name == NULL ? ' ' : '=');
        put_italic(row->argument);
    }
    putchar('\n');
    if (row->help != NULL)
        put_prose(row->help, strlen(row->help));
}

/* argp has the alternatives of a synopsis on lines of their own. */
static void put_synopses(const struct command *command)
{
    const char *arguments = command->argp->args_doc == NULL ? "" : command->argp->args_doc;

    do {
        size_t size = strcspn(arguments, "\n");
        printf(".SS upshot %s [OPTION...]%s", command->word, size > 0 ? " " : "");
        put_plain(arguments, size);
        putchar('\n');
        arguments += size;
    } while (*arguments++ == '\n');
}

static void put_command(const struct command *command)
{
    struct option_list list;

    put_synopses(command);
    if (option_doc_size(command->argp->doc) > 0)
        put_prose(command->argp->doc, option_doc_size(command->argp->doc));
    option_list_of(command->argp, &list);
    for (size_t i = 0; i < list.count; i++)
        put_option(&list.rows[i]);
    put_lines(option_doc_behind(command->argp->doc));
}

static void put_properties(void)
{
    struct buffer all = {0};
    char *line, *next;

    config_describe(&all);
    buffer_put_byte(&all, 0);
    for (line = (char *)all.bytes; *line != 0; line = next) {
        char *value = strchr(line, '\t'), *help = strchr(value + 1, '\t');
        next = strchr(help, '\n') + 1;
        *value++ = *help++ = 0;
        puts(".TP");
        put_bold(line);
        if (*value != 0) {
            putchar('=');
            put_plain(value, strlen(value));
        }
        putchar('\n');
        put_prose(help, (size_t)(next - 1 - help));
    }
    buffer_release(&all);
}

static void put_page(void)
{
    printf(".TH UPSHOT 1 \"\" \"upshot %s\" \"User Commands\"\n", UPSHOT_VERSION);
    puts(".SH NAME\nupshot \\- final outcomes of messages, for Kafka\n"
         ".SH SYNOPSIS\n\\fBupshot\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]\n.br\n"
         "\\fBupshot\\fR \\fICOMMAND\\fR \\fB\\-\\-help\\fR\n.br\n"
         "\\fBupshot \\-\\-version\\fR\n"
         ".SH DESCRIPTION\n"
         "Reads send and receipt events of messages from Kafka, drives each message through its\n"
         "channel\\(aqs state machine, and emits one final outcome per message, and a numbered\n"
         "correction when a stronger fact arrives later: exactly once, and right in any order.\n"
         ".SH COMMANDS");
    for (size_t i = 0; i < command_count; i++)
        put_command(&commands[i]);
    puts(".SH CONFIGURATION\n"
         "Lines of \\fIprop\\fR=\\fIvalue\\fR in the \\fIFILE\\fR of \\fB\\-F\\fR, or "
         "\\fB\\-X\\fR; the last one counts.\n"
         "Every property of librdkafka passes through. upshot\\(aqs own, with their defaults:");
    put_properties();
    puts(".SH EXIT STATUS\n"
         ".TP\n0\nwell\n.TP\n1\nfound something wrong\n.TP\n2\nusage or configuration\n"
         ".TP\n3\nthe world failed: a broker, a disk\n"
         ".SH ENVIRONMENT\n"
         ".TP\nNOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID\n"
         "Set by systemd: \\fBupshot run\\fR says when it is ready, how it goes, that it lives\n"
         "and that it stops, as sd_notify(3) has it.\n"
         ".SH SEE ALSO\nkcat(1), jq(1), dot(1)");
}

/* ---- the command ------------------------------------------------------------------------ */

static error_t parse(int key, char *value, struct argp_state *state)
{
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    argp_error(state, "no argument is expected, but there is \"%s\"", value);
    return EINVAL;
}

const struct argp argp_of_man = {
    .parser = parse,
    .doc = "Writes the manual page: every command with its options, every property, exit "
           "codes.\v"
           "Examples:\n"
           "  upshot man | man -l -\n"
           "  upshot man > /usr/local/share/man/man1/upshot.1",
};

int command_man(int argc, char **argv)
{
    argp_parse(&argp_of_man, argc, argv, 0, NULL, NULL);
    put_page();
    return EXIT_WELL;
}
