/* option_list.c: walks along argp's tables. */
#include "consumer/option_list.h"

#include "statemachine/require.h"

#include <ctype.h>
#include <string.h>

static void add(struct option_list *list, struct option_row row)
{
    require(list->count < OPTIONS_MAX);
    list->rows[list->count++] = row;
}

static void add_table(struct option_list *list, const struct argp_option *option)
{
    const struct argp_option *real = option;

    for (; option->name != NULL || option->key != 0 || option->doc != NULL; option++) {
        if ((option->flags & OPTION_ALIAS) == 0)
            real = option;
        if ((option->flags & OPTION_HIDDEN) != 0 || (option->flags & OPTION_DOC) != 0 ||
            (option->name == NULL && option->key == 0))
            continue;
        add(list, (struct option_row){
                      .letter = option->key > ' ' && option->key < 127 ? (char)option->key : 0,
                      .name = option->name,
                      .argument = real->arg,
                      .help = real->doc,
                  });
    }
}

static void add_argp(struct option_list *list, const struct argp *argp)
{
    if (argp->options != NULL)
        add_table(list, argp->options);
    for (const struct argp_child *child = argp->children; child != NULL && child->argp != NULL;
         child++)
        add_argp(list, child->argp);
}

void option_list_of(const struct argp *argp, struct option_list *list)
{
    list->count = 0;
    add_argp(list, argp);
    add(list, (struct option_row){'?', "help", NULL, "show what there is to know, and end"});
    add(list, (struct option_row){0, "usage", NULL, "show the options in short, and end"});
}

bool option_lists_words(const char *placeholder)
{
    if (*placeholder == 0)
        return false;
    for (; *placeholder != 0; placeholder++)
        if (!islower((unsigned char)*placeholder) && strchr("|-", *placeholder) == NULL)
            return false;
    return true;
}

size_t option_next_word(const char **at)
{
    size_t size;

    *at += strspn(*at, "|");
    size = strcspn(*at, "|");
    *at += size;
    return size;
}

size_t option_doc_size(const char *doc)
{
    return doc == NULL ? 0 : strcspn(doc, "\v");
}

const char *option_doc_behind(const char *doc)
{
    const char *found = doc == NULL ? NULL : strchr(doc, '\v');

    return found == NULL ? "" : found + 1;
}
