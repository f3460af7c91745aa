/* SPDX-License-Identifier: Apache-2.0
 *
 * Verifies attestation documents of AWS Nitro Enclaves: a C interface to Redoubt's verifier, in one shared
 * library (libredoubt_attestation.so) that needs nothing but the C and C++ runtime. The rules are those of
 * docs/attestation.md; sdk/js/attestation is the same in JavaScript.
 *
 * A document passes only if it leads to AWS's root, is valid at the time, is no debug enclave's, has the
 * pinned PCR0 and PCR16, and is fresh: by its nonce or by its age. Each exception is a bit of `allow`.
 *
 * No function keeps state: all may be called from any thread. Nothing is allocated that the caller must free.
 * No input makes them read outside the lengths given.
 */
#ifndef REDOUBT_ATTESTATION_H
#define REDOUBT_ATTESTATION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    REDOUBT_ALLOW_DEBUG = 1,      /* a debug enclave, which protects nothing */
    REDOUBT_ALLOW_UNPINNED = 2,   /* PCR0 or PCR16 without a pin: any image or manifest */
    REDOUBT_ALLOW_ANY_NONCE = 4,  /* neither nonce nor greatest age: a replay passes */
    REDOUBT_ALLOW_OTHER_ROOT = 8, /* a root_sha256 that is not AWS's */
};

/* Set everything to zero, then what is wanted; struct_size = sizeof(redoubt_attestation_demands). */
typedef struct redoubt_attestation_demands {
    size_t struct_size;
    int64_t at_ms;              /* Unix time in milliseconds for which to verify; required, > 0 */
    const uint8_t* root_sha256; /* 32 bytes; NULL: AWS's root G1 */
    const uint8_t* pcrs[32];    /* by index: 48 bytes that the PCR must be, or NULL; 16 is the manifest's */
    const uint8_t* nonce;       /* what the caller sent, or NULL */
    size_t nonce_size;
    int64_t max_age_ms; /* greatest age of the document at at_ms; used if has_max_age is not 0 */
    int has_max_age;
    const char* purpose; /* purpose that user_data must name, zero-terminated, or NULL */
    unsigned allow;      /* REDOUBT_ALLOW_… */
} redoubt_attestation_demands;

/* What a document says. Trust it only when redoubt_attestation_verify returned 0. */
typedef struct redoubt_attestation_result {
    char code[32];         /* "ok", or the error's stable code: attestation_invalid, attestation_untrusted,
                              attestation_expired, usage */
    char failed_check[16]; /* the first check that failed, or empty */
    char detail[256];      /* a sentence about it, cut if longer */
    unsigned exceptions;   /* REDOUBT_ALLOW_… that were made use of */
    int64_t timestamp_ms;
    char module_id[257];
    uint8_t pcrs[32][64];
    uint8_t pcr_sizes[32]; /* 0: absent */
    uint8_t public_key[1024], user_data[1024], nonce[1024];
    uint16_t public_key_size, user_data_size, nonce_size;
} redoubt_attestation_result;

/* 0: verified. 1: not; `result` says why. 2: the demands make no sense (a NULL, a wrong struct_size, no
 * time). `result` may be NULL. */
int redoubt_attestation_verify(const uint8_t* document, size_t size,
                               const redoubt_attestation_demands* demands,
                               redoubt_attestation_result* result);

#ifdef __cplusplus
}
#endif

#endif
