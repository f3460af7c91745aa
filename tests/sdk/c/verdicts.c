/* SPDX-License-Identifier: Apache-2.0
 * Reads lines "AT_MS HEX [ROOT_SHA256_HEX]" and answers each with "ok" or the error's code, by the C library and with
 * every exception allowed: what is left is whether the document is authentic and valid at the time. */
#include "redoubt_attestation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 256 * 1024 };

static int digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* The size, or -1. */
static long decode(const char *hex, uint8_t *out) {
    long size = 0;
    for (; hex[0] != '\0'; hex += 2) {
        if (digit(hex[0]) < 0 || digit(hex[1]) < 0)
            return -1;
        out[size++] = (uint8_t)(digit(hex[0]) * 16 + digit(hex[1]));
    }
    return size;
}

int main(void) {
    char *line = malloc(MAX_LINE);
    uint8_t *document = malloc(MAX_LINE);
    if (line == NULL || document == NULL)
        return 1;
    while (fgets(line, MAX_LINE, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *at = strtok(line, " ");
        const char *hex = strtok(NULL, " ");
        const char *root_hex = strtok(NULL, " ");
        uint8_t root[32];
        redoubt_attestation_demands demands;
        redoubt_attestation_result result;
        memset(&demands, 0, sizeof demands);
        demands.struct_size = sizeof demands;
        demands.allow = REDOUBT_ALLOW_DEBUG | REDOUBT_ALLOW_UNPINNED | REDOUBT_ALLOW_ANY_NONCE;
        if (at != NULL)
            demands.at_ms = strtoll(at, NULL, 10);
        if (root_hex != NULL) {
            if (strlen(root_hex) != 64 || decode(root_hex, root) != 32)
                return 1;
            demands.root_sha256 = root;
            demands.allow |= REDOUBT_ALLOW_OTHER_ROOT;
        }
        const long size = hex == NULL || strcmp(hex, "-") == 0 ? 0 : decode(hex, document);
        if (size < 0)
            return 1;
        redoubt_attestation_verify(document, (size_t)size, &demands, &result);
        puts(result.code);
    }
    free(line);
    free(document);
    return ferror(stdout) != 0;
}
