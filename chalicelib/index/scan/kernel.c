/* Exact integer dot products of int8 rows with one int8 query: the whole arithmetic of the first pass of a search.
 *
 * Plain C with one path written out for AVX-512 VNNI. For AVX2 and for the dot product instructions of ARMv8.2 the
 * compiler vectorises the same loop. The path is chosen when the library is loaded. All give the same integers:
 * at most 1,024 terms of at most 127 * 128, so nothing overflows.
 */
#include <stddef.h>
#include <stdint.h>

#define VERSION 1

#define AHEAD 12 /* rows prefetched while one is computed, if they do not lie side by side */

static inline void prefetch(const int8_t *row, int64_t width) {
    for (int64_t line = 0; line < width + 63; line += 64) __builtin_prefetch(row + line);
}

typedef void (*pick_path)(const int8_t *, int64_t, const int32_t *, int64_t, const int8_t *, int32_t *);
typedef int64_t (*scan_path)(const int8_t *, int64_t, int64_t, int64_t, const int8_t *, int32_t, int32_t *, int32_t *);

#define SCAN_LOOP                                                                   \
    int64_t found = 0;                                                              \
    for (int64_t row = begin; row < end; row++) {                                   \
        const int8_t *codes = rows + row * width;                                   \
        int32_t sum = 0;                                                            \
        for (int64_t at = 0; at < width; at++) sum += (int32_t)codes[at] * query[at]; \
        numbers[found] = (int32_t)row;                                              \
        sums[found] = sum;                                                          \
        found += sum >= cut;                                                        \
    }                                                                               \
    return found;

static int64_t scan_plain(const int8_t *rows, int64_t width, int64_t begin, int64_t end, const int8_t *query,
                          int32_t cut, int32_t *numbers, int32_t *sums) {
    SCAN_LOOP
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static int64_t scan_avx2(const int8_t *rows, int64_t width, int64_t begin, int64_t end,
                                                         const int8_t *query, int32_t cut, int32_t *numbers,
                                                         int32_t *sums) {
    SCAN_LOOP
}

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

/* Four sums of sixteen numbers each. */
VNNI static inline __m128i sums_of_4(__m512i a, __m512i b, __m512i c, __m512i d) {
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* One row's products, in sixteen sums. vpdpbusd multiplies unsigned by signed bytes, so it gets code + 128.
 * Row by row, because memory is read fastest in order: four rows at once take half as long again at 256 bytes. */
VNNI static inline __m512i products(const int8_t *codes, const int8_t *query, int64_t whole, __mmask64 rest) {
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    __m512i sum = _mm512_setzero_si512();
    for (int64_t at = 0; at < whole; at += 64)
        sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(_mm512_loadu_si512(codes + at), flip),
                                  _mm512_loadu_si512(query + at));
    if (rest)
        sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(_mm512_maskz_loadu_epi8(rest, codes + whole), flip),
                                  _mm512_maskz_loadu_epi8(rest, query + whole));
    return sum;
}

VNNI static int64_t scan_vnni(const int8_t *rows, int64_t width, int64_t begin, int64_t end, const int8_t *query,
                              int32_t cut, int32_t *numbers, int32_t *sums) {
    const int64_t whole = width & ~(int64_t)63;
    const __mmask64 rest = ((uint64_t)1 << (width - whole)) - 1;
    int32_t total = 0;
    for (int64_t at = 0; at < width; at++) total += query[at];
    const __m128i offset = _mm_set1_epi32(128 * total), least = _mm_set1_epi32(cut);
    int64_t found = 0, row = begin;
    for (; row + 4 <= end; row += 4) {
        const int8_t *codes = rows + row * width;
        const __m512i a = products(codes, query, whole, rest), b = products(codes + width, query, whole, rest);
        const __m512i c = products(codes + 2 * width, query, whole, rest);
        const __m512i d = products(codes + 3 * width, query, whole, rest);
        const __m128i four = _mm_sub_epi32(sums_of_4(a, b, c, d), offset);
        const __mmask8 good = _mm_cmpge_epi32_mask(four, least);
        if (good) {
            const __m128i these = _mm_add_epi32(_mm_set1_epi32((int32_t)row), _mm_setr_epi32(0, 1, 2, 3));
            _mm_mask_compressstoreu_epi32(numbers + found, good, these);
            _mm_mask_compressstoreu_epi32(sums + found, good, four);
            found += __builtin_popcount(good);
        }
    }
    return found + scan_plain(rows, width, row, end, query, cut, numbers + found, sums + found);
}

VNNI static void pick_vnni(const int8_t *rows, int64_t width, const int32_t *numbers, int64_t count,
                           const int8_t *query, int32_t *sums) {
    const int64_t whole = width & ~(int64_t)63;
    const __mmask64 rest = ((uint64_t)1 << (width - whole)) - 1;
    int32_t total = 0;
    for (int64_t at = 0; at < width; at++) total += query[at];
    for (int64_t at = 0; at < count; at++) {
        if (at + AHEAD < count) prefetch(rows + (int64_t)numbers[at + AHEAD] * width, width);
        const __m512i sum = products(rows + (int64_t)numbers[at] * width, query, whole, rest);
        sums[at] = _mm512_reduce_add_epi32(sum) - 128 * total;
    }
}
#elif defined(__aarch64__)
#include <sys/auxv.h>
#define HAS_DOT_PRODUCT (1UL << 20) /* HWCAP_ASIMDDP */

__attribute__((target("arch=armv8.2-a+dotprod"))) static int64_t scan_dotprod(const int8_t *rows, int64_t width,
                                                                             int64_t begin, int64_t end,
                                                                             const int8_t *query, int32_t cut,
                                                                             int32_t *numbers, int32_t *sums) {
    SCAN_LOOP
}
#endif

static scan_path path = scan_plain;

static void pick_plain(const int8_t *rows, int64_t width, const int32_t *numbers, int64_t count, const int8_t *query,
                       int32_t *sums) {
    int32_t number[2], sum[2];
    for (int64_t at = 0; at < count; at++) {
        if (at + AHEAD < count) prefetch(rows + (int64_t)numbers[at + AHEAD] * width, width);
        path(rows, width, numbers[at], (int64_t)numbers[at] + 1, query, INT32_MIN, number, sum);
        sums[at] = sum[0];
    }
}

static pick_path picks = pick_plain;

__attribute__((constructor)) static void choose_path(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) path = scan_avx2;
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni"))
        path = scan_vnni, picks = pick_vnni;
#elif defined(__aarch64__)
    if (getauxval(AT_HWCAP) & HAS_DOT_PRODUCT) path = scan_dotprod;
#endif
}

int32_t regulars_kernel_version(void) { return VERSION; }

/* Find the rows begin..end whose dot product with the query is at least `cut`: write their numbers and sums, in order,
 * and return how many there are. `numbers` and `sums` have room for end - begin, and one more. */
int64_t regulars_scan(const int8_t *rows, int64_t width, int64_t begin, int64_t end, const int8_t *query, int32_t cut,
                      int32_t *numbers, int32_t *sums) {
    return path(rows, width, begin, end, query, cut, numbers, sums);
}

/* Write the dot products of the rows that `numbers` lists. */
void regulars_pick(const int8_t *rows, int64_t width, const int32_t *numbers, int64_t count, const int8_t *query,
                   int32_t *sums) {
    picks(rows, width, numbers, count, query, sums);
}
