/* address.h: where to listen or whom to ask: HOST:PORT, [IPV6]:PORT, or :PORT for every address. */
#ifndef UPSHOT_CONSUMER_ADDRESS_H
#define UPSHOT_CONSUMER_ADDRESS_H

#include <stdbool.h>

struct address {
    char host[256]; /* without brackets; empty: every address */
    char port[6];   /* 0 to 65535; 0: any that is free */
};

/* False where it has another form. */
bool address_parse(const char *text, struct address *address);

#endif
