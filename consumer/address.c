/* address.c: the last colon outside of brackets parts host and port. */
#include "consumer/address.h"

#include <string.h>

static bool port_good(const char *text)
{
    int port = 0;

    if (*text == 0)
        return false;
    for (; *text != 0; text++) {
        if (*text < '0' || *text > '9')
            return false;
        port = 10 * port + (*text - '0');
        if (port > 65535)
            return false;
    }
    return true;
}

bool address_parse(const char *text, struct address *address)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);

    if (colon == NULL || !port_good(colon + 1) || strlen(colon + 1) >= sizeof(address->port))
        return false;
    if (size >= 2 && text[0] == '[' && colon[-1] == ']') {
        text++;
        size -= 2;
    } else if (memchr(text, ':', size) != NULL || memchr(text, '[', size) != NULL) {
        return false; /* IPv6 without brackets: which of the colons? */
    }
    if (size >= sizeof(address->host))
        return false;
    memcpy(address->host, text, size);
    address->host[size] = 0;
    strcpy(address->port, colon + 1);
    return true;
}
