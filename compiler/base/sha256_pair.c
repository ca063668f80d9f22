/* Source: FIPS 180-4, 6.2 (SHA-256); Intel's "Intel SHA Extensions" (2013) for what the instructions do:
 * sha256rnds2 does two rounds, on a state kept as ABEF and CDGH; sha256msg1 and sha256msg2 make four
 * words of the message schedule. */
#include "compiler/base/sha256_pair.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

enum { PIECE = 64, LENGTH_BYTES = 8 };

#define WITH_SHA __attribute__((target("sha,sse4.1")))
#define INLINE_WITH_SHA static inline __attribute__((target("sha,sse4.1"), always_inline))

/* One message under way: its state, and the sixteen words of the schedule that come next. */
struct lane {
    __m128i abef, cdgh;
    __m128i w0, w1, w2, w3;
};

static const uint32_t K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* The first state, from the highest word of each half to the lowest. */
INLINE_WITH_SHA void begin(struct lane *lane)
{
    lane->abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c);
    lane->cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19);
}

INLINE_WITH_SHA __m128i load(const uint8_t *at)
{
    const __m128i swap = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)at), swap);
}

INLINE_WITH_SHA void load_piece(struct lane *lane, const uint8_t *piece)
{
    lane->w0 = load(piece);
    lane->w1 = load(piece + 16);
    lane->w2 = load(piece + 32);
    lane->w3 = load(piece + 48);
}

/* Four rounds with the words `w`. */
INLINE_WITH_SHA void rounds(struct lane *lane, __m128i w, __m128i k)
{
    w = _mm_add_epi32(w, k);
    lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, w);
    lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(w, 0x0e));
}

/* The four words that come after `d`. */
INLINE_WITH_SHA __m128i schedule(__m128i a, __m128i b, __m128i c, __m128i d)
{
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8(d, c, 4));
    return _mm_sha256msg2_epu32(sum, d);
}

INLINE_WITH_SHA void sixteen_rounds(struct lane *a, struct lane *b, const __m128i *k)
{
    rounds(a, a->w0, k[0]);
    rounds(b, b->w0, k[0]);
    rounds(a, a->w1, k[1]);
    rounds(b, b->w1, k[1]);
    rounds(a, a->w2, k[2]);
    rounds(b, b->w2, k[2]);
    rounds(a, a->w3, k[3]);
    rounds(b, b->w3, k[3]);
}

/* The same, and the sixteen words after them. */
INLINE_WITH_SHA void rounds_and_schedule(struct lane *a, struct lane *b, const __m128i *k)
{
    rounds(a, a->w0, k[0]);
    rounds(b, b->w0, k[0]);
    a->w0 = schedule(a->w0, a->w1, a->w2, a->w3);
    b->w0 = schedule(b->w0, b->w1, b->w2, b->w3);
    rounds(a, a->w1, k[1]);
    rounds(b, b->w1, k[1]);
    a->w1 = schedule(a->w1, a->w2, a->w3, a->w0);
    b->w1 = schedule(b->w1, b->w2, b->w3, b->w0);
    rounds(a, a->w2, k[2]);
    rounds(b, b->w2, k[2]);
    a->w2 = schedule(a->w2, a->w3, a->w0, a->w1);
    b->w2 = schedule(b->w2, b->w3, b->w0, b->w1);
    rounds(a, a->w3, k[3]);
    rounds(b, b->w3, k[3]);
    a->w3 = schedule(a->w3, a->w0, a->w1, a->w2);
    b->w3 = schedule(b->w3, b->w0, b->w1, b->w2);
}

INLINE_WITH_SHA void pieces(struct lane *a, struct lane *b, const uint8_t *from_a, const uint8_t *from_b,
                            size_t count)
{
    for (const __m128i *k = (const __m128i *)K; count > 0; count--, from_a += PIECE, from_b += PIECE) {
        __m128i abef_a = a->abef, cdgh_a = a->cdgh, abef_b = b->abef, cdgh_b = b->cdgh;
        load_piece(a, from_a);
        load_piece(b, from_b);
        rounds_and_schedule(a, b, k); /* a loop would cost a tenth */
        rounds_and_schedule(a, b, k + 4);
        rounds_and_schedule(a, b, k + 8);
        sixteen_rounds(a, b, k + 12);
        a->abef = _mm_add_epi32(a->abef, abef_a);
        a->cdgh = _mm_add_epi32(a->cdgh, cdgh_a);
        b->abef = _mm_add_epi32(b->abef, abef_b);
        b->cdgh = _mm_add_epi32(b->cdgh, cdgh_b);
    }
}

/* What does not fill a piece, the bit behind it, zeros, and the length in bits: one piece or two. */
static size_t last_pieces(const uint8_t *bytes, size_t length, uint8_t out[2 * PIECE])
{
    size_t rest = length % PIECE;
    size_t count = rest + 1 + LENGTH_BYTES <= PIECE ? 1 : 2;
    memset(out, 0, 2 * PIECE);
    if (rest > 0) {
        memcpy(out, bytes + length - rest, rest);
    }
    out[rest] = 0x80;
    for (size_t i = 0; i < LENGTH_BYTES; i++) {
        out[count * PIECE - 1 - i] = (uint8_t)((uint64_t)length * 8 >> (8 * i));
    }
    return count;
}

INLINE_WITH_SHA void end(const struct lane *lane, uint8_t out[SHA256_SIZE])
{
    const __m128i reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m128i abcd = _mm_unpackhi_epi64(lane->cdgh, lane->abef);
    __m128i efgh = _mm_unpacklo_epi64(lane->cdgh, lane->abef);
    _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(abcd, reverse));
    _mm_storeu_si128((__m128i *)(out + 16), _mm_shuffle_epi8(efgh, reverse));
}

WITH_SHA static void pair(const void *a, const void *b, size_t length, uint8_t out_a[SHA256_SIZE],
                          uint8_t out_b[SHA256_SIZE])
{
    struct lane lane_a, lane_b;
    uint8_t last_a[2 * PIECE], last_b[2 * PIECE];
    begin(&lane_a);
    begin(&lane_b);
    pieces(&lane_a, &lane_b, a, b, length / PIECE);
    last_pieces(a, length, last_a);
    pieces(&lane_a, &lane_b, last_a, last_b, last_pieces(b, length, last_b));
    end(&lane_a, out_a);
    end(&lane_b, out_b);
}

sha256_pair sha256_pair_here(void)
{
    unsigned a, b, c, d;
    bool sse = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1) && (c & bit_SSSE3);
    bool sha = sse && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
    return sha ? pair : NULL;
}

#else

sha256_pair sha256_pair_here(void)
{
    return NULL;
}

#endif
