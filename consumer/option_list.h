/*
 * option_list.h: a command's options as one list, out of the tables that argp has: its own, its
 * children's, and those that argp adds to every command.
 */
#ifndef UPSHOT_CONSUMER_OPTION_LIST_H
#define UPSHOT_CONSUMER_OPTION_LIST_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

enum { OPTIONS_MAX = 64 };

struct option_row {
    char letter;          /* 0: none */
    const char *name;     /* NULL: none; without its dashes */
    const char *argument; /* NULL: takes none. "logfmt|json" lists what it may be */
    const char *help;
};

struct option_list {
    struct option_row rows[OPTIONS_MAX];
    size_t count;
};

/* Borrows from the tables. Hidden ones are left out; an alias is a row of its own. */
void option_list_of(const struct argp *argp, struct option_list *list);

/* A placeholder of small letters lists what it may be: "dot|mermaid|svg", "dump|stat". */
bool option_lists_words(const char *placeholder);

/* The size of the next of these words, and *at behind it; 0 at the end. */
size_t option_next_word(const char **at);

/* The part of argp's doc before the options, and the one behind them: '\v' is between. */
size_t option_doc_size(const char *doc);
const char *option_doc_behind(const char *doc);

#endif
