/* The search of one probe in a gallery's rows: coder.py says why the bounds hold, scan.py how an answer is made of it.
 *
 * Dot products of int8 codes with an int8 query are exact integers: at most 1,024 terms of at most 127 * 128, so nothing
 * overflows. Plain C with paths written out for AVX-512 VNNI and AVX2. For the dot product instructions of ARMv8.2 the
 * compiler vectorises the plain loop. The path is chosen when the library is loaded. All give the same answers.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VERSION 5
#define TINY 1e-9      /* bound of all float64 rounding errors on numbers of this size, relative to |q| |x| */
#define SMALLEST 1e-30 /* more than what floats lose that are too small for their exponent */

/* A tier of coder.py with its rows' codes, and the probe's query: a score from `begin` on is at most step * (row .
 * query) + slack. coder.py's Tier names the same members. */
typedef struct {
    const int8_t *codes; /* (rows, width) */
    int64_t begin, end, columns, width;
    double scale, unit, code_norm, error_norm;
    int8_t *query;
    int32_t total, weight; /* the sums of the query, and of what it has for the columns */
    double step, slack;
} tier;

#define AHEAD 12 /* rows prefetched while one is computed, if they do not lie side by side */

static inline void prefetch(const tier *t, int64_t row) {
    for (int64_t line = 0; line < t->width + 63; line += 64) __builtin_prefetch(t->codes + row * t->width + line);
}

typedef void (*pick_path)(const tier *, const int32_t *, int64_t, int32_t *);
typedef int64_t (*scan_path)(const tier *, int64_t, int64_t, int32_t, int32_t *, int32_t *);

#define SCAN_LOOP                                                                   \
    const int64_t width = t->width;                                                 \
    const int8_t *query = t->query;                                                 \
    int64_t found = 0;                                                              \
    for (int64_t row = begin; row < end; row++) {                                   \
        const int8_t *codes = t->codes + row * width;                               \
        int32_t sum = 0;                                                            \
        for (int64_t at = 0; at < width; at++) sum += (int32_t)codes[at] * query[at]; \
        numbers[found] = (int32_t)row;                                              \
        sums[found] = sum;                                                          \
        found += sum >= cut;                                                        \
    }                                                                               \
    return found;

static int64_t scan_plain(const tier *t, int64_t begin, int64_t end, int32_t cut, int32_t *numbers, int32_t *sums) {
    SCAN_LOOP
}

typedef double (*exact_path)(const uint16_t *, const double *, int64_t);
typedef double four __attribute__((vector_size(32)));
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
 * So a score is the same bits here as by scan.compute_exact_scores. With AVX2 `vector` is as wide as a register: gcc keeps the
 * sums of wider ones in memory, which takes nearly twice as long. */
#define EXACT(name, target, vector, convert)                                                    \
    target static double name(const uint16_t *a, const double *b, int64_t n) {                  \
        enum { lanes = sizeof(vector) / sizeof(double) };                                       \
        if (n > 128) {                                                                          \
            const int64_t part = n / 2 - n / 2 % 8;                                             \
            return name(a, b, part) + name(a + part, b + part, n - part);                       \
        }                                                                                       \
        vector sums[8 / lanes] = {0};                                                           \
        double sum = 0, of[8];                                                                  \
        int64_t at = 0;                                                                         \
        for (; at + 8 <= n; at += 8)                                                            \
            for (int part = 0; part < 8 / lanes; part++) {                                      \
                vector terms, factors;                                                          \
                convert(a + at + part * lanes, &terms);                                         \
                memcpy(&factors, b + at + part * lanes, sizeof factors);                        \
                terms *= factors;                                                               \
                sums[part] = at ? sums[part] + terms : terms;                                   \
            }                                                                                   \
        memcpy(of, sums, sizeof of);                                                            \
        if (at) sum = ((of[0] + of[1]) + (of[2] + of[3])) + ((of[4] + of[5]) + (of[6] + of[7])); \
        for (; at < n; at++) sum += half(a[at]) * b[at];                                        \
        return sum;                                                                             \
    }

EXACT(exact_plain, , eight, halves)

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define HALVES_4(bits, out) *(out) = (four)_mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)(bits))))
#define HALVES_8(bits, out) \
    *(out) = __builtin_convertvector(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(bits))), eight)

EXACT(exact_avx2, __attribute__((target("avx2,f16c"))), four, HALVES_4)
EXACT(exact_avx512, __attribute__((target("avx512f,avx512vl,f16c"))), eight, HALVES_8)

/* Four rows at a time; behind the last row it stands in for those that are missing. vpmaddubsw multiplies unsigned by
 * signed bytes, so it gets |query|, and codes with the query's signs: two products are at most 2 * 127 * 127, which
 * sixteen bits hold. */
__attribute__((target("avx2"))) static int64_t scan_avx2(const tier *t, int64_t begin, int64_t end, int32_t cut,
                                                         int32_t *numbers, int32_t *sums) {
    const __m256i ones = _mm256_set1_epi16(1), none = _mm256_setzero_si256();
    int64_t found = 0;
    for (int64_t row = begin; row < end; row += 4) {
        const int rows = end - row < 4 ? (int)(end - row) : 4;
        const int8_t *codes[4];
        for (int n = 0; n < 4; n++) codes[n] = t->codes + (row + (n < rows ? n : rows - 1)) * t->width;
        __m256i of_row[4] = {none, none, none, none};
        for (int64_t at = 0; at < t->width; at += 32) {
            const __m256i query = _mm256_loadu_si256((const __m256i *)(t->query + at)), size = _mm256_abs_epi8(query);
            for (int n = 0; n < 4; n++) {
                const __m256i terms = _mm256_sign_epi8(_mm256_loadu_si256((const __m256i *)(codes[n] + at)), query);
                const __m256i pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(size, terms), ones);
                of_row[n] = _mm256_add_epi32(of_row[n], pairs);
            }
        }
        const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(of_row[0], of_row[1]),
                                              _mm256_hadd_epi32(of_row[2], of_row[3]));
        const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
        const int low = _mm_movemask_epi8(_mm_cmpgt_epi32(_mm_set1_epi32(cut), four));
        if (low == 0xffff) continue;
        if (!low) { /* as in a first tile */
            const __m128i these = _mm_add_epi32(_mm_set1_epi32((int32_t)row), _mm_setr_epi32(0, 1, 2, 3));
            _mm_storeu_si128((__m128i *)(numbers + found), these);
            _mm_storeu_si128((__m128i *)(sums + found), four);
            found += rows;
            continue;
        }
        int32_t sum[4];
        memcpy(sum, &four, sizeof sum);
        for (int n = 0; n < rows; n++) {
            numbers[found] = (int32_t)row + n;
            sums[found] = sum[n];
            found += sum[n] >= cut;
        }
    }
    return found;
}

#define KEEPS_AVX 0x06
#define KEEPS_AVX512 0xe6

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

VNNI static int64_t scan_vnni(const tier *t, int64_t begin, int64_t end, int32_t cut, int32_t *numbers,
                              int32_t *sums) {
    const int64_t width = t->width, whole = width & ~(int64_t)63;
    const __mmask64 rest = ((uint64_t)1 << (width - whole)) - 1;
    const int8_t *query = t->query;
    const __m128i offset = _mm_set1_epi32(128 * t->total), least = _mm_set1_epi32(cut);
    int64_t found = 0, row = begin;
    for (; row + 4 <= end; row += 4) {
        const int8_t *codes = t->codes + row * width;
        const __m512i a = products(codes, query, whole, rest), b = products(codes + width, query, whole, rest);
        const __m512i c = products(codes + 2 * width, query, whole, rest);
        const __m512i d = products(codes + 3 * width, query, whole, rest);
        const __m128i four = _mm_sub_epi32(sums_of_4(a, b, c, d), offset);
        const __mmask8 good = _mm_cmpge_epi32_mask(four, least);
        if (good) {
            const __m128i these = _mm_add_epi32(_mm_set1_epi32((int32_t)row), _mm_setr_epi32(0, 1, 2, 3));
            /* four are stored, however many are good: to store only these takes some processors 100 times as long */
            _mm_storeu_si128((__m128i *)(numbers + found), _mm_maskz_compress_epi32(good, these));
            _mm_storeu_si128((__m128i *)(sums + found), _mm_maskz_compress_epi32(good, four));
            found += __builtin_popcount(good);
        }
    }
    return found + scan_plain(t, row, end, cut, numbers + found, sums + found);
}

VNNI static void pick_vnni(const tier *t, const int32_t *numbers, int64_t count, int32_t *sums) {
    const int64_t whole = t->width & ~(int64_t)63;
    const __mmask64 rest = ((uint64_t)1 << (t->width - whole)) - 1;
    for (int64_t at = 0; at < count; at++) {
        if (at + AHEAD < count) prefetch(t, numbers[at + AHEAD]);
        const __m512i sum = products(t->codes + numbers[at] * t->width, t->query, whole, rest);
        sums[at] = _mm512_reduce_add_epi32(sum) - 128 * t->total;
    }
}
#elif defined(__aarch64__)
#include <sys/auxv.h>
#define HAS_DOT_PRODUCT (1UL << 20) /* HWCAP_ASIMDDP */

__attribute__((target("arch=armv8.2-a+dotprod"))) static int64_t scan_dotprod(const tier *t, int64_t begin, int64_t end,
                                                                             int32_t cut, int32_t *numbers,
                                                                             int32_t *sums) {
    SCAN_LOOP
}
#endif

static const char *path_name = "plain";
static scan_path path = scan_plain;
static exact_path exact = exact_plain;

static void pick_plain(const tier *t, const int32_t *numbers, int64_t count, int32_t *sums) {
    int32_t number[4], sum[4]; /* a scan may write three behind what it finds */
    for (int64_t at = 0; at < count; at++) {
        if (at + AHEAD < count) prefetch(t, numbers[at + AHEAD]);
        path(t, numbers[at], (int64_t)numbers[at] + 1, INT32_MIN, number, sum);
        sums[at] = sum[0];
    }
}

static pick_path picks = pick_plain;

__attribute__((constructor)) static void choose_path(void) {
#if defined(__x86_64__)
    /* by cpuid: zig's __builtin_cpu_supports knows no processor */
    unsigned a, b, c, d, kept;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    __asm__("xgetbv" : "=a"(kept), "=d"(d) : "c"(0)); /* the registers that the system keeps for a program */
    if (b & bit_AVX2 && (kept & KEEPS_AVX) == KEEPS_AVX) /* all such processors convert float16, too */
        path_name = "avx2", path = scan_avx2, exact = exact_avx2;
    if (b & bit_AVX512BW && b & bit_AVX512VL && c & bit_AVX512VNNI && (kept & KEEPS_AVX512) == KEEPS_AVX512)
        path_name = "vnni", path = scan_vnni, picks = pick_vnni, exact = exact_avx512;
#elif defined(__aarch64__)
    if (getauxval(AT_HWCAP) & HAS_DOT_PRODUCT) path_name = "dotprod", path = scan_dotprod;
#endif
}

int32_t regulars_kernel_version(void) { return VERSION; }

const char *regulars_kernel_path(void) { return path_name; }

typedef struct {
    double score;
    int64_t face;
} scored;

/* What is searched for, where, and what was found. coder.py's Call names the same members, and tells those up to
 * `numbers` once for all searches in the rows. */
typedef struct {
    tier tiers[2];
    int64_t tier_count, dimensions, rows; /* rows: how many to look at */
    int64_t room;                         /* bytes that a search needs, besides those for what it finds */
    double off;                           /* times |probe|: by how much rotation and rounding change a score at most */
    const uint16_t *templates;            /* (rows, dimensions), float16 */
    const uint32_t *first_row;            /* (faces + 1,); NULL: row n is face n */
    int64_t faces;
    const int32_t *group;        /* (faces,) -1: the face is gone */
    const uint8_t *taken;        /* by group: whether it is searched */
    const int32_t *numbers;      /* the rows to look at, ascending; NULL: all */
    const float *probe, *turned; /* as it is, and rotated */
    double *wide;                /* the probe in float64; it lies behind `best`, and the queries behind it */
    double cut;                  /* lower scores cannot change the answer */
    scored *best;                /* the best faces so far, `limit` at most: a heap, the worst first; then sorted */
    int64_t limit, face;         /* face: whose rows are being looked at, -1: nobody's */
    double score;                /* its best so far */
    int64_t held;                /* how many faces are in `best`, which lies behind */
} search;

/* What is wanted of one probe's search. */
typedef struct {
    double cut;
    int64_t limit;
} wanted;

/* Code the rotated probe for one tier, as coder.py derives it. */
static void code_tier(tier *t, const float *turned, int64_t dimensions, double off) {
    const int64_t numbers = t->end - t->begin;
    const float *own = turned + t->begin;
    double largest = 0, length = 0, behind = 0, lost = 0;
    for (int64_t at = 0; at < numbers; at++) largest = fabs(own[at]) > largest ? fabs(own[at]) : largest;
#pragma omp simd reduction(+ : length)
    for (int64_t at = 0; at < numbers; at++) length += (double)own[at] * own[at];
    for (int64_t at = numbers; at < dimensions - t->begin; at++) behind += (double)own[at] * own[at];
    double step = fmax(largest / 127, SMALLEST);
    behind = sqrt(behind) * t->unit / t->scale;
    if (t->columns) step = fmax(step, behind / (127 * t->columns - 1));
    t->weight = t->columns ? (int32_t)ceil(behind / step * (1 + TINY)) : 0;
    memset(t->query, 0, t->width);
    int8_t *query = t->query;
    int32_t total = 0;
#pragma omp simd reduction(+ : lost, total)
    for (int64_t at = 0; at < numbers; at++) {
        const double number = own[at], exact = number / step;
        const int32_t whole = (int32_t)(exact < 0 ? exact - 0.5 : exact + 0.5);
        query[at] = (int8_t)whole;
        total += whole;
        lost += (number - step * whole) * (number - step * whole);
    }
    t->total = t->weight + total;
    for (int64_t n = 0; n < t->columns; n++)
        t->query[numbers + n] = (int8_t)(t->weight / t->columns + (n < t->weight % t->columns));
    t->step = step * t->scale;
    t->slack = (sqrt(lost) * t->code_norm + sqrt(length) * t->error_norm + off) * (1 + TINY) + SMALLEST;
}

/* Code the probe. The first tier's slack covers the errors of rotation and rounding. */
static void code(search *s) {
    double length = 0;
    s->wide = (double *)(s->best + s->limit);
#pragma omp simd reduction(+ : length)
    for (int64_t at = 0; at < s->dimensions; at++) {
        const double number = s->probe[at];
        s->wide[at] = number;
        length += number * number;
    }
    int8_t *room = (int8_t *)(s->wide + s->dimensions);
    for (tier *t = s->tiers; t < s->tiers + s->tier_count; room += t++->width) {
        t->query = room;
        code_tier(t, s->turned, s->dimensions, sqrt(length) * s->off);
    }
}

static int32_t least_sum(const search *s) {
    const double exact = (s->cut - s->tiers[0].slack) / s->tiers[0].step - 1;
    return (int32_t)floor(fmin(fmax(exact, -2147483648.0), 2147483647.0));
}

/* The row's face if it is searched, else -1. Rows come in order, so it is looked for from the last one's face on. */
static int64_t face_of(const search *s, int64_t row) {
    int64_t low = row;
    if (s->first_row) {
        int64_t step = 1;
        low = s->face < 0 || s->first_row[s->face] > row ? 0 : s->face;
        for (; low + step < s->faces && s->first_row[low + step] <= row; step *= 2) low += step;
        int64_t high = low + step < s->faces ? low + step : s->faces;
        while (high - low > 1) {
            const int64_t middle = (low + high) / 2;
            if (s->first_row[middle] <= row) low = middle;
            else high = middle;
        }
    }
    return s->group[low] < 0 || !s->taken[s->group[low]] ? -1 : low;
}

static int worse(scored a, scored b) { return a.score < b.score || (a.score == b.score && a.face > b.face); }

/* Put `one` into the heap's first place, and where it belongs from there. */
static void sink(scored *heap, int64_t held, scored one) {
    int64_t at = 0;
    for (int64_t next; (next = 2 * at + 1) < held; at = next) {
        if (next + 1 < held && worse(heap[next + 1], heap[next])) next++;
        if (!worse(heap[next], one)) break;
        heap[at] = heap[next];
    }
    heap[at] = one;
}

/* The face whose rows were looked at last is done: keep it if it is one of the best. */
static void settle(search *s) {
    const scored one = {s->score, s->face};
    s->face = -1;
    if (one.face < 0 || one.score < s->cut) return;
    if (s->held < s->limit) {
        int64_t at = s->held++;
        for (; at && worse(one, s->best[(at - 1) / 2]); at = (at - 1) / 2) s->best[at] = s->best[(at - 1) / 2];
        s->best[at] = one;
    } else if (worse(s->best[0], one)) sink(s->best, s->held, one);
    if (s->held == s->limit && s->best[0].score > s->cut) s->cut = s->best[0].score;
}

static void add(search *s, int64_t face, double score) {
    if (face != s->face) {
        settle(s);
        s->face = face;
        s->score = score;
    } else if (score > s->score) s->score = score;
}

/* Compute the exact score of a row if its codes do not rule it out. */
static void consider(search *s, int64_t row, int32_t sum) {
    const tier *first = &s->tiers[0], *second = &s->tiers[1];
    double upper = sum * first->step + first->slack;
    if (upper < s->cut) return;
    const int64_t face = face_of(s, row);
    if (face < 0) return;
    if (s->tier_count > 1) {
        const int32_t number = (int32_t)row;
        picks(second, &number, 1, &sum);
        upper -= first->codes[row * first->width + first->end - first->begin] * (first->step * first->weight);
        upper += sum * second->step + second->slack;
        if (upper < s->cut) return;
    }
    const double score = exact(s->templates + row * s->dimensions, s->wide, s->dimensions);
    if (score >= s->cut) add(s, face, score);
}

/* Raise the cut before the first rows are looked at: as many faces as are wanted reach the worst exact score of those
 * that look best by their first codes. */
static void raise_cut(search *s, const int32_t *numbers, const int32_t *sums, int64_t count) {
    double cut = s->cut;
    for (int64_t at = 0; at < count; at++) {
        const double upper = sums[at] * s->tiers[0].step + s->tiers[0].slack;
        const int64_t face = upper < s->cut ? -1 : face_of(s, numbers[at]);
        if (face >= 0) add(s, face, upper);
    }
    settle(s);
    if (s->held == s->limit) {
        const double least = s->best[0].score;
        s->held = 0;
        s->cut = cut;
        for (int64_t at = 0; at < count; at++)
            if (sums[at] * s->tiers[0].step + s->tiers[0].slack >= least) consider(s, numbers[at], sums[at]);
        settle(s);
        cut = s->cut;
    }
    s->held = 0;
    s->cut = cut;
}

#define TILE 1024

/* The rows of a tile whose first tier does not rule them out: write their numbers and sums, return how many. */
static int64_t likely(const search *s, int64_t begin, int64_t end, int32_t *numbers, int32_t *sums) {
    const int32_t least = least_sum(s);
    if (!s->numbers) return path(&s->tiers[0], begin, end, least, numbers, sums);
    picks(&s->tiers[0], s->numbers + begin, end - begin, sums);
    int64_t found = 0;
    for (int64_t at = begin; at < end; at++) {
        const int32_t sum = sums[at - begin];
        numbers[found] = s->numbers[at];
        sums[found] = sum;
        found += sum >= least;
    }
    return found;
}

static void look(search *s, int64_t begin, int64_t end) {
    int32_t numbers[TILE + 4], sums[TILE + 4]; /* a scan may write three behind what it finds */
    for (int64_t stop; begin < end; begin = stop) {
        stop = end - begin < TILE ? end : begin + TILE;
        const int64_t count = likely(s, begin, stop, numbers, sums);
        if (!begin && count > 4 * s->limit) raise_cut(s, numbers, sums, count);
        const int32_t least = least_sum(s);
        for (int64_t at = 0; at < count; at++) {
            if (sums[at] < least) continue;
            if (s->tier_count > 1 && at + AHEAD < count) prefetch(&s->tiers[1], numbers[at + AHEAD]);
            consider(s, numbers[at], sums[at]);
        }
    }
}

/* Search for `count` probes in the same rows: some rows for all of them, few enough to stay in the second cache. Each one's
 * part of `room` has its search and, behind it, what it found. */
void regulars_search(const search *rows, int64_t count, const float *probes, const float *turned, const wanted *wants,
                     char *room) {
    int64_t each = 0;
    for (int64_t n = 0; n < count; n++) each = wants[n].limit > each ? wants[n].limit : each;
    each = rows->room + each * sizeof(scored);
#define EACH for (search *s = (search *)room; (char *)s < room + count * each; s = (search *)((char *)s + each))
    EACH {
        *s = *rows;
        s->probe = probes, s->turned = turned, s->cut = wants->cut, s->limit = wants->limit;
        s->best = (scored *)(s + 1);
        probes += s->dimensions, turned += s->dimensions, wants++;
        code(s);
    }
    const int64_t end = rows->rows, step = count > 1 ? 8 * TILE : end;
    for (int64_t begin = 0; begin < end; begin += step)
        EACH look(s, begin, end - begin < step ? end : begin + step);
    EACH {
        settle(s);
        for (int64_t held = s->held; held--;) {
            const scored worst = s->best[0];
            sink(s->best, held, s->best[held]);
            s->best[held] = worst;
        }
    }
}
