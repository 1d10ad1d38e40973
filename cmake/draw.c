/*
 * draw.c: run by the build: the machines of the built-in tables, drawn, as one C file.
 *
 *   draw OUT.c
 *
 * Where there is no dot, the file holds no drawing, and the page shows lists.
 */
#include "consumer/drawing.h"
#include "schemas/channel_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void put_array(FILE *file, size_t number, const struct buffer *svg)
{
    fprintf(file, "static const unsigned char drawing_%zu[] = {", number);
    for (size_t i = 0; i < svg->size; i++)
        fprintf(file, "%s%u,", i % 32 == 0 ? "\n    " : "", svg->bytes[i]);
    fprintf(file, "\n};\n\n");
}

static size_t put_arrays(FILE *file, const struct tables *tables)
{
    for (size_t i = 0; i < tables->count; i++) {
        struct buffer svg = {0};
        enum drawing_result result = drawing_svg(&svg, tables->rows[i], false, NULL);
        if (result == DRAWING_NO_DOT) {
            fprintf(stderr, "no dot here (graphviz): the page will show lists, not drawings\n");
            return 0;
        }
        if (result != DRAWING_MADE) {
            fprintf(stderr, "dot failed at the drawing of %s\n", tables->rows[i]->channel);
            exit(1);
        }
        put_array(file, i, &svg);
        buffer_release(&svg);
    }
    return tables->count;
}

int main(int argc, char **argv)
{
    struct tables tables = {0};
    struct buffer complaints = {0};
    FILE *file = argc == 2 ? fopen(argv[1], "w") : NULL;
    size_t drawn;

    if (file == NULL || !channel_files_load(NULL, &tables, &complaints)) {
        fprintf(stderr, "draw: cannot write, or the tables are not sound\n");
        return 1;
    }
    fprintf(file, "/* Made by cmake/draw.c. */\n#include \"consumer/drawing.h\"\n\n");
    drawn = put_arrays(file, &tables);
    fprintf(file, "const struct builtin_drawing builtin_drawings[] = {\n");
    for (size_t i = 0; i < drawn; i++)
        fprintf(file, "    {\"%s\", 0x%016" PRIx64 ", drawing_%zu, sizeof(drawing_%zu)},\n",
                tables.rows[i]->channel, tables.rows[i]->digest, i, i);
    fprintf(file, "    {0},\n};\n\nconst size_t builtin_drawing_count = %zu;\n", drawn);
    tables_release(&tables);
    return fclose(file) == 0 ? 0 : 1;
}
