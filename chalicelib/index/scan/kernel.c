/* The search of one probe in a gallery's rows: coder.py says why the bounds hold, scan.py how an answer is made of it.
 *
 * Dot products of int8 codes with an int8 query are exact integers: at most 1,024 terms of at most 127 * 128, so nothing
 * overflows. Plain C with one path written out for AVX-512 VNNI. For AVX2 and for the dot product instructions of ARMv8.2
 * the compiler vectorises the same loop. The path is chosen when the library is loaded. All give the same answers.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VERSION 2

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

typedef double (*exact_path)(const uint16_t *, const double *, int64_t);
typedef double eight __attribute__((vector_size(64)));

static double half(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                                       : ldexp(exponent ? 1024 + fraction : fraction, (exponent ? exponent : 1) - 25);
    return bits >> 15 ? -size : size;
}

static inline void halves(const uint16_t *bits, eight *out) {
#if defined(__aarch64__)
    for (int lane = 0; lane < 8; lane++) (*out)[lane] = ((const __fp16 *)bits)[lane];
#else
    for (int lane = 0; lane < 8; lane++) (*out)[lane] = half(bits[lane]);
#endif
}

/* A dot product in float64, summed in numpy's order: pairs of halves down to 128 terms, eight sums side by side there.
 * So a score is the same bits here as by scan.exact_scores. */
#define EXACT(name, target, convert)                                                            \
    target static double name(const uint16_t *a, const double *b, int64_t n) {                  \
        if (n > 128) {                                                                          \
            const int64_t part = n / 2 - n / 2 % 8;                                             \
            return name(a, b, part) + name(a + part, b + part, n - part);                       \
        }                                                                                       \
        eight terms, factors, sums;                                                             \
        double sum = 0;                                                                         \
        int64_t at = 0;                                                                         \
        for (; at + 8 <= n; at += 8) {                                                          \
            convert(a + at, &terms);                                                            \
            memcpy(&factors, b + at, sizeof factors);                                           \
            terms *= factors;                                                                   \
            sums = at ? sums + terms : terms;                                                   \
        }                                                                                       \
        if (at)                                                                                 \
            sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) +                                 \
                  ((sums[4] + sums[5]) + (sums[6] + sums[7]));                                  \
        for (; at < n; at++) sum += half(a[at]) * b[at];                                        \
        return sum;                                                                             \
    }

EXACT(exact_plain, , halves)

#if defined(__x86_64__)
#include <immintrin.h>

#define HALVES(bits, out) \
    *(out) = __builtin_convertvector(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(bits))), eight)

EXACT(exact_avx2, __attribute__((target("avx2,f16c"))), HALVES)
EXACT(exact_avx512, __attribute__((target("avx512f,avx512vl,f16c"))), HALVES)

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
static exact_path exact = exact_plain;

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
    if (__builtin_cpu_supports("avx2")) path = scan_avx2, exact = exact_avx2; /* all of them convert float16, too */
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni"))
        path = scan_vnni, picks = pick_vnni, exact = exact_avx512;
#elif defined(__aarch64__)
    if (getauxval(AT_HWCAP) & HAS_DOT_PRODUCT) path = scan_dotprod;
#endif
}

int32_t regulars_kernel_version(void) { return VERSION; }

/* What is searched for, where, and what was found. kernel.py names the same members. */
typedef struct {
    const int8_t *first, *second; /* the tiers' codes, (rows, width); second: NULL if there is none */
    int64_t first_width, second_width;
    const uint16_t *templates; /* (rows, dimensions), float16 */
    int64_t dimensions;
    const uint32_t *first_row; /* (faces + 1,); NULL: row n is face n */
    int64_t faces;
    const int32_t *group; /* (faces,) -1: the face is gone */
    const uint8_t *taken; /* by group: whether it is searched */
    const int32_t *numbers; /* the rows to look at, ascending; NULL: all */
    const int8_t *first_query, *second_query;
    double first_step, first_slack, column_step, second_step, second_slack;
    int64_t column; /* the first tier's byte that bounds what the second holds */
    const double *probe;
    double cut; /* lower scores cannot change the answer */
    double *heap; /* the `limit` highest scores of faces so far, the lowest first */
    int64_t limit, held;
    int64_t *found_faces;
    double *found_scores;
    int64_t found, room;
    int64_t face; /* whose rows are being looked at, -1: nobody's; its score is not offered before its last row */
    double score;
} search;

static int32_t least_sum(const search *s) {
    const double exact = (s->cut - s->first_slack) / s->first_step - 1;
    return (int32_t)floor(fmin(fmax(exact, -2147483648.0), 2147483647.0));
}

static int64_t face_of(const search *s, int64_t row) {
    if (!s->first_row) return row;
    int64_t low = 0, high = s->faces;
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        if (s->first_row[middle] <= row) low = middle;
        else high = middle;
    }
    return low;
}

static void offer(search *s, int64_t face, double score) {
    if (face < 0 || score < s->cut) return;
    s->found_faces[s->found] = face;
    s->found_scores[s->found++] = score;
    double *heap = s->heap;
    int64_t at;
    if (s->held < s->limit) {
        for (at = s->held++; at && heap[(at - 1) / 2] > score; at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
    } else if (score > heap[0]) {
        for (at = 0;;) {
            int64_t next = 2 * at + 1;
            if (next + 1 < s->held && heap[next + 1] < heap[next]) next++;
            if (next >= s->held || heap[next] >= score) break;
            heap[at] = heap[next];
            at = next;
        }
    } else return;
    heap[at] = score;
    if (s->held == s->limit && heap[0] > s->cut) s->cut = heap[0];
}

#define TILE 1024

/* The rows of a tile whose first tier does not rule them out: write their numbers and sums, return how many. */
static int64_t likely(const search *s, int64_t begin, int64_t end, int32_t *numbers, int32_t *sums) {
    const int32_t least = least_sum(s);
    if (!s->numbers)
        return path(s->first, s->first_width, begin, end, s->first_query, least, numbers, sums);
    picks(s->first, s->first_width, s->numbers + begin, end - begin, s->first_query, sums);
    int64_t found = 0;
    for (int64_t at = begin; at < end; at++) {
        const int32_t sum = sums[at - begin];
        numbers[found] = s->numbers[at];
        sums[found] = sum;
        found += sum >= least;
    }
    return found;
}

/* Look at the rows begin..end, or at those that `numbers` lists there. Return where it stopped: before the end if there
 * was no room for what another tile may find. The caller takes what was found, sets `found` to 0 and goes on there. */
int64_t regulars_search(search *s, int64_t begin, int64_t end) {
    int32_t numbers[TILE + 1], sums[TILE + 1], sum;
    while (begin < end && s->found + TILE < s->room) {
        const int64_t stop = end - begin < TILE ? end : begin + TILE;
        const int64_t count = likely(s, begin, stop, numbers, sums);
        for (int64_t at = 0; at < count; at++) {
            const int64_t row = numbers[at];
            if (s->second && at + AHEAD < count)
                prefetch(s->second + numbers[at + AHEAD] * s->second_width, s->second_width);
            double upper = sums[at] * s->first_step + s->first_slack;
            if (upper < s->cut) continue;
            const int64_t face = face_of(s, row);
            if (s->group[face] < 0 || !s->taken[s->group[face]]) continue;
            if (s->second) {
                const int32_t number = (int32_t)row;
                picks(s->second, s->second_width, &number, 1, s->second_query, &sum);
                upper -= s->first[row * s->first_width + s->column] * s->column_step;
                upper += sum * s->second_step;
                upper += s->second_slack;
                if (upper < s->cut) continue;
            }
            const double score = exact(s->templates + row * s->dimensions, s->probe, s->dimensions);
            if (score < s->cut) continue;
            if (face != s->face) {
                offer(s, s->face, s->score);
                s->face = face;
                s->score = score;
            } else if (score > s->score) s->score = score;
        }
        begin = stop;
    }
    return begin;
}

/* The face whose rows were looked at last is done. */
void regulars_finish(search *s) {
    offer(s, s->face, s->score);
    s->face = -1;
}
