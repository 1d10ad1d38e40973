/* command_graph.c: placeholder while it is being written. */
#include "consumer/command.h"

int command_graph(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return EXIT_USAGE;
}
